"""Read a study from tables."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pandas as pd

from analysis.record import (
    CONFIRM,
    CURVES,
    EVALUATION_COLUMNS,
    FAILED,
    RULES,
    SECONDS,
    SEEDS,
    TUNE,
    TUNING,
    UPDATES,
    StudyRecord,
    typed,
)
from analysis.tidy.curves import tidy_curves
from analysis.tidy.files import RawTable, load_table
from analysis.tidy.options import GivenRules, TableOptions, read_rules
from analysis.tidy.problems import TableError
from analysis.tidy.rules import combined_rules, plan_is_given
from analysis.tidy.trials import TidyTrials, in_order, outcomes, shape_of, tidy_trials


def read_table(
    table: Path | str | pd.DataFrame,
    curves: Path | str | pd.DataFrame | None = None,
    *,
    options: TableOptions | None = None,
) -> StudyRecord:
    """Read results from anywhere: a table with one row per run, of which only ``arm`` and ``test`` are required.

    Args:
        table: File (``.csv``, ``.tsv``, ``.json``, ``.jsonl``, ``.parquet``) or data frame. ``docs/tables.md``
            describes its columns.
        curves: A second table with one row per evaluation of a run.
        options: What the table does not say: control, margin, alpha, targets.

    Returns:
        A record whose ``recorded`` says what the table holds. What it does not hold, no check of the report passes on.

    Raises:
        TableError: With everything that is wrong, and the rows where it is.
    """
    chosen = options or TableOptions()
    given = read_rules(chosen.rules)
    raw = load_table(table)
    trials = tidy_trials(raw, percent=chosen.percent)
    failed = trials.frame["outcome"] == FAILED
    ended = trials.frame[~failed].reset_index(drop=True)
    if ended.empty:
        raise TableError(raw.source, ["the table must have a run that did not fail; it has none."])
    ended["outcome"] = outcomes(ended)
    rules = combined_rules(shape_of(ended, raw.source), chosen, given)
    ended["budget_unit"] = rules.budgets.unit
    ended = in_order(ended, rules)
    raw_curves = None if curves is None else load_table(curves, "curves")
    evaluations = (
        typed([], EVALUATION_COLUMNS) if raw_curves is None else tidy_curves(raw_curves, ended, percent=chosen.percent)
    )
    spenders = trials.frame.loc[failed, ["workload", "arm", "phase"]]
    return StudyRecord(
        rules=rules,
        trials=ended,
        evaluations=evaluations,
        provenance=_provenance(raw, raw_curves, given) | trials.notes,
        failures=Counter(tuple(map(str, spender)) for spender in spenders.itertuples(index=False)),  # type: ignore[misc]
        recorded=_recorded(ended, evaluations, trials) | plan_is_given(given) | _fixed_before(given),
    )


def _recorded(ended: pd.DataFrame, evaluations: pd.DataFrame, trials: TidyTrials) -> frozenset[str]:
    confirmed = ended[ended["phase"] == CONFIRM]
    parts = {
        TUNING: bool((ended["phase"] == TUNE).any()),
        SEEDS: trials.seeds_known,
        UPDATES: bool(ended["total_updates"].notna().all()),
        SECONDS: bool(confirmed["train_seconds"].notna().any()),
        CURVES: bool((evaluations["phase"] == CONFIRM).any()),
    }
    return frozenset(part for part, there in parts.items() if there)


def _fixed_before(given: GivenRules) -> frozenset[str]:
    """Return the part that says when the rules were fixed: the exported rules of a study keep their hash."""
    return frozenset({RULES}) if given.content.get("protocol_hash") else frozenset()


def _provenance(raw: RawTable, curves: RawTable | None, given: GivenRules) -> dict[str, str]:
    facts = {"table": raw.source, "table_rows": str(len(raw.rows)), "table_sha256": raw.sha256}
    if curves is not None:
        facts |= {"curves": curves.source, "curves_rows": str(len(curves.rows)), "curves_sha256": curves.sha256}
    if given.source:
        facts["rules"] = given.source
    return {name: value for name, value in facts.items() if value}
