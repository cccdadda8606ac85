"""What is tested, with which settings, and what came of it."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch

from models.diagnostics import RULES, RampShape, RangeCurve, RangeTest, RateEstimate, has_learned, run_range_test
from models.training import Training, check_settings, setting_names
from models.workload import Budget, Workload
from sweeps.errors import InputError, name_options, suggest
from sweeps.planning import untrainable_because
from sweeps.space import Setting, derive_seed
from sweeps.spec import Study

#: First and last rate of a ramp, unless they are given.
DEFAULT_RATES: Mapping[RampShape, tuple[float, float]] = {"exponential": (1e-5, 10.0), "linear": (0.0, 3.0)}


@dataclass(frozen=True, kw_only=True)
class RangeOptions:
    """What the user wants of the range tests of a study.

    Args:
        workload: name of the only workload to test; None for all.
        arm: whose settings are used; None for those of the control.
        shape: ``linear`` or ``exponential``.
        low: rate of the first update; None for that of `DEFAULT_RATES`.
        high: rate of the last update; likewise.
        updates: length of the ramp.
        seeds: trainings per workload, each from fresh weights and in an order of its own.
        evaluations: evaluations of the validation part per training.
        settings: settings that replace those of the arm, by name.
    """

    workload: str | None = None
    arm: str | None = None
    shape: RampShape = "exponential"
    low: float | None = None
    high: float | None = None
    updates: int = 500
    seeds: int = 5
    evaluations: int = 25
    settings: Mapping[str, Setting] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RangeResult:
    """What the range tests of one workload have shown.

    Args:
        workload: its name.
        arm: whose settings were used.
        test: what was tested, with the first seed.
        curves: one per seed.
        spacing: updates between the snapshots of the estimates; 0 where there are none.
        estimates: of the optimal rate along a training under the arm's own schedule, one sequence per seed.
        estimated_at: the peak rate of those trainings; None where there are none.
    """

    workload: str
    arm: str
    test: RangeTest
    curves: tuple[RangeCurve, ...]
    spacing: int = 0
    estimates: tuple[tuple[RateEstimate, ...], ...] = ()
    estimated_at: float | None = None

    @property
    def suggestions(self) -> dict[str, tuple[float | None, ...]]:
        """Return the rate that each rule suggests for each seed, by the name of the rule."""
        return {name: tuple(rule.suggest(curve) for curve in self.curves) for name, rule in RULES.items()}

    @property
    def medians(self) -> dict[str, float]:
        """Return the median over seeds by rule; rules that suggest nothing for half of the seeds are left out."""
        found = {name: [rate for rate in rates if rate is not None] for name, rates in self.suggestions.items()}
        return {name: statistics.median(rates) for name, rates in found.items() if 2 * len(rates) > len(self.curves)}

    @property
    def has_learned(self) -> bool:
        """Tell whether most seeds have learned anything; where they have not, suggestions are read off noise."""
        workload = self.test.training.workload
        num_validation = workload.num_available - workload.num_train
        learned = [
            has_learned(curve, num_classes=workload.num_classes, num_validation=num_validation) for curve in self.curves
        ]
        return 2 * sum(learned) > len(learned)

    @property
    def ends_of_use(self) -> tuple[float, ...]:
        """Return for each seed the highest rate of any use.

        That is where the accuracy fell for good below half-way from chance to its best, or else where the loss
        diverged, or else the end of the ramp.
        """
        return tuple(self._end_of_use(curve) for curve in self.curves)

    def _end_of_use(self, curve: RangeCurve) -> float:
        chance = 1 / self.test.training.workload.num_classes
        enough = (chance + max(curve.accuracies, default=chance)) / 2
        useful = [accuracy >= enough for accuracy in curve.accuracies]
        if any(useful) and not useful[-1]:
            return max(rate for rate, good in zip(curve.evaluated_rates, useful, strict=True) if good)
        return self.test.high if curve.diverged_at is None else curve.diverged_at

    @property
    def updates_done(self) -> int:
        """Return the updates that these tests have cost."""
        ended_early = sum(curve.diverged_at is not None for curve in self.curves)
        return sum(len(curve.losses) for curve in self.curves) + ended_early


def planned_tests(study: Study, options: RangeOptions) -> dict[str, tuple[RangeTest, ...]]:
    """Return the tests of each workload, one per seed.

    Settings that the study searches are put in the middle of their ranges. Seeds are even, as those of the tune phase
    are, so that no confirm seed is among them.

    Raises:
        InputError: an option names something that the study does not have, or breaks its range; or trials of the study
            use a GPU, and there is none.
    """
    if trouble := untrainable_because(study):
        raise InputError(
            f"resources.gpu is {study.resources.gpu:g}: {trouble}. Give --set resources.gpu=0 to test on the CPU, or "
            "run this where there is a GPU."
        )
    workloads = {workload.name: workload for workload in study.workloads}
    arm = options.arm or study.control
    for field_name, name, known in (("--workload", options.workload, workloads), ("--arm", arm, study.arms)):
        if name is not None and name not in known:
            raise InputError(f"{field_name} must be {name_options(known)}; got {name!r}.{suggest(name, known)}")
    settings = _settings(study, arm, options.settings)
    chosen = [workloads[options.workload]] if options.workload else study.workloads
    try:
        # Before anything is trained, and with the peak rate that was given, at which only the estimate trains.
        check_settings(study.arms[arm].schedule, study.arms[arm].momentum_policy, settings)
        return {w.name: tuple(_tests(study, w, arm, settings, options)) for w in chosen}
    except ValueError as error:
        raise InputError(str(error)) from error


def _settings(study: Study, arm: str, given: Mapping[str, Setting]) -> dict[str, Setting]:
    contender = study.arms[arm]
    known = setting_names(contender.schedule, contender.momentum_policy)
    for name in given:
        if name not in known:
            raise InputError(f"--setting must name {name_options(known)}; got {name!r}.{suggest(name, known)}")
    searched = {} if contender.as_published else study.space(arm).dimensions
    middle = {name: dimension.at(0.5) for name, dimension in searched.items()}
    return {**middle, **contender.fixed, **given}


def _tests(
    study: Study, workload: Workload, arm: str, settings: Mapping[str, Setting], options: RangeOptions
) -> Iterator[RangeTest]:
    low, high = DEFAULT_RATES[options.shape]
    for index in range(options.seeds):
        training = Training(
            workload=workload,
            budget=Budget(unit="updates", amount=options.updates),
            schedule=study.arms[arm].schedule,
            momentum_policy=study.arms[arm].momentum_policy,
            settings=settings,
            seed=2 * derive_seed(study.seed, "range-test", workload.name, index),
            read_test=False,
            evaluations=options.evaluations,
        )
        yield RangeTest(
            training=training,
            shape=options.shape,
            low=low if options.low is None else options.low,
            high=high if options.high is None else options.high,
        )


def run_tests(
    study: Study, arm: str, tests: Mapping[str, tuple[RangeTest, ...]], watch: Callable[[str], None]
) -> list[RangeResult]:
    """Run tests one after the other in this process.

    Args:
        study: the study, which says on what a trial runs.
        arm: whose settings the tests have.
        tests: the tests of each workload.
        watch: told what is being done.

    Raises:
        InputError: a data set cannot be read.
    """
    results = []
    for workload, of_seeds in tests.items():
        curves = []
        for number, test in enumerate(of_seeds, start=1):
            watch(f"range test of {workload}, seed {number} of {len(of_seeds)} ...")
            with as_a_trial(study, workload) as device:
                curves.append(run_range_test(test, device))
        results.append(RangeResult(workload=workload, arm=arm, test=of_seeds[0], curves=tuple(curves)))
    return results


@contextmanager
def as_a_trial(study: Study, workload: str) -> Iterator[str]:
    """Yield the device on which a trial of the study runs, with as many threads as it has; refuse in its words."""
    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, int(study.resources.cpu)))
    try:
        yield "cuda" if study.resources.gpu else "cpu"
    except ValueError as error:  # files that are missing, or settings that do not go with the workload
        raise InputError(f"{workload}: {error}") from error
    finally:
        torch.set_num_threads(threads)
