"""Simulate whole studies without and with a difference, and count the verdicts."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy import optimize

from analysis.report import build_report
from analysis.rules import Place, Rules
from analysis.samples import Sample
from analysis.statistics import permutation_test
from analysis.statistics.multiplicity import dunnett
from analysis.statistics.power import equivalence_power, minimum_detectable_difference
from analysis.tables.comparisons import comparison_rows
from tests.analysis.synthetic_study import synthetic_record
from tests.calibration.experiments import Experiment, Simulation, Table
from tests.calibration.judgement import Claim
from tests.calibration.populations import HARSH, NORMAL, POPULATIONS, SD, SKEWED, FloatArray, Population

ALPHA = 0.05
AT_MOST_ALPHA = Claim(promise="at most", level=ALPHA)
# Far below the noise: so no study is rescued from a false verdict by a true equivalence.
NO_MARGIN = 1e-6


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The size of a study: contenders of the control, budgets, and confirm seeds."""

    contenders: int
    budgets: int
    seeds: int

    def __str__(self) -> str:
        return f"{self.contenders} x {self.budgets}"


def rules_for(shape: Shape, margin: float) -> Rules:
    """Return the rules of a study of this shape."""
    return Rules.model_validate(
        {
            "study": "calibration",
            "workloads": [{"name": "simulated"}],
            "budgets": {"unit": "epochs", "amounts": list(range(1, shape.budgets + 1))},
            "control": "control",
            "arms": {name: {"schedule": name} for name in _arms(shape)},
            "confirm": {"seeds": shape.seeds},
            "equivalence_margin": margin,
            "alpha": ALPHA,
        }
    )


def _arms(shape: Shape) -> list[str]:
    return ["control", *(f"arm_{index}" for index in range(shape.contenders))]


def draw_samples(
    rules: Rules, contender: Population, control: Population, generator: np.random.Generator
) -> Mapping[Place, Sample]:
    """Draw the confirm runs of one study: every contender from one population, the control from another."""
    samples = {}
    for place in rules.places:
        population = control if place.arm == rules.control else contender
        values = np.clip(population.draw(generator, (rules.confirm.seeds,)), 0, 1)
        samples[place] = Sample(values=values, planned=values.size, diverged=0, missing=0, run_ids=())
    return samples


def verdicts(
    rules: Rules, contender: Population, control: Population, generator: np.random.Generator, count: int
) -> np.ndarray:
    """Return the verdict of every comparison of every study, shape ``(count, num_comparisons)``."""
    return np.array(
        [
            [row.verdict for row in comparison_rows(rules, draw_samples(rules, contender, control, generator), ())]
            for _ in range(count)
        ]
    )


def any_difference(
    shape: Shape, contender: Population, control: Population, generator: np.random.Generator, count: int
) -> FloatArray:
    """Say for each study whether any verdict is better or worse."""
    found = verdicts(rules_for(shape, NO_MARGIN), contender, control, generator, count)
    return np.isin(found, ["better", "worse"]).any(axis=1).astype(float)


def called_equivalent(
    seeds: int, contender: Population, control: Population, generator: np.random.Generator, count: int
) -> FloatArray:
    """Say for each study of one comparison whether it calls equivalent what differs by just the margin."""
    margin = abs(contender.true_mean - control.true_mean)
    rules = rules_for(Shape(contenders=1, budgets=1, seeds=seeds), margin)
    found = verdicts(rules, contender, control, generator, count)
    return np.asarray(found[:, 0] == "equivalent", dtype=np.float64)


def rejected(
    contender: Population, control: Population, sizes: tuple[int, int], generator: np.random.Generator, count: int
) -> FloatArray:
    """Say for each pair of samples whether the permutation test rejects equality of means at alpha."""
    arms, controls = contender.draw(generator, (count, sizes[0])), control.draw(generator, (count, sizes[1]))
    return np.array([permutation_test(a, c).p <= ALPHA for a, c in zip(arms, controls, strict=True)], dtype=float)


def _false_verdicts() -> tuple[Experiment, ...]:
    shapes = (
        Shape(contenders=1, budgets=1, seeds=5),
        Shape(contenders=3, budgets=1, seeds=5),
        Shape(contenders=3, budgets=1, seeds=8),
        Shape(contenders=2, budgets=2, seeds=9),
    )
    spreads = {"": 1.0, ", arms spread 3 times": 3.0}
    return tuple(
        Experiment(
            row=(population.name + name,),
            columns=(f"{shape}, n = {shape.seeds}",),
            claims=(AT_MOST_ALPHA,),
            simulate=partial(any_difference, shape, population.wider(factor), population),
            simulations=1000,
            chunk=250,
        )
        for name, factor in spreads.items()
        for population in (POPULATIONS if not name else (NORMAL, SKEWED, HARSH))
        for shape in shapes
    )


def _false_equivalence() -> tuple[Experiment, ...]:
    spreads = {"": 1.0, ", arm spreads 3 times": 3.0}
    return tuple(
        Experiment(
            row=(population.name + name,),
            columns=(f"n = {seeds}",),
            claims=(AT_MOST_ALPHA,),
            simulate=partial(called_equivalent, seeds, population.wider(factor).moved(3 * SD), population),
            simulations=2500,
            chunk=500,
        )
        for name, factor in spreads.items()
        for population in POPULATIONS
        for seeds in (3, 5, 7, 9)
    )


def _false_rejections() -> tuple[Experiment, ...]:
    designs = {
        "equal spread": (1, 1.0),
        "arm spreads 3 times": (1, 3.0),
        "arm 3 times, twice the control seeds": (2, 3.0),
    }
    return tuple(
        Experiment(
            row=(design, population.name),
            columns=(f"n = {seeds}",),
            claims=(AT_MOST_ALPHA,),
            simulate=partial(rejected, population.wider(factor), population, (seeds, times * seeds)),
            simulations=5000,
            chunk=500,
        )
        for design, (times, factor) in designs.items()
        for population in POPULATIONS
        for seeds in ((5, 6, 8) if times == 1 else (4, 5, 6))
    )


def found_better(shape: Shape, difference: float, generator: np.random.Generator, count: int) -> FloatArray:
    """Say for each study whether the one contender that is better by so much is called better."""
    rules, found = rules_for(shape, NO_MARGIN), np.empty(count)
    for index in range(count):
        samples = dict(draw_samples(rules, NORMAL, NORMAL, generator))
        better = rules.places[1]
        samples[better] = dataclasses.replace(samples[better], values=samples[better].values + difference)
        found[index] = comparison_rows(rules, samples, ())[0].verdict == "better"
    return found


def found_equivalent(seeds: int, margin: float, generator: np.random.Generator, count: int) -> FloatArray:
    """Say for each study of one comparison without a difference whether it is called equivalent."""
    rules = rules_for(Shape(contenders=1, budgets=1, seeds=seeds), margin)
    return np.asarray(verdicts(rules, NORMAL, NORMAL, generator, count)[:, 0] == "equivalent", dtype=np.float64)


def dunnett_rejects(population: Population, seeds: int, generator: np.random.Generator, count: int) -> FloatArray:
    """Say for each set of three contenders without a difference whether Dunnett's test finds one."""
    samples = population.draw(generator, (count, 4, seeds))
    return np.array([dunnett(list(arms[1:]), arms[0]).min() <= ALPHA for arms in samples], dtype=np.float64)


def reported(generator: np.random.Generator, count: int) -> FloatArray:
    """Say for each whole report on a study without a difference: any better or worse; any verdict withheld.

    Trials and evaluations are made up, and everything is done that ``fairsweep report`` does but drawing.
    """
    arms = {name: (name, False, (0.0, 0.0)) for name in ("piecewise", "cosine", "one_cycle")}
    found = np.empty((count, 2))
    for index in range(count):
        record = synthetic_record(arms=arms, budgets=(2, 5), draws=8, seeds=8, seed=int(generator.integers(2**31)))
        rows = build_report(record).comparisons
        found[index] = any(row.verdict in {"better", "worse"} for row in rows), any(row.withheld for row in rows)
    return found


def _margin_with_power(seeds: int, power: float) -> float:
    """Return the margin, in standard deviations, that two equal arms keep to with this power."""
    return float(optimize.brentq(lambda margin: equivalence_power(margin, seeds, ALPHA) - power, 0.1, 20))


def _power() -> tuple[Experiment, ...]:
    claims = (Claim(promise="predicted", level=0.8, tolerance=0.03),)
    cases: list[tuple[str, int, Simulation]] = []
    for seeds in (5, 7, 9):
        alone, among = (Shape(contenders=count, budgets=1, seeds=seeds) for count in (1, 3))
        single, corrected = (minimum_detectable_difference(seeds, seeds, ALPHA / m) for m in (1, 3))
        cases += [
            ("better, the only contender", seeds, partial(found_better, alone, SD * single)),
            ("better, one of three", seeds, partial(found_better, among, SD * corrected)),
            ("equivalent", seeds, partial(found_equivalent, seeds, SD * _margin_with_power(seeds, 0.8))),
        ]
    return tuple(
        Experiment(
            row=(name,), columns=(f"n = {seeds}",), claims=claims, simulate=simulate, simulations=1500, chunk=250
        )
        for name, seeds, simulate in cases
    )


def _reports() -> tuple[Experiment, ...]:
    experiment = Experiment(
        row=("2 x 2, n = 8",),
        columns=("any better or worse", "any withheld"),
        claims=(AT_MOST_ALPHA, Claim(promise="shown")),
        simulate=reported,
        simulations=200,
        chunk=10,
    )
    return (experiment,)


def _dunnett() -> tuple[Experiment, ...]:
    return tuple(
        Experiment(
            row=(population.name,),
            columns=(f"n = {seeds}",),
            claims=(AT_MOST_ALPHA,),
            simulate=partial(dunnett_rejects, population, seeds),
            simulations=1000,
            chunk=100,
        )
        for population in POPULATIONS
        for seeds in (3, 8)
    )


TABLES = (
    Table(name="verdict", heads=("accuracies",), experiments=_false_verdicts()),
    Table(name="equivalence", heads=("accuracies",), experiments=_false_equivalence()),
    Table(name="permutation", heads=("design", "accuracies"), experiments=_false_rejections()),
    Table(name="dunnett", heads=("accuracies",), experiments=_dunnett()),
    Table(name="power", heads=("verdict",), experiments=_power()),
    Table(name="report", heads=("study",), experiments=_reports()),
)
