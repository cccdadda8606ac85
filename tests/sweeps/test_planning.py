from __future__ import annotations

import pytest

from sweeps import planning
from sweeps.errors import FairsweepError
from sweeps.planning import balance_note, cell_plans, measure_speed, untrainable_because, verdict_note
from tests.sweeps.studies import tiny_data, tiny_study


@pytest.mark.parametrize(("draws", "powers"), [(3, "2 or 4"), (20, "16 or 32"), (1000, "512 or 1024")])
def test_draws_that_no_power_of_two_balances_are_said_with_the_nearest_that_would(draws: int, powers: str) -> None:
    assert balance_note(tiny_study(tuning={"draws": draws})) == (
        f"Sobol points balance best at powers of two: {powers} draws rather than {draws}."
    )


@pytest.mark.parametrize("tuning", [{"draws": 1}, {"draws": 16}, {"draws": 20, "sampler": "random"}])
def test_there_is_nothing_to_say_of_a_power_of_two_or_another_sampler(tuning: dict[str, object]) -> None:
    assert not balance_note(tiny_study(tuning=tuning))


def test_the_updates_of_a_plan_count_every_rung_at_its_own_budget() -> None:
    halved = tiny_study(tuning={"draws": 8, "halving": {"factor": 2, "rungs": 2}}, budgets={"updates": [64]})
    [plan] = cell_plans(halved)
    assert (plan.tune_trials, plan.confirm_trials) == (2 * (8 + 4), 3 * 2)
    assert plan.updates == 2 * (8 * 32 + 4 * 64) + 3 * 2 * 64


def test_a_study_with_too_few_seeds_for_any_verdict_says_so_beforehand_as_its_report_does_afterwards() -> None:
    assert verdict_note(tiny_study(confirm={"seeds": 3})) == (
        "With 3 seeds per arm no arm can be found better or worse after the correction for 4 comparisons, however "
        "large the difference: that takes at least 5 seeds per arm, or fewer comparisons."
    )
    assert verdict_note(tiny_study(confirm={"seeds": 4}))
    assert not verdict_note(tiny_study(confirm={"seeds": 5}))


def test_seeds_until_decided_are_judged_by_the_most_there_can_be() -> None:
    assert not verdict_note(tiny_study(confirm={"seeds": 2, "until": "decided", "max_seeds": 30}))
    assert "With 3 seeds" in verdict_note(tiny_study(confirm={"seeds": 2, "until": "decided", "max_seeds": 3}))


def test_a_machine_without_a_gpu_does_not_measure_trials_that_use_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert not untrainable_because(tiny_study())
    assert untrainable_because(tiny_study(resources={"gpu": 0.5})) == "trials use a GPU, and torch finds none"
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert not untrainable_because(tiny_study(resources={"gpu": 0.5}))


def test_a_network_too_slow_to_be_measured_to_the_end_is_estimated_from_its_updates(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(planning, "CALIBRATION_SECONDS", 0.0)
    study = tiny_study()
    workload = study.workloads[0]
    held_out = workload.num_available - workload.num_train
    speed = measure_speed(study, workload)
    assert speed.update_seconds > 0
    assert speed.evaluation_seconds == pytest.approx(held_out / workload.batch_size * speed.update_seconds / 3)


def test_a_network_that_memory_is_too_small_for_is_said_in_a_line_with_its_batch() -> None:
    workload = {**tiny_data()["workloads"][0], "loss": "tests.models.toys:hungry"}
    study = tiny_study(workloads=[workload])
    with pytest.raises(
        FairsweepError, match=r"^workload .*: Out of memory on cpu with batch_size \d+: set a smaller.*$"
    ):
        measure_speed(study, study.workloads[0])


def test_a_network_of_the_users_that_fails_in_training_is_named_with_what_it_raised() -> None:
    workload = {**tiny_data()["workloads"][0], "network": "tests.models.toys:in_doubles", "network_settings": {}}
    study = tiny_study(workloads=[workload])
    with pytest.raises(
        FairsweepError, match=r"^workload .*: training with tests\.models\.toys:in_doubles raised RuntimeError: .*dtype"
    ):
        measure_speed(study, study.workloads[0])


def test_a_fast_network_is_measured_to_the_end_of_its_evaluation() -> None:
    study = tiny_study()
    speed = measure_speed(study, study.workloads[0])
    assert 0 < speed.update_seconds < 1
    assert 0 < speed.evaluation_seconds < 10
