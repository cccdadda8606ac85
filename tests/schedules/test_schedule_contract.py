"""What every schedule and every momentum policy promises; a new entry of the tables is covered at once."""

from __future__ import annotations

import dataclasses
import inspect
import itertools
import math
import pickle
import re
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import schedules
from schedules import (
    MOMENTUM,
    PRESETS,
    SCHEDULES,
    MomentumPolicy,
    Schedule,
    build_schedule,
    schedule_settings,
    setting_defaults,
)
from schedules.checks import Number, OneOf, Rule, Several, Whole
from schedules.phases import LONGEST
from schedules.warmup import WARMUP_SETTINGS
from tests.schedules import test_cycles, test_schedule_values

KINDS: list[Any] = [*SCHEDULES.values(), *MOMENTUM.values()]
TOTAL_STEPS = st.one_of(st.integers(1, 40), st.integers(1, 10**6))
PEAK_LR = st.floats(1e-6, 100)
WARMUP_SPACE: Mapping[str, Mapping[str, Any]] = {
    "warmup_frac": {"float": [0.0, 0.99]},
    "warmup_shape": {"choice": ["linear", "cosine"]},
    "warmup_initial_factor": {"float": [0.0, 1.0]},
}


def searched(space: Mapping[str, Mapping[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Draw settings from a default search space; each may also be left at its default."""
    kinds = {
        "float": lambda ends: st.floats(*ends),
        "log": lambda ends: st.floats(*ends),
        "int": lambda ends: st.integers(*ends),
        "choice": st.sampled_from,
    }
    each = {name: kinds[kind](value) for name, dimension in space.items() for kind, value in dimension.items()}
    return st.fixed_dictionaries({}, optional=each)


@st.composite
def recipes(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """Draw a schedule and settings for it, those of a warm-up included where it takes one."""
    name = draw(st.sampled_from(sorted(SCHEDULES)))
    warmup = WARMUP_SPACE if "warmup_shape" in schedule_settings(name) else {}
    return name, draw(searched({**warmup, **SCHEDULES[name].default_search}))


def allowed(rule: Rule) -> st.SearchStrategy[Any]:
    """Draw what a rule lets pass."""
    if isinstance(rule, Number):
        open_top = rule.brackets[1] == ")" and rule.high < math.inf
        return st.floats(rule.low, min(rule.high, 1e6), exclude_min=rule.brackets[0] == "(", exclude_max=open_top)
    if isinstance(rule, Whole):
        return st.integers(rule.low, rule.low + 12)
    if isinstance(rule, OneOf):
        return st.sampled_from(rule.options)
    assert isinstance(rule, Several)
    items = st.lists(allowed(rule.each), min_size=rule.least, max_size=6, unique=rule.increasing)
    return items.map(sorted) if rule.increasing else items


@st.composite
def anywhere_in_range(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """Draw a schedule and any settings that it accepts."""
    name = draw(st.sampled_from(sorted(SCHEDULES)))
    module = vars(sys.modules[SCHEDULES[name].__module__])
    rules = {setting: module["_RULES"][setting] for setting in setting_defaults(SCHEDULES[name])}
    settings = {setting: draw(allowed(rule)) for setting, rule in rules.items()}
    if name == "knots":  # as many factors as fractions, the largest of them 1
        factors_there = [draw(st.floats(0, 1)) for _ in settings["knot_fracs"]]
        factors_there[draw(st.integers(0, len(factors_there) - 1))] = 1.0
        settings["knot_factors"] = factors_there
    return name, settings


@st.composite
def built_schedules(draw: st.DrawFn, total_steps: st.SearchStrategy[int] = TOTAL_STEPS) -> Schedule:
    name, settings = draw(st.one_of(recipes(), anywhere_in_range()))
    return build_schedule(name, draw(total_steps), settings)


@st.composite
def built_policies(draw: st.DrawFn) -> MomentumPolicy:
    kind = MOMENTUM[draw(st.sampled_from(sorted(MOMENTUM)))]
    return kind(**draw(searched(kind.default_search)))


def factors(schedule: Schedule) -> list[float]:
    return [schedule(step) for step in range(schedule.total_steps)]


@given(built_schedules(st.integers(1, 400)))
def test_the_largest_factor_of_a_run_is_exactly_one(schedule: Schedule) -> None:
    assert max(factors(schedule)) == 1.0


@given(built_schedules(), st.floats(0, 1, exclude_max=True))
def test_every_factor_is_between_zero_and_one(schedule: Schedule, part: float) -> None:
    for step in (0, int(part * schedule.total_steps), schedule.total_steps - 1):
        assert 0.0 <= schedule(step) <= 1.0


def peaks(values: list[float]) -> int:
    """Count the places from which a run falls on both sides, or on one at either end; ignore rounding."""
    changes = [right - left for left, right in itertools.pairwise(values)]
    rises = [change > 0 for change in changes if abs(change) > 1e-15]
    turns = sum(before and not after for before, after in itertools.pairwise(rises))
    return turns + (rises[:1] == [False]) + (rises[-1:] == [True])


@given(st.one_of(recipes(), anywhere_in_range().filter(lambda recipe: recipe[0] != "knots")), st.integers(1, 400))
def test_a_run_has_one_peak_or_as_many_as_its_schedule_has_cycles(
    recipe: tuple[str, dict[str, Any]], total_steps: int
) -> None:
    name, settings = recipe
    cycles = {**setting_defaults(SCHEDULES[name]), **settings}.get("cycles", 1)
    assert peaks(factors(build_schedule(name, total_steps, settings))) <= cycles


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_long_run_has_its_peak_too(name: str) -> None:
    assert max(factors(SCHEDULES[name](total_steps=20_011))) == 1.0


@given(built_schedules(st.integers(2, 100)))
def test_a_factor_depends_on_the_step_and_nothing_before(schedule: Schedule) -> None:
    forwards = factors(schedule)
    backwards = [schedule(step) for step in reversed(range(schedule.total_steps))]
    assert forwards == backwards[::-1]


@given(built_schedules(), st.integers(0, 10**6))
def test_a_step_outside_the_run_raises(schedule: Schedule, excess: int) -> None:
    for step in (schedule.total_steps + excess, -1 - excess):
        with pytest.raises(IndexError, match=r"step must be in \[0, \d+\); got -?\d+\."):
            schedule(step)


@given(built_schedules())
def test_a_step_that_is_no_whole_number_raises(schedule: Schedule) -> None:
    with pytest.raises(TypeError):
        schedule(0.5)  # type: ignore[arg-type]


@given(st.one_of(built_schedules(), built_policies()))
def test_values_survive_pickling_and_printing_and_can_be_keys(value: Schedule | MomentumPolicy) -> None:
    assert pickle.loads(pickle.dumps(value)) == value
    assert eval(repr(value), vars(schedules)) == value
    assert {value: 1}[value] == 1


@given(built_schedules(st.integers(1, 400)))
def test_a_pickle_holds_the_fields_and_nothing_that_was_worked_out_from_them(schedule: Schedule) -> None:
    before = pickle.dumps(schedule)
    values = factors(schedule)
    assert pickle.dumps(schedule) == before
    assert factors(pickle.loads(before)) == values


@given(built_schedules(st.just(LONGEST)))
def test_the_longest_run_is_a_run_like_any_other(schedule: Schedule) -> None:
    assert all(0.0 <= schedule(step) <= 1.0 for step in (0, 1, LONGEST // 2, LONGEST - 1))


@given(recipes(), st.floats(0, 1, exclude_max=True))
def test_stretching_a_run_converges_to_a_shape(recipe: tuple[str, dict[str, Any]], part: float) -> None:
    name, settings = recipe
    long, longer = (build_schedule(name, total_steps, settings) for total_steps in (100_000, 200_000))
    at, further = int(part * 100_000), 2 * int(part * 100_000)
    neighbours = [longer(min(max(further + shift, 0), 199_999)) for shift in range(-6, 7)]
    assert min(neighbours) - 1e-3 <= long(at) <= max(neighbours) + 1e-3


@pytest.mark.parametrize("total_steps", [0, -3, 2.5, 10.0, True, "10", None, float("nan"), 2**53 + 1, 10**309])
@pytest.mark.parametrize("name", SCHEDULES)
def test_a_bad_length_is_refused(name: str, total_steps: Any) -> None:
    with pytest.raises(ValueError, match=r"total_steps must be a whole number in \[1, 9007199254740992\]; got "):
        SCHEDULES[name](total_steps=total_steps)


@pytest.mark.parametrize("bad", [True, float("nan"), float("inf"), -1.0, -(10**20), "fast", None, [2.0]])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if setting_defaults(kind)])
def test_every_setting_refuses_what_is_no_value_for_it_and_all_are_named(kind: Any, bad: Any) -> None:
    settings = dict.fromkeys(setting_defaults(kind), bad)
    run = {"total_steps": 10} if kind in SCHEDULES.values() else {}
    with pytest.raises(ValueError) as caught:
        kind(**run, **settings)
    assert [line.split(" must be ")[0] for line in str(caught.value).splitlines()] == list(settings)
    assert all(f"; got {bad!r}." in line for line in str(caught.value).splitlines())


ENTRIES: list[Any] = [
    *((kind, schedule_settings(name), partial(build_schedule, name, 10)) for name, kind in SCHEDULES.items()),
    *((kind, setting_defaults(kind), lambda settings, kind=kind: kind(**settings)) for kind in MOMENTUM.values()),
]


@pytest.mark.parametrize(("kind", "settings", "build"), ENTRIES, ids=[entry[0].__name__ for entry in ENTRIES])
def test_the_default_search_names_settings_and_all_its_ends_are_valid(
    kind: Any, settings: Mapping[str, Any], build: Callable[[Mapping[str, Any]], Any]
) -> None:
    strange = set(kind.default_search) - set(settings)
    assert not strange, f"default_search of {kind.__name__} must name its settings only; got {sorted(strange)}"
    for name, dimension in kind.default_search.items():
        ((form, values),) = dimension.items()
        assert form in {"float", "log", "int", "choice"}
        assert form == "choice" or len(values) == 2
        for value in values:
            build({name: value})


def test_a_setting_that_is_too_large_for_a_float_is_refused_in_a_readable_line() -> None:
    with pytest.raises(ValueError, match=r"^initial_div must be a finite number >= 1; got a number of 401 digits\. "):
        build_schedule("one_cycle", 10, {"initial_div": 10**400})
    with pytest.raises(ValueError, match=r"^knot_fracs must be increasing fractions in \[0, 1\]; got "):
        build_schedule("knots", 10, {"knot_fracs": [0, 10**400], "knot_factors": [0, 1]})


def test_nobody_can_change_the_tables_and_what_is_in_them() -> None:
    for table in (SCHEDULES, MOMENTUM, PRESETS, WARMUP_SETTINGS):
        with pytest.raises(TypeError):
            table["new"] = None  # type: ignore[index]
    for kind in KINDS:
        for dimension in kind.default_search.values():
            with pytest.raises(TypeError):
                dimension["choice"] = (1,)
            hash(tuple(dimension.values()))  # no lists in it
        with pytest.raises(TypeError):
            kind.default_search["new"] = {}


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_a_value_like_a_schedule(name: str) -> None:
    preset = PRESETS[name]
    assert pickle.loads(pickle.dumps(preset)) == preset
    assert {preset: 1}[dataclasses.replace(preset)] == 1
    assert preset != dataclasses.replace(preset, settings={})
    with pytest.raises(TypeError):
        preset.settings["factor"] = 1  # type: ignore[index]


@pytest.mark.parametrize("kind", KINDS)
def test_an_entry_can_be_imported_from_the_package(kind: Any) -> None:
    assert kind.__name__ in schedules.__all__, "add the name to __all__ of schedules/__init__.py"


def test_every_schedule_has_values_that_were_worked_out_by_hand() -> None:
    by_hand = {type(schedule) for schedule, _ in [*test_schedule_values.TABLE, *test_cycles.TABLE]}
    missing = [name for name, kind in SCHEDULES.items() if kind not in by_hand]
    assert not missing, f"{missing}: add rows to TABLE of tests/schedules/test_schedule_values.py or test_cycles.py"


@pytest.mark.parametrize("kind", SCHEDULES.values())
def test_a_schedule_with_settings_of_its_own_has_a_space_to_search_them(kind: Any) -> None:
    remedy = f"give {kind.__name__} a default_search, in its file, that is empty only where it has no settings"
    assert bool(kind.default_search) == bool(setting_defaults(kind)), remedy


def described(kind: Any) -> dict[str, str]:
    """Return what the docstring of an entry says of each argument."""
    section = inspect.getdoc(kind).partition("\nArgs:\n")[2].partition("\n\n")[0]  # type: ignore[union-attr]
    return dict(re.findall(r"^    (\w+): (.+)$", section, flags=re.MULTILINE))


@pytest.mark.parametrize("kind", KINDS)
def test_an_entry_says_what_its_settings_mean_and_where_it_comes_from(kind: Any) -> None:
    fields = [field.name for field in dataclasses.fields(kind)]
    file = inspect.getsourcefile(kind)
    assert list(described(kind)) == fields, f"{file}: the docstring must have a line for each field under Args:"
    reference = inspect.getdoc(kind).partition("\nReference:\n")[2]  # type: ignore[union-attr]
    assert len(reference) > 40, f"{file}: the docstring must name a source under Reference:, not just {reference!r}"


def test_a_name_that_several_entries_have_means_the_same_to_all() -> None:
    meanings: dict[str, set[str]] = {}
    for kind in KINDS:
        for name, text in described(kind).items():
            meanings.setdefault(name, set()).add(re.split(r"[,;.]", text)[0])
    at_odds = {name: texts for name, texts in meanings.items() if len(texts) > 1}
    assert not at_odds, "use the words of the other entry up to the first comma, or another name for the setting"


def test_a_setting_belongs_to_the_schedule_or_to_the_policy_and_never_to_both() -> None:
    of_schedules = {name for schedule in SCHEDULES for name in schedule_settings(schedule)}
    of_policies = {name for kind in MOMENTUM.values() for name in setting_defaults(kind)}
    assert not of_schedules & of_policies


@given(built_policies(), st.floats(0, 1), st.floats(0, 1), PEAK_LR)
def test_momentum_stays_in_range_and_never_rises_with_the_rate(
    policy: MomentumPolicy, a: float, b: float, peak_lr: float
) -> None:
    low, high = sorted((a, b))
    assert 0.0 <= policy(high, peak_lr) <= policy(low, peak_lr) <= policy(0.0, peak_lr) == policy.momentum < 1.0


@given(built_policies(), PEAK_LR, st.sampled_from([-0.1, 1.1, float("nan"), True]))
def test_momentum_is_not_defined_for_a_factor_outside_zero_to_one(
    policy: MomentumPolicy, peak_lr: float, factor: float
) -> None:
    with pytest.raises(ValueError, match=r"factor must be a number in \[0, 1\]"):
        policy(factor, peak_lr)
