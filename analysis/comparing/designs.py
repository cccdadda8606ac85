"""Find the rules that two designs do not share."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from analysis.comparing.values import RuleDifference
from analysis.tables.contents import Design

# Rules that say which comparisons there are, or how a verdict falls on them, but not what a difference means.
_HARMLESS = frozenset(
    {
        "question",
        "workloads",
        "budgets",
        "targets",
        "equivalence_margin",
        "alpha",
        "confirm_seeds",
        "confirm_until",
        "max_seeds",
        "protocol_hash",
    }
)


def differing_rules(first: Design, second: Design) -> tuple[RuleDifference, ...]:
    """Return every rule that differs: of the study in the order of the design, of its arms, then the hash."""
    one, two = ({f.name: getattr(design, f.name) for f in dataclasses.fields(design)} for design in (first, second))
    for values in (one, two):
        del values["recorded"]  # what a record holds is no rule
    hashes = [values.pop("protocol_hash") for values in (one, two)]
    arms = [{arm.name: _plain(arm) for arm in values.pop("arms")} for values in (one, two)]
    return (
        *_differences(one, two),
        *(rule for arm in dict.fromkeys([*arms[0], *arms[1]]) for rule in _arm_differences(arm, arms[0], arms[1])),
        *_differences({"protocol_hash": hashes[0]}, {"protocol_hash": hashes[1]}),
    )


def hinders_combination(rules: Collection[RuleDifference], arms: Collection[str]) -> tuple[str, ...]:
    """Return the differing rules under which a comparison of these arms is of another quantity in each study.

    Args:
        rules: All that differ.
        arms: The arm and the control that it is compared with; rules of other arms do not concern it.
    """
    return tuple(rule.rule for rule in rules if rule.changes_effects and (rule.arm is None or rule.arm in arms))


def _arm_differences(arm: str, *arms: Mapping[str, Any]) -> tuple[RuleDifference, ...]:
    if all(arm in known for known in arms):
        return _differences(*(known[arm] for known in arms), arm=arm)
    # Without the arm there is no comparison whose meaning could change.
    present = ["yes" if arm in known else "no" for known in arms]
    return (RuleDifference(rule=f"arms.{arm}", arm=arm, first=present[0], second=present[1], changes_effects=False),)


def _differences(first: Any, second: Any, *, arm: str | None = None) -> tuple[RuleDifference, ...]:
    one, two = (dict(_leaves((), _plain(value))) for value in (first, second))
    return tuple(
        RuleDifference(
            rule=".".join(path if arm is None else ("arms", arm, *path)),
            arm=arm,
            first=_text(one.get(path)),
            second=_text(two.get(path)),
            changes_effects=arm is not None or path[0] not in _HARMLESS,
        )
        for path in dict.fromkeys([*one, *two])
        if one.get(path) != two.get(path)
    )


def _plain(value: Any) -> Any:
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else value


def _leaves(path: tuple[str, ...], value: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the entries of nested mappings; lists and plain values are entries."""
    if isinstance(value, Mapping) and value:
        for key, entry in value.items():
            yield from _leaves((*path, str(key)), entry)
    else:
        # A report that was read from a file has lists for tuples inside search spaces.
        yield path, tuple(value) if isinstance(value, list) else value


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:.12g}"
    if isinstance(value, list | tuple):
        return ", ".join(_text(entry) for entry in value)
    return "" if value is None or value == {} else str(value)
