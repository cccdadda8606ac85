"""The training loop, as a generator of progress."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Generator, Iterator
from contextlib import closing

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from models.data.inputs import TrainingInputs
from models.losses import build_loss
from models.networks import build_network, set_bn_momentum
from models.optimizers import build_optimizer, has_momentum
from models.settings import Resolved, resolve
from models.streams import stream_seed
from models.training.account import Account
from models.training.batches import Batches
from models.training.checkpoint import Checkpoint, on_cpu
from models.training.evaluation import Evaluator, build_evaluator, evaluate, other_inputs
from models.training.fitting import idle_reason
from models.training.forward import training_forward
from models.training.process_state import ProcessState
from models.training.update import Learner, update
from models.training.values import Progress, Training
from schedules.checks import complaint


def train(training: Training, device: torch.device | str = "cpu") -> Iterator[Progress]:
    """Train and yield progress at evenly spaced updates.

    Equal trainings on a CPU yield bitwise equal progress (seconds apart) at an equal number of threads, whatever ran
    before in the process. No global random state is changed, nor the number of threads.

    Args:
        training: what to do.
        device: where to do it.

    Returns:
        An iterator that trains as it is consumed; it ends early, with a ``diverged`` progress, at a
        non-finite loss or weight.

    Raises:
        ValueError: at once, if a setting is unknown, missing or out of range; one line per offender.
        DataError: at the first progress, if the data set's files are not there.
    """
    steps = train_with_pauses(training, device)
    return (step for step in steps if isinstance(step, Progress))


def train_with_pauses(
    training: Training,
    device: torch.device | str = "cpu",
    start: Checkpoint | None = None,
    resolved: Resolved | None = None,
) -> Generator[Progress | Pause, None, None]:
    """Train as `train` does, and pause after every update and every batch of an evaluation.

    Args:
        training: what to do.
        device: where to do it.
        start: where to go on; None begins anew. What follows is, on a CPU, bitwise what would have followed in the
            training that the checkpoint was taken of.
        resolved: rate and momentum of each update, and how many there are, in place of what the training's settings
            and budget say.

    Returns:
        An iterator that trains as it is consumed; of the progress, it yields what comes after `start`.

    Raises:
        ValueError: at once, if a setting is unknown, missing or out of range; one line per offender.
        DataError: at the first pause, if the data set's files are not there.
    """
    workload = training.workload
    if resolved is None:
        total_updates = training.budget.total_updates(workload.num_train, workload.batch_size)
        resolved = resolve(training.schedule, training.momentum_policy, training.settings, total_updates)
    _check_together(training, resolved)
    return _progress(training, resolved, torch.device(device), start)


def _check_together(training: Training, resolved: Resolved) -> None:
    """Raise ValueError where settings of the arm do not go with the workload."""
    if training.workload.nesterov and resolved.momentum_policy.momentum == 0:
        raise ValueError(complaint("momentum", "> 0 where nesterov is on", 0.0, "Raise it, or turn nesterov off."))
    for setting in ("label_smoothing", "bn_momentum"):
        if (value := getattr(resolved, setting)) and (reason := idle_reason(training.workload, setting)):
            raise ValueError(complaint(setting, f"left out here ({reason})", value))


def evaluation_updates(total_updates: int, evaluations: int) -> list[int]:
    """Space evaluations evenly: after update ``ceil(i * total_updates / n)`` for ``i = 1 .. n``.

    Args:
        total_updates: length of the training in updates, >= 1.
        evaluations: how many are wanted, >= 1.

    Returns:
        Rising numbers of updates, the last ``total_updates``; one per update where fewer updates than
        evaluations.
    """
    number = min(evaluations, total_updates)
    return [-(-i * total_updates // number) for i in range(1, number + 1)]


class Pause:
    """A moment between two updates: the training waits, and its state can be taken.

    A training has one of these and yields it again and again; it tells of the present moment. After one that failed, as
    it does for want of memory, it holds nothing: whoever still has it does not keep the network alive.
    """

    def __init__(self, learner: Learner, account: Account) -> None:
        self._holds: Learner | None = learner
        self._account = account

    @property
    def _learner(self) -> Learner:
        if self._holds is None:
            raise RuntimeError("the training must not have failed for its state to be taken.")
        return self._holds

    def let_go(self) -> None:
        """Hold no state any more."""
        self._holds = None

    @property
    def update(self) -> int:
        """Return the updates done."""
        return self._account.done

    @property
    def loss(self) -> float:
        """Return the loss of the last update, on its own batch; NaN before the first one after an evaluation."""
        self._account.settle()
        return self._account.losses[-1] if self._account.losses else math.nan

    @property
    def network(self) -> nn.Module:
        """Return the network as it is now; to be read, not changed."""
        return self._learner.network

    def checkpoint(self) -> Checkpoint:
        """Return a copy of all that is needed to go on from here."""
        learner, account = self._learner, self._account
        account.settle()
        return Checkpoint(
            update=account.done,
            train_seconds=account.train_seconds,
            evaluation_seconds=account.evaluation_seconds,
            overflows=account.overflows,
            losses=tuple(account.losses),
            curve=tuple(account.curve),
            network=on_cpu(learner.network.state_dict()),
            optimizer=on_cpu(learner.optimizer.state_dict()),
            scaler=learner.scaler.state_dict() if learner.scaler else {},
            inputs=on_cpu(learner.inputs.state()),
        )


def _progress(
    training: Training, resolved: Resolved, device: torch.device, start: Checkpoint | None
) -> Generator[Progress | Pause, None, None]:
    state = ProcessState(stream_seed(training.seed, "noise"), device, deterministic=training.workload.deterministic)
    evaluator = build_evaluator(training, device, state)
    learner, account = _learner(training, resolved, evaluator), Account(device_type=device.type)
    watched = _to_stay_finite(learner.network)
    try:
        if training.workload.compile or device.type == "cuda":
            _warm_up(learner, evaluator)
        if start:
            _restore(learner, account, start)
        learner.inputs.start()
        yield from _to_the_end(learner, account, evaluator, watched)
    finally:
        learner.inputs.close()


def _to_the_end(
    learner: Learner, account: Account, evaluator: Evaluator, watched: frozenset[str]
) -> Generator[Progress | Pause, None, None]:
    pause = Pause(learner, account)
    try:
        yield from _from_goal_to_goal(learner, account, evaluator, watched, pause)
    except Exception:
        pause.let_go()
        raise


def _from_goal_to_goal(
    learner: Learner, account: Account, evaluator: Evaluator, watched: frozenset[str], pause: Pause
) -> Generator[Progress | Pause, None, None]:
    goals = evaluation_updates(learner.resolved.schedule.total_steps, evaluator.training.evaluations)
    for goal in goals[len(account.curve) :]:
        yield from _updates_until(goal, learner, account, pause)
        finite = not account.has_diverged and _is_finite(learner.network, watched)
        accuracies: tuple[float, float | None] = (math.nan, None)
        if finite:
            accuracies = yield from _timed(evaluate(evaluator, learner.network, pause), account)
        progress = _present(evaluator, learner, account, accuracies)
        account.curve.append(progress)
        account.losses.clear()
        yield progress
        if not finite:
            return


def _updates_until(goal: int, learner: Learner, account: Account, pause: Pause) -> Iterator[Pause]:
    """Do the updates up to `goal`; stop after a loss that is not finite."""
    learner.network.train()
    while account.done < goal and not account.has_diverged:
        started_at = time.perf_counter()
        loss, overflowed = update(learner, account.done)
        account.note(loss, overflowed, started_at)
        yield pause
    account.settle()


def _timed(
    evaluation: Generator[Pause, None, tuple[float, float | None]], account: Account
) -> Generator[Pause, None, tuple[float, float | None]]:
    """Yield what an evaluation yields, return what it returns, and add its time to the account."""
    with closing(evaluation):
        while True:
            started_at = time.perf_counter()
            try:
                pause = next(evaluation)
            except StopIteration as end:
                accuracies: tuple[float, float | None] = end.value
                return accuracies
            finally:
                account.evaluation_seconds += time.perf_counter() - started_at
            yield pause


def _present(
    evaluator: Evaluator, learner: Learner, account: Account, accuracies: tuple[float, float | None]
) -> Progress:
    workload, (validation, test) = evaluator.training.workload, accuracies
    diverged = math.isnan(validation)
    lr, momentum = learner.resolved.at(account.done - 1)
    return Progress(
        update=account.done,
        epoch=account.done / (workload.num_train // workload.batch_size),
        total_updates=learner.resolved.schedule.total_steps,
        train_loss=math.nan if diverged else math.fsum(account.losses) / len(account.losses),
        validation=validation,
        test=test,
        lr=lr,
        momentum=momentum if has_momentum(workload.optimizer) else 0.0,
        train_seconds=account.train_seconds,
        evaluation_seconds=account.evaluation_seconds,
        overflows=account.overflows,
        diverged=diverged,
    )


def _learner(training: Training, resolved: Resolved, evaluator: Evaluator) -> Learner:
    workload, device = training.workload, evaluator.device
    network = build_network(
        workload.network,
        workload.input_shape,
        workload.num_classes,
        workload.network_settings,
        seed=stream_seed(training.seed, "init"),
    ).to(device)
    if resolved.bn_momentum is not None:
        set_bn_momentum(network, resolved.bn_momentum)
    if workload.channels_last:
        network = network.to(memory_format=torch.channels_last)
    order = Batches(len(evaluator.train), workload.batch_size, stream_seed(training.seed, "order"), device)
    return Learner(
        network=network,
        optimizer=build_optimizer(
            workload.optimizer,
            network,
            workload.optimizer_settings,
            momentum=resolved.momentum_policy.momentum,
            weight_decay=resolved.weight_decay,
            nesterov=workload.nesterov,
            decay_norm_and_bias=workload.decay_norm_and_bias,
            fused=workload.precision != "fp16",
        ),
        scaler=torch.amp.GradScaler(device.type) if workload.precision == "fp16" else None,
        inputs=TrainingInputs(
            evaluator.train,
            order,
            workload.augmentation,
            seed=stream_seed(training.seed, "augmentation"),
            channels_last=workload.channels_last,
        ),
        forward=training_forward(workload, resolved.bn_momentum, device),
        loss=build_loss(workload.loss, resolved.label_smoothing),
        rows_at_once=workload.rows_at_once,
        resolved=resolved,
        state=evaluator.state,
    )


def _warm_up(learner: Learner, evaluator: Evaluator) -> None:
    """Apply the network to a batch and undo that, so that what a process does once is in no update of the training.

    Such as to compile the network, to load kernels onto a GPU, and to find out which are the fastest.
    """
    workload, network = evaluator.training.workload, learner.network.train()
    if workload.compile:  # with the very strides of the training
        with closing(other_inputs(evaluator)) as inputs:
            x = torch.split(next(inputs).x, learner.rows_at_once)[0]
    else:
        x = torch.zeros((learner.rows_at_once, *workload.input_shape), device=evaluator.device)
        if workload.channels_last and x.ndim == 4:
            x = x.to(memory_format=torch.channels_last)
    before = copy.deepcopy(network.state_dict())
    with learner.state.at(0):
        torch.autograd.backward(learner.forward(network, x).sum())
    network.load_state_dict(before)
    network.zero_grad()
    if x.device.type == "cuda":
        torch.cuda.synchronize(x.device)


def _restore(learner: Learner, account: Account, start: Checkpoint) -> None:
    learner.network.load_state_dict(start.network)
    learner.optimizer.load_state_dict(start.optimizer)
    if learner.scaler:
        learner.scaler.load_state_dict(start.scaler)
    learner.inputs.restore(start.inputs)
    account.done, account.overflows = start.update, start.overflows
    account.train_seconds, account.evaluation_seconds = start.train_seconds, start.evaluation_seconds
    account.losses, account.curve = list(start.losses), list(start.curve)


def _to_stay_finite(network: nn.Module) -> frozenset[str]:
    """Name the parameters, and the buffers that are finite before the first update: a mask may hold infinities."""
    buffers = {name for name, buffer in network.named_buffers() if is_lazy(buffer) or buffer.isfinite().all()}
    return frozenset(buffers | {name for name, _ in network.named_parameters()})


def _is_finite(network: nn.Module, watched: frozenset[str]) -> bool:
    tensors = [tensor for name, tensor in network.state_dict().items() if name in watched]
    return bool(torch.stack([tensor.isfinite().all() for tensor in tensors]).all())
