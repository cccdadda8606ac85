"""Simulate studies whose arms spread unlike the control: how often the report warns, and what its remedy is worth."""

from __future__ import annotations

import dataclasses
from functools import partial

import numpy as np

from analysis.checks.results import check_equal_spreads
from analysis.tables.comparisons import comparison_rows
from analysis.tables.sensitivity import sensitivity_rows
from tests.calibration.experiments import Experiment, Table
from tests.calibration.items.verdicts import ALPHA, NO_MARGIN, Shape, draw_samples, rules_for
from tests.calibration.judgement import Claim
from tests.calibration.populations import HARSH, NORMAL, POPULATIONS, SKEWED, FloatArray, Population

SHAPES = tuple(
    Shape(contenders=contenders, budgets=budgets, seeds=seeds)
    for contenders, budgets, seeds in ((1, 1, 5), (3, 1, 5), (3, 1, 8), (2, 2, 9), (3, 1, 20))
)
AT_MOST_ALPHA = Claim(promise="at most", level=ALPHA)
SHOWN = Claim(promise="shown")


def warned(
    shape: Shape, contender: Population, control: Population, generator: np.random.Generator, count: int
) -> FloatArray:
    """Say for each study whether the check of spreads warns."""
    rules = rules_for(shape, NO_MARGIN)
    rows = [check_equal_spreads(rules, draw_samples(rules, contender, control, generator)) for _ in range(count)]
    return np.array([row.status == "warn" for (row,) in rows], dtype=np.float64)


def false_verdicts(
    shape: Shape, contender: Population, control: Population, generator: np.random.Generator, count: int
) -> FloatArray:
    """Say for each study without a difference: any better or worse; any that the Welch and paired t tests share."""
    rules, found = rules_for(shape, NO_MARGIN), np.empty((count, 2))
    for index in range(count):
        drawn = draw_samples(rules, contender, control, generator)
        samples = {p: dataclasses.replace(s, seeds=tuple(range(s.n))) for p, s in drawn.items()}
        comparisons = comparison_rows(rules, samples, ())
        others = sensitivity_rows(rules, samples, comparisons)
        false = [row.verdict in {"better", "worse"} for row in comparisons]
        shared = [
            wrong and row.verdict == other.welch_verdict == other.paired_verdict
            for wrong, row, other in zip(false, comparisons, others, strict=True)
        ]
        found[index] = any(false), any(shared)
    return found


def _warnings() -> tuple[Experiment, ...]:
    cases = [(population, 1.0, AT_MOST_ALPHA) for population in POPULATIONS]
    cases += [(population, factor, SHOWN) for factor in (2.0, 3.0) for population in (NORMAL, SKEWED, HARSH)]
    return tuple(
        Experiment(
            row=(population.name if factor == 1 else f"{population.name}, arms spread {factor:g} times",),
            columns=(f"{shape}, n = {shape.seeds}",),
            claims=(claim,),
            simulate=partial(warned, shape, population.wider(factor), population),
            simulations=2000,
            chunk=500,
        )
        for population, factor, claim in cases
        for shape in SHAPES
    )


def _remedies() -> tuple[Experiment, ...]:
    return tuple(
        Experiment(
            row=(population.name,),
            columns=(f"{shape}, n = {shape.seeds}", f"and t tests agree, n = {shape.seeds}"),
            claims=(SHOWN,),
            simulate=partial(false_verdicts, shape, population.wider(3), population),
            simulations=1000,
            chunk=125,
        )
        for population in (NORMAL, SKEWED, HARSH)
        for shape in SHAPES[1:3]
    )


TABLES = (
    Table(name="spread-check", heads=("accuracies",), experiments=_warnings()),
    Table(name="spread-remedy", heads=("accuracies, arms spread 3 times",), experiments=_remedies()),
)
