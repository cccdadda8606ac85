"""Say how the arms compare over several workloads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from analysis import wording
from analysis.rendering.section import Section
from analysis.rendering.text_table import TextTable
from analysis.statistics.profiles import LARGEST_RATIO
from analysis.statistics.ranks import FEWEST_BLOCKS
from analysis.tables.contents import Report
from analysis.tables.rows import GeometricSpeedUpRow, RankTestRow, ScoreRow
from analysis.whereabouts import at_budget, has_budgets, joined

TITLE = "Across workloads"
COUNTED = "Each workload counts once, whatever its accuracies."
SCORED = (
    "The score is AlgoPerf's (rules of version 0.6): the share of workloads on which an arm is within a factor of the "
    f"fastest arm, averaged over factors from 1 to {LARGEST_RATIO:g}, with every confirm run as a study of one trial "
    "and times in updates. 1 is the fastest everywhere; a miss earns nothing. Its interval covers the seeds; that of "
    "the speed-up covers the workloads, as far as these are a sample of those that matter. Times are those of "
    "evaluations, and as coarse as their grid."
)
RANKED = "Ranks are of mean test accuracy; an arm with a diverged run ranks behind all without."


def across_workloads(report: Report) -> Section:
    """Show scores, speed-ups and ranks over all workloads; nothing for a study with one."""
    if len(report.design.workloads) < 2:
        return Section(title=TITLE)
    return Section(
        title=TITLE,
        note=" ".join((COUNTED, *((SCORED,) if report.algoperf_scores else ()), RANKED)),
        sentences=across_sentences(report),
        figures=("profiles", "ranks"),
        tables=(score_table(report), times_table(report), rank_table(report), rank_test_table(report)),
    )


def across_sentences(report: Report) -> tuple[str, ...]:
    """Return how much faster than the control each arm is, who scores highest, and whether ranks differ."""
    target = _main_target(report)
    scores = [row for row in report.algoperf_scores if row.target == target]
    speed_ups = [row for row in report.geometric_speed_ups if row.target == target]
    sentences = (
        *(_about_speed_up(report, row) for row in speed_ups if not _as_published(report, row.arm)),
        _about_scores(scores),
        *_about_ranks(report),
    )
    return tuple(sentence for sentence in sentences if sentence)


def _main_target(report: Report) -> float | None:
    """Return None where every workload has its own target, else the lowest target of the study."""
    targets = {row.target for row in report.algoperf_scores}
    return None if None in targets else min((t for t in targets if t is not None), default=None)


def _as_published(report: Report, arm: str) -> bool:
    return any(entry.as_published for entry in report.design.arms if entry.name == arm)


def _about_speed_up(report: Report, row: GeometricSpeedUpRow) -> str:
    against = joined(
        f"{row.arm} against {row.control} over {row.workloads} workloads", at_budget(report.design, row.budget)
    )
    if row.speed_up is not None:
        interval = _interval(row.ci_low, row.ci_high)
        between = f", {wording.confidence(report.design.alpha)} interval over workloads {interval}" if interval else ""
        return f"{against}: {wording.times(row.speed_up)} times as fast to the target (geometric mean{between})."
    missed = row.workloads - row.entered - row.not_run
    reasons = [f"a median run missed the target on {missed} of them"] if missed else []
    reasons += [f"{row.not_run} of them have no such run"] if row.not_run else []
    both = "" if row.restricted is None else f"; {wording.times(row.restricted)} times as fast on those that both reach"
    return f"{against}: no mean speed-up, since {' and '.join(reasons)}{both}."


def _about_scores(scores: Sequence[ScoreRow]) -> str:
    ranked = sorted((row for row in scores if row.score is not None), key=lambda row: -(row.score or 0.0))
    if not ranked or not ranked[0].score:
        return ""
    best = ", ".join(row.arm for row in ranked if row.score == ranked[0].score)
    interval = _interval(ranked[0].ci_low, ranked[0].ci_high)
    return f"Highest AlgoPerf score: {best} with {ranked[0].score:.2f}{f' ({interval})' if interval else ''}."


def _about_ranks(report: Report) -> tuple[str, ...]:
    """Return one sentence per tested budget, and one for all that are not grouped for the same reason."""
    tests = report.rank_tests
    said = [_about_test(report, test) for test in tests if not test.withheld]
    reasons = dict.fromkeys(test.withheld for test in tests if test.withheld)
    for reason in reasons:
        budgets = ", ".join(wording.number(test.budget) for test in tests if test.withheld == reason)
        one = not has_budgets(report.design) or (len(reasons) == 1 and not said)
        where = "" if one else f" at {budgets} {report.design.budget_unit}"
        said.append(f"Arms are not grouped by rank{where}: {reason}.")
    return tuple(said)


def _about_test(report: Report, test: RankTestRow) -> str:
    where = joined(f"Over {test.blocks} workloads", at_budget(report.design, test.budget))
    if test.f_p is None:
        return f"{where} all arms rank alike."
    differ = "differ" if test.f_p < report.design.alpha else "do not differ by more than chance"
    groups = "; ".join(", ".join(group) for group in test.groups)
    apart = f" not told apart: {groups}" if groups else " all arms are told apart"
    tail = f";{apart}" if test.f_p < report.design.alpha else ""
    return f"{where} the average ranks {differ} (p {wording.p_value(test.f_p)}){tail}."


def _by_budget(
    report: Report, columns: tuple[str, ...], rows: tuple[tuple[str, ...], ...], *, num_keys: int
) -> dict[str, Any]:
    """Return the parts of a table whose rows start with the budget, which is left out where none is recorded."""
    if has_budgets(report.design):
        return {"columns": (report.design.budget_unit, *columns), "rows": rows, "num_keys": num_keys}
    return {"columns": columns, "rows": tuple(row[1:] for row in rows), "num_keys": num_keys - 1}


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{low:.2f} to {high:.2f}"


def _with_interval(value: float | None, low: float | None, high: float | None) -> str:
    if value is None:
        return wording.NOTHING
    interval = _interval(low, high)
    return f"{value:.2f} ({interval})" if interval else f"{value:.2f}"


def _target(value: float | None) -> str:
    return "own" if value is None else wording.number(100 * value, 4)


def score_table(report: Report) -> TextTable:
    """Return score and speed-up of every arm, for each workload's own target and for those of the study.

    A target of the study that is every workload's own is shown once, and the restricted speed-up only where it differs.
    """
    speed_ups = {(row.arm, row.target): row for row in report.geometric_speed_ups}
    own = {row.targets for row in report.algoperf_scores if row.target is None}
    shown = [row for row in report.algoperf_scores if row.target is None or row.targets not in own]
    missed = any(row.entered < row.workloads for row in report.geometric_speed_ups)
    numeric = ("score", "speed-up", "workloads reached", *(("speed-up where both reach",) if missed else ()))
    rows = []
    for row in shown:
        faster = speed_ups.get((row.arm, row.target))
        cells = (
            _target(row.target),
            row.arm,
            _with_interval(row.score, row.ci_low, row.ci_high),
            "control" if faster is None else _with_interval(faster.speed_up, faster.ci_low, faster.ci_high),
            f"{sum(time is not None for time in row.median_updates)} of {len(row.workloads)}",
        )
        restricted = "" if faster is None else _restricted(faster)
        rows.append((*cells, restricted) if missed else cells)
    return TextTable(
        columns=("target in %", "arm", *numeric),
        num_keys=2,
        rows=tuple(rows),
        numeric=frozenset(numeric),
        name="across-workloads",
        caption="AlgoPerf scores and geometric mean speed-ups; own stands for each workload's own target, the highest "
        "that the control's median run reaches.",
    )


def _restricted(row: GeometricSpeedUpRow) -> str:
    return _with_interval(row.restricted, row.restricted_low, row.restricted_high)


def times_table(report: Report) -> TextTable:
    """Return the median time of every arm on every workload, as updates and as a multiple of the fastest."""
    target = _main_target(report)
    shown = [row for row in report.algoperf_scores if row.target == target]
    numeric = ("target in %", "hits", "median updates", "multiple of the fastest")
    rows = tuple(
        (
            workload,
            row.arm,
            wording.number(100 * row.targets[index], 4),
            f"{row.hits[index]} of {row.n[index]}",
            wording.number(row.median_updates[index], 1),
            wording.times(row.ratios[index]),
        )
        for index, workload in enumerate(report.design.workloads)
        for row in shown
    )
    return TextTable(
        columns=("workload", "arm", *numeric),
        num_keys=2,
        rows=rows,
        numeric=frozenset(numeric),
        name="across-workloads-times",
        caption="Median updates to the target on every workload, a dash for a miss.",
    )


def rank_table(report: Report) -> TextTable:
    """Return the average rank of every arm at every budget, best first."""
    numeric = ("average rank", "workloads")
    rows = tuple(
        (wording.number(budget), row.arm, f"{row.average_rank:.2f}", str(len(row.workloads)))
        for budget in report.design.budgets
        for row in sorted(
            (r for r in report.average_ranks if r.budget == budget and r.average_rank is not None),
            key=lambda r: r.average_rank or 0.0,
        )
    )
    return TextTable(
        **_by_budget(report, ("arm", *numeric), rows, num_keys=2),
        numeric=frozenset(numeric),
        name="average-ranks",
        caption="Average ranks in mean test accuracy, 1 is best.",
    )


def rank_test_table(report: Report) -> TextTable:
    """Return the tests of the ranks, where there are enough workloads."""
    numeric = ("workloads", "Friedman chi²", "p", "Iman-Davenport F", "p of F", "critical difference")
    rows = tuple(
        (
            wording.number(test.budget),
            str(test.blocks),
            wording.number(test.chi2, 2),
            wording.p_value(test.p),
            wording.number(test.f, 2),
            wording.p_value(test.f_p),
            wording.number(test.critical_difference, 2),
            "; ".join(", ".join(group) for group in test.groups) or test.withheld or "none",
        )
        for test in report.rank_tests
        if test.blocks >= FEWEST_BLOCKS
    )
    return TextTable(
        **_by_budget(report, (*numeric, "not told apart"), rows, num_keys=1),
        numeric=frozenset(numeric),
        prose=frozenset({"not told apart"}),
        name="rank-tests",
        caption="Tests of the average ranks, each workload being a block.",
    )
