"""Write a comparison of two studies as tables of text, which its page and its Markdown show."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import compress
from typing import Any

from analysis import wording
from analysis.comparing.values import Comparison, Effect, SharedCell, Spent, StudyDigest
from analysis.record import ALL_PARTS
from analysis.rendering.text_table import TextTable
from analysis.whereabouts import has_budgets


def effect_table(comparison: Comparison) -> TextTable:
    """Return both differences of every shared comparison, how the verdicts compare, and the change."""
    numeric = ("first study", "second study", "change")
    rows = (
        (
            *_keys(cell),
            cell.agreement,
            _verdict(cell.first),
            _verdict(cell.second),
            wording.points_with_interval(cell.first.difference, cell.first.ci_low, cell.first.ci_high),
            wording.points_with_interval(cell.second.difference, cell.second.ci_low, cell.second.ci_high),
            wording.points_with_interval(cell.change, cell.change_low, cell.change_high),
        )
        for cell in comparison.cells
    )
    verdicts = ("first verdict", "second verdict")
    return _cell_table(
        comparison, ("verdicts", *verdicts, *numeric), rows, numeric=frozenset(numeric), chips=frozenset(verdicts)
    )


def combination_table(comparison: Comparison) -> TextTable:
    """Return the common difference of both studies where there is one, with its heterogeneity, or why there is none."""
    numeric = ("combined", "Q", "p of Q", "I² in %")
    rows = (
        (
            *_keys(cell),
            wording.points_with_interval(cell.combined, cell.combined_low, cell.combined_high),
            wording.number(cell.q, 2),
            wording.p_value(cell.q_p),
            wording.percent(cell.i_squared, 0),
            cell.not_combined,
        )
        for cell in comparison.cells
    )
    why = "not combined because"
    return _cell_table(comparison, (*numeric, why), rows, numeric=frozenset(numeric), prose=frozenset({why}))


def rule_table(comparison: Comparison) -> TextTable:
    """Return every rule in which the designs differ."""
    return TextTable(
        columns=("rule", "first study", "second study", "changes effects"),
        num_keys=1,
        prose=frozenset({"first study", "second study"}),
        rows=tuple(
            (
                rule.rule,
                rule.first or wording.NOTHING,
                rule.second or wording.NOTHING,
                "yes" if rule.changes_effects else "no",
            )
            for rule in comparison.rules
        ),
    )


def unshared_table(comparison: Comparison) -> TextTable:
    """Return the comparisons that only one study has."""
    rows = (
        (cell.workload, wording.number(cell.budget), cell.arm, cell.control, cell.study) for cell in comparison.unshared
    )
    return _cell_table(comparison, ("control", "in the study"), rows)


def ledger_table(comparison: Comparison) -> TextTable:
    """Return what each arm spent in both studies, the first before the second."""
    numeric = ("trials", "updates charged", "seconds", "diverged", "failed")
    rows = tuple(
        (pair.arm, pair.phase, name, *_spent(spent))
        for pair in comparison.ledger
        for name, spent in (("first", pair.first), ("second", pair.second))
    )
    return TextTable(columns=("arm", "phase", "study", *numeric), num_keys=3, rows=rows, numeric=frozenset(numeric))


def study_table(comparison: Comparison) -> TextTable:
    """Return what the two studies are, each with the verdict of its own report."""
    digests = (("first", comparison.first), ("second", comparison.second))
    prose = ("question", "its own verdict", "protocol", "not recorded")
    rows = tuple(
        (name, digest.label, *(text or wording.NOTHING for text in _about(digest))) for name, digest in digests
    )
    return TextTable(columns=("study", "name", *prose), num_keys=2, rows=rows, prose=frozenset(prose))


def _about(digest: StudyDigest) -> tuple[str, ...]:
    lacking = sorted(ALL_PARTS - set(digest.recorded))
    return digest.question, digest.headline, digest.protocol_hash, ", ".join(lacking)


def _keys(cell: SharedCell) -> tuple[str, str, str]:
    return cell.workload, wording.number(cell.budget), cell.arm


def _verdict(effect: Effect) -> str:
    return "withheld" if effect.withheld else effect.verdict


def _spent(spent: Spent | None) -> tuple[str, ...]:
    if spent is None:
        return (wording.NOTHING,) * 5
    return (
        str(spent.trials),
        str(spent.updates_charged),
        wording.number(spent.train_seconds, 1),
        str(spent.diverged),
        str(spent.failed),
    )


def _cell_table(
    comparison: Comparison, values: tuple[str, ...], rows: Iterable[tuple[str, ...]], **more: Any
) -> TextTable:
    """Return a table whose rows start with workload, budget and arm; one workload and unknown budgets are left out."""
    several = len({c.workload for c in comparison.cells} | {c.workload for c in comparison.unshared}) > 1
    shown = (several, has_budgets(comparison), True)
    keys = tuple(compress(("workload", comparison.budget_unit, "arm"), shown))
    return TextTable(
        columns=(*keys, *values),
        num_keys=len(keys),
        rows=tuple((*compress(row[:3], shown), *row[3:]) for row in rows),
        **more,
    )
