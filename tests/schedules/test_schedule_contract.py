"""What every schedule and every momentum policy promises; a new entry of the tables is covered at once."""

from __future__ import annotations

import dataclasses
import itertools
import pickle
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import schedules
from schedules import MOMENTUM, SCHEDULES, MomentumPolicy, Schedule, setting_defaults

KINDS: list[Any] = [*SCHEDULES.values(), *MOMENTUM.values()]
TOTAL_STEPS = st.one_of(st.integers(1, 40), st.integers(1, 10**6))


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
def built_schedules(draw: st.DrawFn, total_steps: st.SearchStrategy[int] = TOTAL_STEPS) -> Schedule:
    kind = SCHEDULES[draw(st.sampled_from(sorted(SCHEDULES)))]
    return kind(total_steps=draw(total_steps), **draw(searched(kind.default_search)))


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


@given(built_schedules(st.integers(1, 400)))
def test_after_the_peak_the_factor_never_rises(schedule: Schedule) -> None:
    values = factors(schedule)
    falling = values[values.index(1.0) :]
    assert all(left >= right - 1e-15 for left, right in itertools.pairwise(falling))


@given(built_schedules(st.integers(1, 400)))
def test_up_to_the_peak_the_factor_never_falls(schedule: Schedule) -> None:
    values = factors(schedule)
    rising = values[: values.index(1.0) + 1]
    assert all(left <= right + 1e-15 for left, right in itertools.pairwise(rising))


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


@given(built_schedules(st.just(1000)), st.floats(0, 1, exclude_max=True))
def test_stretching_a_run_converges_to_a_shape(schedule: Schedule, part: float) -> None:
    long = dataclasses.replace(schedule, total_steps=100_000)  # type: ignore[type-var]
    longer = dataclasses.replace(schedule, total_steps=200_000)  # type: ignore[type-var]
    at, further = int(part * 100_000), 2 * int(part * 100_000)
    neighbours = [longer(min(max(further + shift, 0), 199_999)) for shift in range(-6, 7)]
    assert min(neighbours) - 1e-3 <= long(at) <= max(neighbours) + 1e-3


@pytest.mark.parametrize("total_steps", [0, -3, 2.5, 10.0, True, "10", None, float("nan")])
@pytest.mark.parametrize("name", SCHEDULES)
def test_a_bad_length_is_refused(name: str, total_steps: Any) -> None:
    with pytest.raises(ValueError, match=r"total_steps must be a whole number >= 1; got "):
        SCHEDULES[name](total_steps=total_steps)


@pytest.mark.parametrize("bad", [True, float("nan"), float("inf"), -1.0, "fast", None, [2.0]])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if setting_defaults(kind)])
def test_every_setting_refuses_what_is_no_value_for_it_and_all_are_named(kind: Any, bad: Any) -> None:
    settings = dict.fromkeys(setting_defaults(kind), bad)
    run = {"total_steps": 10} if kind in SCHEDULES.values() else {}
    with pytest.raises(ValueError) as caught:
        kind(**run, **settings)
    assert [line.split(" must be ")[0] for line in str(caught.value).splitlines()] == list(settings)
    assert all(f"; got {bad!r}." in line for line in str(caught.value).splitlines())


@pytest.mark.parametrize("kind", KINDS)
def test_the_default_search_names_settings_and_all_its_ends_are_valid(kind: Any) -> None:
    run = {"total_steps": 10} if kind in SCHEDULES.values() else {}
    assert set(kind.default_search) <= set(setting_defaults(kind))
    for name, dimension in kind.default_search.items():
        ((form, values),) = dimension.items()
        assert form in {"float", "log", "int", "choice"}
        assert form == "choice" or len(values) == 2
        for value in values:
            kind(**run, **{name: value})


def test_a_name_that_two_kinds_share_means_the_same_to_both() -> None:
    shared_on_purpose = {"final_factor", "warmup_frac", "initial_div", "final_div", "momentum"}
    names = [name for kind in KINDS for name in setting_defaults(kind)]
    assert {name for name in names if names.count(name) > 1} == shared_on_purpose
    of_schedules = {name for kind in SCHEDULES.values() for name in setting_defaults(kind)}
    of_policies = {name for kind in MOMENTUM.values() for name in setting_defaults(kind)}
    assert not of_schedules & of_policies


@given(built_policies(), st.floats(0, 1), st.floats(0, 1))
def test_momentum_stays_in_range_and_never_rises_with_the_rate(policy: MomentumPolicy, a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert 0.0 <= policy(high) <= policy(low) <= policy.momentum < 1.0


@given(built_policies(), st.sampled_from([-0.1, 1.1, float("nan"), True]))
def test_momentum_is_not_defined_for_a_factor_outside_zero_to_one(policy: MomentumPolicy, factor: float) -> None:
    with pytest.raises(ValueError, match=r"factor must be a number in \[0, 1\]"):
        policy(factor)
