"""Check that what was run is what the rules of the study ask for; every failure here withholds verdicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pandas as pd

from analysis.checks.outcome import Condition, at_place, everywhere, in_cell, not_recorded, outcome
from analysis.record import CONFIRM, FAILED, PLAN, RULES, SEEDS, TUNE, TUNING, StudyRecord, trials_of
from analysis.rules import Cell, Place, Rules
from analysis.samples import blocks_begun
from analysis.tables.rows import CheckRow, Finding

ADD_TUNING = "Add the tuning trials to the table (phase tune)."

TUNING_BUDGETS = Condition(
    name="equal_tuning_budgets",
    title="Every tuned arm spent the same tuning budget",
    severity="fail",
    met="In every cell the tuned arms have the same number of draws and the same updates per draw.",
    remedy="Run the missing draws, or give the arms equal budgets in a new study.",
)
PLANNED_TRIALS = Condition(
    name="planned_trials",
    title="Every planned trial is there, and no other",
    severity="fail",
    met="All planned trials are recorded.",
    remedy="Launch the study again: it runs what is missing. Unplanned trials belong in another study.",
)
DUPLICATES = Condition(
    name="no_duplicates",
    title="Every trial is recorded once",
    severity="fail",
    met="No trial key occurs twice.",
    remedy="Delete the surplus runs; only the earliest of each key is counted here.",
)
CONFIRM_SEEDS = Condition(
    name="same_confirm_seeds",
    title="Every arm was confirmed on the same distinct seeds",
    severity="fail",
    met="In every cell all arms used the same distinct seeds.",
    remedy="Re-run the confirm phase of the cell with one seed list for all arms.",
)
SEEDS_DISJOINT = Condition(
    name="disjoint_seeds",
    title="No confirm seed was used for tuning",
    severity="fail",
    met="Tuning and confirm seeds are disjoint.",
    remedy="Re-run the confirm phase of the cell on fresh seeds.",
)
RULES_FIRST = Condition(
    name="rules_fixed_first",
    title="The rules were recorded before the first trial",
    severity="warn",
    met="Control, margin, alpha and targets were recorded before the first trial.",
    remedy="",
)
CONTROL = Condition(
    name="control_is_tuned",
    title="The control is a tuned arm",
    severity="fail",
    met="The control was searched like every other arm.",
    remedy="Give the control a search space, and keep the published settings as an arm beside it.",
)


def check_tuning_budgets(record: StudyRecord) -> CheckRow:
    """Compare the trials and charged updates of the tuned arms within each cell, on every rung of a search.

    Draws that others have pushed off a rung since are left out: no winner was chosen from them.
    """
    rules = record.rules
    if TUNING not in record.recorded:
        return not_recorded(TUNING_BUDGETS, "the table has no tuning trials", ADD_TUNING)

    def findings() -> Iterator[Finding]:
        for cell in rules.cells:
            spent = {}
            for arm in rules.tuned_arms:
                runs = record.draws_at(Place(*cell, arm))
                spent[arm] = (len(runs), int(runs["total_updates"].sum()))
            if len(set(spent.values())) > 1:
                amounts = ", ".join(f"{arm} {n} trials and {updates} updates" for arm, (n, updates) in spent.items())
                yield in_cell(cell, f"unequal tuning budgets {rules.describe_cell(cell)}: {amounts}")

    return outcome(TUNING_BUDGETS, findings())


def check_planned_trials(record: StudyRecord) -> CheckRow:
    """Compare the recorded trials with those that the rules ask for; a confirm trial needs a result."""
    rules, trials = record.rules, record.current_trials()
    done = trials[trials["outcome"] != FAILED]
    done = done[(done["phase"] != CONFIRM) | done["diverged"] | done["test"].notna()]
    if PLAN not in record.recorded:
        remedy = "Give the planned numbers of draws and seeds with --rules."
        return not_recorded(PLANNED_TRIALS, f"how many runs were planned{_unequal_numbers(record)}", remedy)
    done_at = done.groupby(["workload", "budget", "arm", "phase"], sort=False).indices

    def findings() -> Iterator[Finding]:
        for place in rules.places:
            for phase in (TUNE, CONFIRM):
                lost = record.lost_searches(place) if phase == CONFIRM else frozenset()
                planned = {slot for slot in _planned_slots(record, place, phase) if slot[0] not in lost}
                lacking = planned - set(_slots(rules, done.iloc[done_at.get((*place, phase), [])]))
                if lacking:
                    yield at_place(rules, place, f"{len(lacking)} of {len(planned)} {phase} trials are missing")
                recorded = record.draws_at(place) if phase == TUNE else record.trials_at(place, phase)
                surplus = recorded[[slot not in planned for slot in _slots(rules, recorded)]]
                if len(surplus):
                    yield at_place(rules, place, f"{len(surplus)} {phase} trials were not planned", surplus["run_id"])
        known = set(rules.places)
        places = zip(trials["workload"], trials["budget"], trials["arm"], strict=True)
        strangers = trials[[Place(*place) not in known for place in places]]
        if len(strangers):
            yield everywhere(f"{len(strangers)} trials belong to no planned arm and cell", strangers["run_id"])

    return outcome(PLANNED_TRIALS, findings())


Slot = tuple[int, int, int]
"""Search, rung of successive halving (-1 at the cell's own budget), and index of draw or seed."""


def _planned_slots(record: StudyRecord, place: Place, phase: str) -> set[Slot]:
    """Return the slot of every trial; seeds that were begun are run in every arm."""
    rules = record.rules
    if phase == CONFIRM:
        sizes = {-1: blocks_begun(record, Cell(place.workload, place.budget))}
    elif rules.arms[place.arm].as_published:
        sizes = {}
    else:
        *shorter, full = rules.tuning.rung_draws
        sizes = {**dict(enumerate(shorter)), -1: full}
    return {
        (search, rung, index)
        for search in range(rules.searches(place.arm))
        for rung, size in sizes.items()
        for index in range(size)
    }


def _unequal_numbers(record: StudyRecord) -> str:
    """Say where the arms of a cell have different numbers of confirm runs."""
    rules = record.rules
    for cell in rules.cells:
        counts = {arm: len(record.trials_at(Place(*cell, arm), CONFIRM)) for arm in rules.ordered_arms}
        if len(set(counts.values())) > 1:
            numbers = ", ".join(f"{arm} {count}" for arm, count in counts.items())
            return f"; the arms {rules.describe_cell(cell)} have different numbers of runs: {numbers}"
    return ""


def _slots(rules: Rules, trials: pd.DataFrame) -> list[Slot]:
    """Return the slot of each trial of one arm, cell and phase; -1 where search or index is not recorded.

    Which draws go on to the higher rungs of successive halving is not planned: there they are counted through.
    """
    index = trials["draw"].where(trials["phase"] == TUNE, trials["seed_index"])
    if rules.tuning.halving:
        promoted = (trials["phase"] == TUNE) & (trials["rung"].fillna(-1) != 0)
        index = index.where(~promoted, trials.groupby(["search", "rung"], dropna=False).cumcount())
    slots = zip(trials["search"].fillna(-1), trials["rung"].fillna(-1), index.fillna(-1), strict=True)
    return [(int(search), int(rung), int(i)) for search, rung, i in slots]


def check_duplicates(record: StudyRecord) -> CheckRow:
    """Find trial keys that finished more than once."""
    rules = record.rules
    repeated = record.trials[record.trials.duplicated("trial_key", keep=False)]

    def findings() -> Iterator[Finding]:
        for key, runs in repeated.groupby("trial_key", sort=False):
            first = runs.iloc[0]
            place = Place(first["workload"], first["budget"], first["arm"])
            yield at_place(rules, place, f"{key} is recorded {len(runs)} times", runs["run_id"])

    return outcome(DUPLICATES, findings())


def check_confirm_seeds(record: StudyRecord) -> CheckRow:
    """Compare the seeds behind each seed index over the arms of a cell; missing runs are not its concern."""
    rules, trials = record.rules, record.counted_trials()
    if SEEDS not in record.recorded:
        return not_recorded(CONFIRM_SEEDS, "which run had which seed", "Add a column with the seed of every run.")

    def findings() -> Iterator[Finding]:
        for cell in rules.cells:
            runs = trials_of(trials, cell, CONFIRM)
            by_index = runs.groupby(["search", "seed_index"])["seed"].nunique(dropna=False)
            if (by_index > 1).any() or (PLAN not in record.recorded and _different_seed_lists(runs)):
                yield in_cell(
                    cell, f"the arms {rules.describe_cell(cell)} have different confirm seeds", runs["run_id"]
                )
            for arm in rules.ordered_arms:
                own = runs[runs["arm"] == arm]
                repeats = [
                    seed
                    for (_, seed), count in Counter(zip(own["search"], own["seed"], strict=True)).items()
                    if count > 1
                ]
                if repeats:
                    text = f"{len(repeats)} confirm seeds are used twice"
                    yield at_place(rules, Place(*cell, arm), text, own["run_id"])

    return outcome(CONFIRM_SEEDS, findings())


def _different_seed_lists(runs: pd.DataFrame) -> bool:
    lists = {frozenset(own["seed"].dropna()) for _, own in runs.groupby("arm", sort=False)}
    return len(lists) > 1


def check_seeds_disjoint(record: StudyRecord) -> CheckRow:
    """Find seeds that were used both for tuning and for confirming in a cell."""
    rules, trials = record.rules, record.distinct_trials()
    if not {SEEDS, TUNING} <= record.recorded:
        lacking = "which seeds tuning used" if SEEDS in record.recorded else "which run had which seed"
        remedy = "Add the tuning trials, and a column with the seed of every run."
        return not_recorded(SEEDS_DISJOINT, lacking, remedy)

    def findings() -> Iterator[Finding]:
        for cell in rules.cells:
            tuned, confirmed = trials_of(trials, cell, TUNE), trials_of(trials, cell, CONFIRM)
            reused = confirmed[confirmed["seed"].notna() & confirmed["seed"].isin(set(tuned["seed"]))]
            if len(reused):
                count, where = reused["seed"].nunique(), rules.describe_cell(cell)
                yield in_cell(cell, f"{count} confirm seeds {where} were used for tuning", reused["run_id"])

    return outcome(SEEDS_DISJOINT, findings())


def check_control(record: StudyRecord) -> CheckRow:
    """Demand that the control is not taken as published."""
    rules = record.rules
    untuned = rules.arms[rules.control].as_published
    if not untuned and TUNING not in record.recorded:
        return not_recorded(CONTROL, f"how the control {rules.control} was tuned", ADD_TUNING)
    return outcome(CONTROL, [everywhere(f"the control {rules.control} was not tuned")] if untuned else [])


def check_rules_first(record: StudyRecord) -> CheckRow:
    """Note rules that were given with the report: whoever gave them may have seen the results."""
    if RULES in record.recorded:
        return outcome(RULES_FIRST, [])
    return not_recorded(
        RULES_FIRST,
        "the rules were given with the report, not before the first trial",
        "Say in writing when and by whom the margin, alpha and the control were chosen.",
    )
