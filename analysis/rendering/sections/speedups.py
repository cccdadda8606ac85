"""Show how many times as fast each arm is as the control, and how much of that comes from the baseline."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from analysis import wording
from analysis.rendering.section import Section
from analysis.rendering.text_table import TextTable, cell_table
from analysis.speed_wording import excludes, how_fast
from analysis.tables.contents import Report
from analysis.tables.rows.speedups import SkepticRow, SpeedUpRow


def speed_up(report: Report) -> Section:
    """Show accuracy against budget and the ratio of budgets at equal accuracy."""
    design = report.design
    return Section(
        title="Speed-up",
        note="How many times as fast an arm is: the control's budget over the arm's at equal accuracy, namely that of "
        "the worse of the two at the budget given. Below 1 the arm is slower. Curves are monotone in the logarithm of "
        "the budget, and every budget is a training of its own. Where all ratios that the budgets can show are "
        f"excluded, the bound is one-sided. The {wording.confidence(design.alpha)} intervals and the p-values for 1, 2 "
        "and 8 are not adjusted for their number.",
        sentences=tuple(_speed_up_sentences(report)),
        figures=("frontier",),
        tables=(speed_up_table(report),),
        open=True,
    )


def baseline(report: Report) -> Section:
    """Show that ratio by how much the baseline was tuned, and the winner's curse."""
    design = report.design
    return Section(
        title="How much of it comes from the baseline",
        note=f"The same ratio at the longest budget, by how much {design.control} was tuned: as published, by the best "
        "of some of its draws, and by all of them. Against the first and the last the arms were confirmed on the same "
        "seeds. In between, the accuracy of the baseline is estimated: the validation accuracy of the best of draws "
        "chosen at random, plus test less validation accuracy of the confirm runs, less the winner's curse. That is by "
        "how much validation accuracy when chosen overstates that of the confirm runs; it is taken to grow with the "
        "number of draws like the expected maximum of normal numbers. Bands hold the choice among the draws that were "
        "made, and the seeds: close to all draws they are too narrow for another search.",
        sentences=tuple(_baseline_sentences(report)),
        figures=("skeptic",),
        tables=(skeptic_table(report), winner_curse_table(report)),
    )


def _speed_up_sentences(report: Report) -> Iterable[str]:
    design = report.design
    several = len(design.workloads) > 1
    contenders = [arm.name for arm in design.arms if arm.name != design.control and not arm.as_published]
    shown = contenders or [arm.name for arm in design.arms if arm.name != design.control]
    if shown and not report.speed_ups:
        yield "A speed-up is a ratio of budgets at equal accuracy, and needs at least two budgets of a workload."
    for row in report.speed_ups:
        if not row.primary or row.arm not in shown:
            continue
        where = f"{f'on {row.workload} ' if several else ''}at {_amount(report, row.budget)}"
        yield f"{_compared(report, row, where)}."


def _compared(report: Report, row: SpeedUpRow, where: str) -> str:
    if row.ratio is None and row.beyond is None:
        return f"There is no ratio for {row.arm} {where}: {row.reason}"
    claim = (
        f"{where[0].upper()}{where[1:]} {row.arm} is {how_fast(report.design.alpha, row, f' as fast as {row.control}')}"
    )
    if row.interval in {"open", "none"}:
        return claim
    found = excludes([test.ratio for test in row.tests if test.excluded])
    saved = f"{report.design.budget_unit} saved at equal accuracy: {saved_in_words(row)}"
    return f"{claim}{f', which excludes {found}' if found else ''}; {saved}"


def _baseline_sentences(report: Report) -> Iterable[str]:
    by_arm: dict[tuple[str, str], list[SkepticRow]] = {}
    for row in report.skeptic:
        if row.ratio is not None or row.beyond is not None:
            by_arm.setdefault((row.workload, row.arm), []).append(row)
    for rows in by_arm.values():
        yield f"{_fall(report, rows)}."
        lacking = rows[-1].reason
        if lacking:
            yield f"{lacking[0].upper()}{lacking[1:]}."
    curses = [row.curse for row in report.winner_curses if row.curse is not None]
    if curses:
        mean = wording.points(sum(curses) / len(curses))
        yield (
            f"Winner's curse: over {len(curses)} {'search' if len(curses) == 1 else 'searches'} the validation "
            f"accuracy of the best draw differs from that of its confirm runs by {mean} points on average."
        )


def _fall(report: Report, rows: Sequence[SkepticRow]) -> str:
    """Say how the ratio changes from the baseline as published over a single draw to all draws."""
    control = report.design.control
    parts: list[str] = []
    for row in rows:
        if row.as_published:
            against = f"{control} as published"
        elif row.draws == 1:
            against = "a single draw of it" if parts else f"a single draw of {control}"
        elif row.confirmed:
            draws = f"the best of {row.draws} draws" if row.draws else f"{control} as given"
            against = draws if parts or not row.draws else f"{draws} of {control}"
        else:
            continue
        fast = how_fast(report.design.alpha, row, "" if parts else " as fast")
        parts.append(f"against {against} {fast if parts else f'{row.arm} is {fast}'}")
    found = excludes(rows[-1].excluded)
    where = f"on {rows[0].workload} " if len(report.design.workloads) > 1 else ""
    text = f"{where}{'; '.join(parts)}{f', which excludes {found}' if found else ''}"
    return f"{text[0].upper()}{text[1:]}"


def saved_in_words(row: SpeedUpRow) -> str:
    """Write the budget that is saved with its interval: ``8.1 (5.4 to 10.6)``, ``more than 38``."""
    middle, low, high = (_signed(value) for value in (row.saved, row.saved_low, row.saved_high))
    bounds = {
        "closed": f"{low} to {high}",
        "open_above": f"more than {low}",
        "open_below": f"less than {high}",
        "open": "no bound",
        "none": "",
    }[row.interval]
    if row.saved is None:
        return bounds or wording.NOTHING
    return f"{middle} ({bounds})" if bounds else middle


def _signed(value: float | None) -> str:
    """Write an amount of budget: to a tenth of an epoch, or of updates to one."""
    if value is None:
        return wording.NOTHING
    text = f"{value:.{1 if abs(value) < 100 else 0}f}"
    return text.removeprefix("-") if float(text) == 0 else text.replace("-", "−")


def _amount(report: Report, budget: float) -> str:
    return f"{wording.number(budget)} {report.design.budget_unit}"


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
