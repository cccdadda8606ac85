"""Check that a comparison was fair. A failed check withholds the verdicts it touches; a warning does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from analysis.checks.null_pairs import check_null_pairs
from analysis.checks.protocol import (
    check_confirm_seeds,
    check_control,
    check_duplicates,
    check_planned_trials,
    check_rules_first,
    check_seeds_disjoint,
    check_tuning_budgets,
)
from analysis.checks.reference import check_references
from analysis.checks.results import (
    check_divergence,
    check_equal_spreads,
    check_power,
    check_searches,
    check_spread,
    check_targets,
)
from analysis.checks.running import check_data, check_extensions, check_halving, check_hardware, check_software
from analysis.checks.runs import (
    check_copied_arms,
    check_copies,
    check_drift,
    check_horizons,
    check_last_evaluation,
    check_left_out,
    check_resolution,
)
from analysis.checks.search import check_dimensions, check_feasible, check_sampler, check_winners_inside
from analysis.checks.sequence import check_sequences
from analysis.record import StudyRecord
from analysis.rules import Place
from analysis.samples import Sample
from analysis.tables.rows import CheckRow, NullPairsRow

__all__ = ["run_checks"]


def run_checks(
    record: StudyRecord, samples: Mapping[Place, Sample], null_pairs: Sequence[NullPairsRow] = ()
) -> tuple[CheckRow, ...]:
    """Return the outcome of every check, those that withhold verdicts first.

    Args:
        record: The study.
        samples: Its confirm runs.
        null_pairs: The control against itself.
    """
    copies, twins = check_copies(record)
    return (
        check_tuning_budgets(record),
        check_planned_trials(record),
        check_duplicates(record),
        check_confirm_seeds(record),
        check_seeds_disjoint(record),
        check_divergence(record, samples),
        check_control(record),
        check_horizons(record),
        copies,
        check_copied_arms(record.rules, samples),
        *check_references(record, samples),
        *check_null_pairs(record.rules, null_pairs),
        check_rules_first(record),
        check_extensions(record),
        check_winners_inside(record),
        check_feasible(record),
        check_dimensions(record),
        check_sampler(record),
        *check_halving(record.rules),
        check_targets(record),
        check_resolution(record),
        check_last_evaluation(record),
        twins,
        check_drift(record, samples),
        check_spread(record, samples),
        *check_equal_spreads(record.rules, samples),
        check_power(record),
        *check_sequences(record, samples),
        check_searches(record),
        check_data(record),
        check_hardware(record),
        check_software(record),
        check_left_out(record),
    )
