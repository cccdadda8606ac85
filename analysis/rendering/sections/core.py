"""Show what every report has: remarks, curves, seeds, winners, ledger, rules, provenance."""

from __future__ import annotations

from collections.abc import Iterator

from analysis.record import CONFIRM, UPDATES
from analysis.rendering import text_tables
from analysis.rendering.guide import reading_guide
from analysis.rendering.section import Section
from analysis.tables.contents import Report
from analysis.whereabouts import has_budgets

# More figures than these would push the verdicts off the first screen.
MOST_LEADING = 2


def accuracy(report: Report) -> Section:
    """Show accuracy against budget of many workloads, which would push the verdicts off the first screen."""
    shown = not leads(report)
    return Section(
        title="Accuracy against budget" if has_budgets(report.design) else "Accuracy",
        note="Mean test accuracy and differences to the control, with intervals; the grey band is the margin.",
        figures=("accuracy",) if shown else (),
    )


def leads(report: Report) -> bool:
    """Say whether the first screen has room for a figure per workload."""
    return len(report.design.workloads) <= MOST_LEADING


def remarks(report: Report) -> Section:
    """Say why verdicts are withheld or not what p alone would say."""
    return Section(title="Withheld and qualified verdicts", tables=(text_tables.remarks_table(report),), open=True)


def published_gaps(report: Report) -> Section:
    """Set the gaps to the tuned control beside those to the control as published."""
    return Section(
        title="The control tuned and as published",
        note="Differences of accuracy in percentage points with intervals: how much of a gap comes from a control that "
        "nobody tuned.",
        tables=(text_tables.gaps_table(report),),
    )


def learning_curves() -> Section:
    """Show the mean learning curves."""
    return Section(
        title="Learning curves",
        note="Mean test accuracy over seeds with t bands; dotted lines are the targets.",
        figures=("curves",),
    )


def every_seed(report: Report) -> Section:
    """Show every confirm run, and the spread over them."""
    return Section(
        title="Every seed",
        note="One mark per confirm run; the bar is the interval of the mean. Accuracies in the table are in percent.",
        figures=("seeds",),
        tables=(text_tables.spread_table(report),),
    )


def winners(report: Report) -> Section:
    """Show the settings that were chosen."""
    return Section(title="Winning settings", tables=(text_tables.winners_table(report),))


def ledger(report: Report) -> Section:
    """Show what every arm spent."""
    return Section(
        title="Ledger",
        note="Updates charged count a diverged trial in full." if UPDATES in report.design.recorded else "",
        sentences=tuple(_spent_beside(report)),
        tables=(text_tables.ledger_table(report),),
    )


def _spent_beside(report: Report) -> Iterator[str]:
    """Say what was spent on trials that no statistic rests on."""
    on_rungs, superseded = (sum(getattr(row, name) for row in report.ledger) for name in ("on_rungs", "superseded"))
    if on_rungs:
        yield (
            f"{on_rungs} trials ran on the rungs of successive halving, at budgets shorter than those that are "
            "compared: they chose which draws went on, and only the ledger shows them."
        )
    if superseded:
        former = sum(row.superseded for row in report.ledger if row.phase == CONFIRM)
        kinds = (
            [f"{former} confirm {'run' if former == 1 else 'runs'} of draws that are not the best"] if former else []
        )
        if dropped := superseded - former:
            kinds.append(f"{dropped} {'draw' if dropped == 1 else 'draws'} that lost their place on a rung")
        yield (
            f"{' and '.join(kinds)} do not count, since other draws of their search did better in validation; nothing "
            "but the ledger rests on them."
        )
    restarts = sum(row.restarts or 0 for row in report.ledger)
    if restarts:
        times = "once" if restarts == 1 else f"{restarts} times"
        yield (
            f"Trials were started again {times} after their process or machine was lost; updates and seconds are "
            "those of the training that ended."
        )


def rules(report: Report) -> Section:
    """Show what was fixed before the first trial."""
    return Section(title="Rules of this study", tables=(text_tables.design_table(report),))


def guide(report: Report) -> Section:
    """Explain what the verdict means."""
    return Section(title="How to read the verdict", remarks=reading_guide(report.design))


def provenance(report: Report) -> Section:
    """Say where the record comes from."""
    return Section(title="Provenance", tables=(text_tables.provenance_table(report),))
