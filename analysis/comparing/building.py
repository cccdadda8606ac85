"""Compute what two reports say about each other; only the values in the reports are needed, not the runs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from analysis.comparing.designs import differing_rules, hinders_combination
from analysis.comparing.saying import comparison_sentences
from analysis.comparing.values import (
    SCHEMA_VERSION,
    Agreement,
    Comparison,
    Effect,
    LedgerPair,
    RuleDifference,
    SharedCell,
    Spent,
    StudyDigest,
    UnsharedCell,
)
from analysis.rules import Place
from analysis.statistics.combination import (
    CombinedDifference,
    change_of_differences,
    combine_differences,
    difference_of_summaries,
)
from analysis.statistics.differences import MeanDifference
from analysis.tables.contents import Report
from analysis.tables.rows import ArmRow, ComparisonRow, LedgerRow, finite_or_none


def compare_reports(
    first: Report, second: Report, sources: tuple[str, str] = ("the first", "the second")
) -> Comparison:
    """Set two studies side by side: rules, effects in the cells that both have, and what was spent.

    Workloads, budgets, arms and the control are matched by name; what a name stands for is compared as far as the
    reports say it. Studies with another control or another unit of budgets have no comparison in common.
    An effect is combined over the studies only where both measured the same quantity on runs of their own.

    Args:
        first: One report.
        second: The other.
        sources: What tells the two apart where their studies have the same name, such as the files that they are from.
    """
    rules = differing_rules(first.design, second.design)
    same_protocol = bool(first.design.protocol_hash) and first.design.protocol_hash == second.design.protocol_hash
    one, two = _Study.of(first), _Study.of(second)
    shared = [place for place in one.compared if place in two.compared] if _comparable(first, second) else []
    cells = tuple(_shared_cell(place, one, two, rules, same_protocol) for place in shared)
    unshared = (*_unshared(one, shared, "first"), *_unshared(two, shared, "second"))
    labels = [first.study, second.study]
    if first.study == second.study:
        labels = [f"{first.study} ({source})" for source in sources]
    digests = (_digest(first, labels[0]), _digest(second, labels[1]))
    sentences = comparison_sentences(digests, rules, cells, first.design, same_protocol=same_protocol)
    return Comparison(
        schema_version=SCHEMA_VERSION,
        first=digests[0],
        second=digests[1],
        headline=" ".join(sentences),
        sentences=sentences,
        same_protocol=same_protocol,
        rules=rules,
        budget_unit=first.design.budget_unit,
        alpha=first.design.alpha,
        cells=cells,
        unshared=unshared,
        ledger=_ledger_pairs(first.ledger, second.ledger),
    )


def _comparable(first: Report, second: Report) -> bool:
    return (first.design.control, first.design.budget_unit) == (second.design.control, second.design.budget_unit)


@dataclass(frozen=True, kw_only=True)
class _Study:
    """The rows of one report, found by place."""

    report: Report
    arms: Mapping[Place, ArmRow]
    compared: Mapping[Place, ComparisonRow]
    by_id: Mapping[Place, Mapping[str, float | None]]
    """Accuracies of the confirm runs by the id of the run."""
    by_seed: Mapping[Place, Mapping[tuple[int, int], float]]
    """The same by search and seed index, as far as these are known."""

    @classmethod
    def of(cls, report: Report) -> _Study:
        by_id: dict[Place, dict[str, float | None]] = {}
        by_seed: dict[Place, dict[tuple[int, int], float]] = {}
        for row in report.seeds:
            by_id.setdefault(_place(row), {}).update(dict.fromkeys(row.run_ids, row.test))
            if row.test is not None and row.search is not None and row.seed_index is not None:
                by_seed.setdefault(_place(row), {})[row.search, row.seed_index] = row.test
        return cls(
            report=report,
            arms={_place(row): row for row in report.arms},
            compared={_place(row): row for row in report.comparisons},
            by_id=by_id,
            by_seed=by_seed,
        )

    def effect(self, place: Place) -> MeanDifference:
        """Return the difference to the control with its standard error, from the means and sds of the report."""
        row, control = (self.arms[p] for p in (place, place._replace(arm=self.compared[place].control)))
        return difference_of_summaries(_summary(row), _summary(control))


def _place(row: Any) -> Place:
    return Place(row.workload, row.budget, row.arm)


def _summary(row: ArmRow) -> tuple[float, float, int]:
    mean, sd = (math.nan if value is None else value for value in (row.mean, row.sd))
    return mean, sd, row.n


def _digest(report: Report, label: str) -> StudyDigest:
    return StudyDigest(
        study=report.study,
        label=label,
        question=report.design.question,
        headline=report.headline,
        protocol_hash=report.design.protocol_hash,
        recorded=report.design.recorded,
        schema_version=report.schema_version,
    )


def _shared_cell(
    place: Place, one: _Study, two: _Study, rules: tuple[RuleDifference, ...], same_protocol: bool
) -> SharedCell:
    rows = one.compared[place], two.compared[place]
    confidence = 1 - one.report.design.alpha
    effects = one.effect(place), two.effect(place)
    change = change_of_differences(*effects)
    same_runs = _same_runs(place, one, two)
    hindrance = _why_not_combined(place, rows, rules, same_runs=same_runs, same_protocol=same_protocol)
    combined = combine_differences([] if hindrance else effects)
    if not hindrance and math.isnan(combined.common.standard_error):
        hindrance = "the spread over seeds is unknown or zero in a study"
    low, high = (math.nan, math.nan) if same_runs else change.interval(confidence)
    return SharedCell(
        workload=place.workload,
        budget=place.budget,
        arm=place.arm,
        control=rows[0].control,
        first=_effect(rows[0]),
        second=_effect(rows[1]),
        agreement=_agreement(*rows),
        same_runs=same_runs,
        change=finite_or_none(change.difference),
        change_low=finite_or_none(low),
        change_high=finite_or_none(high),
        **_combined(combined, confidence),
        not_combined=hindrance,
    )


def _combined(estimate: CombinedDifference, confidence: float) -> dict[str, float | None]:
    low, high = estimate.common.interval(confidence)
    return {
        "combined": finite_or_none(estimate.common.difference),
        "combined_low": finite_or_none(low),
        "combined_high": finite_or_none(high),
        "q": finite_or_none(estimate.q),
        "q_p": finite_or_none(estimate.q_p),
        "i_squared": finite_or_none(estimate.i_squared),
    }


def _effect(row: ComparisonRow) -> Effect:
    return Effect(
        n=row.n,
        n_control=row.n_control,
        difference=row.difference,
        ci_low=row.ci_low,
        ci_high=row.ci_high,
        verdict=row.verdict,
        withheld=row.withheld,
        run_ids=row.run_ids,
    )


def _agreement(first: ComparisonRow, second: ComparisonRow) -> Agreement:
    verdicts = {first.verdict, second.verdict}
    if first.withheld or second.withheld:
        return "withheld"
    if "undecided" in verdicts:
        return "open"
    if len(verdicts) == 1:
        return "agree"
    return "differ" if "equivalent" in verdicts else "contradict"


def _same_runs(place: Place, one: _Study, two: _Study) -> bool:
    """Say whether the arm or the control of a cell stands on the same runs in both studies.

    Ids alone do not tell: tables from elsewhere may number their runs alike. Runs with other ids that have the same
    accuracies seed by seed are the same trainings done twice.
    """
    places = place, place._replace(arm=one.compared[place].control)
    return any(
        _same_by_id(one.by_id.get(at, {}), two.by_id.get(at, {}))
        or _same_by_seed(one.by_seed.get(at, {}), two.by_seed.get(at, {}))
        for at in places
    )


def _same_by_id(mine: Mapping[str, float | None], theirs: Mapping[str, float | None]) -> bool:
    """Say whether there are runs of the same id, and all of them have the same accuracy."""
    common = mine.keys() & theirs.keys()
    return bool(common) and all(mine[run_id] == theirs[run_id] for run_id in common)


def _same_by_seed(mine: Mapping[tuple[int, int], float], theirs: Mapping[tuple[int, int], float]) -> bool:
    """Say whether every seed that both have gave the same accuracy, and not the same for all of them."""
    common = mine.keys() & theirs.keys()
    return len({mine[seed] for seed in common}) > 1 and all(mine[seed] == theirs[seed] for seed in common)


def _why_not_combined(
    place: Place,
    rows: tuple[ComparisonRow, ComparisonRow],
    rules: tuple[RuleDifference, ...],
    *,
    same_runs: bool,
    same_protocol: bool,
) -> str:
    if same_runs:
        return "runs of the arm or the control are in both studies"
    if same_protocol:
        return "both studies have the same seeds"
    differing = hinders_combination(rules, {place.arm, rows[0].control})
    if differing:
        return f"the studies differ in {', '.join(differing)}"
    if any(row.withheld for row in rows):
        return "a verdict is withheld"
    return ""


def _unshared(study: _Study, shared: Iterable[Place], which: Any) -> tuple[UnsharedCell, ...]:
    common = set(shared)
    return tuple(
        UnsharedCell(**place._asdict(), control=row.control, study=which)
        for place, row in study.compared.items()
        if place not in common
    )


def _ledger_pairs(first: Iterable[LedgerRow], second: Iterable[LedgerRow]) -> tuple[LedgerPair, ...]:
    totals = [_totals(rows) for rows in (first, second)]
    keys = list(dict.fromkeys([*totals[0], *totals[1]]))
    return tuple(
        LedgerPair(arm=arm, phase=phase, first=totals[0].get((arm, phase)), second=totals[1].get((arm, phase)))
        for arm, phase in keys
    )


def _totals(rows: Iterable[LedgerRow]) -> dict[tuple[str, str], Spent]:
    grouped: dict[tuple[str, str], list[LedgerRow]] = {}
    for row in rows:
        grouped.setdefault((row.arm, row.phase), []).append(row)
    return {key: _spent(group) for key, group in grouped.items()}


def _spent(rows: list[LedgerRow]) -> Spent:
    # Where nothing ran there are no seconds, which is no reason not to know the others'.
    seconds = [row.train_seconds for row in rows if row.trials]
    known = [value for value in seconds if value is not None]
    return Spent(
        trials=sum(row.trials for row in rows),
        updates_charged=sum(row.updates_charged for row in rows),
        train_seconds=sum(known) if len(known) == len(seconds) else None,
        diverged=sum(row.diverged for row in rows),
        failed=sum(row.failed for row in rows),
    )
