"""Turn the runs of an experiment into the table of trials; knows the layout of a study, not how runs are fetched."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis import layout
from analysis.record import CONFIRM, SETTING_PREFIX, TRIAL_COLUMNS, TUNE, typed
from analysis.rules import Rules


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """What is known of a run, its curves left aside; ``metrics`` holds the last value of each."""

    run_id: str
    status: str
    start_time: int
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Mapping[str, float]

    @property
    def is_trial(self) -> bool:
        """Whether the run is a trial, and not the study run or something else."""
        return self.tags.get(layout.ROLE) == layout.ROLE_TRIAL


def trial_table(runs: Sequence[RunFacts], rules: Rules) -> pd.DataFrame:
    """Return one row per run, by workload, budget, arm, phase and index as the rules order them."""
    arms = {name: position for position, name in enumerate(rules.ordered_arms)}
    workloads = {workload.name: position for position, workload in enumerate(rules.workloads)}

    def order(row: Mapping[str, Any]) -> tuple[object, ...]:
        index = row["seed_index"] if row["phase"] == CONFIRM else row["draw"]
        return (
            workloads.get(row["workload"], len(workloads)),
            row["budget"],
            arms.get(row["arm"], len(arms)),
            (TUNE, CONFIRM).index(row["phase"]) if row["phase"] in {TUNE, CONFIRM} else 2,
            -1 if row["search"] is None else row["search"],
            -1 if index is None else index,
            row["trial_key"],
        )

    by_age = sorted(runs, key=lambda run: (run.start_time, run.run_id))
    return typed(sorted((_trial_row(run) for run in by_age), key=order), TRIAL_COLUMNS)


def _trial_row(run: RunFacts) -> dict[str, object]:
    tags, metrics = run.tags, run.metrics
    settings = {
        f"{SETTING_PREFIX}{name}": _parsed(value)
        for name, value in sorted(run.params.items())
        if name not in layout.IDENTITY_PARAMS
    }
    return {
        "trial_key": tags.get(layout.TRIAL_KEY, run.run_id),
        "run_id": run.run_id,
        "workload": tags.get(layout.WORKLOAD, ""),
        "budget": _number(tags.get(layout.BUDGET)) or 0,
        "budget_unit": tags.get(layout.BUDGET_UNIT, ""),
        "arm": tags.get(layout.ARM, ""),
        "phase": tags.get(layout.PHASE, ""),
        "search": _number(tags.get(layout.SEARCH)),
        "draw": _number(tags.get(layout.DRAW)),
        "rung": _number(tags.get(layout.RUNG)),
        "winner": _number(tags.get(layout.WINNER)),
        "seed_index": _number(tags.get(layout.SEED_INDEX)),
        "seed": _number(tags.get(layout.SEED)),
        "outcome": tags.get(layout.OUTCOME, ""),
        "diverged": metrics.get(layout.DIVERGED, 0) == 1 or tags.get(layout.OUTCOME) == "diverged",
        "diverged_at_update": metrics.get(layout.DIVERGED_AT_UPDATE),
        "validation": metrics.get(layout.FINAL_VALIDATION),
        "test": metrics.get(layout.FINAL_TEST),
        "train_loss": metrics.get(layout.FINAL_TRAIN_LOSS),
        "updates": metrics.get(layout.FINAL_UPDATES),
        "total_updates": metrics.get(layout.FINAL_TOTAL_UPDATES),
        "train_seconds": metrics.get(layout.FINAL_TRAIN_SECONDS),
        "attempts": _number(tags.get(layout.ATTEMPTS)),
        "hardware": tags.get(layout.HARDWARE),
        "data": tags.get(layout.DATA) or None,
        "launch": tags.get(layout.LAUNCH),
        **settings,
    }


def _number(text: str | None) -> int | float | None:
    if text is None:
        return None
    try:
        return int(text)
    except ValueError:
        return float(text)


def _parsed(text: str) -> Any:
    """Return a param as the number, truth value or list it was written from, else as text."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
