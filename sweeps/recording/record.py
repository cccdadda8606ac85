"""A trial's result as plain JSON values, under the names of `analysis.layout`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from analysis import layout
from sweeps.protocol import Outcome
from sweeps.space import setting_text
from sweeps.trial import TrialResult

_MAX_ERROR_CHARACTERS = 7900  # MLflow takes tags of at most 8000


def record_of(result: TrialResult) -> dict[str, Any]:
    """Return a trial's result as plain JSON values, under the names of `analysis.layout`."""
    trial = result.trial
    budget, index = trial.budget, "draw" if trial.phase == "tune" else "seed"  # MLflow's list cuts long names
    params = {
        layout.PARAM_ARM: trial.arm,
        layout.PARAM_BUDGET: str(trial.cell.budget.amount),
        layout.PARAM_PHASE: trial.phase,
        layout.PARAM_SEED: str(trial.seed),
        layout.PARAM_SCHEDULE: result.schedule,
        layout.PARAM_MOMENTUM_POLICY: result.momentum_policy,
        **{name: setting_text(value) for name, value in trial.settings.items()},
    }
    return {
        "trial_key": trial.key,
        "run_name": f"{trial.arm} {budget.amount}{'ep' if budget.unit == 'epochs' else 'up'} {index} {trial.index}",
        "kind": result.kind,
        "validation": result.outcome.validation,
        "test": result.outcome.test,
        "start_ms": int(result.started_at * 1000),
        "end_ms": int(result.ended_at * 1000),
        "tags": {name: _writable(text) for name, text in _tags(result).items()},
        "params": {name: _writable(text) for name, text in params.items()},
        "metrics": [[name, value, step] for name, value, step in _metrics(result) if math.isfinite(value)],
    }


def outcome_of_record(record: Mapping[str, Any]) -> Outcome:
    """Return what the protocol needs to know of a record."""
    return Outcome(
        key=record["trial_key"],
        kind=record["kind"],
        validation=record["validation"],
        test=record.get("test"),  # the spool of an earlier version has none
        recorded={name: text for name, text in record["params"].items() if name not in layout.IDENTITY_PARAMS},
    )


def _writable(text: str) -> str:
    """Return a text without what stores refuse: halves of characters, as of files' names that are no UTF-8, and NUL."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "\ufffd")


def _tags(result: TrialResult) -> dict[str, str]:
    trial = result.trial
    index = layout.DRAW if trial.phase == "tune" else layout.SEED_INDEX
    tags = {
        layout.ROLE: layout.ROLE_TRIAL,
        layout.TRIAL_KEY: trial.key,
        layout.WORKLOAD: trial.cell.workload,
        layout.BUDGET: str(trial.cell.budget.amount),
        layout.BUDGET_UNIT: trial.cell.budget.unit,
        layout.CELL: trial.cell.slug,
        layout.ARM: trial.arm,
        layout.PHASE: trial.phase,
        layout.SEARCH: str(trial.search),
        index: str(trial.index),
        layout.SEED: str(trial.seed),
        layout.OUTCOME: result.kind,
        layout.ATTEMPTS: str(result.attempts),
    }
    if result.hardware:
        tags[layout.HARDWARE] = result.hardware
    if result.data:
        tags[layout.DATA] = result.data
    if trial.rung is not None:
        tags |= {layout.RUNG: str(trial.rung), layout.RUNG_BUDGET: str(trial.budget.amount)}
    if trial.winner is not None:
        tags[layout.WINNER] = str(trial.winner)
    if result.error:
        tags["mlflow.note.content"] = f"```\n{result.error[-_MAX_ERROR_CHARACTERS:]}\n```"
    elif result.note:
        tags["mlflow.note.content"] = result.note[:_MAX_ERROR_CHARACTERS]
    return tags


def _metrics(result: TrialResult) -> Iterator[tuple[str, float, int]]:
    for progress in result.curve:
        step = progress.update
        yield layout.CURVE_VALIDATION, progress.validation, step
        if progress.test is not None:
            yield layout.CURVE_TEST, progress.test, step
        yield layout.CURVE_TRAIN_LOSS, progress.train_loss, step
        yield layout.CURVE_LR, progress.lr, step
        yield layout.CURVE_MOMENTUM, progress.momentum, step
        yield layout.CURVE_EPOCH, progress.epoch, step
        yield layout.CURVE_TRAIN_SECONDS, progress.train_seconds, step
    if result.kind == "failed":
        return
    last = result.curve[-1]
    yield layout.DIVERGED, float(last.diverged), 0
    yield layout.FINAL_UPDATES, last.update, 0
    yield layout.FINAL_TOTAL_UPDATES, result.total_updates, 0
    yield layout.FINAL_TRAIN_SECONDS, last.train_seconds, 0
    yield layout.FINAL_EVALUATION_SECONDS, last.evaluation_seconds, 0
    if last.overflows:
        yield layout.FINAL_OVERFLOWS, last.overflows, 0
    if last.diverged:
        yield layout.DIVERGED_AT_UPDATE, last.update, 0
        return
    yield layout.FINAL_VALIDATION, last.validation, 0
    yield layout.FINAL_TRAIN_LOSS, last.train_loss, 0
    if last.test is not None:
        yield layout.FINAL_TEST, last.test, 0
