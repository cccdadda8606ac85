"""Put the rules of a comparison together from the options, the file of rules and the table itself."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from analysis.record import PLAN
from analysis.rules import Cell, Rules
from analysis.tidy.options import CONTROL_NAMES, DEFAULT_ALPHA, DEFAULT_MARGIN, GivenRules, TableOptions
from analysis.tidy.problems import TableError, did_you_mean

UNKNOWN_UNIT = "units"
_MOST = 1_000_000  # seeds, draws or searches
_MOST_AMOUNT = 2.0**53


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a table shows of the design of its study, each in order of appearance.

    Attributes:
        source: Name of the table, with its suffix.
        cells: The cells that have runs.
        unit: What the budgets count; empty where the table does not say.
        draws: The largest number of draws of any search.
        searches: The largest number of searches of any arm in a cell.
        seeds: The largest number of confirm runs of any search.
    """

    source: str
    arms: tuple[str, ...]
    cells: tuple[Cell, ...]
    unit: str
    draws: int
    searches: int
    seeds: int


def combined_rules(shape: Shape, options: TableOptions, given: GivenRules) -> Rules:
    """Return the rules: options before the file of rules before what the table shows.

    Raises:
        TableError: If the control is not clear, or a value cannot be.
    """
    values = given.content
    arms = _arms(shape, given)
    workloads = dict.fromkeys([*_workloads(values), *(cell.workload for cell in shape.cells)])
    amounts, unit = _budgets(values)
    if wrong := [amount for amount in amounts if not _is_amount(amount)]:
        said = ", ".join(f"{amount!r:.40}" for amount in wrong)
        raise TableError(given.source or "rules", [f"budgets must be numbers greater than 0; got {said}."])
    rules = {
        "study": options.study or values.get("study") or shape.source.partition(".")[0] or "table",
        "question": options.question or values.get("question") or "",
        "workloads": [{"name": name} for name in workloads],
        "budgets": {
            "unit": options.budget_unit or shape.unit or unit or UNKNOWN_UNIT,
            "amounts": sorted({*amounts, *(cell.budget for cell in shape.cells)}),
        },
        "cells_run": _cells_run(values, shape),
        "control": _control(options.control or values.get("control"), tuple(arms), shape.source),
        "search": values.get("search") or {},
        "arms": arms,
        "tuning": {"draws": shape.draws, "searches": shape.searches, **given.part("tuning")},
        "confirm": {"seeds": shape.seeds, **given.part("confirm")},
        "targets": options.targets or _listed(values.get("targets")),
        "equivalence_margin": _first(
            options.margin, values.get("equivalence_margin", values.get("margin")), DEFAULT_MARGIN
        ),
        "alpha": _first(options.alpha, values.get("alpha"), DEFAULT_ALPHA),
        "protocol_hash": values.get("protocol_hash") or "",
        "versions": _listed(values.get("versions")),
    }
    try:
        made = Rules.model_validate(rules)
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, e['loc'])) or 'rules'}: {e['msg']}; got {e['input']!r:.60}." for e in error.errors()
        ]
        raise TableError(given.source or "rules", problems) from None
    _check_scale(made, given.source)
    return made


def plan_is_given(given: GivenRules) -> frozenset[str]:
    """Return the part of a record that says how many seeds were planned, if the file of rules says so."""
    return frozenset({PLAN}) if given.part("confirm").get("seeds") else frozenset()


def _first(*values: Any) -> Any:
    return next(value for value in values if value is not None)


def _workloads(values: Mapping[str, Any]) -> list[str]:
    given = values.get("workloads")
    named = _listed(list(given) if isinstance(given, Mapping) and "name" not in given else given)
    return [str(item.get("name", "")) if isinstance(item, Mapping) else str(item) for item in named]


def _budgets(values: Mapping[str, Any]) -> tuple[list[float], str]:
    """Return amounts and unit, from ``{unit: epochs, amounts: [5]}`` as recorded or ``{epochs: [5]}`` as written."""
    budgets = values.get("budgets")
    if not isinstance(budgets, Mapping):
        return [], ""
    if "amounts" in budgets:
        return _listed(budgets["amounts"]), str(budgets.get("unit", ""))
    unit = next((unit for unit in ("epochs", "updates") if unit in budgets), "")
    return _listed(budgets.get(unit)), unit


def _listed(value: Any) -> list[Any]:
    """Return several values, or one that was written without brackets, as a list."""
    if value is None:
        return []
    return list(value) if isinstance(value, Iterable) and not isinstance(value, str | Mapping) else [value]


def _is_amount(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < _MOST_AMOUNT


def _cells_run(values: Mapping[str, Any], shape: Shape) -> tuple[Cell, ...]:
    """Return the cells of the table, which need not be every workload at every budget; all where a plan names them."""
    if values.get("cells_run"):
        return tuple(_listed(values["cells_run"]))
    return () if _workloads(values) and _budgets(values)[0] else shape.cells


def _arms(shape: Shape, given: GivenRules) -> dict[str, dict[str, Any]]:
    stated = {str(name): dict(arm or {}) for name, arm in given.part("arms").items()}
    published = {str(name) for name in _listed(given.content.get("published"))}
    unknown = sorted(published - {*shape.arms, *stated})
    if unknown:
        hint = did_you_mean(unknown[0], shape.arms)
        raise TableError(
            given.source,
            [f"published must name arms, which are {', '.join(shape.arms)}; got {', '.join(unknown)}.{hint}"],
        )
    arms = {}
    for name in dict.fromkeys([*stated, *shape.arms]):
        arm = {"schedule": name, **stated.get(name, {})}
        arms[name] = {**arm, "as_published": True} if name in published else arm
    return arms


def _control(wanted: Any, arms: Sequence[str], source: str) -> str:
    options = f"one of {', '.join(arms)}"
    if wanted is not None:
        if str(wanted) not in arms:
            hint = did_you_mean(str(wanted), arms)
            raise TableError(source, [f"control must be {options}; got {wanted}.{hint}"])
        return str(wanted)
    named = [arm for arm in arms if arm.casefold() in CONTROL_NAMES]
    if len(arms) == 1 or len(named) == 1:
        return named[0] if named else arms[0]
    remedy = "Say with which arm the others are compared: --control NAME (control=NAME in Python)."
    raise TableError(source, [f"control must be {options}; got nothing. {remedy}"])


def _check_sizes(rules: Rules) -> Iterator[str]:
    """Yield what is wrong with numbers that no study has."""
    for name, count in (("tuning.draws", rules.tuning.draws), ("tuning.searches", rules.tuning.searches),
                        ("confirm.seeds", rules.confirm.most_seeds)):  # fmt: skip
        if not 0 <= count <= _MOST:
            yield f"{name} must be from 0 to {_MOST:,}; got {count}."


def _check_spaces(rules: Rules) -> Iterator[str]:
    """Yield what is wrong with search spaces, of which reports show the ranges."""
    spaces = {f"search.{name}": space for name, space in rules.search.items()}
    for arm, own in rules.arms.items():
        spaces |= {f"arms.{arm}.search.{name}": space for name, space in own.search.items()}
    for where, space in spaces.items():
        if space is not None and not _is_space(space):
            yield (
                f"{where} must be a range or a choice, such as {{log: [0.001, 1]}} or {{choice: [16, 32]}}; "
                f"got {space!r:.60}."
            )


def _is_space(space: Any) -> bool:
    ((kind, values),) = space.items() if isinstance(space, Mapping) and len(space) == 1 else (("", None),)
    if kind not in {"log", "float", "int", "choice", "choices"}:
        return False
    listed = isinstance(values, Sequence) and not isinstance(values, str)
    return listed and (kind.startswith("choice") or _is_range(values, positive=kind == "log"))


def _is_range(values: Any, *, positive: bool) -> bool:
    numbers = [value for value in values if isinstance(value, int | float) and math.isfinite(value)]
    return len(numbers) == len(values) == 2 and numbers[0] <= numbers[1] and not (positive and numbers[0] <= 0)


def _check_scale(rules: Rules, source: str) -> None:
    """Refuse what is in percent where a fraction is meant, and numbers that no study has."""
    problems = [*_check_sizes(rules), *_check_spaces(rules)]
    if rules.equivalence_margin >= 0.5:
        problems.append(
            f"margin must be a fraction below 0.5; got {rules.equivalence_margin:g}. Half a point is 0.005."
        )
    wrong = [target for target in rules.targets if not 0 < target < 1]
    if wrong:
        problems.append(
            f"targets must be fractions between 0 and 1; got {', '.join(f'{t:g}' for t in wrong)}. 94 % is 0.94."
        )
    for name, arm in rules.arms.items():
        published = arm.reference_accuracy
        if published is not None and not 0 < published < 1:
            problems.append(
                f"arms.{name}.reference_accuracy must be a fraction between 0 and 1; got {published:g}. 94 % is 0.94."
            )
        if published is not None and len(rules.workloads) > 1:
            problems.append(
                f"arms.{name}.reference_accuracy must belong to the one workload of the table; it has "
                f"{len(rules.workloads)}."
            )
    if problems:
        raise TableError(source or "rules", problems)
