"""Write the rows of a report as tables of text, which Markdown, HTML and the command line all show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from analysis import wording
from analysis.record import PLAN, TUNING
from analysis.rendering.text_table import TextTable, cell_table
from analysis.tables.contents import Design, Report
from analysis.tables.rows import ArmRow, ComparisonRow


@dataclass(frozen=True, kw_only=True)
class VerdictRow:
    """One line of the verdict table, ready to be shown.

    ``accuracy`` is in percent as ``mean ± half-width``, ``difference`` in percentage points with its
    interval; the control's own line has neither a difference nor a p-value, and ``control`` in place of a
    verdict.
    """

    workload: str
    budget: str
    arm: str
    accuracy: str
    difference: str
    p_adjusted: str
    verdict: str
    reason: str


def verdict_rows(report: Report) -> tuple[VerdictRow, ...]:
    """Return one line per arm and cell, control first in each cell."""
    compared = {(row.workload, row.budget, row.arm): row for row in report.comparisons}
    return tuple(_verdict_row(row, compared.get((row.workload, row.budget, row.arm))) for row in report.arms)


def _verdict_row(row: ArmRow, comparison: ComparisonRow | None) -> VerdictRow:
    gap = (None, None, None) if comparison is None else (comparison.difference, comparison.ci_low, comparison.ci_high)
    return VerdictRow(
        workload=row.workload,
        budget=wording.number(row.budget),
        arm=row.arm,
        accuracy=wording.plus_minus(row.mean, row.ci_low, row.ci_high),
        difference=wording.points_with_interval(*gap),
        p_adjusted=wording.p_value(comparison.p_adjusted if comparison else None),
        verdict=comparison.verdict if comparison else "control",
        reason=comparison.reason if comparison else "",
    )


def verdict_table(report: Report) -> TextTable:
    """Return the table of the first screen; the verdict comes early, where a phone shows it."""
    numeric = ("difference in points", "accuracy in %", "adjusted p")
    rows = (
        (row.workload, row.budget, row.arm, row.verdict, row.difference, row.accuracy, row.p_adjusted)
        for row in verdict_rows(report)
    )
    return cell_table(
        report,
        ("verdict", *numeric),
        rows,
        numeric=frozenset(numeric),
        name="verdicts",
        caption="Difference to the control, accuracy and verdict of every arm in every cell.",
    )


def remarks_table(report: Report) -> TextTable:
    """Return why verdicts were withheld, or are not what the p-value alone would say."""
    rows = (
        (row.workload, wording.number(row.budget), row.arm, row.verdict, row.reason)
        for row in report.comparisons
        if row.withheld or row.significant_below_margin
    )
    return cell_table(
        report,
        ("verdict", "because"),
        rows,
        prose=frozenset({"because"}),
        name="remarks",
        caption="Why verdicts are withheld or qualified.",
    )


def spread_table(report: Report) -> TextTable:
    """Return mean, spread and counts of the final accuracy."""
    numeric = ("runs", "mean", "sd", "median", "lowest", "highest", "diverged", "missing")
    rows = (
        (
            row.workload,
            wording.number(row.budget),
            row.arm,
            f"{row.n} of {row.planned}",
            *(wording.percent(v) for v in (row.mean, row.sd, row.median, row.minimum, row.maximum)),
            str(row.diverged),
            str(row.missing),
        )
        for row in report.arms
    )
    return cell_table(
        report,
        numeric,
        rows,
        numeric=frozenset(numeric),
        name="spread",
        caption="Final test accuracy over seeds, in percent.",
    )


def winners_table(report: Report) -> TextTable:
    """Return the settings that were chosen."""
    numeric = ("search", "draw", "validation in %")
    rows = (
        (
            row.workload,
            wording.number(row.budget),
            row.arm,
            str(row.search),
            "as published" if row.draw is None else str(row.draw),
            wording.percent(row.validation),
            ", ".join(f"{name} {wording.setting(value)}" for name, value in row.settings.items()),
        )
        for row in report.winners
    )
    return cell_table(
        report,
        (*numeric, "settings"),
        rows,
        numeric=frozenset(numeric),
        prose=frozenset({"settings"}),
        name="winners",
        caption="Settings that the searches chose.",
    )


def gaps_table(report: Report) -> TextTable:
    """Return the differences to the control as published, beside those to the control as tuned."""
    tuned = {(row.workload, row.budget, row.arm): row for row in report.comparisons}
    numeric = ("to the tuned control", "to the control as published")
    rows = []
    for row in report.published_gaps:
        fair = tuned[row.workload, row.budget, row.arm]
        cells = (
            row.workload,
            wording.number(row.budget),
            row.arm,
            wording.points_with_interval(fair.difference, fair.ci_low, fair.ci_high),
            wording.points_with_interval(row.difference, row.ci_low, row.ci_high),
        )
        rows.append(cells)
    return cell_table(
        report,
        numeric,
        rows,
        numeric=frozenset(numeric),
        name="gaps",
        caption="Differences in percentage points to the control as tuned and as published.",
    )


def ledger_table(report: Report) -> TextTable:
    """Return what each arm spent in each phase."""
    numeric = ("dimensions", "trials", "updates charged", "updates run", "seconds", "diverged", "failed")
    several = len(report.design.workloads) > 1
    rows = (
        (
            row.workload,
            row.arm,
            row.phase,
            "as published" if row.as_published else str(row.search_dims),
            *(str(count) for count in (row.trials, row.updates_charged, row.updates_run)),
            wording.number(row.train_seconds, 1),
            str(row.diverged),
            str(row.failed),
        )
        for row in report.ledger
    )
    return TextTable(
        columns=(*(("workload",) if several else ()), "arm", "phase", *numeric),
        num_keys=3 if several else 2,
        rows=tuple(row if several else row[1:] for row in rows),
        numeric=frozenset(numeric),
        name="ledger",
        caption="What every arm spent.",
    )


def _searched(design: Design, space: Mapping[str, object]) -> str:
    nothing = "nothing" if TUNING in design.recorded else "not recorded"
    return f"searched: {', '.join(space) or nothing}"


def _planned(design: Design, plan: str, part: str) -> str:
    return plan if part in design.recorded else "not recorded"


def design_table(report: Report) -> TextTable:
    """Return what was fixed before the first trial."""
    design = report.design
    rows = [
        ("control", design.control),
        ("workloads", ", ".join(design.workloads)),
        ("budgets", f"{', '.join(wording.number(b) for b in design.budgets)} {design.budget_unit}"),
        ("tuning", _planned(design, f"{design.draws} draws per arm and cell, searched {design.searches}×", TUNING)),
        ("confirming", _planned(design, wording.confirm_seeds(design.confirm_seeds, design.max_seeds), PLAN)),
        (
            "targets",
            ", ".join(f"{wording.number(100 * target, 4)} %" for target in design.targets) or wording.NOTHING,
        ),
        ("equivalence margin", f"±{wording.number(100 * design.equivalence_margin, 4)} points"),
        ("alpha", wording.number(design.alpha)),
        ("protocol", design.protocol_hash or wording.NOTHING),
    ]
    for arm in design.arms:
        space = "as published" if arm.as_published else _searched(design, arm.search_space)
        rows.append((f"arm {arm.name}", f"schedule {arm.schedule}, momentum {arm.momentum_policy}; {space}"))
    return TextTable(
        columns=("rule", "value"),
        num_keys=1,
        rows=tuple(rows),
        prose=frozenset({"value"}),
        name="design",
        caption="Rules of the study.",
    )


def provenance_table(report: Report) -> TextTable:
    """Return where the record comes from."""
    return TextTable(
        columns=("fact", "value"),
        num_keys=1,
        rows=tuple(sorted(report.provenance.items())),
        prose=frozenset({"value"}),
        name="provenance",
        caption="Where the record comes from.",
    )
