"""Check what came out: divergence withholds verdicts, the rest are threats to be read with them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis import wording
from analysis.checks.outcome import Condition, at_place, everywhere, outcome
from analysis.record import CONFIRM, SETTING_PREFIX, StudyRecord, trials_of
from analysis.rules import Place
from analysis.samples import Sample
from analysis.statistics import first_hit, minimum_attainable_p
from analysis.tables.rows import CheckRow, Finding

EDGE_SHARE = 0.05
PEAK_LR = "peak_lr"

DIVERGENCE = Condition(
    name="no_divergence",
    title="Every arm has a winner, and no confirm run diverged",
    severity="fail",
    met="Every confirm run kept a finite loss.",
    remedy="Lower the search space of peak_lr for this arm in a new study, and look at the diverged runs.",
)
WINNERS_INSIDE = Condition(
    name="winner_inside_the_space",
    title="No winner sits at the edge of its search space",
    severity="warn",
    met=f"Every winning {PEAK_LR} is more than {100 * EDGE_SHARE:g} % of its range away from either end.",
    remedy=f"Widen the range of {PEAK_LR} in a new study: the best value may lie outside.",
)
TARGETS = Condition(
    name="targets_informative",
    title="Every target separates runs",
    severity="warn",
    met="Every target is reached by some run and not at once by all.",
    remedy="Choose a target between the first and the final accuracies in a new study.",
)
SPREAD = Condition(
    name="seeds_vary",
    title="Seeds change the result",
    severity="warn",
    met="No arm gave the same accuracy on all of its seeds.",
    remedy="Check that the seed reaches init and data order: an interval of no width is not evidence.",
)
POWER = Condition(
    name="enough_seeds",
    title="There are enough seeds for a verdict",
    severity="warn",
    met="With these seeds every comparison can reach significance after correction.",
    remedy="Use more confirm seeds or fewer comparisons in a new study.",
)
SEARCHES = Condition(
    name="one_search",
    title="Each winner comes from one search",
    severity="warn",
    met="Every arm was searched once per cell; intervals hold for the winners found.",
    remedy="Read the intervals as holding for the winners found, not for searching anew.",
)


def check_divergence(record: StudyRecord, samples: Mapping[Place, Sample]) -> CheckRow:
    """Find arms with diverged confirm runs, or without a winner because all their draws diverged."""
    rules = record.rules

    def findings() -> Iterator[Finding]:
        for place, sample in samples.items():
            if lost := len(record.lost_searches(place)):
                text = f"all {rules.tuning.draws} draws diverged" + (f" in {lost} searches" if lost > 1 else "")
                yield at_place(rules, place, f"{text}, so there is no setting to confirm")
            if sample.diverged:
                text = f"{sample.diverged} of {sample.planned} confirm runs diverged"
                yield at_place(rules, place, text, sample.run_ids)

    return outcome(DIVERGENCE, findings())


def check_winners_inside(record: StudyRecord) -> CheckRow:
    """Find winning peak learning rates within 5 % of an end of their range, on the axis of the search."""
    rules, trials = record.rules, record.distinct_trials()
    column = SETTING_PREFIX + PEAK_LR

    def findings() -> Iterator[Finding]:
        for place in rules.places:
            span = rules.search_space(place.arm).get(PEAK_LR)
            runs = trials_of(trials, place, CONFIRM)
            if span is None or column not in trials.columns:
                continue
            for value in pd.to_numeric(runs[column], errors="coerce").dropna().unique():
                if _at_edge(float(value), span):
                    yield at_place(rules, place, f"winning {PEAK_LR} {value:.3g} is at the edge", runs["run_id"])

    return outcome(WINNERS_INSIDE, findings())


def _at_edge(value: float, span: Any) -> bool:
    """Say whether a value is near an end of a range like ``{"log": [0.01, 1.0]}``; choices have no edge."""
    if not isinstance(span, Mapping):
        return False
    for scale, transform in (("log", math.log), ("float", float)):
        if scale in span and value > 0:
            low, high = (transform(end) for end in span[scale])
            position = (transform(value) - low) / (high - low)
            return not EDGE_SHARE < position < 1 - EDGE_SHARE
    return False


def check_targets(record: StudyRecord) -> CheckRow:
    """Find targets that every run of a workload reaches at its first evaluation, or none ever."""
    rules = record.rules
    evaluations = record.evaluations[record.evaluations["phase"] == CONFIRM]

    def findings() -> Iterator[Finding]:
        for workload in rules.workloads:
            own = evaluations[evaluations["workload"] == workload.name]
            curves = [curve["test"].to_numpy(dtype=np.float64) for _, curve in own.groupby("run_id", sort=False)]
            for target in rules.targets if curves else ():
                hits = [first_hit(curve, target) for curve in curves]
                accuracy = f"{wording.number(100 * target, 4)} %"
                if all(hit is None for hit in hits):
                    yield everywhere(f"no run on {workload.name} ever reaches {accuracy}")
                elif all(hit == 0 for hit in hits):
                    yield everywhere(f"every run on {workload.name} is at {accuracy} at its first evaluation")

    return outcome(TARGETS, findings())


def check_spread(record: StudyRecord, samples: Mapping[Place, Sample]) -> CheckRow:
    """Find arms whose accuracies are all equal."""
    findings = (
        at_place(record.rules, place, f"all {sample.n} seeds gave the same accuracy", sample.run_ids)
        for place, sample in samples.items()
        if sample.n >= 2 and np.ptp(sample.values) == 0
    )
    return outcome(SPREAD, findings)


def check_power(record: StudyRecord) -> CheckRow:
    """Find whether the least attainable p stays below alpha when multiplied by the number of comparisons."""
    rules = record.rules
    comparisons = len(rules.cells) * (len(rules.arms) - 1)
    seeds = rules.confirm.seeds
    least = minimum_attainable_p(seeds, seeds)
    enough = comparisons == 0 or least * comparisons < rules.alpha
    factor = f"times {comparisons} comparisons it is not below {rules.alpha}"
    evidence = f"with {seeds} seeds the least p is {least:.2g}; {factor}"
    return outcome(POWER, [] if enough else [everywhere(evidence)])


def check_searches(record: StudyRecord) -> CheckRow:
    """Note replicated searches, whose winners are averaged seed by seed."""
    searches = record.rules.tuning.searches
    text = f"the confirm runs of {searches} winners are averaged per seed and arm"
    return outcome(SEARCHES, [everywhere(text)] if searches > 1 else [])
