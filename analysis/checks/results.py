"""Check what came out: divergence withholds verdicts, the rest are threats to be read with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from analysis import wording
from analysis.checks.outcome import Condition, at_place, everywhere, not_recorded, outcome
from analysis.record import CONFIRM, CURVES, TUNING, StudyRecord
from analysis.rules import Place, Rules
from analysis.samples import Sample
from analysis.statistics import minimum_attainable_p
from analysis.statistics.sequential import fewest_blocks
from analysis.statistics.spreads import spread_ratio
from analysis.tables.rows import CheckRow, Finding

FEWEST_SEEDS_FOR_SPREADS = 4
LEAST_SPREAD_RATIO = 2.0
SPREADS_ALPHA = 0.05

DIVERGENCE = Condition(
    name="no_divergence",
    title="Every arm has a winner, and no confirm run diverged",
    severity="fail",
    met="Every confirm run kept a finite loss.",
    remedy="Lower the search space of peak_lr for this arm in a new study, and look at the diverged runs.",
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
EQUAL_SPREADS = Condition(
    name="equal_spreads",
    title="Arm and control spread alike over seeds",
    severity="warn",
    met="In no comparison is it shown that one side spreads at least twice as far; few seeds seldom show it.",
    remedy="False verdicts are then more frequent than alpha, the more so if accuracies are skewed: see whether "
    "Welch's and the paired t test come to the same verdict and medians differ alike; use more seeds in a new study.",
)
POWER = Condition(
    name="enough_seeds",
    title="There are enough seeds for a verdict",
    severity="warn",
    met="With these seeds every comparison can reach significance after correction.",
    remedy="Use more confirm seeds or fewer comparisons in a new study.",
)
SEARCHES = Condition(
    name="searches_replicated",
    title="Searches were replicated",
    severity="warn",
    met="Every arm was searched several times per cell, and the confirm runs of its winners are averaged seed by seed.",
    remedy="Another search may find another winner: read the intervals as holding for the winners found, and replicate "
    "searches (tuning.searches) where a claim is to hold for the schedule.",
)


def check_divergence(record: StudyRecord, samples: Mapping[Place, Sample]) -> CheckRow:
    """Find arms with diverged confirm runs, or without a winner because all their draws diverged."""
    rules = record.rules

    def findings() -> Iterator[Finding]:
        for place, sample in samples.items():
            if lost := len(record.lost_searches(place)):
                text = f"all {rules.tuning.full_draws} draws diverged" + (f" in {lost} searches" if lost > 1 else "")
                yield at_place(rules, place, f"{text}, so there is no setting to confirm")
            if sample.diverged:
                text = f"{sample.diverged} of {sample.planned} confirm runs diverged"
                yield at_place(rules, place, text, sample.run_ids)

    return outcome(DIVERGENCE, findings())


def check_targets(record: StudyRecord) -> CheckRow:
    """Find targets that every run of a workload reaches at its first evaluation, or none ever."""
    rules = record.rules
    if CURVES not in record.recorded:
        return not_recorded(TARGETS, "the curves of the confirm runs", "Add their evaluations to the table.")
    counted = record.counted_trials()
    confirmed = counted.loc[(counted["phase"] == CONFIRM) & ~counted["diverged"], "run_id"]  # those that diverge miss
    evaluations = record.evaluations[record.evaluations["run_id"].isin(confirmed)]
    reached = evaluations.groupby(["workload", "run_id"], sort=False)["test"].agg(["first", "max"])

    def findings() -> Iterator[Finding]:
        for workload in rules.workloads:
            own = reached[reached.index.get_level_values("workload") == workload.name]
            for target in rules.targets if len(own) else ():
                accuracy = f"{wording.number(100 * target, 4)} %"
                if not (own["max"] >= target).any():
                    yield everywhere(f"no run on {workload.name} ever reaches {accuracy}")
                elif (own["first"] >= target).all():
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


def check_equal_spreads(rules: Rules, samples: Mapping[Place, Sample]) -> tuple[CheckRow, ...]:
    """Find comparisons of which one side spreads much further, by an F test at 5 % over all comparisons.

    None in a sequential study: its verdicts do not rest on the permutation test, which unequal spreads mislead.
    """
    if rules.confirm.is_sequential:
        return ()
    compared = {place: sample for place, sample in samples.items() if place.arm != rules.control}

    def findings() -> Iterator[Finding]:
        for place, sample in compared.items():
            control = samples[place._replace(arm=rules.control)]
            if min(sample.n, control.n) < FEWEST_SEEDS_FOR_SPREADS:
                continue
            found = spread_ratio(sample.values, control.values)
            p = min(found.p * len(compared), 1.0)
            if p < SPREADS_ALPHA and max(found.ratio, 1 / found.ratio) >= LEAST_SPREAD_RATIO:
                text = _unequal(rules.control, found.ratio, p, sample, control)
                yield at_place(rules, place, text, sample.run_ids + control.run_ids)

    return (outcome(EQUAL_SPREADS, findings()),)


def _unequal(control: str, ratio: float, p: float, sample: Sample, baseline: Sample) -> str:
    own, other = (f"{100 * np.std(s.values, ddof=1):.2f}" for s in (sample, baseline))
    who = (
        f"spreads {ratio:.1f} times as far as {control}"
        if ratio > 1
        else f"{control} spreads {1 / ratio:.1f} times as far"
    )
    return f"{who} (standard deviations {own} and {other} points, p {wording.p_value(p)} over all comparisons)"


def check_power(record: StudyRecord) -> CheckRow:
    """Find whether the least attainable p stays below alpha when multiplied by the number of comparisons."""
    rules = record.rules
    comparisons = rules.num_comparisons
    if rules.confirm.is_sequential:
        return _sequential_power(record)
    seeds = rules.confirm.seeds
    least = minimum_attainable_p(seeds, seeds)
    enough = comparisons == 0 or least * comparisons < rules.alpha
    times = f"times {comparisons} comparisons it" if comparisons > 1 else "it"
    evidence = f"with {seeds} seeds the least p is {least:.2g}; {times} is not below {rules.alpha}"
    if seeds < 2:
        evidence = "with one seed there is no p"
    return outcome(POWER, [] if enough else [everywhere(evidence)])


def _sequential_power(record: StudyRecord) -> CheckRow:
    rules = record.rules
    if not rules.num_comparisons:
        return outcome(POWER, [])
    fewest, most = fewest_blocks(rules.alpha / rules.num_comparisons), rules.confirm.most_seeds
    text = f"with {rules.num_comparisons} comparisons nothing is decided before {fewest} seeds; at most {most} are run"
    return outcome(POWER, [everywhere(text)] if fewest > most else [])


def check_searches(record: StudyRecord) -> CheckRow:
    """Warn where each winner comes from one search, so that nothing says how far another would lead."""
    if TUNING not in record.recorded:
        return not_recorded(SEARCHES, "the table has no tuning trials", "Add the tuning trials to the table.")
    tuning = record.rules.tuning
    text = f"each winner comes from one search of {tuning.draws} draws: intervals cover seeds, not another search"
    return outcome(SEARCHES, [everywhere(text)] if tuning.searches == 1 else [])
