"""Agreement with ``torch.optim.lr_scheduler`` where torch is right; where it is not, deviations by name."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler

from schedules import Cosine, CycledMomentum, Linear, OneCycle, OneCycleTriangular, Piecewise, Schedule

Build = Callable[[torch.optim.SGD], Any]


def torch_groups(build: Build, total_steps: int) -> list[dict[str, float]]:
    """Return learning rate and momentum of every update, peak rate 1."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0, momentum=0.9)
    scheduler = build(optimizer)
    groups = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the optimizer takes no steps here
        for step in range(total_steps):
            group = optimizer.param_groups[0]
            groups.append({"lr": float(group["lr"]), "momentum": group["momentum"]})
            if step < total_steps - 1:
                scheduler.step()
    return groups


def torch_rates(build: Build, total_steps: int) -> list[float]:
    return [group["lr"] for group in torch_groups(build, total_steps)]


def factors(schedule: Schedule) -> list[float]:
    return [schedule(step) for step in range(schedule.total_steps)]


@pytest.mark.parametrize("total_steps", [1, 2, 7, 100])
@pytest.mark.parametrize("final_factor", [0.0, 0.1])
def test_cosine_equals_cosine_annealing(total_steps: int, final_factor: float) -> None:
    expected = torch_rates(lambda o: lr_scheduler.CosineAnnealingLR(o, total_steps, final_factor), total_steps)
    assert factors(Cosine(total_steps=total_steps, final_factor=final_factor)) == pytest.approx(expected)


@pytest.mark.parametrize("total_steps", [1, 2, 7, 100])
@pytest.mark.parametrize("final_factor", [0.0, 0.1])
def test_linear_equals_linear_lr(total_steps: int, final_factor: float) -> None:
    expected = torch_rates(lambda o: lr_scheduler.LinearLR(o, 1.0, final_factor, total_steps), total_steps)
    assert factors(Linear(total_steps=total_steps, final_factor=final_factor)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("total_steps", "milestones", "torch_milestones"),
    [
        (100, (0.5, 0.75), [50, 75]),
        (7, (0.5,), [4]),
        (3, (0.5, 0.75), [2, 2]),
        (80, (0.625, 0.875), [50, 70]),
    ],
)
def test_piecewise_equals_multi_step(
    total_steps: int, milestones: tuple[float, ...], torch_milestones: list[int]
) -> None:
    expected = torch_rates(lambda o: lr_scheduler.MultiStepLR(o, torch_milestones, 0.1), total_steps)
    assert factors(Piecewise(total_steps=total_steps, milestones=milestones)) == pytest.approx(expected)


def one_cycle_lr(total_steps: int, warmup_frac: float, **options: Any) -> Build:
    return lambda o: lr_scheduler.OneCycleLR(o, 1.0, total_steps, pct_start=warmup_frac, **options)


WHOLE_WARM_UPS = [(10, 0.3), (100, 0.3), (20, 0.25), (50, 0.5), (100, 0.02), (1000, 0.45)]


@pytest.mark.parametrize(("total_steps", "warmup_frac"), WHOLE_WARM_UPS)
def test_one_cycle_equals_one_cycle_lr_where_the_warm_up_is_a_whole_number_of_steps(
    total_steps: int, warmup_frac: float
) -> None:
    expected = torch_rates(one_cycle_lr(total_steps, warmup_frac), total_steps)
    actual = factors(OneCycle(total_steps=total_steps, warmup_frac=warmup_frac))
    assert actual == pytest.approx(expected, rel=1e-9, abs=1e-15)


@pytest.mark.parametrize(("total_steps", "warmup_frac"), [(20, 0.25), (100, 0.3), (10, 0.5), (1000, 0.45)])
def test_triangular_one_cycle_equals_three_linear_phases(total_steps: int, warmup_frac: float) -> None:
    options = {"three_phase": True, "anneal_strategy": "linear", "div_factor": 10, "final_div_factor": 1000}
    expected = torch_rates(one_cycle_lr(total_steps, warmup_frac, **options), total_steps)
    actual = factors(OneCycleTriangular(total_steps=total_steps, warmup_frac=warmup_frac))
    assert actual == pytest.approx(expected, rel=1e-9, abs=1e-15)


@pytest.mark.parametrize(("total_steps", "warmup_frac"), [(10, 0.1), (20, 0.05), (2, 0.5)])
def test_unlike_torch_a_warm_up_of_one_step_divides_by_no_zero(total_steps: int, warmup_frac: float) -> None:
    with pytest.raises(ZeroDivisionError):
        torch_rates(one_cycle_lr(total_steps, warmup_frac), total_steps)
    assert factors(OneCycle(total_steps=total_steps, warmup_frac=warmup_frac))[0] == 1.0


@pytest.mark.parametrize(("total_steps", "warmup_frac"), [(11, 0.3), (16, 0.28), (33, 0.1)])
def test_unlike_torch_the_peak_is_reached_between_whole_numbers(total_steps: int, warmup_frac: float) -> None:
    assert max(torch_rates(one_cycle_lr(total_steps, warmup_frac), total_steps)) < 1.0
    assert max(factors(OneCycle(total_steps=total_steps, warmup_frac=warmup_frac))) == 1.0


def test_unlike_torch_one_update_too_many_raises_instead_of_raising_the_rate_or_turning_it_negative() -> None:
    cosine = torch_rates(one_cycle_lr(100, 0.3), 101)
    linear = torch_rates(one_cycle_lr(100, 0.3, anneal_strategy="linear"), 101)
    assert cosine[100] > cosine[99]
    assert linear[100] < 0
    for schedule in (OneCycle(total_steps=100), OneCycleTriangular(total_steps=100)):
        with pytest.raises(IndexError):
            schedule(100)


def test_unlike_torch_momentum_follows_the_rate_itself_so_it_starts_just_below_the_largest() -> None:
    expected = [group["momentum"] for group in torch_groups(one_cycle_lr(100, 0.3), 100)]
    policy = CycledMomentum(momentum=0.95, momentum_drop=0.1)
    actual = [policy(factor) for factor in factors(OneCycle(total_steps=100))]
    assert actual[0] == pytest.approx(0.95 - 0.1 / 25)
    assert expected[0] == 0.95
    assert all(abs(a - e) <= 0.1 / 25 + 1e-12 for a, e in zip(actual, expected, strict=True))


@pytest.mark.parametrize("total_steps", range(1, 41))
@pytest.mark.parametrize("warmup_frac", [0.0, 0.1, 0.3, 0.5])
def test_one_cycle_falls_after_the_peak_in_runs_of_any_length(total_steps: int, warmup_frac: float) -> None:
    for kind in (OneCycle, OneCycleTriangular):
        values = factors(kind(total_steps=total_steps, warmup_frac=warmup_frac))
        falling = values[values.index(1.0) :]
        assert all(left > right > 0 for left, right in itertools.pairwise(falling))
