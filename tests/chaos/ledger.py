"""Read what MLflow holds of a study straight from its tables, every point of every curve."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from analysis import layout

#: What a repetition of the same training does not repeat.
_CLOCKED = {layout.CURVE_TRAIN_SECONDS, layout.FINAL_TRAIN_SECONDS, layout.FINAL_EVALUATION_SECONDS}

Point = tuple[str, int, float]


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """What one run of a trial says.

    Args:
        outcome: ``finished``, ``diverged`` or ``failed``.
        settings: its params.
        points: name, step and value of every point of every curve, sorted; times left out.
    """

    outcome: str
    settings: tuple[tuple[str, str], ...]
    points: tuple[Point, ...]


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """The runs of a study's trials.

    Args:
        ended: the runs that say that they have ended, by trial key.
        statuses: number of runs by status, deleted ones left out.
        attempts: largest number of attempts at a trial.
    """

    ended: Mapping[str, tuple[Recorded, ...]]
    statuses: Mapping[str, int]
    attempts: int


def read_ledger(database: Path, study: str) -> Ledger:
    """Return what is recorded of `study`."""
    with _opened(database) as tables:
        runs = tables.execute(
            "SELECT r.run_uuid, r.status, k.value, o.value, a.value FROM runs r"
            " JOIN experiments e USING (experiment_id)"
            " JOIN tags k ON k.run_uuid = r.run_uuid AND k.key = ?"
            " LEFT JOIN tags o ON o.run_uuid = r.run_uuid AND o.key = ?"
            " LEFT JOIN tags a ON a.run_uuid = r.run_uuid AND a.key = ?"
            " WHERE e.name = ? AND r.lifecycle_stage = 'active'",
            (layout.TRIAL_KEY, layout.OUTCOME, layout.ATTEMPTS, study),
        ).fetchall()
        ended: dict[str, list[Recorded]] = {}
        for run_id, status, key, outcome, _ in runs:
            if status == "FINISHED":
                ended.setdefault(key, []).append(_recorded(tables, run_id, outcome))
    return Ledger(
        ended={key: tuple(found) for key, found in ended.items()},
        statuses=Counter(status for _, status, _, _, _ in runs),
        attempts=max((int(attempts or 1) for *_, attempts in runs), default=0),
    )


def count_ended(database: Path, study: str, spool: Path) -> int:
    """Return how many trials of `study` have ended, recorded or still in its spool."""
    with _opened(database) as tables:
        [number] = tables.execute(
            "SELECT count(DISTINCT k.value) FROM runs r JOIN experiments e USING (experiment_id)"
            " JOIN tags k ON k.run_uuid = r.run_uuid AND k.key = ? WHERE e.name = ? AND r.status = 'FINISHED'",
            (layout.TRIAL_KEY, study),
        ).fetchone()
    return int(number) + sum(1 for _ in spool.glob("*.json"))


def _opened(database: Path) -> closing[sqlite3.Connection]:
    """Open a database for reading whose server may have been killed a moment ago.

    Not as read-only: what a killed server left half written is rolled back by whoever comes next.
    """
    return closing(sqlite3.connect(f"file:{database}?mode=rw", uri=True, timeout=30))


def _recorded(tables: sqlite3.Connection, run_id: str, outcome: str) -> Recorded:
    settings = tables.execute("SELECT key, value FROM params WHERE run_uuid = ? ORDER BY key", (run_id,))
    points = tables.execute("SELECT key, step, value FROM metrics WHERE run_uuid = ?", (run_id,))
    return Recorded(
        outcome=outcome,
        settings=tuple(settings.fetchall()),
        points=tuple(sorted(point for point in points.fetchall() if point[0] not in _CLOCKED)),
    )


def differences(found: Ledger, calm: Ledger) -> list[str]:
    """Say in which ways a record is not that of the undisturbed run, one sentence each; nothing if it is.

    Args:
        found: the record to be judged.
        calm: the record of the undisturbed run.
    """
    said = [f"{key} is missing." for key in sorted(calm.ended.keys() - found.ended.keys())]
    said += [f"{key} is not in the plan." for key in sorted(found.ended.keys() - calm.ended.keys())]
    for key, runs in sorted(found.ended.items()):
        if len(runs) > 1:
            said.append(f"{key} is there {len(runs)} times.")
        for run in runs:
            said += [f"{key}: {difference}" for difference in _differing(run, calm.ended.get(key, (run,))[0])]
    if begun := sum(number for status, number in found.statuses.items() if status not in {"FINISHED", "FAILED"}):
        said.append(f"{begun} runs were begun and never ended.")
    return said


def _differing(run: Recorded, calm: Recorded) -> list[str]:
    said = []
    if run.outcome != calm.outcome:
        said.append(f"it {run.outcome} where it should have {calm.outcome}.")
    if run.settings != calm.settings:
        said.append(f"its settings are {dict(run.settings)}, not {dict(calm.settings)}.")
    if run.points != calm.points:
        extra, missing = Counter(run.points) - Counter(calm.points), Counter(calm.points) - Counter(run.points)
        said.append(f"points too many: {_some(extra)}; points missing: {_some(missing)}.")
    return said


def _some(points: Counter[Point]) -> str:
    shown = ", ".join(f"{name} at {step} = {value!r}" for name, step, value in list(points.elements())[:3])
    return f"{sum(points.values())} ({shown})" if points else "none"
