"""Count what each arm spent."""

from __future__ import annotations

import pandas as pd

from analysis.record import CONFIRM, FAILED, TUNE, StudyRecord
from analysis.tables.rows import LedgerRow, finite_or_none


def ledger_rows(record: StudyRecord) -> tuple[LedgerRow, ...]:
    """Return trials, updates, seconds, divergences per workload, arm and phase; duplicates count."""
    rules, trials = record.rules, record.trials
    superseded = trials["trial_key"].isin(record.superseded_keys)
    rows = []
    for workload in rules.workloads:
        for arm in rules.ordered_arms:
            for phase in (TUNE, CONFIRM):
                own = (trials["workload"] == workload.name) & (trials["arm"] == arm) & (trials["phase"] == phase)
                spent = trials[own]
                row = LedgerRow(
                    workload=workload.name,
                    arm=arm,
                    phase=phase,
                    as_published=rules.arms[arm].as_published,
                    trials=len(spent),
                    updates_charged=int(spent["total_updates"].sum()),
                    updates_run=int(spent["updates"].sum()),
                    train_seconds=finite_or_none(spent["train_seconds"].sum(min_count=min(len(spent), 1))),
                    diverged=int(spent["diverged"].sum()),
                    failed=int((spent["outcome"] == FAILED).sum())
                    + record.failures.get((workload.name, arm, phase), 0),
                    search_dims=len(rules.search_space(arm)),
                    on_rungs=int(spent["rung"].notna().sum()),
                    superseded=int((superseded & own).sum()),
                    restarts=_restarts(spent["attempts"].dropna()),
                    run_ids=tuple(spent["run_id"]),
                )
                rows.append(row)
    return tuple(rows)


def _restarts(attempts: pd.Series[int]) -> int | None:
    return int((attempts - 1).sum()) if len(attempts) else None
