"""Hold everything known about a study as two tables; where they come from is another module's business."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analysis.rules import Cell, Place, Rules
from analysis.standing import superseded_keys

if TYPE_CHECKING:  # the package imports scipy.stats, which takes a while
    from analysis.statistics.arrays import FloatArray

TUNE = "tune"
CONFIRM = "confirm"
DIVERGED = "diverged"
FAILED = "failed"
FINISHED = "finished"
SETTING_PREFIX = "setting."

# Parts that a record can have. A study that was launched here has them all; a table from elsewhere often lacks some,
# and a check that needs a part that is lacking can neither pass nor fail.
RULES = "rules"  # control, margin, alpha and targets were recorded before the first trial
PLAN = "plan"  # how many draws and confirm seeds there were to be
TUNING = "tuning"  # the tuning trials
SEEDS = "seeds"  # which confirm run had which seed
UPDATES = "updates"  # the updates that each trial was charged
SECONDS = "seconds"  # the time that each trial took
CURVES = "curves"  # evaluations of confirm runs
ALL_PARTS = frozenset({RULES, PLAN, TUNING, SEEDS, UPDATES, SECONDS, CURVES})

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
    "rung": "Int64",
    "winner": "Int64",
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
    "attempts": "Int64",
    "hardware": "str",
    "data": "str",
    "launch": "str",
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
class Curve:
    """The evaluations of one run in order of updates, as arrays of shape ``(num_evals,)``; NaN where not recorded."""

    updates: FloatArray
    epochs: FloatArray
    train_seconds: FloatArray
    validation: FloatArray
    test: FloatArray


NO_CURVE = Curve(**dict.fromkeys(("updates", "epochs", "train_seconds", "validation", "test"), np.empty(0)))


@dataclass(frozen=True, kw_only=True)
class StudyRecord:
    """The rules, trials and evaluations of one study.

    Attributes:
        rules: What was fixed before the first trial.
        trials: One row per trial with the columns of ``TRIAL_COLUMNS`` and one ``setting.<name>`` per
            setting. ``rung`` is that of successive halving, missing at the cell's own budget; ``winner`` is the draw
            whose settings a confirm run has; ``attempts`` counts how often a trial was started. Accuracies are
            fractions; ``test`` and ``validation`` belong to the last evaluation and are NaN where there is none. A key
            that occurs twice is kept twice, earliest run first. ``launch`` names the launch that ran the trial.
        evaluations: One row per evaluation with the columns of ``EVALUATION_COLUMNS``, in order of updates
            within a trial.
        failures: Attempts that ended without a result, by (workload, arm, phase); their trials were run again or are
            missing from ``trials``.
        provenance: Where the record comes from; anything here may differ between two runs of the same study.
        launches: With what each launch ran, by its name: versions, and the state of the code.
        recorded: Which of ``ALL_PARTS`` the record has. Without ``PLAN`` the numbers of draws and seeds in the
            rules are the largest that were seen. Without ``SEEDS`` the seed indices only count, and runs of
            different arms must not be paired by them.

    Raises:
        ValueError: If a table lacks a column.
    """

    rules: Rules
    trials: pd.DataFrame
    evaluations: pd.DataFrame
    provenance: Mapping[str, str]
    failures: Mapping[tuple[str, str, str], int] = field(default_factory=dict)
    launches: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    recorded: frozenset[str] = ALL_PARTS

    def __post_init__(self) -> None:
        for name, table, columns in (
            ("trials", self.trials, TRIAL_COLUMNS),
            ("evaluations", self.evaluations, EVALUATION_COLUMNS),
        ):
            missing = [column for column in columns if column not in table.columns]
            if missing:
                raise ValueError(f"{name} must have the columns {', '.join(missing)}; got {', '.join(table.columns)}.")

    def distinct_trials(self) -> pd.DataFrame:
        """Return the trials with each key once, so that a duplicate is never averaged in; always the same object."""
        return self._distinct

    @cached_property
    def _distinct(self) -> pd.DataFrame:
        return self.trials.drop_duplicates("trial_key", keep="first")

    @cached_property
    def superseded_keys(self) -> frozenset[str]:
        """The keys of the trials that an extension of the study has left without effect; only the ledger has them."""
        trials = self._distinct
        draws = trials[(trials["phase"] == TUNE) & (trials["outcome"] != FAILED)]
        return superseded_keys(draws, trials[trials["phase"] == CONFIRM], self.rules)

    def current_trials(self) -> pd.DataFrame:
        """Return the distinct trials that are not superseded, those on rungs of successive halving among them."""
        return self._current

    @cached_property
    def _current(self) -> pd.DataFrame:
        return self._distinct[~self._distinct["trial_key"].isin(self.superseded_keys)]

    def counted_trials(self) -> pd.DataFrame:
        """Return the trials that all statistics rest on: those that are current, at their cell's own budget."""
        return self._counted

    @cached_property
    def _counted(self) -> pd.DataFrame:
        return self._current[self._current["rung"].isna()]

    @cached_property
    def _positions(self) -> Mapping[Hashable, Any]:
        """The rows of the counted trials by workload, budget, arm and phase."""
        return self._counted.groupby(["workload", "budget", "arm", "phase"], sort=False).indices

    def draws_at(self, place: Place) -> pd.DataFrame:
        """Return the current tuning trials of an arm in a cell, on every rung of successive halving."""
        rows: pd.DataFrame = self._current.iloc[self._tuning_positions.get(place, [])]
        return rows

    @cached_property
    def _tuning_positions(self) -> Mapping[Hashable, Any]:
        draws = np.flatnonzero((self._current["phase"] == TUNE).to_numpy())
        by_place = self._current.iloc[draws].groupby(["workload", "budget", "arm"], sort=False).indices
        return {place: draws[rows] for place, rows in by_place.items()}

    def first_draws_at(self, place: Place) -> pd.DataFrame:
        """Return every draw of an arm in a cell once: at the cell's own budget, or at the shortest that was used."""
        if self.rules.tuning.halving is None:
            return self.trials_at(place, TUNE)
        draws = self.draws_at(place)
        return draws[draws["rung"] == 0]

    def trials_at(self, place: Place, phase: str) -> pd.DataFrame:
        """Return the counted trials of an arm in a cell in one phase; cheap, however many others there are."""
        rows: pd.DataFrame = self._counted.iloc[self._positions.get((*place, phase), [])]
        return rows

    @cached_property
    def curves(self) -> Mapping[str, Curve]:
        """The evaluations of every run that has any, by run id."""
        table = self.evaluations
        columns = {
            name: table[column].to_numpy(dtype=np.float64)
            for name, column in (
                ("updates", "update"),
                ("epochs", "epoch"),
                ("train_seconds", "train_seconds"),
                ("validation", "validation"),
                ("test", "test"),
            )
        }
        by_run = table.groupby("run_id", sort=False).indices
        return {
            str(run_id): Curve(**{name: values[rows] for name, values in columns.items()})
            for run_id, rows in by_run.items()
        }

    def curve_of(self, run_id: str) -> Curve:
        """Return the evaluations of one run; empty arrays where it has none."""
        return self.curves.get(run_id, NO_CURVE)

    def lost_searches(self, place: Place) -> frozenset[int]:
        """Return the searches of an arm in a cell whose draws all diverged: they have no winner to confirm.

        With successive halving, these are the draws that were trained at the cell's own budget.
        """
        draws = self.trials_at(place, TUNE)
        planned = self.rules.tuning.full_draws
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
