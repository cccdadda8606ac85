"""Agreement with ``torch.optim.lr_scheduler``; where torch does otherwise: `test_deviations_from_torch`."""

from __future__ import annotations

import math

import pytest
from torch.optim import lr_scheduler

from schedules import (
    Cosine,
    Exponential,
    Knee,
    Linear,
    OneCycle,
    OneCycleTriangular,
    Piecewise,
    Polynomial,
    Step,
    WarmupStableDecay,
    build_schedule,
)
from tests.schedules.reference_rates import factors, one_cycle_lr, torch_rates


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


@pytest.mark.parametrize("total_steps", [1, 2, 7, 100])
@pytest.mark.parametrize("power", [0.5, 1.0, 2.0, 5.5])
def test_polynomial_equals_polynomial_lr_which_has_no_floor(total_steps: int, power: float) -> None:
    expected = torch_rates(lambda o: lr_scheduler.PolynomialLR(o, total_steps, power), total_steps)
    assert factors(Polynomial(total_steps=total_steps, power=power)) == pytest.approx(expected)


@pytest.mark.parametrize("total_steps", [1, 2, 7, 100])
@pytest.mark.parametrize("final_factor", [1e-4, 0.1, 1.0])
def test_exponential_equals_exponential_lr_whose_gamma_is_the_loss_per_step(
    total_steps: int, final_factor: float
) -> None:
    gamma = final_factor ** (1 / total_steps)
    expected = torch_rates(lambda o: lr_scheduler.ExponentialLR(o, gamma), total_steps)
    assert factors(Exponential(total_steps=total_steps, final_factor=final_factor)) == pytest.approx(expected)


@pytest.mark.parametrize(("total_steps", "num_drops"), [(100, 1), (99, 2), (60, 5), (7, 6), (1600, 79)])
def test_step_equals_step_lr_where_the_drops_divide_the_run(total_steps: int, num_drops: int) -> None:
    expected = torch_rates(lambda o: lr_scheduler.StepLR(o, total_steps // (num_drops + 1), 0.94), total_steps)
    actual = factors(Step(total_steps=total_steps, num_drops=num_drops, factor=0.94))
    assert actual == pytest.approx(expected)


@pytest.mark.parametrize(("total_steps", "hold_steps"), [(10, 8), (100, 75), (7, 3)])
def test_a_held_rate_with_a_cooldown_equals_a_constant_followed_by_a_decay(total_steps: int, hold_steps: int) -> None:
    cooldown_steps = total_steps - hold_steps
    cooldowns = {
        "linear": lambda o: lr_scheduler.LinearLR(o, 1.0, 0.0, cooldown_steps),
        "cosine": lambda o: lr_scheduler.CosineAnnealingLR(o, cooldown_steps),
    }
    for shape, cooldown in cooldowns.items():
        schedule = WarmupStableDecay(
            total_steps=total_steps, cooldown_frac=cooldown_steps / total_steps, cooldown_shape=shape
        )
        expected = torch_rates(
            lambda o, cooldown=cooldown: lr_scheduler.SequentialLR(  # type: ignore[misc]
                o, [lr_scheduler.ConstantLR(o, 1.0, hold_steps), cooldown(o)], [hold_steps]
            ),
            total_steps,
        )
        assert factors(schedule) == pytest.approx(expected)
    knee = Knee(total_steps=total_steps, explore_frac=hold_steps / total_steps)
    linear = WarmupStableDecay(total_steps=total_steps, cooldown_frac=cooldown_steps / total_steps)
    assert factors(knee) == pytest.approx(factors(linear))


@pytest.mark.parametrize(("total_steps", "ramp_steps"), [(100, 10), (20, 5)])
def test_inverse_square_root_behind_a_warm_up_is_the_rule_of_the_transformer(total_steps: int, ramp_steps: int) -> None:
    settings = {
        "warmup_frac": ramp_steps / total_steps,
        "warmup_initial_factor": 0.0,
        "timescale_frac": ramp_steps / (total_steps - ramp_steps),
    }

    def transformer(step: int) -> float:
        """Vaswani et al. (2017), equation 3, over its largest value."""
        return math.sqrt(ramp_steps) * min(1 / math.sqrt(max(step, 1)), step / math.pow(ramp_steps, 1.5))

    expected = torch_rates(lambda o: lr_scheduler.LambdaLR(o, transformer), total_steps)
    assert factors(build_schedule("inverse_sqrt", total_steps, settings)) == pytest.approx(expected)


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
