"""Check how the study came to be what it is: its rules extended, its draws halved, its data, machines, software."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pandas as pd

from analysis.checks.outcome import Condition, everywhere, in_cell, not_recorded, outcome
from analysis.record import CONFIRM, RULES, SECONDS, StudyRecord
from analysis.rules import Place, Rules, RulesVersion
from analysis.tables.rows import CheckRow, Finding

EXTENDED = Condition(
    name="rules_not_extended",
    title="The rules were not extended after results were seen",
    severity="warn",
    met="No draws, seeds, budgets or arms were added after trials had ended.",
    remedy="Say what was added and when. Adding seeds until a difference shows makes false verdicts more frequent than "
    "alpha; a study with confirm.until: decided may be looked at after every seed.",
)
HALVING = Condition(
    name="tuned_at_full_length",
    title="Every draw was tried at the cell's own budget",
    severity="warn",
    met="No draw was dropped after a shorter training.",
    remedy="Which draw is best after a short training may depend on the schedule: confirm a close result in a study "
    "without tuning.halving.",
)
DATA = Condition(
    name="same_data",
    title="All runs of a workload used the same data",
    severity="fail",
    met="The hashes of the data that runs used are equal for every arm, seed and draw of a workload.",
    remedy="Find out which files changed between launches or differ between nodes, and run the study anew under "
    "another name: runs on different data do not compare.",
)
HARDWARE = Condition(
    name="same_hardware",
    title="The arms of a cell ran on the same kind of hardware",
    severity="warn",
    met="In every cell all arms ran on one kind of hardware, so that their training seconds compare.",
    remedy="Do not compare training seconds there; compare updates. Name one kind in resources.accelerator.",
)
SOFTWARE = Condition(
    name="same_software",
    title="All runs were trained by the same software",
    severity="warn",
    met="All launches of the study ran with the same versions and the same code.",
    remedy="Run the study anew under another name if a result is close: another version may train otherwise. Keep the "
    "environment of a study (a lock file, an image) until it is complete.",
)
# What can change a result, as the record of a launch names it, and how it is said. What another library computes is
# seen in the hashes of data and of imported files.
_SOFTWARE = {
    "python": "Python",
    "version_torch": "torch",
    "version_torchvision": "torchvision",
    "version_numpy": "numpy",
    "version_scipy": "scipy",
    "version_optuna": "optuna",
    "version_fairsweep": "fairsweep",
    "source_sha256": "source of fairsweep",
    "git_commit": "commit of your code",
    "git_dirty": "uncommitted changes of your code",
}
_IMPORTED = "import."
_SHOWN_CHARACTERS = 12


def check_extensions(record: StudyRecord) -> CheckRow:
    """Find versions of the rules that came to hold when results could have been seen."""
    rules = record.rules
    if RULES not in record.recorded:
        remedy = "Say in the text when draws, seeds and arms were decided on."
        return not_recorded(EXTENDED, "when the rules were fixed", remedy)
    late = [version for version in rules.versions if version.trials and version.changes]
    return outcome(EXTENDED, [everywhere(_extension(version)) for version in late])


def _extension(version: RulesVersion) -> str:
    when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(version.time))
    seen = f"{version.trials} trials had ended, {version.confirm_trials} of them confirm runs"
    return f"on {when}, when {seen}: {', '.join(version.changes)}"


def check_halving(rules: Rules) -> tuple[CheckRow, ...]:
    """Note draws that were dropped after a shorter training; nothing to check without successive halving."""
    halving = rules.tuning.halving
    if halving is None:
        return ()
    sizes = ", then ".join(str(draws) for draws in rules.tuning.rung_draws)
    longer = f"each training {halving.factor} times as long as the one before"
    text = f"of each search {sizes} draws were trained, {longer}, the last at the cell's own budget"
    return (outcome(HALVING, [everywhere(text)]),)


def check_data(record: StudyRecord) -> CheckRow:
    """Find workloads of which some runs used other training or test data than the rest."""
    rules, runs = record.rules, record.counted_trials().dropna(subset="data").reset_index(drop=True)
    if runs.empty:
        return not_recorded(
            DATA, "a hash of the data of every run", "Say in the text that all arms used the same data."
        )

    def findings() -> Iterator[Finding]:
        for index, part in enumerate(("training", "test")):
            hashes = runs["data"].map(lambda text, at=index: dict(enumerate(text.split())).get(at)).dropna()
            usual = hashes.groupby(runs["workload"]).agg(lambda each: each.mode().iloc[0])
            others = runs.loc[hashes.index[hashes != runs["workload"].loc[hashes.index].map(usual)]]
            for cell in rules.cells:
                there = others[(others["workload"] == cell.workload) & (others["budget"] == cell.budget)]
                if len(there):
                    arms = ", ".join(f"{number} of {arm}" for arm, number in Counter(there["arm"]).items())
                    text = f"runs {rules.describe_cell(cell)} on other {part} data than the rest: {arms}"
                    yield in_cell(cell, text, there["run_id"])

    return outcome(DATA, findings())


def check_hardware(record: StudyRecord) -> CheckRow:
    """Find cells whose confirm runs are spread over several kinds of hardware."""
    rules, runs = record.rules, record.counted_trials()
    if SECONDS not in record.recorded or runs["hardware"].isna().all():
        return not_recorded(HARDWARE, "the hardware of every run", "Add a column hardware, if seconds are to compare.")

    def findings() -> Iterator[Finding]:
        for cell in rules.cells:
            kinds = {
                arm: Counter(record.trials_at(Place(*cell, arm), CONFIRM)["hardware"].dropna())
                for arm in rules.ordered_arms
            }
            if len(set().union(*kinds.values())) > 1:
                listed = "; ".join(f"{arm} {_counts(counts)}" for arm, counts in kinds.items() if counts)
                ids = (run for arm in kinds for run in record.trials_at(Place(*cell, arm), CONFIRM)["run_id"])
                yield in_cell(cell, f"confirm runs {rules.describe_cell(cell)} by hardware: {listed}", ids)

    return outcome(HARDWARE, findings())


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{count} on {kind}" for kind, count in sorted(counts.items()))


def check_software(record: StudyRecord) -> CheckRow:
    """Find versions and states of the code that differ between the launches that ran the trials of a study."""
    runs, launches = record.current_trials(), record.launches
    known = runs["launch"].isin(list(launches))
    if not known.any():
        remedy = "Say in the text with which versions the runs were trained."
        return not_recorded(SOFTWARE, "with which versions every run was trained", remedy)

    def findings() -> Iterator[Finding]:
        for fact in dict.fromkeys(fact for facts in launches.values() for fact in facts):
            if fact in _SOFTWARE or fact.startswith(_IMPORTED):
                values = runs["launch"].map({name: facts.get(fact) for name, facts in launches.items()}).dropna()
                if len(set(values)) > 1:
                    said = _SOFTWARE.get(fact) or fact.removeprefix(_IMPORTED)
                    yield everywhere(f"{said}: {_spread(values, runs['launch'])}", _others(values, runs["run_id"]))
        if not known.all():
            yield everywhere(f"{(~known).sum()} runs do not say with what they were trained", runs["run_id"][~known])

    return outcome(SOFTWARE, findings())


def _spread(values: pd.Series[Any], launches: pd.Series[Any]) -> str:
    """Return how many runs had each value, and in which launches."""
    parts = []
    for value, which in launches.loc[values.index].groupby(values, sort=False):
        names = sorted(which.unique(), key=lambda name: (len(name), name))
        noun = "launch" if len(names) == 1 else "launches"
        parts.append(f"{str(value)[:_SHOWN_CHARACTERS]} for {len(which)} runs ({noun} {', '.join(names)})")
    return ", ".join(parts)


def _others(values: pd.Series[Any], run_ids: pd.Series[Any]) -> list[str]:
    """Return the runs that do not have the value that most have."""
    return [str(run_id) for run_id in run_ids.loc[values.index[values != values.mode().iloc[0]]]]
