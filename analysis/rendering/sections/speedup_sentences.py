"""Say in plain language how many times as fast the arms are, and how much of that comes from the baseline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import median

from analysis import wording
from analysis.rendering.section import MOST_SENTENCES
from analysis.speed_wording import about_one, excludes, how_fast
from analysis.tables.contents import Report
from analysis.tables.rows.speedups import SkepticRow, SpeedUpRow
from analysis.whereabouts import capital, joined, where


def speed_up_sentences(report: Report) -> tuple[str, ...]:
    """Return a sentence per workload and contender, at the longest budget; of many workloads, one per contender."""
    contenders = [arm.name for arm in report.design.arms if arm.name != report.design.control and not arm.as_published]
    shown = contenders or [arm.name for arm in report.design.arms if arm.name != report.design.control]
    if shown and not report.speed_ups:
        return ("A speed-up is a ratio of budgets at equal accuracy, and needs at least two budgets of a workload.",)
    rows = [row for row in report.speed_ups if row.primary and row.arm in shown]
    if len(rows) > MOST_SENTENCES and len(report.design.workloads) > 1:
        return tuple(_over_workloads(report, arm, [row for row in rows if row.arm == arm]) for arm in shown)
    return tuple(f"{_compared(report, row)}." for row in rows)


def _compared(report: Report, row: SpeedUpRow) -> str:
    place = where(report.design, row)
    if row.ratio is None and row.beyond is None:
        return f"There is no ratio for {row.arm} {place}: {row.reason}"
    claim = f"{capital(place)} {row.arm} is {how_fast(report.design.alpha, row, f' as fast as {row.control}')}"
    if row.interval in {"open", "none"}:
        return claim
    ratios = [test.ratio for test in row.tests if test.excluded]
    saved = f"{report.design.budget_unit} saved at equal accuracy: {saved_in_words(row)}"
    return f"{claim}{_excluded(report, row, ratios)}; {saved}"


def _excluded(report: Report, row: SpeedUpRow | SkepticRow, ratios: Sequence[float]) -> str:
    """Say which ratios an interval excludes, and what that is worth where no difference of accuracies is shown."""
    if not ratios:
        return ""
    undecided = any(
        (other.workload, other.budget, other.arm, other.verdict) == (row.workload, row.budget, row.arm, "undecided")
        for other in report.comparisons
    )
    alone = " (a single interval, not adjusted for the number of comparisons; the verdict there is undecided)"
    return f", which excludes {excludes(ratios)}{alone if undecided and 1 in ratios else ''}"


def _over_workloads(report: Report, arm: str, rows: Sequence[SpeedUpRow]) -> str:
    """Give the range of the ratios of an arm over workloads, and on how many of them the interval excludes 1."""
    known = sorted((row for row in rows if row.ratio is not None), key=lambda row: row.ratio or 0.0)
    begin = f"{arm} over {len(rows)} workloads, at the longest budget of each"
    parts = []
    if known:
        low, high = (f"{wording.times(row.ratio)} (on {row.workload})" for row in (known[0], known[-1]))
        middle = wording.times(median(row.ratio or 0.0 for row in known))
        parts.append(f"from {low} to {high} times as fast as {report.design.control}, {middle} at the median")
    counts = Counter(about_one(row) for row in rows)
    sides = [(f"{side} 1" if side != "around" else "around 1", counts[side]) for side in ("above", "below", "around")]
    if listed := ", ".join(f"{words} on {count}" for words, count in sides if count):
        parts.append(f"the {wording.confidence(report.design.alpha)} interval, not adjusted, lies {listed}")
    beyond = sum(row.ratio is None and row.beyond is not None for row in rows)
    if beyond:
        parts.append(f"beyond what the budgets can show on {beyond}")
    if lacking := len(rows) - len(known) - beyond:
        parts.append(f"no ratio on {lacking}")
    return f"{begin}: {'; '.join(parts)}."


def baseline_sentences(report: Report) -> tuple[str, ...]:
    """Return how the ratio falls with the tuning of the baseline, and the winner's curse."""
    by_arm: dict[tuple[str, str], list[SkepticRow]] = {}
    for row in report.skeptic:
        if row.ratio is not None or row.beyond is not None:
            by_arm.setdefault((row.workload, row.arm), []).append(row)
    if len(by_arm) > MOST_SENTENCES and len(report.design.workloads) > 1:
        falls = _falls_of_many(report, list(by_arm.values()))
    else:
        falls = [f"{_fall(report, rows)}." for rows in by_arm.values()]
    lacking = dict.fromkeys(f"{capital(rows[-1].reason)}." for rows in by_arm.values() if rows[-1].reason)
    return (*falls, *list(lacking)[:MOST_SENTENCES], *_curse(report))


def _curse(report: Report) -> Iterator[str]:
    curses = [row.curse for row in report.winner_curses if row.curse is not None]
    if curses:
        mean = wording.points(sum(curses) / len(curses))
        yield (
            f"Winner's curse: over {len(curses)} {'search' if len(curses) == 1 else 'searches'} the validation "
            f"accuracy of the best draw differs from that of its confirm runs by {mean} points on average."
        )


def _against(control: str, row: SkepticRow, *, again: bool) -> str:
    """Name the baseline of a row, of those that sentences speak of; empty for the others."""
    if row.as_published:
        return f"{control} as published"
    if row.draws == 1:
        return "a single draw of it" if again else f"a single draw of {control}"
    if not row.confirmed:
        return ""
    if not row.draws:
        return f"{control} as given"
    return f"the best of {row.draws} draws" if again else f"the best of {row.draws} draws of {control}"


def _fall(report: Report, rows: Sequence[SkepticRow]) -> str:
    """Say how the ratio changes from the baseline as published over a single draw to all draws."""
    parts: list[str] = []
    for row in rows:
        if against := _against(report.design.control, row, again=bool(parts)):
            fast = how_fast(report.design.alpha, row, "" if parts else " as fast")
            parts.append(f"against {against} {fast if parts else f'{row.arm} is {fast}'}")
    on = f"on {rows[0].workload}" if len(report.design.workloads) > 1 else ""
    return capital(f"{joined(on, '; '.join(parts))}{_excluded(report, rows[-1], rows[-1].excluded)}")


def _falls_of_many(report: Report, groups: Sequence[Sequence[SkepticRow]]) -> list[str]:
    """Give for every arm the median ratio over workloads against each baseline, with the range."""
    sentences = []
    for arm in dict.fromkeys(rows[0].arm for rows in groups):
        own = [row for rows in groups for row in rows if row.arm == arm and row.ratio is not None]
        by_baseline: dict[str, list[float]] = {}
        for row in own:
            if against := _against(report.design.control, row, again=False):
                by_baseline.setdefault(against, []).append(row.ratio or 0.0)
        parts = [
            f"against {against} {wording.times(median(ratios))} times as fast at the median of {len(ratios)} workloads "
            f"({wording.times(min(ratios))} to {wording.times(max(ratios))})"
            for against, ratios in by_baseline.items()
        ]
        if parts:
            sentences.append(f"{arm} is {'; '.join(parts)}.")
    return sentences


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
