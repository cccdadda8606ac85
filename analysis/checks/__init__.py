"""Check that a comparison was fair. A failed check withholds the verdicts it touches; a warning does not."""

from __future__ import annotations

from collections.abc import Mapping

from analysis.checks.protocol import (
    check_confirm_seeds,
    check_control,
    check_duplicates,
    check_planned_trials,
    check_seeds_disjoint,
    check_tuning_budgets,
)
from analysis.checks.results import (
    check_divergence,
    check_power,
    check_searches,
    check_spread,
    check_targets,
    check_winners_inside,
)
from analysis.record import StudyRecord
from analysis.rules import Place
from analysis.samples import Sample
from analysis.tables.rows import CheckRow

__all__ = ["run_checks"]


def run_checks(record: StudyRecord, samples: Mapping[Place, Sample]) -> tuple[CheckRow, ...]:
    """Return the outcome of every check, those that withhold verdicts first."""
    return (
        check_tuning_budgets(record),
        check_planned_trials(record),
        check_duplicates(record),
        check_confirm_seeds(record),
        check_seeds_disjoint(record),
        check_divergence(record, samples),
        check_control(record),
        check_winners_inside(record),
        check_targets(record),
        check_spread(record, samples),
        check_power(record),
        check_searches(record),
    )
