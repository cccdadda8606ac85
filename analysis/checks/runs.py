"""Check the runs themselves: horizons, curves, copies, drift."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from scipy import stats

from analysis import wording
from analysis.checks.outcome import Condition, at_place, everywhere, in_cell, not_recorded, outcome
from analysis.record import CONFIRM, CURVES, FINISHED, SEEDS, UPDATES, StudyRecord
from analysis.rules import Cell, Place, Rules
from analysis.samples import Sample
from analysis.statistics import first_hit
from analysis.statistics.arrays import FloatArray
from analysis.tables.rows import CheckRow, Finding

COARSEST = 0.1
# Curves of fewer points can agree by chance where accuracies come in coarse steps.
FEWEST_POINTS = 5
# Two accuracies of a few digits may be equal by chance, three hardly.
FEWEST_COPIES = 3
FEWEST_SEEDS_FOR_DRIFT = 6
DRIFT_ALPHA = 0.01
ADD_CURVES = "Add the evaluations of the confirm runs to the table."

HORIZON = Condition(
    name="equal_horizons",
    title="Every training of a cell had the same length and ran to its end",
    severity="fail",
    met="In every cell all trainings were planned for the same number of updates, and did them unless they diverged.",
    remedy="Run the cell again: a schedule that was cut short, or made for another length, was not given its chance.",
)
COPIES = Condition(
    name="no_copies",
    title="No run is the copy of another",
    severity="fail",
    met="No two confirm runs of an arm have the same curve.",
    remedy="Find out whether a run was copied, or whether the seed reaches init and data order, and run these again.",
)
TWINS = Condition(
    name="arms_differ",
    title="The arms are different trainings",
    severity="warn",
    met="No run of an arm has the same curve as a run of another arm.",
    remedy="Check that the settings make the two arms differ: a comparison of an arm with itself shows nothing.",
)
COPIED_ARM = Condition(
    name="no_copied_arm",
    title="No arm has the accuracies of the control",
    severity="fail",
    met="In every cell the accuracies of each arm differ from those of the control.",
    remedy="Find out whether runs were copied, or whether the two arms are one training: the verdict would say nothing "
    "about schedules.",
)
LAST_EVALUATION = Condition(
    name="final_is_last",
    title="The final accuracy is that of the last evaluation",
    severity="warn",
    met="Every final accuracy is the last point of its curve.",
    remedy="Report the accuracy after the last update: the best along the way is chosen on what it is measured on.",
)
RESOLUTION = Condition(
    name="evaluations_dense_enough",
    title="Evaluations are dense enough to time the targets",
    severity="warn",
    met=f"At the median hit of a target the evaluation before lies less than {100 * COARSEST:g} % of the time back.",
    remedy="Record more evaluations per training in a new study (recording.evaluations).",
)
DRIFT = Condition(
    name="no_drift",
    title="Accuracy does not drift along the order of the seeds",
    severity="warn",
    met="In no arm does accuracy rise or fall with the index of the seed, which is the order in which seeds start.",
    remedy="Look for what changed while the study ran; arms are interleaved, so that a drift widens intervals mostly.",
)
LEFT_OUT = Condition(
    name="no_unfinished_runs",
    title="No run was left out as unfinished",
    severity="warn",
    met="Every recorded run had ended.",
    remedy="Let the launch finish, or launch again, and write the report anew.",
)


def check_horizons(record: StudyRecord) -> CheckRow:
    """Find cells whose trials were planned for different numbers of updates, and trials that stopped short."""
    rules = record.rules
    if UPDATES not in record.recorded:
        return not_recorded(HORIZON, "the updates of every training", "Add a column with the updates of every run.")

    def findings() -> Iterator[Finding]:
        for cell in rules.cells:
            tables = {
                arm: pd.concat([record.draws_at(Place(*cell, arm)), record.trials_at(Place(*cell, arm), CONFIRM)])
                for arm in rules.ordered_arms
            }
            for rung, runs in pd.concat(tables.values()).groupby("rung", dropna=False):
                planned = sorted({int(n) for n in runs["total_updates"].dropna().unique()})
                if len(planned) > 1:
                    lengths, on = ", ".join(map(str, planned)), "" if pd.isna(rung) else f" on rung {rung!s}"
                    text = f"trainings {rules.describe_cell(cell)}{on} were planned for {lengths} updates"
                    yield in_cell(cell, text)
            for arm, runs in tables.items():
                ended = runs[(runs["outcome"] == FINISHED) & ~runs["diverged"]]
                short = ended[(ended["updates"] < ended["total_updates"]).fillna(False)]
                if len(short):
                    text = f"{len(short)} trainings ended before their last update without diverging"
                    yield at_place(rules, Place(*cell, arm), text, short["run_id"])

    return outcome(HORIZON, findings())


def check_copies(record: StudyRecord) -> tuple[CheckRow, CheckRow]:
    """Find confirm runs of a cell that have the same curve: within an arm, and in different arms."""
    if CURVES not in record.recorded:
        lacking = "the curves of the confirm runs"
        return not_recorded(COPIES, lacking, ADD_CURVES), not_recorded(TWINS, lacking, ADD_CURVES)
    within, across = [], []
    for cell in record.rules.cells:
        for runs in _equal_curves(record, cell):
            arms: dict[str, list[str]] = defaultdict(list)
            for arm, run_id in runs:
                arms[arm].append(run_id)
            for arm, run_ids in arms.items():
                if len(run_ids) > 1:
                    text = f"{len(run_ids)} confirm runs have exactly the same curve"
                    within.append(at_place(record.rules, Place(*cell, arm), text, run_ids))
            if len(arms) > 1:
                text = f"{' and '.join(arms)} {record.rules.describe_cell(cell)} have runs with exactly the same curve"
                across.append(in_cell(cell, text, [run_id for run_ids in arms.values() for run_id in run_ids]))
    return outcome(COPIES, within), outcome(TWINS, across)


def _equal_curves(record: StudyRecord, cell: Cell) -> Iterator[list[tuple[str, str]]]:
    """Yield arm and run id of the runs that share a curve; runs without a curve to compare are left out."""
    groups: dict[tuple[bytes, ...], list[tuple[str, str]]] = defaultdict(list)
    for arm in record.rules.ordered_arms:
        runs = record.trials_at(Place(*cell, arm), CONFIRM)
        runs = runs[~runs["diverged"]]
        for run_id, loss in zip(runs["run_id"], runs["train_loss"].to_numpy(dtype=np.float64), strict=True):
            curve = record.curve_of(run_id)
            points = int(np.isfinite(curve.test).sum())
            if points >= FEWEST_POINTS or (points and np.isfinite(loss)):
                parts = (curve.updates, curve.validation, curve.test, np.array([loss]))
                groups[tuple(part.tobytes() for part in parts)].append((arm, str(run_id)))
    return (runs for runs in groups.values() if len(runs) > 1)


def check_copied_arms(rules: Rules, samples: Mapping[Place, Sample]) -> CheckRow:
    """Find arms whose accuracies in a cell are those of the control, to the last digit."""

    def findings() -> Iterator[Finding]:
        for place in rules.places:
            control, sample = samples[place._replace(arm=rules.control)], samples[place]
            equal = np.array_equal(np.sort(sample.values), np.sort(control.values))
            if place.arm != rules.control and equal and np.unique(sample.values).size >= FEWEST_COPIES:
                text = f"the {sample.n} accuracies are those of {rules.control}, to the last digit"
                yield at_place(rules, place, text, (*sample.run_ids, *control.run_ids))

    return outcome(COPIED_ARM, findings())


def check_last_evaluation(record: StudyRecord) -> CheckRow:
    """Find confirm runs whose final test accuracy is not the last point of their curve."""
    rules = record.rules
    if CURVES not in record.recorded:
        return not_recorded(LAST_EVALUATION, "the curves of the confirm runs", ADD_CURVES)

    def findings() -> Iterator[Finding]:
        for place in rules.places:
            runs = record.trials_at(place, CONFIRM)
            runs = runs[~runs["diverged"] & runs["test"].notna()]
            tests = ((run_id, final, _evaluations(record, run_id)[1]) for run_id, final in _pairs(runs))
            others = [run_id for run_id, final, curve in tests if curve.size and abs(curve[-1] - final) > 1e-9]
            if others:
                text = f"the final accuracy of {len(others)} runs is not that of their last evaluation"
                yield at_place(rules, place, text, others)

    return outcome(LAST_EVALUATION, findings())


def _pairs(runs: pd.DataFrame) -> Iterator[tuple[str, float]]:
    return zip(runs["run_id"], runs["test"], strict=True)


def check_resolution(record: StudyRecord) -> CheckRow:
    """Find targets whose hits are known only to within a tenth of the time that they took."""
    rules = record.rules
    if CURVES not in record.recorded:
        return not_recorded(RESOLUTION, "the curves of the confirm runs", ADD_CURVES)

    def findings() -> Iterator[Finding]:
        for workload in rules.workloads:
            places = [place for place in rules.places if place.workload == workload.name]
            for target in rules.targets:
                gaps = [gap for place in places for gap in _gaps(record, place, target)]
                if gaps and (median := float(np.median(gaps))) > COARSEST:
                    accuracy = f"{wording.number(100 * target, 4)} %"
                    text = f"the evaluation before the first at {accuracy} lies {100 * median:.0f} % of the time back"
                    yield everywhere(f"on {workload.name} {text} (median of {len(gaps)} runs)")

    return outcome(RESOLUTION, findings())


def _gaps(record: StudyRecord, place: Place, target: float) -> Iterator[float]:
    """Yield, for every run that hits, the updates since the evaluation before as a share of those until the hit."""
    runs = record.trials_at(place, CONFIRM)
    for run_id in runs["run_id"][~runs["diverged"]]:
        updates, test = _evaluations(record, run_id)
        hit = first_hit(test, target)
        if hit is not None and updates[hit] > 0:
            before = updates[hit - 1] if hit else 0.0
            yield float((updates[hit] - before) / updates[hit])


def _evaluations(record: StudyRecord, run_id: str) -> tuple[FloatArray, FloatArray]:
    """Return updates and test accuracy of a run's evaluations, without points that have others only, such as losses."""
    curve = record.curve_of(run_id)
    known = np.isfinite(curve.test)
    return curve.updates[known], curve.test[known]


def check_drift(record: StudyRecord, samples: Mapping[Place, Sample]) -> CheckRow:
    """Find arms whose accuracy goes with the index of the seed, by Kendall's tau at 1 % over all arms and cells."""
    if SEEDS not in record.recorded:
        return not_recorded(DRIFT, "the order of the seeds", "Add a column with the seed of every run.")
    enough = {
        place: sample
        for place, sample in samples.items()
        if sample.n >= FEWEST_SEEDS_FOR_DRIFT and np.ptp(sample.values) > 0
    }

    def findings() -> Iterator[Finding]:
        for place, sample in enough.items():
            tau, p = stats.kendalltau(np.asarray(sample.seeds, dtype=np.float64), sample.values)
            if p * len(enough) < DRIFT_ALPHA:
                text = f"accuracy goes with the index of the seed (Kendall tau {tau:.2f}, p {p:.2g})"
                yield at_place(record.rules, place, text, sample.run_ids)

    return outcome(DRIFT, findings())


def check_left_out(record: StudyRecord) -> CheckRow:
    """Note runs that had not ended when the record was read."""
    count = int(record.provenance.get("unfinished_runs_left_out", "0"))
    return outcome(LEFT_OUT, [everywhere(f"{count} runs had not ended and are left out")] if count else [])
