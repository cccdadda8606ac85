"""Schedules that fall: how they relate to each other, and the far ends of their settings."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schedules import (
    SCHEDULES,
    Constant,
    Cosine,
    Exponential,
    InversePower,
    InverseSqrt,
    Knee,
    Linear,
    Piecewise,
    Polynomial,
    Rex,
    Schedule,
    Step,
    WarmupStableDecay,
    build_schedule,
)

TINY = 5e-324
RUNS = st.integers(1, 10**6).flatmap(lambda total: st.tuples(st.just(total), st.integers(0, total - 1)))

#: Two ways to say the same, by the length of the run and a fraction.
EQUALS: dict[str, Callable[[int, float], tuple[Schedule, Schedule]]] = {
    "a polynomial of power 1 is a line": lambda total, frac: (
        Polynomial(total_steps=total, power=1.0, final_factor=frac),
        Linear(total_steps=total, final_factor=frac),
    ),
    "inverse square root is an inverse power of 0.5": lambda total, frac: (
        InverseSqrt(total_steps=total, timescale_frac=frac + 0.01),
        InversePower(total_steps=total, timescale_frac=frac + 0.01, exponent=0.5),
    ),
    "steps are drops at even milestones": lambda total, frac: (
        Step(total_steps=total, num_drops=3, factor=frac / 2 + 0.5),
        Piecewise(total_steps=total, milestones=(1 / 4, 2 / 4, 3 / 4), factor=frac / 2 + 0.5),
    ),
    "a cooldown over the whole run is a decay": lambda total, frac: (
        WarmupStableDecay(total_steps=total, cooldown_frac=1.0, cooldown_shape="cosine", final_factor=frac),
        Cosine(total_steps=total, final_factor=frac),
    ),
    "no cooldown is constant": lambda total, frac: (
        WarmupStableDecay(total_steps=total, cooldown_frac=0.0, final_factor=frac),
        Constant(total_steps=total),
    ),
    "nothing to explore is a line": lambda total, _: (
        Knee(total_steps=total, explore_frac=0.0),
        Linear(total_steps=total),
    ),
    "a knee at half is a linear cooldown over half": lambda total, _: (
        Knee(total_steps=2 * total, explore_frac=0.5),
        WarmupStableDecay(total_steps=2 * total, cooldown_frac=0.5),
    ),
    "nothing to lose is constant": lambda total, _: (
        Exponential(total_steps=total, final_factor=1.0),
        Constant(total_steps=total),
    ),
}


@pytest.mark.parametrize("claim", EQUALS)
@given(run=RUNS, frac=st.floats(0, 1))
def test_two_ways_to_say_the_same_agree(claim: str, run: tuple[int, int], frac: float) -> None:
    total_steps, step = run
    one, other = EQUALS[claim](total_steps, frac)
    assert one(step) == pytest.approx(other(step), rel=1e-12, abs=1e-15)


@given(RUNS)
def test_an_exponential_loses_the_same_part_in_every_step(run: tuple[int, int]) -> None:
    total_steps, step = run
    schedule = Exponential(total_steps=total_steps)
    assert schedule(step) == pytest.approx(math.exp(step * math.log(0.01) / total_steps))


@given(RUNS)
def test_rex_lies_above_the_line_and_below_a_root(run: tuple[int, int]) -> None:
    total_steps, step = run
    rex = Rex(total_steps=total_steps)(step)
    line = Linear(total_steps=total_steps)(step)
    assert line - 1e-15 <= rex <= math.sqrt(line) + 1e-15


@given(RUNS, st.floats(0, 1))
def test_a_root_cooldown_lies_below_a_linear_one(run: tuple[int, int], cooldown_frac: float) -> None:
    total_steps, step = run
    linear = WarmupStableDecay(total_steps=total_steps, cooldown_frac=cooldown_frac)
    root = WarmupStableDecay(total_steps=total_steps, cooldown_frac=cooldown_frac, cooldown_shape="one_minus_sqrt")
    assert root(step) <= linear(step)


def test_warm_up_stable_phase_and_decay_take_the_parts_of_the_run_that_they_were_given() -> None:
    schedule = build_schedule("warmup_stable_decay", 100, {"warmup_frac": 0.1, "warmup_initial_factor": 0.0})
    factors = [schedule(step) for step in range(100)]
    assert factors[:10] == pytest.approx([step / 10 for step in range(10)])
    assert factors[10:83] == [1.0] * 73
    assert factors[83:] == pytest.approx([1 - step / 18 for step in range(1, 18)])  # 20 % of what follows the ramp


FAR_ENDS: dict[str, dict[str, tuple[Any, ...]]] = {
    "exponential": {"final_factor": (TINY, 0.5, 1.0)},
    "polynomial": {"power": (TINY, 1.0, 1.7e308), "final_factor": (0.0, TINY, 1.0)},
    "rex": {"final_factor": (0.0, TINY, 1.0)},
    "inverse_sqrt": {"timescale_frac": (TINY, 1.0, 1.7e308)},
    "inverse_power": {"timescale_frac": (TINY, 1.0, 1.7e308), "exponent": (TINY, 1.0, 1.7e308)},
    "step": {"num_drops": (1, 79, 10_000), "factor": (TINY, 0.1, 1.0)},
    "piecewise": {"milestones": ((TINY,), (1 - 1e-16,), (0.3, 0.30001)), "factor": (TINY, 0.1, 1.0)},
    "warmup_stable_decay": {
        "cooldown_frac": (0.0, TINY, 0.5, 1.0),
        "cooldown_shape": ("linear", "one_minus_sqrt", "cosine"),
        "final_factor": (0.0, 1.0),
    },
    "knee": {"explore_frac": (0.0, TINY, 0.5, 1.0)},
}


@pytest.mark.parametrize("name", FAR_ENDS)
@pytest.mark.parametrize("total_steps", [1, 2, 3, 100])
def test_at_the_far_ends_of_its_settings_a_schedule_still_falls_from_one_and_stays_in_bounds(
    name: str, total_steps: int
) -> None:
    ends = FAR_ENDS[name]
    for values in itertools.product(*ends.values()):
        schedule = SCHEDULES[name](total_steps=total_steps, **dict(zip(ends, values, strict=True)))
        factors = [schedule(step) for step in range(total_steps)]
        assert factors[0] == 1.0
        assert factors[-1] >= 0.0
        assert all(left >= right - 1e-15 for left, right in itertools.pairwise(factors))
