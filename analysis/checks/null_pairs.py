"""Check that the comparison finds nothing where there is nothing: the control against itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from analysis import wording
from analysis.checks.outcome import Condition, everywhere, in_cell, outcome
from analysis.rules import Cell, Rules
from analysis.statistics.null_pairs import FEWEST_SEEDS
from analysis.tables.rows import CheckRow, Finding, NullPairsRow

NULL_PAIRS = Condition(
    name="control_against_itself",
    title="Halves of the control's own seeds are not told apart more often than alpha allows",
    severity="fail",
    met="",
    remedy="Look at the control's seeds: values in coarse steps or far outliers undo the error rate of the test.",
)
TOO_FEW = Condition(
    name=NULL_PAIRS.name,
    title=NULL_PAIRS.title,
    severity="warn",
    met="",
    remedy=f"Use {FEWEST_SEEDS} confirm seeds or more in a new study.",
)


def check_null_pairs(rules: Rules, rows: Sequence[NullPairsRow]) -> tuple[CheckRow, ...]:
    """Judge the A/A comparisons: a rate above alpha after correction withholds the verdicts of the cell."""
    if not rows:
        return ()
    compared = [row for row in rows if row.splits]
    if not compared:
        text = f"the control has fewer than {FEWEST_SEEDS} seeds in every cell and cannot be split in two"
        return (outcome(TOO_FEW, [everywhere(text)]),)
    return (outcome(_with_evidence(rules, compared), _above_alpha(rules, compared)),)


def _with_evidence(rules: Rules, rows: Sequence[NullPairsRow]) -> Condition:
    splits = sum(row.splits for row in rows)
    positives = sum(row.splits * (row.false_positive_rate or 0.0) for row in rows)
    rate, alpha = wording.number(100 * positives / splits, 2), wording.number(100 * rules.alpha, 2)
    return Condition(
        name=NULL_PAIRS.name,
        title=NULL_PAIRS.title,
        severity=NULL_PAIRS.severity,
        met=f"Of {splits} splits of the control's seeds {rate} % had p below alpha before correction; {alpha} % may.",
        remedy=NULL_PAIRS.remedy,
    )


def _above_alpha(rules: Rules, rows: Sequence[NullPairsRow]) -> Iterator[Finding]:
    for row in rows:
        if (row.corrected_rate or 0.0) > rules.alpha:
            cell = Cell(row.workload, row.budget)
            share = f"{wording.number(100 * (row.corrected_rate or 0.0), 2)} % of {row.splits} splits"
            where = rules.describe_cell(cell)
            yield in_cell(cell, f"{share} of the control's seeds {where} are told apart after correction", row.run_ids)
