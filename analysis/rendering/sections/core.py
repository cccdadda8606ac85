"""Show what every report has: remarks, curves, seeds, winners, ledger, rules, provenance."""

from __future__ import annotations

from analysis.rendering import text_tables
from analysis.rendering.guide import reading_guide
from analysis.rendering.section import Section
from analysis.tables.contents import Report


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
        note="Updates charged count a diverged trial in full.",
        tables=(text_tables.ledger_table(report),),
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
