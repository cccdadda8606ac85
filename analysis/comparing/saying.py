"""Say in plain language what two studies side by side show."""

from __future__ import annotations

from collections.abc import Sequence

from analysis import wording
from analysis.comparing.values import Agreement, RuleDifference, SharedCell, StudyDigest
from analysis.whereabouts import HasUnit, on_cell

_SAID: dict[Agreement, str] = {
    "agree": "agree for",
    "contradict": "contradict each other (better in one, worse in the other) for",
    "differ": "differ (equivalent in one only) for",
    "open": "are undecided in at least one study for",
    "withheld": "are withheld in at least one study for",
}


# Rules of which one is enough to leave two studies without a comparison in common.
_MATCHED = ("workloads", "budgets", "budget_unit", "control")


def comparison_sentences(
    studies: tuple[StudyDigest, StudyDigest],
    rules: Sequence[RuleDifference],
    cells: Sequence[SharedCell],
    design: HasUnit,
    *,
    same_protocol: bool,
) -> tuple[str, ...]:
    """Return what is shared, how the verdicts compare, what changed and what could be combined."""
    names = " and ".join(digest.label for digest in studies)
    if not cells:
        return (f"{names} have no comparison in common: {_what_is_apart(rules)}.", _about_rules(rules))
    return tuple(
        sentence
        for sentence in (
            f"{names} have {_count(len(cells), 'comparison')} in common.",
            _about_seeds(cells) if same_protocol else _about_rules(rules),
            _about_verdicts(cells, design),
            _about_changes(cells, design),
            _about_combining(cells),
        )
        if sentence
    )


def _what_is_apart(rules: Sequence[RuleDifference]) -> str:
    apart = [rule for rule in rules if rule.rule in _MATCHED]
    if not apart:
        return "no arm is compared with the control on the same workload at the same budget in both"
    named = (f"{rule.rule.replace('_', ' ')} ({rule.first} in one, {rule.second} in the other)" for rule in apart)
    return f"they are matched by name, and differ in {' and '.join(named)}"


def _about_rules(rules: Sequence[RuleDifference]) -> str:
    apart = [rule for rule in rules if rule.rule != "protocol_hash"]
    if not apart:
        return "Their reports show no difference between their rules."
    changing = sum(rule.changes_effects for rule in apart)
    meaning = f"{changing} of them {'changes' if changing == 1 else 'change'} what a difference means"
    return f"Their designs differ in {_count(len(apart), 'rule')}; {meaning if changing else 'none changes effects'}."


def _about_seeds(cells: Sequence[SharedCell]) -> str:
    same = sum(cell.same_runs for cell in cells)
    return (
        "They have one protocol, and with it the same seeds: the second repeats the first and is no further evidence. "
        f"Accuracies of the arm or the control are the same in {_of(same, cells)}."
    )


def _about_verdicts(cells: Sequence[SharedCell], design: HasUnit) -> str:
    groups = {word: [cell for cell in cells if cell.agreement == word] for word in _SAID}
    parts = [
        f"{said} {_count(len(groups[word]), 'comparison')}{_example(word, groups[word], design)}"
        for word, said in _SAID.items()
        if groups[word]
    ]
    return f"Verdicts {', '.join(parts)}."


def _example(word: Agreement, cells: Sequence[SharedCell], design: HasUnit) -> str:
    if word != "contradict":
        return ""
    cell = cells[0]
    return f" (first: {cell.arm} {on_cell(design, cell)}, {cell.first.verdict} then {cell.second.verdict})"


def _about_changes(cells: Sequence[SharedCell], design: HasUnit) -> str:
    known = [cell for cell in cells if cell.change_low is not None and cell.change_high is not None]
    if not known:
        return ""
    moved = _moved(known)
    if not moved:
        where = f", in {len(known)} comparisons" if len(known) > 1 else ""
        return f"No difference to the control changed by more than its interval allows{where}."
    most = max(moved, key=lambda cell: abs(cell.change or 0.0))
    change = wording.points_with_interval(most.change, most.change_low, most.change_high)
    return (
        f"The interval of the change excludes 0 in {_of(len(moved), known)}, unadjusted; most for {most.arm} "
        f"{on_cell(design, most)}: {change} points from the first study to the second."
    )


def _moved(cells: Sequence[SharedCell]) -> list[SharedCell]:
    """Return the cells whose interval of the change excludes 0."""
    return [cell for cell in cells if (cell.change_low or 0.0) > 0 or (cell.change_high or 0.0) < 0]


def _about_combining(cells: Sequence[SharedCell]) -> str:
    combined = [cell for cell in cells if cell.combined is not None]
    if not combined:
        reasons = dict.fromkeys(cell.not_combined for cell in cells if cell.not_combined)
        return f"Nothing is combined over the studies: {'; '.join(reasons)}." if reasons else ""
    apart = len(_moved(combined))
    which = f"for {apart} of them " if len(combined) > 1 else ""
    warning = f", though {which}the studies are too far apart to have one in common" if apart else ""
    return f"{_count(len(combined), 'difference')} could be combined over both studies{warning}."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _of(number: int, cells: Sequence[SharedCell]) -> str:
    return f"{number} of {_count(len(cells), 'comparison')}"
