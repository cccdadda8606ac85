"""Values worked out by hand, and where phases end."""

from __future__ import annotations

from math import cos, pi, sqrt

import pytest

from schedules import (
    Constant,
    Cosine,
    Exponential,
    InversePower,
    InverseSqrt,
    Knee,
    Linear,
    OneCycle,
    OneCycleTriangular,
    Piecewise,
    Polynomial,
    Rex,
    Schedule,
    Step,
    WarmupStableDecay,
    setting_defaults,
)
from schedules.phases import LONGEST, steps_of

HALF = 0.5 * (1 + cos(pi / 4))  # a cosine wave a quarter of its way down: 0.853...

TABLE: list[tuple[Schedule, list[float]]] = [
    (Constant(total_steps=3), [1, 1, 1]),
    (Piecewise(total_steps=8), [1, 1, 1, 1, 0.1, 0.1, 0.01, 0.01]),
    (Piecewise(total_steps=5, milestones=(0.5,), factor=0.5), [1, 1, 1, 0.5, 0.5]),
    (Piecewise(total_steps=1), [1]),
    (Piecewise(total_steps=2, milestones=(0.1, 0.2, 0.9), factor=0.5), [1, 0.25]),
    (Step(total_steps=6), [1, 1, 0.1, 0.1, 0.01, 0.01]),
    (Step(total_steps=5, num_drops=1, factor=0.5), [1, 1, 1, 0.5, 0.5]),
    (Step(total_steps=2, num_drops=5, factor=0.5), [1, 1 / 16]),
    (Step(total_steps=1), [1]),
    (Exponential(total_steps=4, final_factor=1 / 16), [1, 1 / 2, 1 / 4, 1 / 8]),
    (Exponential(total_steps=2), [1, 0.1]),
    (Exponential(total_steps=1), [1]),
    (Linear(total_steps=4), [1, 0.75, 0.5, 0.25]),
    (Linear(total_steps=4, final_factor=0.2), [1, 0.8, 0.6, 0.4]),
    (Linear(total_steps=1), [1]),
    (Polynomial(total_steps=4), [1, 9 / 16, 4 / 16, 1 / 16]),
    (Polynomial(total_steps=4, power=1, final_factor=0.2), [1, 0.8, 0.6, 0.4]),
    (Polynomial(total_steps=4, power=0.5), [1, sqrt(3) / 2, sqrt(2) / 2, 1 / 2]),
    (Polynomial(total_steps=1), [1]),
    (Cosine(total_steps=4), [1, HALF, 0.5, 1 - HALF]),
    (Cosine(total_steps=2, final_factor=0.1), [1, 0.55]),
    (Rex(total_steps=4), [1, 6 / 7, 4 / 6, 2 / 5]),  # with 0.5 + 0.5 left: 7/8, 6/8, 5/8 below 6/8, 4/8, 2/8
    (Rex(total_steps=4, final_factor=0.3), [1, 0.3 + 0.7 * 6 / 7, 0.3 + 0.7 * 4 / 6, 0.3 + 0.7 * 2 / 5]),
    (Rex(total_steps=1), [1]),
    (InverseSqrt(total_steps=4, timescale_frac=1 / 12), [1, 1 / 2, 1 / sqrt(7), 1 / sqrt(10)]),
    (InverseSqrt(total_steps=1), [1]),
    (InversePower(total_steps=4, timescale_frac=0.25), [1, 1 / 2, 1 / 3, 1 / 4]),
    (InversePower(total_steps=2, timescale_frac=1 / 30, exponent=0.75), [1, 1 / 8]),
    (InversePower(total_steps=1), [1]),
    (WarmupStableDecay(total_steps=5, cooldown_frac=0.4), [1, 1, 1, 1, 0.5]),
    (WarmupStableDecay(total_steps=6, cooldown_frac=0.67, final_factor=0.2), [1, 1, 1, 0.8, 0.6, 0.4]),
    (
        WarmupStableDecay(total_steps=5, cooldown_frac=0.8, cooldown_shape="one_minus_sqrt"),
        [1, 1, 1 / 2, 1 - sqrt(0.5), 1 - sqrt(0.75)],
    ),
    (WarmupStableDecay(total_steps=5, cooldown_frac=0.8, cooldown_shape="cosine"), [1, 1, HALF, 0.5, 1 - HALF]),
    (WarmupStableDecay(total_steps=3, cooldown_frac=0), [1, 1, 1]),
    (WarmupStableDecay(total_steps=2, cooldown_frac=1), [1, 0.5]),
    (WarmupStableDecay(total_steps=1, cooldown_frac=1), [1]),
    (Knee(total_steps=6), [1, 1, 1, 1, 2 / 3, 1 / 3]),
    (Knee(total_steps=4, explore_frac=0), [1, 0.75, 0.5, 0.25]),
    (Knee(total_steps=3, explore_frac=1), [1, 1, 1]),
    (Knee(total_steps=1), [1]),
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
    (OneCycleTriangular(total_steps=5, warmup_frac=0.5, initial_div=5), [0.2, 0.6, 1, 0.5001, 0.0002]),
    (OneCycleTriangular(total_steps=6, warmup_frac=0.5, initial_div=5), [0.2, 0.6, 1, 0.6, 0.2, 0.0002]),
]


@pytest.mark.parametrize(("schedule", "expected"), TABLE, ids=[repr(schedule) for schedule, _ in TABLE])
def test_factors_by_hand(schedule: Schedule, expected: list[float]) -> None:
    actual = [schedule(step) for step in range(schedule.total_steps)]
    assert actual == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("frac", "total_steps", "steps"),
    [
        (0.5, 10, 5),
        (0.5, 5, 3),
        (0.25, 10, 3),
        (0.24, 10, 2),
        (0.0, 7, 0),
        (1.0, 7, 7),
        (0.29, 100, 29),
        (1.0, LONGEST - 1, LONGEST - 1),
    ],
)
def test_a_fraction_becomes_the_nearest_step_with_halves_up(frac: float, total_steps: int, steps: int) -> None:
    assert steps_of(frac, total_steps) == steps


def test_a_fraction_is_multiplied_in_floating_point() -> None:
    assert 0.145 * 100 == 14.499999999999998
    assert steps_of(0.145, 100) == 14


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


def test_settings_are_all_fields_but_the_length() -> None:
    assert setting_defaults(Constant) == {}
    assert setting_defaults(Piecewise) == {"milestones": (0.5, 0.75), "factor": 0.1}
