"""Estimates of the optimal rate, along trainings that follow the range tests."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from models.diagnostics import RangeTest, estimate_rates
from sweeps.errors import InputError
from sweeps.range_testing.running import RangeResult, as_a_trial
from sweeps.spec import Study

_SNAPSHOTS = 3  # that one estimate takes


@dataclass(frozen=True, kw_only=True)
class CurvatureOptions:
    """How the optimal rate is estimated along trainings.

    Args:
        spacing: updates between snapshots, >= 1.
        smoothing: weight of a new estimate in the moving average, in (0, 1].
        peak_lr: peak rate of the trainings; None for the middle (geometric mean) of what the rules suggest.
    """

    spacing: int = 1
    smoothing: float = 0.1
    peak_lr: float | None = None


def check_curvature(tests: Mapping[str, tuple[RangeTest, ...]], options: CurvatureOptions) -> None:
    """Refuse estimates that cannot be, before anything is trained.

    Args:
        tests: the tests of each workload.
        options: how it is estimated.

    Raises:
        InputError: the estimate makes no sense for an optimizer, or the trainings are too short for one.
    """
    problems = []
    for name, (test, *_) in tests.items():
        optimizer = test.training.workload.optimizer
        if optimizer != "sgd":
            problems.append(f"--curvature must be left out for {name}: it assumes sgd; got {optimizer}.")
    updates = min(test.num_updates for of_seeds in tests.values() for test in of_seeds)
    if _SNAPSHOTS * options.spacing > updates:
        problems.append(
            f"--spacing must be at most {updates // _SNAPSHOTS}, a third of --updates {updates}, since an estimate "
            f"takes three snapshots; got {options.spacing}."
        )
    if problems:
        raise InputError("\n".join(problems))


def with_curvature(
    study: Study, result: RangeResult, options: CurvatureOptions, watch: Callable[[str], None]
) -> RangeResult:
    """Add estimates of the optimal rate, along one training per seed under the arm's own schedule.

    Args:
        study: the study.
        result: what the range tests have shown.
        options: how it is estimated.
        watch: told what is being done.

    Returns:
        The result with the estimates; as it was where there is no rate to train at.

    Raises:
        InputError: a data set cannot be read.
    """
    peak_lr = options.peak_lr
    if peak_lr is None and result.medians and result.has_learned:
        peak_lr = statistics.geometric_mean(result.medians.values())
    if peak_lr is None:
        return result
    training = result.test.training
    settings: dict[str, Any] = {**training.settings, "peak_lr": peak_lr}
    estimates = []
    for number, curve in enumerate(result.curves, start=1):
        watch(f"estimate of the optimal rate for {result.workload}, seed {number} of {len(result.curves)} ...")
        again = replace(training, settings=settings, seed=curve.seed, evaluations=1)
        with as_a_trial(study, result.workload) as device:
            found = estimate_rates(again, device, spacing=options.spacing, smoothing=options.smoothing)
            estimates.append(tuple(found))
    return replace(result, spacing=options.spacing, estimates=tuple(estimates), estimated_at=peak_lr)
