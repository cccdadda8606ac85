"""Rates that others have printed, in logs and in documentation, against ours to the printed digit."""

from __future__ import annotations

import pytest

from schedules import PRESETS, SCHEDULES, Exponential, Polynomial, Schedule, build_schedule


def preset(name: str, total_steps: int) -> Schedule:
    return build_schedule(PRESETS[name].schedule, total_steps, PRESETS[name].settings)


#: Rate by iteration, as Caffe printed it: "sgd_solver.cpp:166] Iteration 51700, lr = 0.035".
LOGS: dict[str, tuple[Schedule, float, dict[int, str]]] = {
    "lnsmith54/super-convergence Results/lr35Fig1a": (
        preset("smith_topin_steps", 80_000),
        0.35,
        {42_400: "0.35", 44_900: "0.35", 51_700: "0.035", 54_200: "0.035", 79_100: "0.0035", 79_900: "0.0035"},
    ),
    "lnsmith54/hyperParam1 genDensenet40_DenOrigLR0.10.1M0.9WD1e-4Epoch400BS128c_1": (
        preset("hyperparam1_steps", 39_062),
        0.1,
        {36_400: "0.00315545", 36_600: "0.00315545", 36_800: "0.000315091", 39_000: "0.000315091"},
    ),
}


@pytest.mark.parametrize("log", LOGS)
def test_the_rates_of_a_public_caffe_log_are_reproduced_to_the_printed_digit(log: str) -> None:
    schedule, peak_lr, printed = LOGS[log]
    assert {step: f"{peak_lr * schedule(step):.6g}" for step in printed} == printed


def test_the_milestones_of_the_solver_files_fall_on_the_same_updates() -> None:
    def drops(schedule: Schedule) -> list[int]:
        steps = range(1, schedule.total_steps)
        return [step for step in steps if schedule(step) < schedule(step - 1)]

    assert drops(preset("smith_topin_steps", 80_000)) == [50_000, 70_000]
    assert drops(preset("he_steps", 200)) == [100, 150]
    assert drops(preset("zagoruyko_steps", 200)) == [60, 120, 160]
    assert drops(preset("hyperparam1_steps", 39_062)) == [19_531, 29_296, 34_178, 36_619, 36_620]
    assert drops(preset("hyperparam1_imagenet_steps", 1_600)) == list(range(20, 1_600, 20))


def test_caffes_inv_policy_by_its_formula() -> None:
    """``base_lr * (1 + gamma * iter) ** -power`` with gamma 0.0001, power 0.75 of ``lenet_solver.prototxt``."""
    schedule = preset("caffe_lenet", 10_000)
    for step in (0, 1, 500, 9_999):
        assert 0.01 * schedule(step) == pytest.approx(0.01 * (1 + 0.0001 * step) ** -0.75)


def test_polynomial_decay_as_in_the_documentation_of_optax() -> None:
    """The doctest of ``optax.polynomial_schedule``: 5 steps held, then 100 with power 2 from 1 to 0.01."""
    schedule = Polynomial(total_steps=100, power=2, final_factor=0.01)
    assert [f"{schedule(count - 5):.4f}" for count in (5, 6, 104)] == ["1.0000", "0.9803", "0.0101"]


def test_exponential_decay_as_in_the_documentation_of_mlx() -> None:
    """``mlx.optimizers.exponential_decay(1e-1, 0.9)`` sets 0.1 for the first update and 0.06561 for the fifth."""
    schedule = Exponential(total_steps=10, final_factor=0.9**10)
    assert [f"{0.1 * schedule(step):.4g}" for step in (0, 4)] == ["0.1", "0.06561"]


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_names_a_schedule_with_valid_settings_and_says_where_it_is_from(name: str) -> None:
    chosen = PRESETS[name]
    assert chosen.schedule in SCHEDULES
    schedule = preset(name, 1_000)
    assert {setting: getattr(schedule, setting) for setting in chosen.settings} == dict(chosen.settings)
    assert len(chosen.reference) > 20
