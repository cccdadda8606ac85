"""Where ``torch.optim.lr_scheduler`` does otherwise, each deviation by name: what torch does, and what we do."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler

from schedules import Cosine, CycledMomentum, OneCycle, OneCycleTriangular, Step
from tests.schedules.reference_rates import factors, one_cycle_lr, torch_groups, torch_rates

LINEAR = {"anneal_strategy": "linear"}
THREE_PHASES = {**LINEAR, "three_phase": True, "div_factor": 10, "final_div_factor": 1000}


@pytest.mark.parametrize(("total_steps", "warmup_frac"), [(10, 0.1), (20, 0.05), (2, 0.5)])
def test_unlike_torch_a_warm_up_of_one_step_divides_by_no_zero(total_steps: int, warmup_frac: float) -> None:
    with pytest.raises(ZeroDivisionError):
        torch_rates(one_cycle_lr(total_steps, warmup_frac), total_steps)
    assert factors(OneCycle(total_steps=total_steps, warmup_frac=warmup_frac))[0] == 1.0


@pytest.mark.parametrize(("total_steps", "warmup_frac"), [(11, 0.3), (16, 0.28), (33, 0.1)])
def test_unlike_torch_the_peak_is_reached_between_whole_numbers(total_steps: int, warmup_frac: float) -> None:
    assert max(torch_rates(one_cycle_lr(total_steps, warmup_frac), total_steps)) < 1.0
    assert max(factors(OneCycle(total_steps=total_steps, warmup_frac=warmup_frac))) == 1.0


def test_unlike_torch_a_run_of_one_update_is_trained_at_the_peak_rate() -> None:
    assert torch_rates(one_cycle_lr(1, 0.3), 1) == pytest.approx([4e-6])
    assert factors(OneCycle(total_steps=1)) == [1.0]


def test_unlike_torch_no_warm_up_starts_at_the_peak_rate() -> None:
    assert torch_rates(one_cycle_lr(10, 0.0), 10)[0] == pytest.approx(0.97553, abs=1e-5)
    assert factors(OneCycle(total_steps=10, warmup_frac=0.0))[0] == 1.0


def test_unlike_torch_a_warm_up_that_leaves_no_time_for_the_way_down_is_refused() -> None:
    rates = torch_rates(one_cycle_lr(10, 0.6, **THREE_PHASES), 10)
    assert rates[-1] == pytest.approx(0.28)  # it never comes back to the initial rate, let alone below
    with pytest.raises(ValueError, match=r"warmup_frac must be a number in \[0, 0\.5\]; got 0\.6\. The way down"):
        OneCycleTriangular(total_steps=10, warmup_frac=0.6)


@pytest.mark.parametrize(("options", "total_steps"), [({}, 100), (LINEAR, 100), (THREE_PHASES, 100), (LINEAR, 7)])
def test_unlike_torch_one_update_too_many_raises(options: dict[str, Any], total_steps: int) -> None:
    rates = torch_rates(one_cycle_lr(total_steps, 0.3, **options), total_steps + 1)
    assert rates[-1] > rates[-2] or rates[-1] < 0  # up again on the wave, below zero on the line
    with pytest.raises(ValueError, match="Tried to step"):  # torch notices one later
        torch_rates(one_cycle_lr(total_steps, 0.3, **options), total_steps + 2)
    for kind in (OneCycle, OneCycleTriangular):
        with pytest.raises(IndexError, match=r"step must be in \[0, \d+\)"):
            kind(total_steps=total_steps)(total_steps)


def test_unlike_torch_momentum_never_exceeds_the_largest() -> None:
    after = torch_groups(one_cycle_lr(100, 0.3, **LINEAR), 101)[-1]
    assert after["lr"] == pytest.approx(-0.01428, abs=1e-5)
    assert after["momentum"] == pytest.approx(0.95143, abs=1e-5)
    with pytest.raises(ValueError, match="factor must be a number in"):
        CycledMomentum()(after["lr"], 1.0)


def test_unlike_torch_momentum_follows_the_rate_itself_so_it_starts_just_below_the_largest() -> None:
    expected = [group["momentum"] for group in torch_groups(one_cycle_lr(100, 0.3), 100)]
    policy = CycledMomentum(momentum=0.95, momentum_drop=0.1)
    actual = [policy(factor, 1.0) for factor in factors(OneCycle(total_steps=100))]
    assert actual[0] == pytest.approx(0.95 - 0.1 / 25)
    assert expected[0] == 0.95
    assert all(abs(a - e) <= 0.1 / 25 + 1e-12 for a, e in zip(actual, expected, strict=True))


def test_unlike_torch_a_resumed_run_needs_nothing_but_the_step() -> None:
    """A new ``OneCycleLR`` over a restored optimizer overwrites its rate, unless its own state is restored too."""
    weights = [torch.zeros(1, requires_grad=True)]
    optimizer = torch.optim.SGD(weights, lr=1.0, momentum=0.9)
    scheduler = lr_scheduler.OneCycleLR(optimizer, 1.0, 100)
    for _ in range(50):
        optimizer.step()
        scheduler.step()
    resumed = torch.optim.SGD(weights, lr=1.0, momentum=0.9)
    resumed.load_state_dict(optimizer.state_dict())
    lr_scheduler.OneCycleLR(resumed, 1.0, 100)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(OneCycle(total_steps=100)(50))
    assert resumed.param_groups[0]["lr"] == pytest.approx(0.04)


def test_unlike_torch_cosine_annealing_does_not_come_up_again_after_the_end() -> None:
    rates = torch_rates(lambda o: lr_scheduler.CosineAnnealingLR(o, 10), 14)
    assert rates[10] == pytest.approx(0.0)
    assert rates[13] == pytest.approx(rates[7])
    with pytest.raises(IndexError):
        Cosine(total_steps=10)(10)


def test_unlike_torch_drops_leave_no_short_rest_where_they_do_not_divide_the_run() -> None:
    def lengths(rates: list[float]) -> list[int]:
        return [len(list(group)) for _, group in itertools.groupby(rates)]

    assert lengths(torch_rates(lambda o: lr_scheduler.StepLR(o, 100 // 3, 0.1), 100)) == [33, 33, 33, 1]
    assert lengths(factors(Step(total_steps=100, num_drops=2))) == [33, 34, 33]


@pytest.mark.parametrize("total_steps", range(1, 41))
@pytest.mark.parametrize("warmup_frac", [0.0, 0.1, 0.3, 0.5])
def test_one_cycle_falls_after_the_peak_in_runs_of_any_length(total_steps: int, warmup_frac: float) -> None:
    for kind in (OneCycle, OneCycleTriangular):
        values = factors(kind(total_steps=total_steps, warmup_frac=warmup_frac))
        falling = values[values.index(1.0) :]
        assert all(left > right > 0 for left, right in itertools.pairwise(falling))
