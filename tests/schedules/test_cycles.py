"""Schedules with a cycle: values by hand, agreement with their sources, and runs that are too short for all phases."""

from __future__ import annotations

from math import cos, pi
from typing import Any

import pytest
from torch.optim import lr_scheduler

from schedules import (
    CosineRestarts,
    ExpRange,
    Knots,
    OneCycle,
    OneCycleConstantTail,
    OneCycleFastai,
    OneCycleThreePhase,
    OneCycleTriangular,
    Schedule,
    Triangular,
    Triangular2,
)
from tests.schedules.reference_rates import factors, one_cycle_lr, torch_rates

HALF = 0.5 * (1 + cos(pi / 4))  # a cosine wave a quarter of its way down: 0.853...

TABLE: list[tuple[Schedule, list[float]]] = [
    (OneCycleThreePhase(total_steps=1), [1]),
    (
        OneCycleThreePhase(total_steps=7, warmup_frac=0.43, initial_div=2, final_div=5),
        [0.5, 0.75, 1, 0.75, 0.5, 0.3, 0.1],
    ),
    (
        OneCycleThreePhase(total_steps=5, warmup_frac=0.5, initial_div=2, final_div=5),
        [0.5, 0.75, 1, 0.55, 0.1],
    ),
    (OneCycleConstantTail(total_steps=1), [1]),
    (OneCycleConstantTail(total_steps=2, initial_div=2, final_div=5), [0.5, 1]),
    (OneCycleConstantTail(total_steps=6, warmup_frac=0.33, initial_div=2, final_div=5), [0.5, 0.75, 1, 0.5, 0.1, 0.1]),
    (OneCycleConstantTail(total_steps=3, warmup_frac=0, initial_div=2, final_div=5), [1, 0.1, 0.1]),
    (OneCycleFastai(total_steps=1), [1]),
    (OneCycleFastai(total_steps=4, warmup_frac=0.5, initial_div=2, final_div=5), [0.5, 0.75, 1, 0.55]),
    (OneCycleFastai(total_steps=2, warmup_frac=0, initial_div=2, final_div=5), [1, 0.55]),
    (OneCycleFastai(total_steps=3, warmup_frac=0.9, initial_div=2), [0.5, 0.75, 1]),
    (Triangular(total_steps=1), [1]),
    (Triangular(total_steps=8, cycles=2, initial_div=5), [0.2, 0.6, 1, 0.6, 0.2, 0.6, 1, 0.6]),
    (Triangular(total_steps=4, cycles=1, initial_div=5), [0.2, 0.6, 1, 0.6]),
    (Triangular(total_steps=3, cycles=7, initial_div=5), [1, 1, 1]),
    (Triangular2(total_steps=1), [1]),
    (Triangular2(total_steps=8, cycles=2, initial_div=5), [0.2, 0.6, 1, 0.6, 0.2, 0.4, 0.6, 0.4]),
    (ExpRange(total_steps=1), [1]),
    (ExpRange(total_steps=8, cycles=2, initial_div=5, final_range=1), [0.2, 0.6, 1, 0.6, 0.2, 0.6, 1, 0.6]),
    # the peak at step 2 of 5: a third of the way to 1/8 halves the range
    (
        ExpRange(total_steps=5, cycles=1, initial_div=5, final_range=1 / 8),
        [0.2, 0.2 + 0.8 / 3, 0.2 + 1.6 / 3, 1, 0.2 + 0.4 * 8**-0.5],
    ),
    (CosineRestarts(total_steps=1), [1]),
    (CosineRestarts(total_steps=2), [1, 1]),
    (CosineRestarts(total_steps=6, cycles=2, cycle_growth=2), [1, 0.5, 1, HALF, 0.5, 1 - HALF]),
    (CosineRestarts(total_steps=4, cycles=2, cycle_growth=1, final_factor=0.2), [1, 0.6, 1, 0.6]),
    (CosineRestarts(total_steps=4, cycles=1), [1, HALF, 0.5, 1 - HALF]),
    (Knots(total_steps=1), [1]),
    (Knots(total_steps=5, knot_fracs=(0, 0.4, 1), knot_factors=(0.2, 1, 0.1)), [0.2, 0.6, 1, 0.7, 0.4]),
    (Knots(total_steps=4, knot_fracs=(0.25, 0.75), knot_factors=(0.5, 1)), [0.5, 0.5, 0.75, 1]),
    (Knots(total_steps=4, knot_fracs=(0, 1), knot_factors=(0, 1)), [0, 1 / 3, 2 / 3, 1]),
    (Knots(total_steps=3, knot_fracs=(0.1,), knot_factors=(1,)), [1, 1, 1]),
    (Knots(total_steps=4, knot_fracs=(0, 0.65, 0.7), knot_factors=(1, 0.6, 0)), [1, 2 / 3, 1 / 3, 0]),
    (Knots(total_steps=4, knot_fracs=(0, 0.65, 0.7), knot_factors=(0.4, 1, 0)), [0.4, 0.6, 0.8, 1]),
    (Knots(total_steps=10, knot_fracs=(0, 0.99, 1), knot_factors=(0.1, 0.5, 1)), [i / 10 for i in range(1, 11)]),
]


@pytest.mark.parametrize(("schedule", "expected"), TABLE, ids=[repr(schedule) for schedule, _ in TABLE])
def test_factors_by_hand(schedule: Schedule, expected: list[float]) -> None:
    assert factors(schedule) == pytest.approx(expected, rel=1e-12)


# Rates as printed in the logs of Smith and Topin's code, `Results/clr3SS5kFig1a`: base 0.1, maximum 3, stepsize 5000.
SUPER_CONVERGENCE = {
    3500: 2.13, 3600: 2.188, 4000: 2.42, 4500: 2.71, 4900: 2.942, 5000: 3, 5100: 2.942, 6000: 2.42, 9600: 0.332,
    9700: 0.274, 9800: 0.216, 9900: 0.158,
}  # fmt: skip

# and of Smith's `hyperParam1`, `Cifar/results/wide32cifar_Wide1CycLR.1001CM0.95.85WD1e-4Epoch50BS128a_1`.
HYPER_PARAM = {
    2000: 0.901425, 2200: 0.981567, 2400: 0.931434, 2600: 0.842386, 2800: 0.753339, 3000: 0.664292, 3200: 0.575245,
    3400: 0.486198, 3600: 0.397151, 3800: 0.308103, 4000: 0.219056, 4200: 0.130009, 4400: 0.0409617, 4600: 0.0001,
    4800: 0.0001,
}  # fmt: skip


def test_one_triangle_has_the_rates_that_the_super_convergence_log_prints() -> None:
    schedule = Triangular(total_steps=10_000, cycles=1, initial_div=30)
    assert {step: float(f"{3 * schedule(step):.6g}") for step in SUPER_CONVERGENCE} == SUPER_CONVERGENCE


def test_the_constant_tail_has_the_rates_that_smiths_1cycle_log_prints() -> None:
    schedule = OneCycleConstantTail(total_steps=4882)
    assert {step: schedule(step) for step in HYPER_PARAM} == pytest.approx(HYPER_PARAM, rel=2e-6)  # 32-bit numbers


@pytest.mark.parametrize(("total_steps", "warmup_frac"), [(20, 0.25), (100, 0.3), (10, 0.5), (1000, 0.45)])
@pytest.mark.parametrize(("kind", "strategy"), [(OneCycleThreePhase, "cos"), (OneCycleTriangular, "linear")])
def test_three_phases_equal_those_of_one_cycle_lr(
    kind: Any, strategy: str, total_steps: int, warmup_frac: float
) -> None:
    schedule = kind(total_steps=total_steps, warmup_frac=warmup_frac, initial_div=10, final_div=1000)
    options = {"three_phase": True, "anneal_strategy": strategy, "div_factor": 10, "final_div_factor": 1000}
    expected = torch_rates(one_cycle_lr(total_steps, warmup_frac, **options), total_steps)
    assert factors(schedule) == pytest.approx(expected, rel=1e-9, abs=1e-15)


@pytest.mark.parametrize(("total_steps", "cycles"), [(8, 2), (100, 5), (60, 3), (40, 1)])
@pytest.mark.parametrize(("kind", "mode"), [(Triangular, "triangular"), (Triangular2, "triangular2")])
def test_cycles_equal_those_of_cyclic_lr(kind: Any, mode: Any, total_steps: int, cycles: int) -> None:
    def cyclic(optimizer: Any) -> Any:
        half = total_steps // (2 * cycles)
        return lr_scheduler.CyclicLR(optimizer, 1 / 6, 1.0, half, mode=mode, cycle_momentum=False)

    assert factors(kind(total_steps=total_steps, cycles=cycles)) == pytest.approx(torch_rates(cyclic, total_steps))


def test_unlike_cyclic_lr_an_exponential_range_reaches_the_peak_rate_and_shrinks_from_there() -> None:
    schedule = ExpRange(total_steps=80, cycles=4, initial_div=6, final_range=0.1)
    gamma = 0.1 ** (1 / 70)

    def cyclic(optimizer: Any) -> Any:
        return lr_scheduler.CyclicLR(optimizer, 1 / 6, 1.0, 10, mode="exp_range", gamma=gamma, cycle_momentum=False)

    theirs = torch_rates(cyclic, 80)
    assert max(theirs) == pytest.approx(1 / 6 + 5 / 6 * gamma**10)
    assert max(factors(schedule)) == 1.0
    ranges = [(f - 1 / 6) * gamma**10 for f in factors(schedule)]
    assert ranges[10:] == pytest.approx([rate - 1 / 6 for rate in theirs[10:]], abs=1e-12)


@pytest.mark.parametrize(("first", "growth", "cycles"), [(10, 1, 4), (5, 2, 3), (3, 3, 3), (7, 1, 1)])
@pytest.mark.parametrize("final_factor", [0.0, 0.1])
def test_restarts_equal_those_of_cosine_annealing_warm_restarts(
    first: int, growth: int, cycles: int, final_factor: float
) -> None:
    total_steps = first * sum(growth**i for i in range(cycles))
    schedule = CosineRestarts(total_steps=total_steps, cycles=cycles, cycle_growth=growth, final_factor=final_factor)
    expected = torch_rates(
        lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, first, growth, final_factor), total_steps
    )
    assert factors(schedule) == pytest.approx(expected)


def fastai(total_steps: int, pct_start: float, div: float, div_final: float) -> list[float]:
    """Follow ``combined_cos`` of fast.ai 2 at position ``step / total_steps``; ``div_final`` counts from the peak."""

    def wave(start: float, end: float, position: float) -> float:
        return start + (1 + cos(pi * (1 - position))) * (end - start) / 2

    positions = [step / total_steps for step in range(total_steps)]
    return [
        wave(1 / div, 1, at / pct_start)
        if at < pct_start
        else wave(1, 1 / div_final, (at - pct_start) / (1 - pct_start))
        for at in positions
    ]


@pytest.mark.parametrize("total_steps", [4, 40, 1000])
def test_fastai_defaults_are_those_of_version_2(total_steps: int) -> None:
    expected = fastai(total_steps, 0.25, 25, 1e5)
    assert factors(OneCycleFastai(total_steps=total_steps)) == pytest.approx(expected, abs=1e-12)


def test_fastai_1_starts_its_second_wave_where_the_first_ends() -> None:
    """Version 1 sets the rate after an update: the start, then ``k / n`` of the way, ``n`` updates for each wave."""
    up, down = 30, 70
    rises = fastai(up * 2, 0.5, 25, 1)[:up]
    expected = [*rises, 1.0, *(4e-6 + (1 - 4e-6) * (1 + cos(pi * k / down)) / 2 for k in range(1, down))]
    schedule = OneCycleFastai(total_steps=100, warmup_frac=0.3, final_div=1e4)
    assert factors(schedule) == pytest.approx(expected, abs=1e-12)


def test_torch_and_fastai_cycles_have_the_same_limit_and_differ_by_one_update() -> None:
    torch_like = OneCycle(total_steps=1000, warmup_frac=0.3, final_div=1e4)
    fastai_like = OneCycleFastai(total_steps=1000, warmup_frac=0.3, final_div=1e4)
    assert (factors(torch_like).index(1.0), factors(fastai_like).index(1.0)) == (299, 300)
    assert factors(torch_like) == pytest.approx(factors(fastai_like), abs=0.006)


def airbench(total_steps: int, start: float, end: float, peak: float) -> list[float]:
    """Follow ``triangle`` of airbench94: knots at 0, ``int(peak * steps)`` and ``steps``."""
    top = int(peak * total_steps)
    return [
        start + (1 - start) * i / top if i < top else 1 + (end - 1) * (i - top) / (total_steps - top)
        for i in range(total_steps)
    ]


@pytest.mark.parametrize("total_steps", [100, 200, 400])
def test_default_knots_are_the_triangle_of_airbench(total_steps: int) -> None:
    assert factors(Knots(total_steps=total_steps)) == pytest.approx(airbench(total_steps, 0.2, 0.07, 0.23))


def test_pages_knots_are_in_epochs() -> None:
    schedule = Knots(total_steps=24 * 97, knot_fracs=(0, 5 / 24, 1), knot_factors=(0, 1, 0))
    assert [0.4 * schedule(97 * epoch) for epoch in (0, 1, 5, 15)] == pytest.approx([0, 0.08, 0.4, 0.4 * 9 / 19])


def test_there_are_as_many_factors_as_knots() -> None:
    with pytest.raises(ValueError, match=r"knot_factors must be as many as knot_fracs \(3\); got \[1\.0, 0\.5\]\."):
        Knots(total_steps=4, knot_factors=(1, 0.5))


def test_the_largest_factor_of_knots_is_the_peak_rate() -> None:
    with pytest.raises(ValueError, match=r"the largest is 1; got \[0\.2, 0\.4, 0\.0\]\. Divide all of them"):
        Knots(total_steps=4, knot_factors=(0.2, 0.4, 0))


@pytest.mark.parametrize("knot_fracs", [(), (0.5, 0.2), (0, 0, 1), (-0.1, 1), (0, 1.5), "0.5"])
def test_knots_are_at_increasing_parts_of_the_run(knot_fracs: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"knot_fracs must be increasing fractions in \[0, 1\]"):
        Knots(total_steps=4, knot_fracs=knot_fracs)


@pytest.mark.parametrize("total_steps", range(3, 60))
@pytest.mark.parametrize("warmup_frac", [0.1, 0.45, 0.49, 0.5])
@pytest.mark.parametrize("kind", [OneCycleThreePhase, OneCycleTriangular])
def test_a_cycle_of_three_phases_ends_at_its_final_rate(kind: Any, warmup_frac: float, total_steps: int) -> None:
    schedule = kind(total_steps=total_steps, warmup_frac=warmup_frac, initial_div=25, final_div=1e4)
    assert schedule(total_steps - 1) == pytest.approx(4e-6)


@pytest.mark.parametrize("kind", [Triangular, Triangular2, ExpRange, CosineRestarts])
def test_a_run_too_short_for_its_cycles_still_reaches_the_peak_rate(kind: Any) -> None:
    for total_steps in range(1, 40):
        for cycles in (1, 2, 3, 10):
            values = factors(kind(total_steps=total_steps, cycles=cycles))
            assert max(values) == 1.0
            assert min(values) >= 0.0


def test_cycles_without_end_are_no_trouble() -> None:
    assert factors(CosineRestarts(total_steps=5, cycles=5000, cycle_growth=1e6))[0] == 1.0
