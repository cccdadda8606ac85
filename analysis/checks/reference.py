"""Check the arms against what others have published for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from analysis import wording
from analysis.checks.outcome import Condition, at_place, not_recorded, outcome
from analysis.record import StudyRecord
from analysis.rules import Place
from analysis.samples import Sample
from analysis.statistics import mean_estimate
from analysis.tables.rows import CheckRow, Finding

CONTROL_REFERENCE = Condition(
    name="control_reaches_reference",
    title="The control reaches its published accuracy",
    severity="fail",
    met="At the longest budget the control is not below its published accuracy by more than the margin.",
    remedy="Find what the published training does that this one does not: beating a weak control shows nothing.",
)
ARM_REFERENCE = Condition(
    name="arms_reach_reference",
    title="The other arms reach their published accuracies",
    severity="warn",
    met="At the longest budget no arm is below its published accuracy by more than the margin.",
    remedy="Find what the published training does that this one does not, before the arm is called worse.",
)


def check_references(record: StudyRecord, samples: Mapping[Place, Sample]) -> tuple[CheckRow, ...]:
    """Compare arms with their published accuracies; no row where the study gives none.

    An arm is weaker when even the upper end of the t interval of its mean, at the longest budget, is more than the
    equivalence margin below what was published.
    """
    rules = record.rules
    given = {name for name, arm in rules.arms.items() if arm.reference_accuracy is not None}
    groups = ((CONTROL_REFERENCE, given & {rules.control}), (ARM_REFERENCE, given - {rules.control}))
    longest = max(rules.budgets.amounts)

    def row(condition: Condition, names: set[str]) -> CheckRow:
        findings = [finding for name in sorted(names) for finding in _weaker(record, samples, name)]
        judged = [s.n >= 2 for place, s in samples.items() if place.budget == longest and place.arm in names]
        if findings or all(judged):
            return outcome(condition, findings)
        return not_recorded(condition, "two accuracies of every such arm at the longest budget", condition.remedy)

    return tuple(row(condition, names) for condition, names in groups if names)


def _weaker(record: StudyRecord, samples: Mapping[Place, Sample], arm: str) -> list[Finding]:
    rules, findings = record.rules, []
    published = rules.arms[arm].reference_accuracy
    longest = max(rules.budgets.amounts)
    for place, sample in samples.items():
        if published is None or place.arm != arm or place.budget != longest:
            continue
        estimate = mean_estimate(sample.values, 1 - rules.alpha)
        if estimate.high < published - rules.equivalence_margin:
            reached = f"{wording.percent(estimate.mean)} % on average"
            text = f"{reached}, published are {wording.percent(published)} %"
            finding = at_place(rules, place, text, sample.run_ids)
            # A control that is weak at the longest budget is a weak opponent at every budget.
            findings.append(replace(finding, budget=None, arm=None) if arm == rules.control else finding)
    return findings
