"""Tabulate how many times as fast every arm is as the control: the ratio of their budgets at equal accuracy."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

from analysis.rules import Cell, Place, Rules
from analysis.samples import Sample
from analysis.statistics.arrays import FloatArray
from analysis.statistics.budget_curves import gapless
from analysis.statistics.frontier import TESTED_RATIOS, SpeedUp, speed_up
from analysis.statistics.skeptic import RatioBand
from analysis.tables.rows import CheckRow, finite_or_none
from analysis.tables.rows.speedups import Beyond, IntervalKind, RatioTest, SpeedUpRow


@dataclass(frozen=True, kw_only=True)
class UsableSamples:
    """The samples of one arm on one workload by budget, empty where they may not be compared.

    Attributes:
        places: The arm in every cell of the workload, shortest budget first.
        values: Test accuracies, ``(num_seeds,)`` each.
        problems: Why each sample is empty; an empty text where it is not.
        run_ids: Runs behind each sample.
    """

    places: tuple[Place, ...]
    values: tuple[FloatArray, ...]
    problems: tuple[str, ...]
    run_ids: tuple[tuple[str, ...], ...]

    def span(self, anchor: int) -> range:
        """Return the indices of the budgets around the anchor, up to the first that may not be compared."""
        return range(*gapless([value.size for value in self.values], anchor))

    def runs(self, anchor: int) -> tuple[str, ...]:
        """Return the runs behind the curve around the anchor."""
        return tuple(run_id for i in self.span(anchor) for run_id in self.run_ids[i])


def workload_cells(rules: Rules, workload: str) -> tuple[Cell, ...]:
    """Return the cells of a workload, shortest budget first."""
    return tuple(sorted(cell for cell in rules.cells if cell.workload == workload))


def usable_samples(
    rules: Rules, samples: Mapping[Place, Sample], checks: Sequence[CheckRow], workload: str, arm: str
) -> UsableSamples:
    """Return the samples of an arm on a workload; one that a failed check touches is left empty, with the reason."""
    places = tuple(Place(*cell, arm) for cell in workload_cells(rules, workload))
    problems = tuple(_problem(rules, samples[place], place, checks) for place in places)
    return UsableSamples(
        places=places,
        values=tuple(
            samples[place].values[:0] if problem else samples[place].values
            for place, problem in zip(places, problems, strict=True)
        ),
        problems=problems,
        run_ids=tuple(samples[place].run_ids for place in places),
    )


def _problem(rules: Rules, sample: Sample, place: Place, checks: Sequence[CheckRow]) -> str:
    found = (
        finding.evidence
        for check in checks
        if check.status == "fail"
        for finding in check.findings
        if finding.covers(*place)
    )
    where = rules.describe_cell(Cell(place.workload, place.budget))
    return next(found, "" if sample.n else f"{place.arm} {where}: no confirm run has a final accuracy")


def speed_up_rows(rules: Rules, samples: Mapping[Place, Sample], checks: Sequence[CheckRow]) -> tuple[SpeedUpRow, ...]:
    """Return the ratio of budgets of every arm but the control, at every budget but the shortest of its workload.

    Runs in cells that a failed check touches are left out; where that is the budget itself, there is no ratio.
    """
    rows = []
    for workload in rules.workloads:
        amounts = [cell.budget for cell in workload_cells(rules, workload.name)]
        control = usable_samples(rules, samples, checks, workload.name, rules.control)
        others = [usable_samples(rules, samples, checks, workload.name, arm) for arm in rules.ordered_arms[1:]]
        rows += [_row(rules, arm, control, index) for index in range(1, len(amounts)) for arm in others]
    return tuple(rows)


def _row(rules: Rules, arm: UsableSamples, control: UsableSamples, index: int) -> SpeedUpRow:
    result, reason = compare_usable(rules, arm, control, index)
    ratio = ratio_fields(result)
    amounts = [place.budget for place in arm.places]
    return SpeedUpRow(
        **arm.places[index]._asdict(),
        control=rules.control,
        primary=index == len(amounts) - 1,
        **ratio,
        least=result.least if result else None,
        most=result.most if result else None,
        tests=_tests(result),
        saved=_saved(result, ratio["ratio"]),
        saved_low=_saved(result, ratio["ci_low"]),
        saved_high=_saved(result, ratio["ci_high"]),
        arm_budgets=tuple(amounts[i] for i in arm.span(index)) if result else (),
        control_budgets=tuple(amounts[i] for i in control.span(index)) if result else (),
        reason=reason,
        run_ids=(*arm.runs(index), *control.runs(index)) if result else (*arm.run_ids[index], *control.run_ids[index]),
    )


def compare_usable(rules: Rules, arm: UsableSamples, control: UsableSamples, index: int) -> tuple[SpeedUp | None, str]:
    """Return the speed-up at one budget, or None, and why there is none or what it lacks.

    Args:
        rules: Of the study.
        arm: Samples of the arm.
        control: Samples of that with which it is compared.
        index: Of the budget.
    """
    problems = list(dict.fromkeys(p for p in (arm.problems[index], control.problems[index]) if p))
    if problems:
        return None, "; ".join(problems)
    starts = [(side, side.span(index).start) for side in (arm, control)]
    late = list(dict.fromkeys(side.problems[start - 1] for side, start in starts if start))
    if all(start == index for _, start in starts):
        return None, "; ".join(["no shorter budget can be compared", *late])
    amounts = [place.budget for place in arm.places]
    result = speed_up(amounts, arm.values, control.values, anchor=amounts[index], confidence=1 - rules.alpha)
    reasons = [f"shorter budgets are left out ({'; '.join(late)})"] if late else []
    if math.isnan(result.low):
        few = min(arm.values[index].size, control.values[index].size) < 2
        wanted = "at least two seeds per arm are needed for" if few else "the seeds do not vary, so there is"
        reasons.append(f"{wanted} {'an' if few else 'no'} interval")
    return result, "; ".join(reasons)


class RatioFields(TypedDict):
    """The fields of a row that hold a ratio of budgets with its interval; an end is None where it is open."""

    ratio: float | None
    beyond: Beyond | None
    ci_low: float | None
    ci_high: float | None
    interval: IntervalKind


def ratio_fields(estimated: SpeedUp | RatioBand | None) -> RatioFields:
    """Return an estimated ratio as fields of a row; nothing is known of None."""
    if estimated is None:
        return RatioFields(ratio=None, beyond=None, ci_low=None, ci_high=None, interval="none")
    ratio, beyond = _estimate(estimated.ratio)
    low, high, kind = _ends(estimated.low, estimated.high)
    return RatioFields(ratio=ratio, beyond=beyond, ci_low=low, ci_high=high, interval=kind)


def excluded_ratios(ratio: RatioFields) -> tuple[float, ...]:
    """Return which of the ratios 1, 2 and 8 lie outside of an interval."""
    low, high = ratio["ci_low"], ratio["ci_high"]
    return tuple(r for r in TESTED_RATIOS if (low is not None and r <= low) or (high is not None and r >= high))


def _estimate(ratio: float) -> tuple[float | None, Beyond | None]:
    """Return an estimated ratio, or on which side it lies beyond what the budgets can show."""
    if math.isinf(ratio):
        return None, "above"
    return (None, "below") if ratio == 0 else (finite_or_none(ratio), None)


def _ends(low: float, high: float) -> tuple[float | None, float | None, IntervalKind]:
    """Return the ends of an interval of ratios, None where it is open, and which are."""
    if math.isnan(low) or math.isnan(high):
        return None, None, "none"
    kinds: dict[tuple[bool, bool], IntervalKind] = {
        (False, False): "closed",
        (False, True): "open_above",
        (True, False): "open_below",
        (True, True): "open",
    }
    return low or None, finite_or_none(high), kinds[low == 0, math.isinf(high)]


def _tests(result: SpeedUp | None) -> tuple[RatioTest, ...]:
    if result is None:
        return tuple(RatioTest(ratio=ratio, p=None, excluded=None) for ratio in TESTED_RATIOS)
    return tuple(
        RatioTest(ratio=ratio, p=finite_or_none(p), excluded=result.excludes(ratio))
        for ratio, p in zip(TESTED_RATIOS, result.p_values, strict=True)
    )


def _saved(result: SpeedUp | None, ratio: float | None) -> float | None:
    return None if result is None or ratio is None else result.budget_saved(ratio)
