"""Show how many times as fast each arm is as the control, and how much of that comes from the baseline."""

from __future__ import annotations

from collections.abc import Sequence

from analysis import wording
from analysis.rendering.section import Section
from analysis.rendering.sections.speedup_sentences import baseline_sentences, saved_in_words, speed_up_sentences
from analysis.rendering.text_table import TextTable, cell_table
from analysis.speed_wording import excludes
from analysis.tables.contents import Report
from analysis.tables.rows.speedups import SkepticRow


def speed_up(report: Report) -> Section:
    """Show accuracy against budget and the ratio of budgets at equal accuracy."""
    design = report.design
    if not report.speed_ups:
        return Section(title="Speed-up", sentences=speed_up_sentences(report))
    return Section(
        title="Speed-up",
        note="How many times as fast an arm is: the control's budget over the arm's at equal accuracy, namely that of "
        "the worse of the two at the budget given. Below 1 the arm is slower. Curves are monotone in the logarithm of "
        "the budget, and every budget is a training of its own. Where all ratios that the budgets can show are "
        f"excluded, the bound is one-sided. The {wording.confidence(design.alpha)} intervals and the p-values for 1, 2 "
        "and 8 are not adjusted for their number.",
        sentences=speed_up_sentences(report),
        figures=("frontier",),
        tables=(speed_up_table(report),),
        open=True,
    )


def baseline(report: Report) -> Section:
    """Show that ratio by how much the baseline was tuned, and the winner's curse; nothing where that is not known."""
    design = report.design
    if not any(row.as_published or row.draws for row in report.skeptic) and not report.winner_curses:
        return Section(title="How much of it comes from the baseline")
    return Section(
        title="How much of it comes from the baseline",
        note=f"The same ratio at the longest budget, by how much {design.control} was tuned: as published, by the best "
        "of some of its draws, and by all of them. Against the first and the last the arms were confirmed on the same "
        "seeds. In between, the accuracy of the baseline is estimated: the validation accuracy of the best of draws "
        "chosen at random, plus test less validation accuracy of the confirm runs, less the winner's curse. That is by "
        "how much validation accuracy when chosen overstates that of the confirm runs; it is taken to grow with the "
        "number of draws like the expected maximum of normal numbers. Bands hold the choice among the draws that were "
        "made, and the seeds: close to all draws they are too narrow for another search.",
        sentences=baseline_sentences(report),
        figures=("skeptic",),
        tables=(skeptic_table(report), winner_curse_table(report)),
    )


def speed_up_table(report: Report) -> TextTable:
    """Return every ratio of budgets with its tests."""
    saved = f"{report.design.budget_unit} saved"
    values = ("times as fast", saved, "p for 1", "p for 2", "p for 8", "excludes")
    rows = [
        (
            row.workload,
            wording.number(row.budget),
            row.arm,
            wording.times_with_interval(row.ratio, row.ci_low, row.ci_high, row.interval),
            saved_in_words(row),
            *(wording.p_value(test.p) for test in row.tests),
            excludes([test.ratio for test in row.tests if test.excluded]) or wording.NOTHING,
            row.reason,
        )
        for row in report.speed_ups
    ]
    return _with_reasons(report, values, rows, "speed-up", "How many times as fast each arm is as the control.")


def skeptic_table(report: Report) -> TextTable:
    """Return the ratio of budgets by how much the baseline was tuned."""
    values = ("baseline", "times as fast", "excludes", "baseline's accuracy in %")
    rows = [
        (
            row.workload,
            wording.number(row.budget),
            row.arm,
            _baseline(row),
            wording.times_with_interval(row.ratio, row.ci_low, row.ci_high, row.interval),
            excludes(row.excluded) or wording.NOTHING,
            wording.percent(row.accuracy),
            row.reason,
        )
        for row in report.skeptic
    ]
    caption = "How many times as fast each arm is at the longest budget, by how much the baseline was tuned."
    return _with_reasons(report, values, rows, "skeptic", caption)


def _baseline(row: SkepticRow) -> str:
    if row.as_published:
        return "as published"
    if not row.draws:
        return "as given"
    return "1 draw" if row.draws == 1 else f"best of {row.draws} draws"


def winner_curse_table(report: Report) -> TextTable:
    """Return the winner's curse of every search."""
    numeric = ("search", "when chosen in %", "confirmed in %", "curse in points", "test in %")
    rows = (
        (
            row.workload,
            wording.number(row.budget),
            row.arm,
            str(row.search),
            wording.percent(row.validation_chosen),
            wording.percent(row.validation_confirmed),
            wording.points_with_interval(row.curse, row.ci_low, row.ci_high),
            wording.percent(row.test),
        )
        for row in report.winner_curses
    )
    return cell_table(
        report,
        numeric,
        rows,
        numeric=frozenset(numeric),
        name="winners-curse",
        caption="By how much the validation accuracy of each winner when chosen overstates that of its confirm runs.",
    )


def _with_reasons(
    report: Report, values: tuple[str, ...], rows: Sequence[tuple[str, ...]], name: str, caption: str
) -> TextTable:
    """Return a table whose last column holds reasons, left out where there are none."""
    reasons = any(row[-1] for row in rows)
    return cell_table(
        report,
        (*values, *(("because",) if reasons else ())),
        rows if reasons else [row[:-1] for row in rows],
        numeric=frozenset(values) - {"baseline", "excludes"},
        prose=frozenset({"because"}),
        name=name,
        caption=caption,
    )
