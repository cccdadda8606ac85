"""Check what only a study whose seeds were added until its cells were decided must meet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from scipy import stats

from analysis.checks.outcome import Condition, at_place, in_cell, outcome
from analysis.record import StudyRecord
from analysis.rules import Place
from analysis.samples import Sample, blocks_begun
from analysis.sequential import Sequence, follow_all
from analysis.tables.rows import CheckRow, Finding

FEWEST_FOR_SHAPE = 5
SHAPE_ALPHA = 0.05

ENDED = Condition(
    name="sequence_ended",
    title="Seeds were added until every cell was decided",
    severity="warn",
    met="Every cell is decided, or has all the seeds that it may have.",
    remedy="Launch the study again: it goes on. What is decided stays valid wherever it is stopped.",
)
NORMAL = Condition(
    name="differences_near_normal",
    title="Differences between arm and control are near normal",
    severity="warn",
    met="No comparison departs from normal differences; the error rate of the e-process rests on that.",
    remedy="Repeat the study with a planned number of seeds: its permutation test does not need normal differences.",
)
CONSISTENT = Condition(
    name="sequence_consistent",
    title="The intervals of each comparison agree with each other",
    severity="fail",
    met="The intervals after each seed have values in common in every comparison.",
    remedy="Look for drift: differences that change along the seeds cannot be summed up by one number.",
)


def check_sequences(record: StudyRecord, samples: Mapping[Place, Sample]) -> tuple[CheckRow, ...]:
    """Return the checks of a sequential study; none for a study with a planned number of seeds."""
    rules = record.rules
    if not rules.confirm.is_sequential:
        return ()
    sequences = follow_all(rules, samples)
    contradictory = [
        at_place(rules, place, "the intervals after each seed have no value in common", samples[place].run_ids)
        for place, sequence in sequences.items()
        if sequence.state == "contradictory"
    ]
    return (
        outcome(CONSISTENT, contradictory),
        outcome(ENDED, _unended(record, samples, sequences)),
        outcome(NORMAL, _not_normal(record, samples, sequences)),
    )


def _unended(
    record: StudyRecord, samples: Mapping[Place, Sample], sequences: Mapping[Place, Sequence]
) -> Iterator[Finding]:
    rules = record.rules
    others = [arm for arm in rules.ordered_arms if arm != rules.control]
    waited_for = [arm for arm in others if arm in rules.tuned_arms] or others
    for cell in rules.cells:
        begun = blocks_begun(record, cell)
        places = [Place(*cell, arm) for arm in waited_for]
        open_arms = [
            place.arm
            for place in places
            if sequences[place].settled_after is None
            and not samples[place].diverged
            and not samples[place._replace(arm=rules.control)].diverged
            and not record.lost_searches(place)
        ]
        if open_arms and begun < rules.confirm.most_seeds:
            where, most = rules.describe_cell(cell), rules.confirm.most_seeds
            yield in_cell(cell, f"{', '.join(open_arms)} {where} undecided after {begun} of at most {most} seeds")


def _not_normal(
    record: StudyRecord, samples: Mapping[Place, Sample], sequences: Mapping[Place, Sequence]
) -> Iterator[Finding]:
    """Yield comparisons that fail the Shapiro-Wilk test, Bonferroni over the study, or whose differences tie."""
    for place, sequence in sequences.items():
        values = sequence.differences
        if values.size < FEWEST_FOR_SHAPE:
            continue
        run_ids = samples[place].run_ids
        if np.ptp(values) == 0:
            yield at_place(record.rules, place, f"all {values.size} differences are equal: no verdict", run_ids)
            continue
        p = float(stats.shapiro(values).pvalue)
        distinct = np.unique(values.round(9)).size
        if p * len(sequences) < SHAPE_ALPHA:
            yield at_place(record.rules, place, f"Shapiro-Wilk p {p:.2g} for {values.size} differences", run_ids)
        elif 2 * distinct <= values.size:
            text = f"{values.size} differences have only {distinct} values"
            yield at_place(record.rules, place, text, run_ids)
