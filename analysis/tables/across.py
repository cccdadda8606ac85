"""Set arms side by side over several workloads: profiles and scores of times to target, ranks of accuracies."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.record import StudyRecord
from analysis.rules import Place, Rules
from analysis.samples import Sample
from analysis.statistics.arrays import FloatArray
from analysis.statistics.profiles import (
    ScoreEstimates,
    algoperf_scores,
    geometric_speed_up,
    performance_profile,
    performance_ratios,
    times_per_workload,
)
from analysis.statistics.ranks import (
    FEWEST_BLOCKS,
    average_ranks,
    block_ranks,
    critical_difference,
    friedman_test,
    indistinguishable_groups,
)
from analysis.tables.rows import (
    ComparisonRow,
    GeometricSpeedUpRow,
    ProfileRow,
    RankRow,
    RankTestRow,
    ScoreRow,
    finite_or_none,
)
from analysis.tables.target_runs import TargetRuns


@dataclass(frozen=True, kw_only=True)
class AcrossWorkloads:
    """All rows over several workloads; none for a study with one."""

    scores: tuple[ScoreRow, ...] = ()
    profiles: tuple[ProfileRow, ...] = ()
    geometric_speed_ups: tuple[GeometricSpeedUpRow, ...] = ()
    ranks: tuple[RankRow, ...] = ()
    rank_tests: tuple[RankTestRow, ...] = ()


def across_workloads(
    record: StudyRecord,
    samples: Mapping[Place, Sample],
    target_runs: Mapping[Place, TargetRuns],
    comparisons: Sequence[ComparisonRow],
) -> AcrossWorkloads:
    """Return scores, profiles and speed-ups at the longest budget, and ranks at every budget.

    Times are updates to the first hit of a target by the confirm runs. First come the rows for each workload's own
    target, by one rule for all studies: the highest target of the study that the control's median confirm run
    reaches there. They are left out where some workload has no such target. Then come the rows for every target of
    the study on all workloads. Without recorded curves there are ranks only.
    """
    rules = record.rules
    if len(rules.workloads) < 2:
        return AcrossWorkloads()
    races = _races(record, target_runs) if target_runs else ()
    results = [_results(rules, race) for race in races]
    ranked = [_ranking(record, budget, samples, comparisons) for budget in rules.budgets.amounts]
    return AcrossWorkloads(
        scores=tuple(row for result in results for row in result.scores),
        profiles=tuple(row for result in results for row in result.profiles),
        geometric_speed_ups=tuple(row for result in results for row in result.geometric_speed_ups),
        ranks=tuple(row for rows, _ in ranked for row in rows),
        rank_tests=tuple(test for _, test in ranked),
    )


@dataclass(frozen=True, kw_only=True)
class _Race:
    """Times of all arms on all workloads at one budget.

    Attributes:
        target: The same for every workload, or None where each has its own.
        targets: Of each workload.
        times: Updates to target, shape ``(num_arms, num_workloads, num_runs)``; infinite for a miss, NaN for no run.
        run_ids: Of every arm.
    """

    budget: float
    target: float | None
    targets: tuple[float, ...]
    times: FloatArray
    run_ids: tuple[tuple[str, ...], ...]


def _races(record: StudyRecord, runs: Mapping[Place, TargetRuns]) -> tuple[_Race, ...]:
    rules = record.rules
    budget = max(rules.budgets.amounts)
    places = [[Place(workload.name, budget, arm) for workload in rules.workloads] for arm in rules.ordered_arms]
    run_ids = tuple(tuple(run for place in row if place in runs for run in runs[place].run_ids) for row in places)
    # Shape (num_targets, num_arms, num_workloads, num_runs).
    times = _padded(
        [[[_times(record, place, runs, target) for place in row] for row in places] for target in rules.targets]
    )
    races = []
    own = _highest_targets_of_the_control(rules.targets, times)
    if own is not None:
        chosen = np.stack([times[index, :, workload] for workload, index in enumerate(own)], axis=1)
        targets = tuple(rules.targets[index] for index in own)
        races.append(_Race(budget=budget, target=None, targets=targets, times=chosen, run_ids=run_ids))
    for index, target in enumerate(rules.targets):
        everywhere = (target,) * len(rules.workloads)
        races.append(_Race(budget=budget, target=target, targets=everywhere, times=times[index], run_ids=run_ids))
    return tuple(races)


def _times(record: StudyRecord, place: Place, runs: Mapping[Place, TargetRuns], target: float) -> list[float]:
    """Return the updates to the first hit of every confirm run, infinity for a miss.

    Nor would the runs of a search have hit, whose draws all diverged, so that there was no winner to run.
    """
    lost = [math.inf] * (len(record.lost_searches(place)) * record.rules.confirm.seeds)
    if place not in runs:
        return lost
    hits, updates = runs[place].hits(target), runs[place].curves.updates
    # A hit before the first update took no time, of which there is no ratio.
    return [*(max(float(updates[hit]), 1.0) if hit >= 0 else math.inf for hit in hits), *lost]


def _padded(times: list[list[list[list[float]]]]) -> FloatArray:
    longest = max((len(runs) for target in times for arm in target for runs in arm), default=0)
    padded = [
        [[[*runs, *[math.nan] * (max(longest, 1) - len(runs))] for runs in arm] for arm in target] for target in times
    ]
    return np.array(padded, dtype=np.float64)


def _highest_targets_of_the_control(targets: Sequence[float], times: FloatArray) -> tuple[int, ...] | None:
    """Return the index of the highest target that the control's median run reaches per workload, if all have one."""
    if not targets:
        return None
    reached = np.isfinite(times_per_workload(times[:, 0, :, :, np.newaxis]))
    heights = np.where(reached, np.array(targets)[:, np.newaxis], -math.inf)
    return tuple(int(index) for index in heights.argmax(axis=0)) if reached.any(axis=0).all() else None


def _results(rules: Rules, race: _Race) -> AcrossWorkloads:
    studies = race.times[..., np.newaxis]  # every run is a study of one trial: its settings were chosen before
    medians = times_per_workload(studies)
    scores = algoperf_scores(studies, generator=np.random.default_rng(0), confidence=1 - rules.alpha)
    return AcrossWorkloads(
        scores=_score_rows(rules, race, medians, scores),
        profiles=_profile_rows(rules, race, medians),
        geometric_speed_ups=tuple(
            _speed_up_row(rules, race, medians, arm) for arm in range(len(rules.ordered_arms)) if arm
        ),
    )


def _score_rows(rules: Rules, race: _Race, medians: FloatArray, scores: ScoreEstimates) -> tuple[ScoreRow, ...]:
    ratios = performance_ratios(medians)
    return tuple(
        ScoreRow(
            budget=race.budget,
            arm=arm,
            target=race.target,
            workloads=tuple(workload.name for workload in rules.workloads),
            targets=race.targets,
            n=tuple(int(count) for count in (~np.isnan(race.times[index])).sum(axis=-1)),
            hits=tuple(int(count) for count in np.isfinite(race.times[index]).sum(axis=-1)),
            median_updates=tuple(finite_or_none(time) for time in medians[index]),
            ratios=tuple(finite_or_none(ratio) for ratio in ratios[index]),
            score=finite_or_none(scores.score[index]),
            ci_low=finite_or_none(scores.low[index]),
            ci_high=finite_or_none(scores.high[index]),
            run_ids=race.run_ids[index],
        )
        for index, arm in enumerate(rules.ordered_arms)
    )


def _profile_rows(rules: Rules, race: _Race, medians: FloatArray) -> tuple[ProfileRow, ...]:
    """Return the profiles of the arms that ran on every workload."""
    ratios = performance_ratios(medians)
    taus = np.unique(np.concatenate([[1.0], ratios[np.isfinite(ratios)]]))
    profiles = performance_profile(ratios, taus)
    return tuple(
        ProfileRow(
            budget=race.budget,
            arm=arm,
            target=race.target,
            tau=tuple(float(tau) for tau in taus),
            rho=tuple(float(share) for share in profiles[index]),
            run_ids=race.run_ids[index],
        )
        for index, arm in enumerate(rules.ordered_arms)
        if not np.isnan(profiles[index]).any()
    )


def _speed_up_row(rules: Rules, race: _Race, medians: FloatArray, arm: int) -> GeometricSpeedUpRow:
    confidence = 1 - rules.alpha
    whole = geometric_speed_up(medians[arm], medians[0], confidence=confidence)
    part = geometric_speed_up(medians[arm], medians[0], confidence=confidence, restricted=True)
    return GeometricSpeedUpRow(
        budget=race.budget,
        arm=rules.ordered_arms[arm],
        control=rules.control,
        target=race.target,
        workloads=whole.num_workloads,
        entered=whole.num_entered,
        not_run=int((np.isnan(medians[arm]) | np.isnan(medians[0])).sum()),
        speed_up=finite_or_none(whole.ratio),
        ci_low=finite_or_none(whole.low),
        ci_high=finite_or_none(whole.high),
        restricted=finite_or_none(part.ratio),
        restricted_low=finite_or_none(part.low),
        restricted_high=finite_or_none(part.high),
        run_ids=(*race.run_ids[arm], *race.run_ids[0]),
    )


def _ranking(
    record: StudyRecord, budget: float, samples: Mapping[Place, Sample], comparisons: Sequence[ComparisonRow]
) -> tuple[tuple[RankRow, ...], RankTestRow]:
    rules, arms = record.rules, record.rules.ordered_arms
    places = [[Place(workload.name, budget, arm) for arm in arms] for workload in rules.workloads]
    # A workload need not have every budget, as in a table from elsewhere.
    table = np.array(
        [
            [_standing(record, place, samples[place]) if place in samples else math.nan for place in row]
            for row in places
        ]
    )
    complete = ~np.isnan(table).any(axis=1)
    blocks = table[complete]
    names = tuple(w.name for w, kept in zip(rules.workloads, complete, strict=True) if kept)
    ranks, averages = block_ranks(blocks), average_ranks(blocks)
    run_ids = [tuple(run for name in names for run in samples[Place(name, budget, arm)].run_ids) for arm in arms]
    rows = tuple(
        RankRow(
            budget=budget,
            arm=arm,
            average_rank=finite_or_none(averages[index]),
            ranks=tuple(float(rank) for rank in ranks[:, index]),
            workloads=names,
            run_ids=run_ids[index],
        )
        for index, arm in enumerate(arms)
    )
    withheld = [row for row in comparisons if row.budget == budget and row.workload in names and row.withheld]
    test = _rank_test(rules, budget, blocks, len(withheld), tuple(run for runs in run_ids for run in runs))
    return rows, test


def _standing(record: StudyRecord, place: Place, sample: Sample) -> float:
    """Return what an arm is ranked by: the mean accuracy, NaN without any run, minus infinity if a run diverged.

    An arm is behind all others too where a search has no winner since all its draws diverged.
    """
    if sample.diverged or record.lost_searches(place):
        return -math.inf
    return float(sample.values.mean()) if sample.n else math.nan


def _rank_test(
    rules: Rules, budget: float, blocks: FloatArray, num_withheld: int, run_ids: tuple[str, ...]
) -> RankTestRow:
    num_blocks, num_arms = blocks.shape
    enough = num_blocks >= FEWEST_BLOCKS and num_arms >= 2
    test = friedman_test(blocks if enough else blocks[:0])
    difference = critical_difference(num_arms, num_blocks, rules.alpha) if enough else math.nan
    withheld = _why_ungrouped(num_blocks, num_arms, num_withheld)
    groups = () if withheld else indistinguishable_groups(average_ranks(blocks), difference)
    return RankTestRow(
        budget=budget,
        arms=num_arms,
        blocks=num_blocks,
        chi2=finite_or_none(test.chi2_tied),
        p=finite_or_none(test.p),
        f=finite_or_none(test.f_tied),
        f_p=finite_or_none(test.f_p),
        critical_difference=finite_or_none(difference),
        groups=tuple(tuple(rules.ordered_arms[arm] for arm in group) for group in groups),
        withheld=withheld,
        run_ids=run_ids,
    )


def _why_ungrouped(num_blocks: int, num_arms: int, num_withheld: int) -> str:
    if num_arms < 2:
        return "there is one arm only"
    if num_blocks < FEWEST_BLOCKS:
        return f"{num_blocks} of at least {FEWEST_BLOCKS} workloads could be ranked"
    if num_withheld:
        return f"the verdicts of {num_withheld} of its comparisons are withheld"
    return ""
