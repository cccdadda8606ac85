"""Hold everything known about a study as two tables; where they come from is another module's business."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from analysis.rules import Cell, Place, Rules

TUNE = "tune"
CONFIRM = "confirm"
FAILED = "failed"
FINISHED = "finished"
SETTING_PREFIX = "setting."

TRIAL_COLUMNS = {
    "trial_key": "str",
    "run_id": "str",
    "workload": "str",
    "budget": "object",
    "budget_unit": "str",
    "arm": "str",
    "phase": "str",
    "search": "Int64",
    "draw": "Int64",
    "seed_index": "Int64",
    "seed": "object",
    "outcome": "str",
    "diverged": "bool",
    "diverged_at_update": "Int64",
    "validation": "float64",
    "test": "float64",
    "train_loss": "float64",
    "updates": "Int64",
    "total_updates": "Int64",
    "train_seconds": "float64",
}
EVALUATION_COLUMNS = {
    "trial_key": "str",
    "run_id": "str",
    "workload": "str",
    "budget": "object",
    "arm": "str",
    "phase": "str",
    "seed_index": "Int64",
    "update": "int64",
    "epoch": "float64",
    "train_seconds": "float64",
    "validation": "float64",
    "test": "float64",
    "train_loss": "float64",
    "lr": "float64",
    "momentum": "float64",
}


@dataclass(frozen=True, kw_only=True)
class StudyRecord:
    """The rules, trials and evaluations of one study.

    Attributes:
        rules: What was fixed before the first trial.
        trials: One row per trial with the columns of ``TRIAL_COLUMNS`` and one ``setting.<name>`` per
            setting. Accuracies are fractions; ``test`` and ``validation`` belong to the last evaluation and
            are NaN where there is none. A key that occurs twice is kept twice, earliest run first.
        evaluations: One row per evaluation with the columns of ``EVALUATION_COLUMNS``, in order of updates
            within a trial.
        failures: Attempts that ended without a result, by (workload, arm, phase); their trials were run again or are
            missing from ``trials``.
        provenance: Where the record comes from; anything here may differ between two runs of the same study.

    Raises:
        ValueError: If a table lacks a column.
    """

    rules: Rules
    trials: pd.DataFrame
    evaluations: pd.DataFrame
    provenance: Mapping[str, str]
    failures: Mapping[tuple[str, str, str], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, table, columns in (
            ("trials", self.trials, TRIAL_COLUMNS),
            ("evaluations", self.evaluations, EVALUATION_COLUMNS),
        ):
            missing = [column for column in columns if column not in table.columns]
            if missing:
                raise ValueError(f"{name} must have the columns {', '.join(missing)}; got {', '.join(table.columns)}.")

    def distinct_trials(self) -> pd.DataFrame:
        """Return the trials with each key once, so that a duplicate is never averaged in."""
        return self.trials.drop_duplicates("trial_key", keep="first")

    def lost_searches(self, place: Place) -> frozenset[int]:
        """Return the searches of an arm in a cell whose draws all diverged: they have no winner to confirm."""
        draws = trials_of(self.distinct_trials(), place, TUNE)
        planned = self.rules.tuning.draws
        diverged = draws.loc[draws["diverged"], "search"].tolist()
        return frozenset(int(search) for search, count in Counter(diverged).items() if count == planned)


def trials_of(trials: pd.DataFrame, where: Cell | Place, phase: str) -> pd.DataFrame:
    """Return the rows of one phase in a cell, or of one arm in a cell."""
    mask = (trials["workload"] == where.workload) & (trials["budget"] == where.budget) & (trials["phase"] == phase)
    if isinstance(where, Place):
        mask &= trials["arm"] == where.arm
    return trials[mask]


def typed(rows: list[dict[str, object]], columns: Mapping[str, str]) -> pd.DataFrame:
    """Build a table with these columns and types from plain rows; extra keys become further columns."""
    frame = pd.DataFrame(rows, columns=None if rows else list(columns))
    return frame.reindex(columns=[*columns, *(c for c in frame.columns if c not in columns)]).astype(dict(columns))
