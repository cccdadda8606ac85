"""Compare the control with itself in every cell."""

from __future__ import annotations

from collections.abc import Mapping

from analysis.rules import Place, Rules
from analysis.samples import Sample
from analysis.statistics.null_pairs import null_pairs, sequential_null_pairs
from analysis.tables.rows import NullPairsRow


def null_pairs_rows(rules: Rules, samples: Mapping[Place, Sample]) -> tuple[NullPairsRow, ...]:
    """Return how often the halves of the control's seeds were told apart, or found equivalent, in every cell."""
    return tuple(_row(rules, place, sample) for place, sample in samples.items() if place.arm == rules.control)


def _row(rules: Rules, place: Place, sample: Sample) -> NullPairsRow:
    compare = sequential_null_pairs if rules.confirm.is_sequential else null_pairs
    found = compare(
        sample.values,
        alpha=rules.alpha,
        margin=rules.equivalence_margin,
        num_comparisons=max(rules.num_comparisons, 1),
    )
    return NullPairsRow(
        **place._asdict(),
        n=sample.n,
        splits=found.splits if found else 0,
        exhaustive=found.exhaustive if found else False,
        false_positive_rate=found.false_positive_rate if found else None,
        corrected_rate=found.corrected_rate if found else None,
        equivalent_rate=found.equivalent_rate if found else None,
        smallest_p=found.smallest_p if found else None,
        run_ids=sample.run_ids,
    )
