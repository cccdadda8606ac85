"""Values worked out by hand, and where phases end."""

from __future__ import annotations

from math import cos, pi

import pytest

from schedules import (
    Constant,
    ConstantMomentum,
    Cosine,
    CycledMomentum,
    Linear,
    OneCycle,
    OneCycleTriangular,
    Piecewise,
    Schedule,
    setting_defaults,
)
from schedules.phases import steps_of

HALF = 0.5 * (1 + cos(pi / 4))  # a cosine wave a quarter of its way down: 0.853...

TABLE: list[tuple[Schedule, list[float]]] = [
    (Constant(total_steps=3), [1, 1, 1]),
    (Piecewise(total_steps=8), [1, 1, 1, 1, 0.1, 0.1, 0.01, 0.01]),
    (Piecewise(total_steps=5, milestones=(0.5,), factor=0.5), [1, 1, 1, 0.5, 0.5]),
    (Piecewise(total_steps=1), [1]),
    (Piecewise(total_steps=2, milestones=(0.1, 0.2, 0.9), factor=0.5), [1, 0.25]),
    (Linear(total_steps=4), [1, 0.75, 0.5, 0.25]),
    (Linear(total_steps=4, final_factor=0.2), [1, 0.8, 0.6, 0.4]),
    (Linear(total_steps=1), [1]),
    (Cosine(total_steps=4), [1, HALF, 0.5, 1 - HALF]),
    (Cosine(total_steps=2, final_factor=0.1), [1, 0.55]),
    (OneCycle(total_steps=1), [1]),
    (OneCycle(total_steps=2), [1, 4e-6]),
    (OneCycle(total_steps=3), [1, (1 + 4e-6) / 2, 4e-6]),
    (OneCycle(total_steps=6, warmup_frac=0.5, initial_div=2, final_div=5), [0.5, 0.75, 1, 0.775, 0.325, 0.1]),
    (OneCycle(total_steps=3, warmup_frac=0, initial_div=2, final_div=5), [1, 0.55, 0.1]),
    (OneCycle(total_steps=3, warmup_frac=0.9, initial_div=2), [0.5, 0.75, 1]),
    (OneCycleTriangular(total_steps=1), [1]),
    (OneCycleTriangular(total_steps=2), [1, 1e-4]),
    (
        OneCycleTriangular(total_steps=7, warmup_frac=0.43, initial_div=2, final_div=5),
        [0.5, 0.75, 1, 0.75, 0.5, 0.3, 0.1],
    ),
    (OneCycleTriangular(total_steps=5, warmup_frac=0.5, initial_div=5), [0.2, 0.6, 1, 0.6, 0.2]),
]


@pytest.mark.parametrize(("schedule", "expected"), TABLE, ids=[repr(schedule) for schedule, _ in TABLE])
def test_factors_by_hand(schedule: Schedule, expected: list[float]) -> None:
    actual = [schedule(step) for step in range(schedule.total_steps)]
    assert actual == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("frac", "total_steps", "steps"),
    [(0.5, 10, 5), (0.5, 5, 3), (0.25, 10, 3), (0.24, 10, 2), (0.0, 7, 0), (1.0, 7, 7), (0.29, 100, 29)],
)
def test_a_fraction_becomes_the_nearest_step_with_halves_up(frac: float, total_steps: int, steps: int) -> None:
    assert steps_of(frac, total_steps) == steps


@pytest.mark.parametrize("total_steps", range(1, 60))
@pytest.mark.parametrize("warmup_frac", [0.0, 0.1, 0.3, 0.5, 0.77, 0.99])
def test_one_cycle_peaks_on_the_last_step_of_its_warm_up(warmup_frac: float, total_steps: int) -> None:
    schedule = OneCycle(total_steps=total_steps, warmup_frac=warmup_frac)
    peak = max(0, int(warmup_frac * total_steps + 0.5) - 1)
    assert [step for step in range(total_steps) if schedule(step) == 1.0] == [peak]


def test_smith_and_topins_run_goes_from_0_1_to_3_and_back() -> None:
    schedule = OneCycleTriangular(total_steps=10_000, warmup_frac=0.5, initial_div=30)
    assert 3.0 * schedule(0) == pytest.approx(0.1)
    assert 3.0 * schedule(4999) == 3.0
    assert 3.0 * schedule(9998) == pytest.approx(0.1)


def test_momentum_by_hand() -> None:
    assert [ConstantMomentum(momentum=0.8)(factor) for factor in (0, 0.3, 1)] == [0.8, 0.8, 0.8]
    cycled = CycledMomentum(momentum=0.95, momentum_drop=0.1)
    assert [cycled(factor) for factor in (0, 0.5, 1)] == pytest.approx([0.95, 0.9, 0.85])


def test_cycled_momentum_is_lowest_where_the_rate_is_highest() -> None:
    schedule, momentum = OneCycle(total_steps=50), CycledMomentum()
    steps = range(50)
    assert min(steps, key=lambda step: momentum(schedule(step))) == max(steps, key=schedule)


def test_lists_as_a_study_file_gives_them_become_tuples_and_whole_numbers_rates() -> None:
    assert Piecewise(total_steps=4, milestones=[0.5, 0.75], factor=1) == Piecewise(  # type: ignore[arg-type]
        total_steps=4, milestones=(0.5, 0.75), factor=1.0
    )
    assert repr(Linear(total_steps=4, final_factor=0)) == "Linear(total_steps=4, final_factor=0.0)"


def test_a_complaint_names_field_condition_value_and_remedy_for_each_offender() -> None:
    with pytest.raises(ValueError) as caught:
        Piecewise(total_steps=4, milestones=(0.5, 0.2), factor=2.0)
    assert str(caught.value).splitlines() == [
        "milestones must be increasing fractions in (0, 1); got [0.5, 0.2]. "
        "List the parts of the run after which the rate drops, such as [0.5, 0.75].",
        "factor must be a number in (0, 1]; got 2.0. Give what the rate is multiplied by at a milestone, such as 0.1.",
    ]


def test_a_number_in_quotes_is_explained() -> None:
    with pytest.raises(
        ValueError,
        match=r"final_div must be .*; got '1e4'\. .* Write it without quotes, and an exponent as in 1\.0e\+4\.",
    ):
        OneCycle(total_steps=4, final_div="1e4")  # type: ignore[arg-type]


@pytest.mark.parametrize("milestones", [(), (0.5, 0.5), (0.0, 0.5), (0.5, 1.0), (0.5, float("nan")), "0.5", (True,)])
def test_milestones_that_are_no_increasing_fractions_are_refused(milestones: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"milestones must be increasing fractions in \(0, 1\)"):
        Piecewise(total_steps=4, milestones=milestones)


def test_the_momentum_cannot_drop_below_zero() -> None:
    with pytest.raises(ValueError, match=r"momentum_drop must be at most momentum \(0\.5\); got 0\.6\."):
        CycledMomentum(momentum=0.5, momentum_drop=0.6)


def test_settings_are_all_fields_but_the_length() -> None:
    assert setting_defaults(Constant) == {}
    assert setting_defaults(Piecewise) == {"milestones": (0.5, 0.75), "factor": 0.1}
    assert setting_defaults(CycledMomentum) == {"momentum": 0.95, "momentum_drop": 0.1}
