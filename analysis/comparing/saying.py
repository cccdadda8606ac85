"""Say in plain language what two studies side by side show."""

from __future__ import annotations

from collections.abc import Sequence

from analysis import wording
from analysis.comparing.values import Agreement, RuleDifference, SharedCell, StudyDigest

_SAID: dict[Agreement, str] = {
    "agree": "agree at",
    "contradict": "contradict each other (better in one, worse in the other) at",
    "differ": "differ (equivalent in one only) at",
    "open": "are undecided in at least one study at",
    "withheld": "are withheld in at least one study at",
}


def comparison_sentences(
    studies: tuple[StudyDigest, StudyDigest],
    rules: Sequence[RuleDifference],
    cells: Sequence[SharedCell],
    *,
    same_protocol: bool,
) -> tuple[str, ...]:
    """Return what is shared, how the verdicts compare, what changed and what could be combined."""
    first, second = (digest.study for digest in studies)
    names = f"{first} and {second}" if first != second else f"Both studies, each named {first},"
    if not cells:
        return (
            f"{names} have no comparison in common: no arm is compared with the same control on the same workload at "
            "the same budget in both.",
            _about_rules(rules),
        )
    return tuple(
        sentence
        for sentence in (
            f"{names} have {_count(len(cells), 'comparison')} in common.",
            _about_seeds(cells) if same_protocol else _about_rules(rules),
            _about_verdicts(cells),
            _about_changes(cells),
            _about_combining(cells),
        )
        if sentence
    )


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
        f"Accuracies of the arm or the control are the same at {same} of {len(cells)}."
    )


def _about_verdicts(cells: Sequence[SharedCell]) -> str:
    counts = {word: sum(cell.agreement == word for cell in cells) for word in _SAID}
    parts = [f"{said} {counts[word]}{_example(word, cells)}" for word, said in _SAID.items() if counts[word]]
    return f"Verdicts {', '.join(parts)}."


def _example(word: Agreement, cells: Sequence[SharedCell]) -> str:
    if word != "contradict":
        return ""
    cell = next(cell for cell in cells if cell.agreement == word)
    return f" (first: {cell.arm} {_where(cell)}, {cell.first.verdict} then {cell.second.verdict})"


def _about_changes(cells: Sequence[SharedCell]) -> str:
    known = [cell for cell in cells if cell.change_low is not None and cell.change_high is not None]
    if not known:
        return ""
    moved = _moved(known)
    if not moved:
        return (
            f"No difference to the control changed by more than its interval allows, in {_count(len(known), 'cell')}."
            if len(known) > 1
            else "The difference to the control changed by no more than its interval allows."
        )
    most = max(moved, key=lambda cell: abs(cell.change or 0.0))
    change = wording.points_with_interval(most.change, most.change_low, most.change_high)
    return (
        f"The interval of the change excludes 0 at {len(moved)} of {len(known)}, unadjusted; most for {most.arm} "
        f"{_where(most)}: {change} points from the first study to the second."
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
    warning = f", though at {apart} the studies are too far apart to have one difference in common" if apart else ""
    return f"{_count(len(combined), 'difference')} could be combined over both studies{warning}."


def _where(cell: SharedCell) -> str:
    return f"on {cell.workload} at budget {wording.number(cell.budget)}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
