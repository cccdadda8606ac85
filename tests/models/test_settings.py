"""The settings of an arm."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from models.settings import REQUIRED, check_settings, resolve, setting_names
from schedules import (
    MOMENTUM,
    SCHEDULES,
    CycledMomentum,
    OneCycle,
    Piecewise,
    schedule_settings,
    setting_defaults,
)


def test_an_arm_has_the_settings_of_optimizer_policy_and_schedule() -> None:
    assert setting_names("one_cycle", "cycled") == {
        "peak_lr": REQUIRED,
        "weight_decay": 0.0,
        "label_smoothing": 0.0,
        "clip_norm": 0.0,
        "bn_momentum": None,
        "momentum": 0.95,
        "momentum_drop": 0.1,
        "warmup_frac": 0.3,
        "initial_div": 25.0,
        "final_div": 1e4,
    }


OF_ANY_ARM = {"peak_lr", "weight_decay", "label_smoothing", "clip_norm", "bn_momentum"}


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("momentum_policy", MOMENTUM)
def test_no_name_belongs_to_two_owners(schedule: str, momentum_policy: str) -> None:
    of_schedule, of_policy = schedule_settings(schedule), setting_defaults(MOMENTUM[momentum_policy])
    names = setting_names(schedule, momentum_policy)
    assert len(names) == len(OF_ANY_ARM) + len(of_schedule) + len(of_policy)
    assert set(names) >= OF_ANY_ARM


def test_every_arm_can_warm_up() -> None:
    settings = {"peak_lr": 2, "warmup_frac": 0.5, "warmup_initial_factor": 0.5}
    resolved = resolve("cosine", "constant", settings, total_updates=4)
    assert [resolved.at(step)[0] for step in range(4)] == pytest.approx([1, 1.5, 2, 1])
    assert all("warmup_frac" in setting_names(schedule, "constant") for schedule in SCHEDULES)


def test_required_is_one_value_in_every_process() -> None:
    assert pickle.loads(pickle.dumps(REQUIRED)) is REQUIRED
    assert repr(REQUIRED) == "REQUIRED"


def test_settings_reach_the_part_that_owns_them() -> None:
    settings = {"peak_lr": 2, "momentum": 0.9, "momentum_drop": 0.2, "warmup_frac": 0.5, "weight_decay": 1e-3}
    resolved = resolve("one_cycle", "cycled", settings, total_updates=10)
    assert resolved.schedule == OneCycle(total_steps=10, warmup_frac=0.5)
    assert resolved.momentum_policy == CycledMomentum(momentum=0.9, momentum_drop=0.2)
    assert (resolved.peak_lr, resolved.weight_decay, resolved.label_smoothing) == (2.0, 1e-3, 0.0)
    assert resolved.at(4) == pytest.approx((2.0, 0.7))


def test_lists_from_a_study_file_reach_the_schedule_as_tuples() -> None:
    resolved = resolve("piecewise", "constant", {"peak_lr": 1, "milestones": [0.5]}, total_updates=4)
    assert resolved.schedule == Piecewise(total_steps=4, milestones=(0.5,))


@pytest.mark.parametrize(
    ("settings", "fields"),
    [
        ({}, ["peak_lr"]),
        ({"peak_lr": -0.1}, ["peak_lr"]),
        ({"peak_lr": 0}, ["peak_lr"]),
        ({"peak_lr": float("nan")}, ["peak_lr"]),
        ({"peak_lr": True}, ["peak_lr"]),
        ({"peak_lr": "0.1"}, ["peak_lr"]),
        ({"peak_lr": 1, "weight_decay": -1}, ["weight_decay"]),
        ({"peak_lr": 1, "label_smoothing": 1.0}, ["label_smoothing"]),
        ({"peak_lr": 1, "clip_norm": -1}, ["clip_norm"]),
        ({"peak_lr": 1, "bn_momentum": 0}, ["bn_momentum"]),
        ({"peak_lr": 1, "total_steps": 5}, ["total_steps"]),
        ({"peak_lr": 1, "initial_div": 10}, ["initial_div"]),
        ({"peak_lr": 1, "warmup_frac": 1.5, "factor": 2}, ["factor", "warmup_frac"]),
        (
            {"lr": 1, "peak_lr": -1, "weight_decay": None, "momentum": 1.0, "milestones": [2], "factor": 0},
            ["lr", "milestones", "factor", "momentum", "peak_lr", "weight_decay"],
        ),
    ],
)
def test_every_offender_is_named_in_one_error(settings: dict[str, Any], fields: list[str]) -> None:
    with pytest.raises(ValueError) as caught:
        resolve("piecewise", "constant", settings, total_updates=4)
    assert [line.split(" must be ")[0] for line in str(caught.value).splitlines()] == fields


def test_a_missing_peak_lr_is_asked_for() -> None:
    with pytest.raises(ValueError, match=r"peak_lr must be a finite number > 0; got None\. Give the largest"):
        resolve("cosine", "constant", {}, total_updates=4)


def test_an_unknown_setting_is_answered_with_all_names_and_the_near_miss() -> None:
    with pytest.raises(ValueError, match=r"weight_decai must be one of .*weight_decay.*Did you mean 'weight_decay'\?"):
        check_settings("cosine", "constant", {"weight_decai": 0.1})


def test_a_setting_of_a_warm_up_that_cannot_be_in_front_is_explained() -> None:
    with pytest.raises(ValueError, match=r"warmup_shape must be one of .*Schedule one_cycle has a rise of its own"):
        check_settings("one_cycle", "constant", {"warmup_shape": "linear"})
    with pytest.raises(ValueError, match=r"^warmup_frac must be 0 for a schedule that begins at 0; got 0\.1\."):
        check_settings("knots", "constant", {"knot_factors": [0, 1, 0], "warmup_frac": 0.1})


def test_a_check_asks_only_about_what_is_given() -> None:
    check_settings("cosine", "constant", {})
    check_settings("cosine", "constant", {"final_factor": 0.1})
    with pytest.raises(ValueError, match="final_factor must be"):
        check_settings("cosine", "constant", {"final_factor": 2})


def test_unknown_schedules_and_policies_are_answered_with_the_options() -> None:
    with pytest.raises(ValueError) as caught:
        setting_names("cosin", "cycle")
    first, second = str(caught.value).splitlines()
    assert first.startswith("schedule must be one of constant, cosine, cosine_restarts, ")
    assert first.endswith("Did you mean 'cosine'?")
    assert (
        second
        == "momentum_policy must be one of constant, critical_damping, cycled; got 'cycle'. Did you mean 'cycled'?"
    )
