"""Published shapes by name in a study file."""

from __future__ import annotations

from typing import Any

import pytest

from sweeps.errors import StudyError
from sweeps.loading import validate_study
from sweeps.spec import Study

MILESTONES = [0.3, 0.6, 0.8]


def study(**arm: Any) -> Study:
    return validate_study(
        {
            "study": "presets",
            "workloads": [{"name": "digits", "dataset": "digits", "network": "mlp"}],
            "arms": {"cosine": {"schedule": "cosine"}, "steps": arm},
        },
        "presets",
    )


def test_a_preset_fixes_the_settings_of_its_schedule_and_leaves_nothing_of_it_to_search() -> None:
    arm = study(schedule="piecewise", preset="zagoruyko_steps").arms["steps"]
    assert arm.settings == {"milestones": MILESTONES, "factor": 0.2}
    assert arm.search == {}
    assert arm.reference.startswith("Zagoruyko and Komodakis, Wide Residual Networks")


def test_what_an_arm_fixes_or_searches_itself_comes_before_the_preset() -> None:
    arm = study(
        schedule="piecewise",
        preset="zagoruyko_steps",
        settings={"milestones": [0.5]},
        search={"factor": {"log": [0.05, 0.5]}},
        reference="mine",
    ).arms["steps"]
    assert arm.settings == {"milestones": [0.5]}
    assert list(arm.search) == ["factor"]
    assert arm.reference == "mine"


def test_an_arm_as_published_takes_its_shape_from_a_preset_and_names_its_rate() -> None:
    arm = study(schedule="piecewise", preset="smith_topin_steps", as_published=True, settings={"peak_lr": 0.35})
    assert arm.arms["steps"].settings == {"milestones": [0.625, 0.875], "factor": 0.1, "peak_lr": 0.35}


def test_a_study_with_a_preset_has_the_hash_of_the_study_with_its_settings_and_survives_the_record() -> None:
    by_name = study(schedule="piecewise", preset="zagoruyko_steps")
    in_full = study(schedule="piecewise", settings={"milestones": MILESTONES, "factor": 0.2})
    assert by_name.protocol_hash() == in_full.protocol_hash()
    assert Study.from_recorded(by_name.recorded()) == by_name


@pytest.mark.parametrize(
    ("schedule", "preset", "message"),
    [
        ("piecewise", "caffe_lenet", r"arms\.steps\.preset: must be one of: he_steps, .*; got 'caffe_lenet', of inv"),
        ("cosine", "he_steps", r"preset: must be left out, since schedule cosine has none; got 'he_steps', of piece"),
        ("piecewise", "he_step", r"preset must be one of: .*; got 'he_step'\. Did you mean he_steps\?"),
    ],
)
def test_a_preset_of_another_schedule_and_an_unknown_one_are_refused(schedule: str, preset: str, message: str) -> None:
    with pytest.raises(StudyError, match=message):
        study(schedule=schedule, preset=preset)


def test_a_warm_up_where_there_can_be_none_is_refused_with_the_reason() -> None:
    with pytest.raises(StudyError, match=r"steps\.settings\.warmup_shape: .* Schedule one_cycle has a rise of its own"):
        study(schedule="one_cycle", settings={"warmup_shape": "linear"})
    with pytest.raises(StudyError, match=r"steps\.search\.warmup_frac: .* must be 0 for a schedule that begins at 0"):
        study(schedule="knots", preset="page_triangle", search={"warmup_frac": {"float": [0, 0.1]}})
