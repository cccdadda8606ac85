"""Write the rows of a report as tables of text, which Markdown, HTML and the command line all show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from analysis import wording
from analysis.record import CONFIRM, PLAN, RULES, TUNING, UPDATES
from analysis.rendering.text_table import TextTable, cell_table
from analysis.tables.contents import ArmDesign, Design, Report
from analysis.tables.rows import ArmRow, ComparisonRow, LedgerRow
from analysis.whereabouts import has_budgets


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


def _scored(row: ArmRow) -> int:
    """Return how many runs have a final accuracy: several searches run on the same seeds."""
    return max(row.planned - row.diverged - row.missing, row.n)


def spread_table(report: Report) -> TextTable:
    """Return mean, spread and counts of the final accuracy."""
    planned = PLAN in report.design.recorded
    numeric = ("runs", "mean", "sd", "median", "lowest", "highest", "diverged", *(("missing",) if planned else ()))
    rows = (
        (
            row.workload,
            wording.number(row.budget),
            row.arm,
            f"{_scored(row)} of {row.planned}" if planned else str(_scored(row)),
            *(wording.percent(v) for v in (row.mean, row.sd, row.median, row.minimum, row.maximum)),
            str(row.diverged),
            *((str(row.missing),) if planned else ()),
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
    """Return the settings that were chosen; nothing where neither they nor the searches are recorded."""
    numeric = ("search", "draw", "validation in %")
    published = {arm.name for arm in report.design.arms if arm.as_published}
    rows = (
        (
            row.workload,
            wording.number(row.budget),
            row.arm,
            str(row.search),
            "as published" if row.arm in published else wording.number(row.draw),
            wording.percent(row.validation),
            ", ".join(f"{name} {wording.setting(value)}" for name, value in row.settings.items()),
        )
        for row in report.winners
        if row.settings or row.draw is not None
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
    recorded, several = report.design.recorded, len(report.design.workloads) > 1
    rare = [name for name in ("on_rungs", "superseded", "restarts") if any(getattr(r, name) for r in report.ledger)]
    beside = tuple(name.replace("_", " ") for name in rare)
    numeric = ("dimensions", "trials", "updates charged", "updates run", "seconds", "diverged", "failed", *beside)
    rows = (
        (
            row.workload,
            row.arm,
            row.phase,
            _dimensions(row),
            str(row.trials),
            *(str(n) if UPDATES in recorded else wording.NOTHING for n in (row.updates_charged, row.updates_run)),
            wording.number(row.train_seconds, 1),
            str(row.diverged),
            str(row.failed),
            *(wording.number(getattr(row, name)) for name in rare),
        )
        for row in report.ledger
        if row.phase == CONFIRM or TUNING in recorded
    )
    return TextTable(
        columns=(*(("workload",) if several else ()), "arm", "phase", *numeric),
        num_keys=3 if several else 2,
        rows=tuple(row if several else row[1:] for row in rows),
        numeric=frozenset(numeric),
        name="ledger",
        caption="What every arm spent.",
    )


def _dimensions(row: LedgerRow) -> str:
    return "as published" if row.as_published else str(row.search_dims) if row.search_dims else wording.NOTHING


def _searched(design: Design, space: Mapping[str, object]) -> str:
    nothing = "nothing" if TUNING in design.recorded else "not recorded"
    return f"searched: {', '.join(space) or nothing}"


def _budgets(design: Design) -> str:
    amounts = ", ".join(wording.number(budget) for budget in design.budgets)
    return f"{amounts} {design.budget_unit}" if has_budgets(design) else "not recorded"


def _arm(design: Design, arm: ArmDesign) -> str:
    """Describe an arm; of a table from elsewhere, the schedule is only known where the rules name it."""
    space = "as published" if arm.as_published else _searched(design, arm.search_space)
    if RULES not in design.recorded and arm.schedule == arm.name:
        return space
    return f"schedule {arm.schedule}, momentum {arm.momentum_policy}; {space}"


def _planned(design: Design, plan: str, part: str) -> str:
    return plan if part in design.recorded else "not recorded"


def _tuning(design: Design) -> str:
    plan = f"{design.draws} draws per arm and cell, searched {design.searches}×"
    if design.halving_factor is None:
        return plan
    sizes = ", ".join(map(str, design.rung_draws))
    return f"{plan}; successive halving over {sizes} draws, each training {design.halving_factor} times as long"


def design_table(report: Report) -> TextTable:
    """Return what was fixed before the first trial."""
    design = report.design
    rows = [
        ("control", design.control),
        ("workloads", ", ".join(design.workloads)),
        ("budgets", _budgets(design)),
        ("tuning", _planned(design, _tuning(design), TUNING)),
        ("confirming", _planned(design, wording.confirm_seeds(design.confirm_seeds, design.max_seeds), PLAN)),
        (
            "targets",
            ", ".join(f"{wording.number(100 * target, 4)} %" for target in design.targets) or wording.NOTHING,
        ),
        ("equivalence margin", f"±{wording.margin(design.equivalence_margin)}"),
        ("alpha", wording.number(design.alpha)),
        ("protocol", design.protocol_hash or wording.NOTHING),
    ]
    rows += [(f"arm {arm.name}", _arm(design, arm)) for arm in design.arms]
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
