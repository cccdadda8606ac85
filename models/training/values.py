"""What is trained, and what an evaluation says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from models.workload import Budget, Workload
from schedules.checks import Flag, Whole, settle


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
        evaluation_seconds: time in evaluations so far.
        overflows: updates so far that were left out because scaled gradients overflowed in fp16.
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
    evaluation_seconds: float = field(default=0.0, compare=False)
    overflows: int = 0
