"""The training loop, as a generator of progress."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field

import torch
from torch import nn
from torch.nn import functional

from models.data.examples import Examples
from models.data.prepared import prepare, prepare_test
from models.networks import build_network
from models.settings import Resolved, resolve
from models.streams import stream_seed
from models.training.batches import Batches
from models.training.checkpoint import Checkpoint, on_cpu
from models.training.values import Progress, Training
from schedules.checks import complaint

_EVALUATION_BATCH = 8192  # examples; bounds the memory for activations


def train(training: Training, device: torch.device | str = "cpu") -> Iterator[Progress]:
    """Train with SGD and yield progress at evenly spaced updates.

    Equal trainings on a CPU yield bitwise equal progress (``train_seconds`` apart) at an equal number of
    threads, whatever ran before in the process. No global random state is changed, nor the number of
    threads.

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
    training: Training, device: torch.device | str = "cpu", start: Checkpoint | None = None
) -> Iterator[Progress | Pause]:
    """Train as `train` does, and pause after every update and every batch of an evaluation.

    Args:
        training: what to do.
        device: where to do it.
        start: where to go on; None begins anew. What follows is, on a CPU, bitwise what would have followed in the
            training that the checkpoint was taken of.

    Returns:
        An iterator that trains as it is consumed; of the progress, it yields what comes after `start`.

    Raises:
        ValueError: at once, if a setting is unknown, missing or out of range; one line per offender.
        DataError: at the first pause, if the data set's files are not there.
    """
    workload = training.workload
    total_updates = training.budget.total_updates(workload.num_train, workload.batch_size)
    resolved = resolve(training.schedule, training.momentum_policy, training.settings, total_updates)
    if workload.nesterov and resolved.momentum_policy.momentum == 0:
        raise ValueError(complaint("momentum", "> 0 where nesterov is on", 0.0, "Raise it, or turn nesterov off."))
    return _progress(training, resolved, torch.device(device), start)


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


@dataclass(frozen=True, kw_only=True)
class _Learner:
    """What the updates work on."""

    network: nn.Module
    optimizer: torch.optim.SGD
    batches: Batches
    examples: Examples
    resolved: Resolved


@dataclass(kw_only=True)
class _Account:
    """What has been done so far; `losses` are those since the last evaluation."""

    done: int = 0
    train_seconds: float = 0.0
    losses: list[float] = field(default_factory=list)
    curve: list[Progress] = field(default_factory=list)


class Pause:
    """A moment between two updates: the training waits, and its state can be taken.

    A training has one of these and yields it again and again; it tells of the present moment.
    """

    def __init__(self, learner: _Learner, account: _Account) -> None:
        self._learner = learner
        self._account = account

    @property
    def update(self) -> int:
        """Return the updates done."""
        return self._account.done

    def checkpoint(self) -> Checkpoint:
        """Return a copy of all that is needed to go on from here."""
        return Checkpoint(
            update=self._account.done,
            train_seconds=self._account.train_seconds,
            losses=tuple(self._account.losses),
            curve=tuple(self._account.curve),
            network=on_cpu(self._learner.network.state_dict()),
            optimizer=on_cpu(self._learner.optimizer.state_dict()),
            batches=on_cpu(self._learner.batches.state()),
        )


def _progress(
    training: Training, resolved: Resolved, device: torch.device, start: Checkpoint | None
) -> Iterator[Progress | Pause]:
    validation = prepare(training.workload, device).validation
    test = prepare_test(training.workload, device) if training.read_test else None
    learner, account = _learner(training, resolved, device), _Account()
    if start:
        _restore(learner, account, start)
    pause = Pause(learner, account)
    for goal in evaluation_updates(resolved.schedule.total_steps, training.evaluations)[len(account.curve) :]:
        yield from _updates_until(goal, learner, account, pause)
        finite = math.isfinite(account.losses[-1]) and _is_finite(learner.network)
        accuracy, test_accuracy = math.nan, None
        if finite:
            accuracy = yield from _accuracy(learner.network, validation, pause)
            test_accuracy = (yield from _accuracy(learner.network, test, pause)) if test else None
        lr, momentum = resolved.at(account.done - 1)
        progress = Progress(
            update=account.done,
            epoch=account.done / (training.workload.num_train // training.workload.batch_size),
            total_updates=resolved.schedule.total_steps,
            train_loss=math.fsum(account.losses) / len(account.losses) if finite else math.nan,
            validation=accuracy,
            test=test_accuracy,
            lr=lr,
            momentum=momentum,
            train_seconds=account.train_seconds,
            diverged=not finite,
        )
        account.curve.append(progress)
        account.losses.clear()
        yield progress
        if not finite:
            return


def _learner(training: Training, resolved: Resolved, device: torch.device) -> _Learner:
    workload = training.workload
    examples = prepare(workload, device).train
    network = build_network(
        workload.network,
        workload.input_shape,
        workload.num_classes,
        workload.network_settings,
        seed=stream_seed(training.seed, "init"),
    ).to(device)
    optimizer = torch.optim.SGD(
        network.parameters(),
        lr=resolved.peak_lr,
        momentum=resolved.momentum_policy.momentum,
        weight_decay=resolved.weight_decay,
        nesterov=workload.nesterov,
        fused=True,  # the fastest of the three forms, by 4 % of an update for a small network on a CPU
    )
    return _Learner(
        network=network,
        optimizer=optimizer,
        batches=Batches(len(examples.y), workload.batch_size, stream_seed(training.seed, "order"), device),
        examples=examples,
        resolved=resolved,
    )


def _restore(learner: _Learner, account: _Account, start: Checkpoint) -> None:
    learner.network.load_state_dict(start.network)
    learner.optimizer.load_state_dict(start.optimizer)
    learner.batches.restore(start.batches)
    account.done, account.train_seconds = start.update, start.train_seconds
    account.losses, account.curve = list(start.losses), list(start.curve)


def _updates_until(goal: int, learner: _Learner, account: _Account, pause: Pause) -> Iterator[Pause]:
    """Do the updates up to `goal`; stop at a loss that is not finite."""
    learner.network.train()
    while account.done < goal and (not account.losses or math.isfinite(account.losses[-1])):
        started_at = time.perf_counter()
        account.losses.append(_update(learner, account.done))
        account.done += 1
        account.train_seconds += time.perf_counter() - started_at
        yield pause


def _update(learner: _Learner, step: int) -> float:
    """Do the update with this index and return its loss; at a loss that is not finite, leave the weights."""
    network, optimizer, (x, y) = learner.network, learner.optimizer, learner.examples
    batch = next(learner.batches)
    logits = network(x.index_select(0, batch))
    loss = functional.cross_entropy(logits, y.index_select(0, batch), label_smoothing=learner.resolved.label_smoothing)
    value = loss.item()
    if math.isfinite(value):
        for group in optimizer.param_groups:
            group["lr"], group["momentum"] = learner.resolved.at(step)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    return value


def _is_finite(network: nn.Module) -> bool:
    return all(bool(tensor.isfinite().all()) for tensor in network.state_dict().values())


def _accuracy(network: nn.Module, examples: Examples, pause: Pause) -> Generator[Pause, None, float]:
    """Return the share of right answers, with a pause after every batch."""
    network.eval()
    correct = 0
    for x, y in zip(*(torch.split(part, _EVALUATION_BATCH) for part in examples), strict=True):
        with torch.inference_mode():
            correct += int((network(x).argmax(dim=1) == y).sum())
        yield pause
    return correct / len(examples.y)
