"""The training loop, as a generator of progress."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.data.examples import Examples
from models.data.prepared import prepare, prepare_test
from models.networks import build_network
from models.settings import REQUIRED, Resolved, check_settings, resolve, setting_names
from models.streams import stream_seed
from models.workload import Budget, Workload
from schedules.checks import Flag, Whole, complaint, settle

__all__ = ["REQUIRED", "Progress", "Training", "check_settings", "setting_names", "train"]

_EVALUATION_BATCH = 8192  # examples; bounds the memory for activations


@dataclass(frozen=True, kw_only=True)
class Training:
    """All that one training needs.

    Args:
        workload: what is trained.
        budget: how long.
        schedule: key of ``schedules.SCHEDULES``.
        momentum_policy: key of ``schedules.MOMENTUM``.
        settings: values by name, see ``setting_names``; ``peak_lr`` is required.
        seed: seed of initial weights and data order, >= 0.
        read_test: whether the test part is loaded and evaluated.
        evaluations: how often the network is evaluated, >= 1; the last time after the last update.

    Raises:
        ValueError: if a field breaks its range; ``settings`` are checked by ``train``.
    """

    workload: Workload
    budget: Budget
    schedule: str
    momentum_policy: str
    settings: Mapping[str, Any]
    seed: int
    read_test: bool
    evaluations: int = 20

    def __post_init__(self) -> None:
        settle(self, {"seed": Whole(0), "read_test": Flag(), "evaluations": Whole(1)})


@dataclass(frozen=True, kw_only=True)
class Progress:
    """The state of a training at an evaluation.

    Args:
        update: updates done; if diverged, the update whose loss or weights were not finite.
        epoch: the same in epochs.
        total_updates: length of the training in updates.
        train_loss: mean loss over the updates since the last evaluation; NaN if diverged.
        validation: accuracy on the validation part, in [0, 1]; NaN if diverged.
        test: accuracy on the test part, in [0, 1]; None if not asked for, or diverged.
        lr: learning rate of the last update.
        momentum: momentum of the last update.
        train_seconds: time in updates so far, without evaluation, loading and the consumer's own time.
        diverged: whether the training ended because loss or weights were not finite.
    """

    update: int
    epoch: float
    total_updates: int
    train_loss: float
    validation: float
    test: float | None
    lr: float
    momentum: float
    train_seconds: float
    diverged: bool


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
    workload = training.workload
    total_updates = training.budget.total_updates(workload.num_train, workload.batch_size)
    resolved = resolve(training.schedule, training.momentum_policy, training.settings, total_updates)
    if workload.nesterov and resolved.momentum_policy.momentum == 0:
        raise ValueError(complaint("momentum", "> 0 where nesterov is on", 0.0, "Raise it, or turn nesterov off."))
    return _progress(training, resolved, torch.device(device))


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
    batches: Iterator[Tensor]
    examples: Examples
    resolved: Resolved


def _progress(training: Training, resolved: Resolved, device: torch.device) -> Iterator[Progress]:
    workload, total_updates = training.workload, resolved.schedule.total_steps
    validation = prepare(workload, device).validation
    test = prepare_test(workload, device) if training.read_test else None
    learner = _learner(training, resolved, device)
    done, train_seconds = 0, 0.0
    for goal in evaluation_updates(total_updates, training.evaluations):
        started_at = time.perf_counter()
        losses = _run_updates(learner, range(done, goal))
        finite = math.isfinite(losses[-1]) and _is_finite(learner.network)
        train_seconds += time.perf_counter() - started_at
        done += len(losses)
        lr, momentum = resolved.at(done - 1)
        yield Progress(
            update=done,
            epoch=done / (workload.num_train // workload.batch_size),
            total_updates=total_updates,
            train_loss=math.fsum(losses) / len(losses) if finite else math.nan,
            validation=_accuracy(learner.network, validation) if finite else math.nan,
            test=_accuracy(learner.network, test) if finite and test else None,
            lr=lr,
            momentum=momentum,
            train_seconds=train_seconds,
            diverged=not finite,
        )
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
    order = torch.Generator().manual_seed(stream_seed(training.seed, "order"))
    return _Learner(
        network=network,
        optimizer=optimizer,
        batches=_batches(len(examples.y), workload.batch_size, order, device),
        examples=examples,
        resolved=resolved,
    )


def _batches(num_examples: int, batch_size: int, generator: torch.Generator, device: torch.device) -> Iterator[Tensor]:
    """Yield the indices of batch after batch without end; an epoch's last, incomplete batch is dropped."""
    while True:
        order = torch.randperm(num_examples, generator=generator).to(device)
        yield from torch.split(order, batch_size)[: num_examples // batch_size]


def _run_updates(learner: _Learner, steps: range) -> list[float]:
    """Do the updates with these indices and return their losses; stop at a loss that is not finite."""
    network, optimizer, (x, y) = learner.network, learner.optimizer, learner.examples
    smoothing = learner.resolved.label_smoothing
    network.train()
    losses: list[float] = []
    for step in steps:
        batch = next(learner.batches)
        logits = network(x.index_select(0, batch))
        loss = functional.cross_entropy(logits, y.index_select(0, batch), label_smoothing=smoothing)
        losses.append(loss.item())
        if not math.isfinite(losses[-1]):
            break
        for group in optimizer.param_groups:
            group["lr"], group["momentum"] = learner.resolved.at(step)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    return losses


def _is_finite(network: nn.Module) -> bool:
    return all(bool(tensor.isfinite().all()) for tensor in network.state_dict().values())


@torch.inference_mode()
def _accuracy(network: nn.Module, examples: Examples) -> float:
    network.eval()
    batches = zip(*(torch.split(part, _EVALUATION_BATCH) for part in examples), strict=True)
    correct = sum(int((network(x).argmax(dim=1) == y).sum()) for x, y in batches)
    return correct / len(examples.y)
