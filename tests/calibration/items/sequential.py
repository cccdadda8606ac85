"""Simulate studies whose seeds are added until their cells are decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy import stats

from analysis.rules import Place, Rules
from analysis.samples import Sample
from analysis.sequential import stopping_rule
from analysis.statistics.sequential import confidence_sequence
from analysis.stopping import wants_another_block
from analysis.tables.sequences import sequence_rows
from analysis.verdict import decide_sequentially
from tests.calibration.experiments import Experiment, Table
from tests.calibration.judgement import Claim
from tests.calibration.populations import HARSH, NORMAL, POPULATIONS, SD, SKEWED, FloatArray, Population

ALPHA = 0.05
AT_LEAST = Claim(promise="at least", level=1 - ALPHA)
AT_MOST = Claim(promise="at most", level=ALPHA)
SHOWN = Claim(promise="shown")
FIRST, MOST = 5, 30
LOOKS = (20, 60)
# Share of comparisons that exclude zero within 20 blocks, by difference in deviations of the differences; computed
# with another program (g = 1, normal differences).
POWER_BY_20 = {0.5: 0.25, 0.8: 0.66, 1.0: 0.87, 1.5: 1.0}


def _differences(arm: Population, control: Population, generator: np.random.Generator, count: int) -> FloatArray:
    """Return arm minus control, block by block, shape ``(count, 60)``."""
    return arm.draw(generator, (count, LOOKS[-1])) - control.draw(generator, (count, LOOKS[-1]))


def sequence_holds(arm: Population, control: Population, generator: np.random.Generator, count: int) -> FloatArray:
    """Say whether all intervals up to some block held the difference, shape ``(count, len(LOOKS))``.

    The last outcome is whether a t test after every block from the second on ever had p below alpha.
    """
    differences = _differences(arm, control, generator, count)
    sequence = confidence_sequence(differences, ALPHA)
    truth = arm.true_mean - control.true_mean
    held = [(sequence.low[:, n - 1] <= truth) & (truth <= sequence.high[:, n - 1]) for n in LOOKS]
    return np.column_stack([*held, _peeked(differences - truth)])


def _peeked(differences: FloatArray) -> FloatArray:
    n = np.arange(2, differences.shape[1] + 1)
    sums, squares = np.cumsum(differences, axis=1)[:, 1:], np.cumsum(differences**2, axis=1)[:, 1:]
    error = np.sqrt(np.maximum(squares - sums**2 / n, 1e-15) / (n - 1) / n)
    return np.asarray((np.abs(sums / n / error) > stats.t.ppf(1 - ALPHA / 2, n - 1)).any(axis=1), dtype=np.float64)


def decided_by(difference: float, generator: np.random.Generator, count: int) -> FloatArray:
    """Say whether zero is excluded within 10, 20 and 60 blocks of normal differences, shape ``(count, 3)``."""
    sequence = confidence_sequence(difference + generator.normal(size=(count, LOOKS[-1])), ALPHA)
    return np.column_stack([sequence.p[:, n - 1] < ALPHA for n in (10, 20, 60)]).astype(np.float64)


@dataclass(frozen=True, kw_only=True)
class Sequential:
    """A study in sequential mode: contenders, budgets, populations and margin."""

    contenders: int
    budgets: int
    contender: Population
    control: Population
    margin: float

    def rules(self) -> Rules:
        """Return the rules: 5 seeds in any case, then one at a time up to 30."""
        arms = ["control", *(f"arm_{index}" for index in range(self.contenders))]
        return Rules.model_validate(
            {
                "study": "calibration",
                "workloads": [{"name": "simulated"}],
                "budgets": {"unit": "epochs", "amounts": list(range(1, self.budgets + 1))},
                "control": "control",
                "arms": {name: {"schedule": name} for name in arms},
                "confirm": {"seeds": FIRST, "until": "decided", "max_seeds": MOST},
                "equivalence_margin": self.margin,
                "alpha": ALPHA,
            }
        )

    def run(self, rules: Rules, generator: np.random.Generator) -> Mapping[Place, Sample]:
        """Add seeds to every cell for as long as the protocol would, and return the samples."""
        samples = {}
        for cell in rules.cells:
            drawn = {
                arm: (self.control if arm == rules.control else self.contender).draw(generator, (MOST,)).tolist()
                for arm in rules.ordered_arms
            }
            blocks = self._blocks(rules, drawn)
            for arm, values in drawn.items():
                samples[Place(*cell, arm)] = Sample(
                    values=np.array(values[:blocks]), seeds=tuple(range(blocks)), planned=blocks, diverged=0,
                    missing=0, run_ids=(),
                )  # fmt: skip
        return samples

    def _blocks(self, rules: Rules, drawn: Mapping[str, list[float]]) -> int:
        rule, blocks = stopping_rule(rules), 0
        while wants_another_block(
            {arm: values[:blocks] for arm, values in drawn.items()}, rules.control, rules.ordered_arms[1:], rule
        ):
            blocks += 1
        return blocks


def false_verdicts(study: Sequential, generator: np.random.Generator, count: int) -> FloatArray:
    """Say for each study whether a verdict is false: better or worse without a difference, or else equivalent."""
    rules = study.rules()
    same = study.contender.true_mean == study.control.true_mean
    wrong = {"better", "worse"} if same else {"equivalent"}
    found = np.empty(count)
    for index in range(count):
        rows = sequence_rows(rules, study.run(rules, generator))
        words = {
            decide_sequentially(
                state=row.state,
                significant=row.p_adjusted is not None and row.p_adjusted < ALPHA,
                blocks=row.blocks,
            ).verdict
            for row in rows
        }
        found[index] = bool(words & wrong)
    return found


def _sequences() -> tuple[Experiment, ...]:
    pairs = {population.name: (population, population) for population in POPULATIONS}
    pairs |= {f"{p.name}, arm spreads 3 times": (p.wider(3), p) for p in (NORMAL, SKEWED, HARSH)}
    return tuple(
        Experiment(
            row=(name,),
            columns=("all of 20 hold", "all of 60 hold", "plain t test, p < 0.05 at any of 60"),
            claims=(AT_LEAST, AT_LEAST, SHOWN),
            simulate=partial(sequence_holds, *pair),
        )
        for name, pair in pairs.items()
    )


def _power() -> tuple[Experiment, ...]:
    return tuple(
        Experiment(
            row=(f"{difference:g} sd",),
            columns=("by 10", "by 20", "by 60"),
            claims=(SHOWN, Claim(promise="predicted", level=level, tolerance=0.02), SHOWN),
            simulate=partial(decided_by, difference),
        )
        for difference, level in POWER_BY_20.items()
    )


def _verdicts() -> tuple[Experiment, ...]:
    return tuple(
        Experiment(
            row=(population.name,),
            columns=(f"{contenders} x {budgets}, {kind}",),
            claims=(AT_MOST,),
            simulate=partial(
                false_verdicts,
                Sequential(
                    contenders=contenders,
                    budgets=budgets,
                    contender=population.moved(shift),
                    control=population,
                    margin=margin,
                ),
            ),
            simulations=1000,
            chunk=100,
        )
        for population in POPULATIONS
        for contenders, budgets, kind, shift, margin in (
            (1, 1, "alike", 0.0, 1e-6),
            (3, 2, "alike", 0.0, 1e-6),
            (1, 1, "differ by the margin", 4 * SD, _margin(population, 4 * SD)),
        )
    )


def _margin(population: Population, shift: float) -> float:
    return population.moved(shift).true_mean - population.true_mean


TABLES = (
    Table(name="sequence", heads=("differences of",), experiments=_sequences()),
    Table(name="sequential-verdict", heads=("accuracies",), experiments=_verdicts()),
    Table(name="sequential-power", heads=("difference",), experiments=_power()),
)
