"""The chaos suite notices what it is there for."""

from __future__ import annotations

from dataclasses import replace

from tests.chaos.ledger import Ledger, Recorded, differences
from tests.chaos.strikes import Moment, strikes_of

TRAINED = Recorded(outcome="finished", settings=(("peak_lr", "0.1"),), points=(("curve/validation_accuracy", 4, 0.5),))
CALM = Ledger(ended={"a": (TRAINED,), "b": (TRAINED,)}, statuses={"FINISHED": 2}, attempts=1)


def differing(**ended: tuple[Recorded, ...]) -> str:
    return " ".join(differences(replace(CALM, ended=ended), CALM))


def test_an_equal_record_has_no_differences_however_often_a_trial_failed_on_the_way() -> None:
    assert differences(replace(CALM, attempts=3, statuses={"FINISHED": 2, "FAILED": 1}), CALM) == []


def test_a_lost_a_doubled_and_an_unplanned_trial_are_noticed() -> None:
    assert differing(a=(TRAINED,)) == "b is missing."
    assert differing(a=(TRAINED,), b=(TRAINED, TRAINED)) == "b is there 2 times."
    assert differing(a=(TRAINED,), b=(TRAINED,), c=(TRAINED,)) == "c is not in the plan."


def test_a_run_that_was_begun_and_never_ended_is_noticed() -> None:
    assert differences(replace(CALM, statuses={"FINISHED": 2, "RUNNING": 1}), CALM) == [
        "1 runs were begun and never ended."
    ]


def test_one_point_with_another_value_twice_or_not_at_all_is_noticed() -> None:
    [(name, step, value)] = TRAINED.points
    altered, doubled = (
        replace(TRAINED, points=((name, step, value + 1e-9),)),
        replace(TRAINED, points=TRAINED.points * 2),
    )
    assert "points too many: 1 (curve/validation_accuracy at 4 = 0.500000001)" in differing(a=(TRAINED,), b=(altered,))
    assert "points too many: 1" in differing(a=(TRAINED,), b=(doubled,))
    assert "points missing: 1" in differing(a=(TRAINED,), b=(replace(TRAINED, points=()),))


def test_another_setting_and_another_outcome_are_noticed() -> None:
    assert "its settings are" in differing(a=(TRAINED,), b=(replace(TRAINED, settings=()),))
    assert "it diverged where it should have finished" in differing(
        a=(TRAINED,), b=(replace(TRAINED, outcome="diverged"),)
    )


def test_a_seed_always_gives_the_same_strikes_and_seeds_give_all_kinds() -> None:
    assert strikes_of(7) == strikes_of(7)
    kinds = {strike.kind for seed in range(20) for strikes in strikes_of(seed) for strike in strikes}
    assert kinds == {"kill driver", "stop driver", "kill worker", "kill node", "kill server"}
    assert all(strikes_of(seed)[0] for seed in range(100))


def test_a_strike_falls_into_the_start_of_a_launch_or_some_trials_into_it() -> None:
    first = strikes_of(0)[0][0]
    assert replace(first, at=0.125).moment(16, 8.0) == Moment(trials=0, delay_seconds=4.0)
    assert replace(first, at=0.25).moment(16, 8.0) == Moment(trials=1, delay_seconds=0.0)
    assert replace(first, at=0.999).moment(16, 8.0).trials == 16
    assert replace(first, at=0.999).moment(0, 8.0).trials == 0
