"""Say what an edit of a recorded study changes, and whether its trials stay comparable.

An edit that only asks for more extends a study: what has run stays what it was, and the new trials continue the same
sequences. Any other edit makes it another study. Pure: two recorded studies in, changes out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from sweeps.spec import Study, rules_of

#: More changes than this are counted, not shown.
MOST_SHOWN = 12
#: What may grow: a larger number asks for more trials of the same kind.
_MAY_GROW = {"tuning.draws", "tuning.searches", "confirm.seeds", "confirm.max_seeds"}
_ABSENT = "absent"


@dataclass(frozen=True, kw_only=True)
class Change:
    """One difference between two versions of a study.

    Args:
        field: its place in the study file, such as ``tuning.draws``.
        was: what is recorded, as text.
        now: what is asked for, as text.
        extends: whether it asks for more of the same, so that recorded trials stay comparable.
    """

    field: str
    was: str
    now: str
    extends: bool

    def __str__(self) -> str:
        return f"{self.field} was {self.was}, is {self.now}"


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Change, ...]:
    """Return what differs between the rules of two recorded studies, in the order of the study file.

    Args:
        before: as `Study.recorded` returned it, perhaps of an earlier version of fairsweep.
        after: as `Study.recorded` returns it.
    """
    old, new = rules_of(_completed(before)), rules_of(after)
    found: list[Change] = []
    for field in [*new, *(key for key in old if key not in new)]:
        was: Any = old.get(field)
        now: Any = new.get(field)
        if field == "arms":
            found += _members("arms", was or {}, now or {})
        elif field == "workloads":
            found += _members("workloads", _by_name(was), _by_name(now))
        elif field == "budgets":
            found += _budgets(was, now)
        else:
            found += _leaves(field, was, now)
    if new["confirm"]["until"] == "planned":  # then it is the number of seeds, said once
        found = [change for change in found if change.field != "confirm.max_seeds"]
    return tuple(found)


def extends(found: Sequence[Change]) -> bool:
    """Tell whether changes leave recorded trials comparable."""
    return all(change.extends for change in found)


def shown(found: Sequence[Change]) -> str:
    """Write changes as lines, one each."""
    lines = [f"  {change}" for change in found[:MOST_SHOWN]]
    if len(found) > MOST_SHOWN:
        lines.append(f"  and {len(found) - MOST_SHOWN} more")
    return "\n".join(lines)


def refusal(study: str, found: Sequence[Change]) -> str:
    """Say why an edit is refused, and what to do about it."""
    refused = [change for change in found if not change.extends]
    return (
        f"study {study} has trials that ran under other rules:\n{shown(refused)}\n"
        "Results under different rules cannot be compared. Undo this, or give the changed study another name "
        "(study: ...). What may be added to a recorded study: draws, searches, seeds, budgets, workloads, arms."
    )


def _completed(recorded: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a recorded study with the fields that came after it, at their defaults."""
    try:
        return Study.from_recorded(recorded).recorded()
    except (ValidationError, KeyError, TypeError):  # a version of fairsweep that allowed other things
        return recorded


def _by_name(workloads: Sequence[Mapping[str, Any]] | None) -> dict[str, Any]:
    return {str(workload["name"]): workload for workload in workloads or ()}


def _members(field: str, was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Change]:
    """Compare things that have names: a new one extends, a missing one does not."""
    for name in [*was, *(name for name in now if name not in was)]:
        place = f"{field}.{name}"
        if name not in now:
            yield Change(field=place, was="there", now=_ABSENT, extends=False)
        elif name not in was:
            yield Change(field=place, was=_ABSENT, now="there", extends=True)
        else:
            yield from _leaves(place, was[name], now[name])


def _budgets(was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Change]:
    if was["unit"] != now["unit"]:
        yield Change(field="budgets", was=_budget_text(was), now=_budget_text(now), extends=False)
    elif was["amounts"] != now["amounts"]:
        kept = set(was["amounts"]) <= set(now["amounts"])
        yield Change(field=f"budgets.{now['unit']}", was=_text(was["amounts"]), now=_text(now["amounts"]), extends=kept)


def _budget_text(budgets: Mapping[str, Any]) -> str:
    return f"{_text(budgets['amounts'])} {budgets['unit']}"


def _leaves(field: str, was: Any, now: Any) -> Iterator[Change]:
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        for key in [*now, *(key for key in was if key not in now)]:
            yield from _leaves(f"{field}.{key}", was.get(key), now.get(key))
        if field.rpartition(".")[2] == "search" and set(was) == set(now) and list(was) != list(now):
            order = "in the order "
            yield Change(field=field, was=order + ", ".join(was), now=order + ", ".join(now), extends=False)
    elif was != now:
        grows = field in _MAY_GROW and isinstance(was, int) and isinstance(now, int) and now > was
        yield Change(field=field, was=_text(was), now=_text(now), extends=grows)


def _text(value: Any) -> str:
    if value is None:
        return _ABSENT
    if isinstance(value, list):
        return "[" + ", ".join(_text(item) for item in value) + "]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_text(item)}" for key, item in value.items()) + "}"
    return str(value)
