"""Tabulate the ratio of budgets by how much the baseline was tuned, and the winner's curse that this rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.record import CONFIRM, FAILED, TUNE, StudyRecord
from analysis.rules import Place, Rules
from analysis.samples import Sample
from analysis.statistics.arrays import sample_mean
from analysis.statistics.skeptic import RatioBand, Search, ratio_bands, winners_curse
from analysis.tables.rows import CheckRow, finite_or_none
from analysis.tables.rows.speedups import SkepticRow, WinnerCurseRow
from analysis.tables.speedups import UsableSamples, compare_usable, excluded_ratios, ratio_fields, usable_samples

# Samplers whose first draws do not tell the others where to look.
EXCHANGEABLE_SAMPLERS = frozenset({"sobol", "random"})


@dataclass(frozen=True, kw_only=True)
class RecordedSearch:
    """One search with the runs that its accuracies come from, draws and confirm runs each in order."""

    index: int
    accuracies: Search
    draw_runs: tuple[str, ...]
    confirm_runs: tuple[str, ...]

    @property
    def winner_runs(self) -> tuple[str, ...]:
        """The run of the best draw; none where all diverged."""
        draws = self.accuracies.draws
        return () if np.isnan(draws).all() else (self.draw_runs[int(np.nanargmax(draws))],)


def searches_at(record: StudyRecord, place: Place) -> tuple[RecordedSearch, ...]:
    """Return every search of an arm in a cell of which draws are recorded."""
    tuned, confirmed = record.trials_at(place, TUNE), record.trials_at(place, CONFIRM)
    confirmed = confirmed[(confirmed["outcome"] != FAILED) & ~confirmed["diverged"]]
    found = []
    for label, draws in tuned[tuned["outcome"] != FAILED].groupby("search", sort=True):
        runs = confirmed[confirmed["search"] == label]
        validation = draws["validation"].where(~draws["diverged"]).to_numpy(dtype=np.float64)
        accuracies = Search(
            draws=np.where(np.isfinite(validation), validation, np.nan),
            validation=runs["validation"][np.isfinite(runs["validation"])].to_numpy(dtype=np.float64),
            test=runs["test"][np.isfinite(runs["test"])].to_numpy(dtype=np.float64),
        )
        recorded = RecordedSearch(
            index=int(str(label)),
            accuracies=accuracies,
            draw_runs=tuple(draws["run_id"]),
            confirm_runs=tuple(runs["run_id"]),
        )
        found.append(recorded)
    return tuple(found)


def winner_curse_rows(record: StudyRecord) -> tuple[WinnerCurseRow, ...]:
    """Return how much every winner's validation accuracy when chosen overstates that of its confirm runs."""
    rules = record.rules
    rows = []
    for place in (place for place in rules.places if place.arm in rules.tuned_arms):
        for recorded in searches_at(record, place):
            search = recorded.accuracies
            curse = winners_curse(search, 1 - rules.alpha)
            row = WinnerCurseRow(
                **place._asdict(),
                search=recorded.index,
                draws=search.draws.size,
                validation_chosen=finite_or_none(curse.chosen),
                n=search.validation.size,
                validation_confirmed=finite_or_none(curse.confirmed),
                curse=finite_or_none(curse.curse),
                ci_low=finite_or_none(curse.low),
                ci_high=finite_or_none(curse.high),
                test=finite_or_none(sample_mean(search.test)),
                run_ids=(*recorded.winner_runs, *recorded.confirm_runs),
            )
            rows.append(row)
    return tuple(rows)


def skeptic_rows(
    record: StudyRecord, samples: Mapping[Place, Sample], checks: Sequence[CheckRow]
) -> tuple[SkepticRow, ...]:
    """Return the ratio of every contender at the longest budget against the control as published and tuned ever more.

    Contenders are the tuned arms, or where none but the control is tuned, all others. Against the control as published
    and against the winner of all its draws the ratio is that of two arms with confirm runs; in between it is estimated.
    """
    rules = record.rules
    others = [arm for arm in rules.ordered_arms[1:] if arm != rules.published_control]
    contenders = [arm for arm in others if arm in rules.tuned_arms] or others
    rows: list[SkepticRow] = []
    for workload in rules.workloads:
        sides = {
            arm: usable_samples(rules, samples, checks, workload.name, arm)
            for arm in (*contenders, rules.control, rules.published_control)
            if arm is not None
        }
        control = sides[rules.control]
        if len(control.places) < 2:
            continue
        found = [searches_at(record, place) for place in control.places]
        for arm in contenders:
            if rules.published_control is not None:
                rows.append(_confirmed_row(rules, sides[arm], sides[rules.published_control]))
            rows += _tuned_rows(rules, sides[arm], control, found)
    return tuple(rows)


def _tuned_rows(
    rules: Rules, arm: UsableSamples, control: UsableSamples, found: Sequence[Sequence[RecordedSearch]]
) -> list[SkepticRow]:
    """Return the ratios against the best of 1, 2, 4 ... draws of the control, the last of which is its winner."""
    used = [found[i] for i in control.span(len(found) - 1)]
    draws = min((one.accuracies.draws.size for searches in used for one in searches), default=0)
    lacking = _why_not_fewer(rules, used)
    full = _confirmed_row(rules, arm, control, draws=draws or None, lacking=lacking)
    if lacking or (full.ratio is None and full.beyond is None):
        return [full]
    return [*_estimated_rows(rules, arm, control, found, draws), full]


def _why_not_fewer(rules: Rules, used: Sequence[Sequence[RecordedSearch]]) -> str:
    """Return why ratios against fewer draws cannot be told, or an empty text."""
    if rules.tuning.sampler not in EXCHANGEABLE_SAMPLERS:
        return f"fewer draws are not shown, as the draws of {rules.tuning.sampler} depend on those before them"
    if rules.tuning.halving:
        return "fewer draws are not shown, as successive halving trains only the best of them at the full budget"
    if not all(used):
        return "fewer draws are not shown, as the tuning trials are not recorded"
    if not all(any(one.accuracies.test.size for one in searches) for searches in used):
        return "fewer draws are not shown, as no confirm run belongs to a search that is recorded"
    winners = [one.accuracies for searches in used for one in searches]
    if any(winner.test.size and not winner.validation.size for winner in winners):
        return "fewer draws are not shown, as the validation accuracy of the confirm runs is not recorded"
    return ""


def _confirmed_row(
    rules: Rules, arm: UsableSamples, baseline: UsableSamples, *, draws: int | None = None, lacking: str = ""
) -> SkepticRow:
    """Return the ratio against a baseline that was run on the confirm seeds."""
    last = len(arm.places) - 1
    result, reason = compare_usable(rules, arm, baseline, last)
    ratio = ratio_fields(result)
    return SkepticRow(
        **arm.places[last]._asdict(),
        baseline=baseline.places[last].arm,
        as_published=rules.arms[baseline.places[last].arm].as_published,
        draws=draws,
        confirmed=True,
        accuracy=finite_or_none(sample_mean(baseline.values[last])),
        **ratio,
        excluded=excluded_ratios(ratio),
        reason="; ".join(part for part in (reason, lacking if result else "") if part),
        run_ids=(*arm.runs(last), *baseline.runs(last)),
    )


def _estimated_rows(
    rules: Rules, arm: UsableSamples, control: UsableSamples, found: Sequence[Sequence[RecordedSearch]], draws: int
) -> list[SkepticRow]:
    """Return the ratios against the best of 1, 2, 4 ... draws of the control, as long as these are not all draws."""
    last = len(arm.places) - 1
    fewer = [2**power for power in range(draws.bit_length()) if 2**power < draws]
    bands = ratio_bands(
        [place.budget for place in arm.places],
        arm.values,
        control.values,
        [[one.accuracies for one in searches] for searches in found],
        fewer,
        confidence=1 - rules.alpha,
    )
    used = [one for i in control.span(last) for one in found[i]]
    tuned = tuple(run_id for one in used for run_id in (*one.draw_runs, *one.confirm_runs))
    return [_estimated_row(arm, control, k, band, tuned) for k, band in zip(fewer, bands, strict=True)]


def _estimated_row(
    arm: UsableSamples, control: UsableSamples, draws: int, band: RatioBand, tuned: tuple[str, ...]
) -> SkepticRow:
    last = len(arm.places) - 1
    ratio = ratio_fields(band)
    return SkepticRow(
        **arm.places[last]._asdict(),
        baseline=control.places[last].arm,
        as_published=False,
        draws=draws,
        confirmed=False,
        accuracy=finite_or_none(band.accuracy),
        **ratio,
        excluded=excluded_ratios(ratio),
        reason="",
        run_ids=(*arm.runs(last), *tuned),
    )
