"""A warm-up in front of any schedule."""

from __future__ import annotations

import pickle
from math import cos, pi
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import lr_scheduler

import schedules
from schedules import (
    PRESETS,
    SCHEDULES,
    Cosine,
    Knots,
    Linear,
    Warmup,
    build_schedule,
    schedule_settings,
    setting_defaults,
)
from tests.schedules.reference_rates import factors, torch_rates

QUARTER = 0.5 * (1 - cos(pi / 4))  # a cosine wave a quarter of its way up: 0.146...


def test_a_linear_ramp_by_hand() -> None:
    schedule = build_schedule("linear", 8, {"warmup_frac": 0.5, "warmup_initial_factor": 0.2})
    assert factors(schedule) == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 0.75, 0.5, 0.25])


def test_a_cosine_ramp_by_hand() -> None:
    settings = {"warmup_frac": 0.5, "warmup_shape": "cosine", "warmup_initial_factor": 0}
    expected = [0, QUARTER, 0.5, 1 - QUARTER, 1, 1, 1, 1]
    assert factors(build_schedule("constant", 8, settings)) == pytest.approx(expected)


def test_a_ramp_leads_up_to_the_first_factor_of_what_follows() -> None:
    settings = {"warmup_frac": 1 / 3, "warmup_initial_factor": 0.5, "cycles": 1, "initial_div": 5}
    schedule = build_schedule("triangular", 6, settings)
    assert factors(schedule) == pytest.approx([0.1, 0.15, 0.2, 0.6, 1, 0.6])


def test_there_is_no_warm_up_unless_it_is_asked_for() -> None:
    assert build_schedule("cosine", 10, {"final_factor": 0.1}) == Cosine(total_steps=10, final_factor=0.1)
    assert build_schedule("cosine", 10, {"warmup_frac": 0.04}) == Cosine(total_steps=10)


@pytest.mark.parametrize("total_steps", [1, 2, 3])
def test_however_long_the_ramp_the_schedule_keeps_an_update(total_steps: int) -> None:
    schedule = build_schedule("cosine", total_steps, {"warmup_frac": 0.99})
    assert factors(schedule)[-1] == 1.0
    assert schedule.total_steps == total_steps


@given(
    st.sampled_from([name for name in SCHEDULES if "warmup_shape" in schedule_settings(name)]),
    st.integers(1, 10**6),
    st.floats(0, 1, exclude_max=True),
    st.sampled_from(["linear", "cosine"]),
)
def test_ramp_and_schedule_add_up_to_the_run(name: str, total_steps: int, frac: float, shape: str) -> None:
    schedule = build_schedule(name, total_steps, {"warmup_frac": frac, "warmup_shape": shape})
    assert schedule.total_steps == total_steps
    if isinstance(schedule, Warmup):
        assert schedule.ramp_steps + schedule.schedule.total_steps == total_steps
        assert abs(schedule.ramp_steps - frac * total_steps) <= 1
        assert schedule(schedule.ramp_steps) == schedule.schedule(0)


@pytest.mark.parametrize("initial_factor", [0.01, 1 / 3, 1.0])
def test_a_linear_ramp_equals_linear_lr_in_front_of_another(initial_factor: float) -> None:
    def sequence(optimizer: Any) -> Any:
        ramp = lr_scheduler.LinearLR(optimizer, initial_factor, 1.0, total_iters=20)
        return lr_scheduler.SequentialLR(optimizer, [ramp, lr_scheduler.CosineAnnealingLR(optimizer, 80)], [20])

    schedule = build_schedule("cosine", 100, {"warmup_frac": 0.2, "warmup_initial_factor": initial_factor})
    assert factors(schedule) == pytest.approx(torch_rates(sequence, 100))


def test_the_part_of_the_run_in_which_the_rate_rises_has_one_name_for_all_schedules() -> None:
    assert all("warmup_frac" in schedule_settings(name) for name in SCHEDULES)
    rising = [name for name in SCHEDULES if "warmup_frac" in setting_defaults(SCHEDULES[name])]
    assert [name for name in rising if "warmup_shape" in schedule_settings(name)] == []
    assert build_schedule("one_cycle", 10, {"warmup_frac": 0.2}) == schedules.OneCycle(total_steps=10, warmup_frac=0.2)


def test_a_warm_up_is_a_value_like_any_schedule() -> None:
    schedule = Warmup(ramp_steps=3, schedule=Linear(total_steps=5), shape="cosine", initial_factor=0)
    assert pickle.loads(pickle.dumps(schedule)) == schedule
    assert eval(repr(schedule), vars(schedules)) == schedule
    with pytest.raises(IndexError, match=r"step must be in \[0, 8\); got 8\."):
        schedule(8)


def test_a_misspelt_name_is_answered_with_the_near_miss() -> None:
    with pytest.raises(
        ValueError, match=r"^schedule must be one of constant, .*; got 'cosin'\. Did you mean 'cosine'\?$"
    ):
        build_schedule("cosin", 10)
    with pytest.raises(ValueError, match=r"^schedule must be one of .*; got 'cosin'\."):
        schedule_settings("cosin")
    with pytest.raises(ValueError) as caught:
        build_schedule("cosine", 10, {"final_facter": 0.5, "total_steps": 5, "final_factor": 2})
    assert [line.partition("; ")[2] for line in str(caught.value).splitlines()] == [
        "got 'final_facter'. Did you mean 'final_factor'?",
        "got 'total_steps'.",
        "got 2. Give the part of the peak rate that is left at the end, such as 0.01.",
    ]
    assert build_schedule("cosine", 10) == Cosine(total_steps=10)


def test_a_schedule_with_a_rise_of_its_own_says_why_it_takes_no_shape_of_a_ramp() -> None:
    with pytest.raises(ValueError, match=r"Schedule one_cycle has a rise of its own, of length warmup_frac"):
        build_schedule("one_cycle", 10, {"warmup_shape": "linear"})


def test_all_that_is_wrong_with_ramp_and_schedule_is_said_at_once() -> None:
    settings = {"warmup_frac": 1.0, "warmup_shape": "square", "warmup_initial_factor": -1, "final_factor": 2}
    with pytest.raises(ValueError) as caught:
        build_schedule("cosine", 0, settings)
    assert [line.partition("; got")[0] for line in str(caught.value).splitlines()] == [
        "total_steps must be a whole number in [1, 9007199254740992]",
        "final_factor must be a number in [0, 1]",
        "warmup_frac must be a number in [0, 1)",
        "warmup_shape must be one of linear, cosine",
        "warmup_initial_factor must be a number in [0, 1]",
    ]


@pytest.mark.parametrize("total_steps", [1, 2, 100])
@pytest.mark.parametrize("warmup_frac", [0.01, 0.5])
def test_a_ramp_up_to_a_rate_of_zero_is_refused_in_runs_of_any_length(total_steps: int, warmup_frac: float) -> None:
    preset = PRESETS["page_triangle"]
    with pytest.raises(
        ValueError, match=r"^warmup_frac must be 0 for a schedule that begins at 0; got 0\.\d+\. All of"
    ):
        build_schedule(preset.schedule, total_steps, {**preset.settings, "warmup_frac": warmup_frac})
    alone = build_schedule(preset.schedule, total_steps, {**preset.settings, "warmup_frac": 0})
    assert alone == build_schedule(preset.schedule, total_steps, preset.settings)


@pytest.mark.parametrize(
    "schedule",
    [None, "cosine", Cosine, Knots(total_steps=4, knot_fracs=(0, 1), knot_factors=(0, 1)), abs],
)
def test_a_ramp_leads_up_to_a_schedule_that_begins_above_zero(schedule: Any) -> None:
    with pytest.raises(ValueError, match=r"^schedule must be a schedule that begins above 0; got "):
        Warmup(ramp_steps=3, schedule=schedule)


def test_a_ramp_has_at_least_one_update() -> None:
    with pytest.raises(ValueError, match=r"ramp_steps must be a whole number >= 1; got 0\."):
        Warmup(ramp_steps=0, schedule=Cosine(total_steps=4))
