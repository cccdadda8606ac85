"""Tabulate the comparisons of a study whose seeds were added until its cells were decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from analysis.rules import Place, Rules
from analysis.samples import Sample
from analysis.sequential import follow_all
from analysis.statistics.arrays import sample_mean
from analysis.tables.rows import ComparisonRow, SequenceRow, finite_or_none
from analysis.verdict import decide_sequentially


def sequence_rows(rules: Rules, samples: Mapping[Place, Sample]) -> tuple[SequenceRow, ...]:
    """Return the confidence sequence of every comparison; none where the numbers of seeds were planned."""
    rows = []
    for place, sequence in follow_all(rules, samples).items():
        running, control = sequence.running, samples[place._replace(arm=rules.control)]
        p = float(running.p[-1]) if sequence.blocks else None
        row = SequenceRow(
            **place._asdict(),
            control=rules.control,
            blocks=sequence.blocks,
            settled_after=sequence.settled_after,
            state=sequence.state,  # type: ignore[arg-type]  # numpy forgets which words there are
            difference=finite_or_none(sample_mean(sequence.differences)),
            ci_low=finite_or_none(running.low[-1]) if sequence.blocks else None,
            ci_high=finite_or_none(running.high[-1]) if sequence.blocks else None,
            p=p,
            p_adjusted=None if p is None else min(1.0, rules.num_comparisons * p),
            running_low=tuple(map(finite_or_none, running.low)),
            running_high=tuple(map(finite_or_none, running.high)),
            run_ids=(*samples[place].run_ids, *control.run_ids),
        )
        rows.append(row)
    return tuple(rows)


def judged_in_sequence(
    rules: Rules,
    comparisons: Sequence[ComparisonRow],
    sequences: Sequence[SequenceRow],
    withheld: Mapping[Place, Sequence[str]],
) -> tuple[ComparisonRow, ...]:
    """Return the comparisons of a sequential study with interval, p and verdict of the e-process in place of others.

    A permutation test or a Welch interval after seeds were added until something was decided would claim too much.

    Args:
        rules: Of the study.
        comparisons: As for a planned number of seeds.
        sequences: Of the same comparisons.
        withheld: Why no verdict may be given, by arm and cell.
    """
    by_place = {Place(row.workload, row.budget, row.arm): row for row in sequences}
    judged = []
    for row in comparisons:
        place = Place(row.workload, row.budget, row.arm)
        found = by_place[place]
        decision = decide_sequentially(
            state=found.state,
            significant=found.p_adjusted is not None and found.p_adjusted < rules.alpha,
            blocks=found.blocks,
            withheld=withheld.get(place, ()),
        )
        changed = replace(
            row,
            ci_low=found.ci_low,
            ci_high=found.ci_high,
            equivalence_low=found.ci_low,
            equivalence_high=found.ci_high,
            p=found.p,
            p_adjusted=found.p_adjusted,
            p_minimum=(1 + found.blocks) ** (-(found.blocks - 1) / 2) if found.blocks else None,
            p_exact=False,
            verdict=decision.verdict,
            withheld=decision.withheld,
            significant_below_margin=decision.significant_below_margin,
            reason=decision.reason,
        )
        judged.append(changed)
    return tuple(judged)
