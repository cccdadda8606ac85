"""Say the verdict in plain language, from the same rows as the tables."""

from __future__ import annotations

from collections.abc import Sequence

from analysis import wording
from analysis.tables.contents import Design
from analysis.tables.rows import ComparisonRow, PublishedGapRow

_AGAINST = {
    "better": "better than",
    "worse": "worse than",
    "equivalent": "equivalent to",
    "undecided": "undecided against",
    "withheld": "without a verdict against",
}
_ALONE = {
    **{word: word for word in ("better", "worse", "equivalent", "undecided")},
    "withheld": "without a verdict",
}


def headline_sentences(
    design: Design, comparisons: Sequence[ComparisonRow], gaps: Sequence[PublishedGapRow]
) -> tuple[str, ...]:
    """Return one sentence per tuned arm other than the control, or per any other arm where none is tuned.

    Where the study has the control as published too, the last sentence says how large the gaps to that are.
    """
    contenders = [arm for arm in design.arms if arm.name != design.control]
    names = [arm.name for arm in contenders if not arm.as_published] or [arm.name for arm in contenders]
    if not names:
        return (f"There is nothing to compare: {design.control} is the only arm.",)
    sentences = [_sentence(design, name, [row for row in comparisons if row.arm == name]) for name in names]
    return tuple(f"{sentence}." for sentence in _with_published_gaps(sentences, names, gaps))


def _sentence(design: Design, arm: str, rows: list[ComparisonRow]) -> str:
    groups: dict[str, list[ComparisonRow]] = {group: [] for group in _AGAINST}
    for row in rows:
        groups["withheld" if row.withheld else row.verdict].append(row)
    parts: list[str] = []
    for group, members in groups.items():
        if not members:
            continue
        if parts:
            parts.append(f"{_ALONE[group]} at {len(members)}{_example(design, group, members)}")
        else:
            where = f"at {len(members)} of {len(rows)} {_places(design, len(rows))}"
            parts.append(f"{_AGAINST[group]} {_control(design)} {where}{_example(design, group, members)}")
    return f"{arm} is {', '.join(parts)}"


def _places(design: Design, count: int) -> str:
    noun = "budget" if len(design.workloads) == 1 else "cell"
    return noun if count == 1 else f"{noun}s"


def _control(design: Design) -> str:
    untuned = any(arm.as_published for arm in design.arms if arm.name == design.control)
    return f"the untuned control {design.control}" if untuned else f"the tuned control {design.control}"


def _example(design: Design, group: str, rows: list[ComparisonRow]) -> str:
    """Return the largest difference of better or worse rows, or why the first verdict was withheld."""
    if group == "withheld":
        return f" ({rows[0].reason.partition('; ')[0]})"
    if group not in {"better", "worse"}:
        return ""
    row = max(rows, key=lambda candidate: abs(candidate.difference or 0.0))
    on = f"on {row.workload} " if len(design.workloads) > 1 else ""
    decimals = 1 if (row.ci_high or 0.0) - (row.ci_low or 0.0) >= 0.01 else 2
    difference, low, high = (wording.points(v, decimals) for v in (row.difference, row.ci_low, row.ci_high))
    where = f"{on}at {wording.number(row.budget)} {design.budget_unit}"
    return f" ({difference} points {where}, {wording.confidence(design.alpha)} interval {low} to {high})"


def _with_published_gaps(sentences: list[str], names: Sequence[str], gaps: Sequence[PublishedGapRow]) -> list[str]:
    """Say what the gaps would have been with an untuned baseline: after the only sentence, or in one of its own."""
    by_arm = {name: [g.difference for g in gaps if g.arm == name and g.difference is not None] for name in names}
    largest = {name: wording.points(max(known), 1) for name, known in by_arm.items() if known}
    if not largest:
        return sentences
    instead = "ith the control as published instead of tuned the largest gap"
    if len(sentences) == 1:
        return [f"{sentences[0]}; w{instead} would be {largest[names[0]]} points"]
    listed = ", ".join(f"{gap} for {name}" for name, gap in largest.items())
    return [*sentences, f"W{instead}s in points would be {listed}"]
