from __future__ import annotations

import math
from dataclasses import replace

from analysis import layout
from sweeps.protocol import Protocol, Trial
from sweeps.recording.record import record_of
from sweeps.trial import failed_result, job_for, run_to_end
from tests.sweeps.studies import tiny_study


def first_trial(**changes: object) -> Trial:
    trial = Protocol(tiny_study()).next_trial()
    assert trial is not None
    return replace(trial, **changes)


def test_a_trial_yields_its_curve_and_its_outcome() -> None:
    result = run_to_end(job_for(tiny_study(), first_trial()))
    assert result.kind == "finished"
    assert [progress.update for progress in result.curve] == [2, 4]
    assert result.outcome.validation == result.curve[-1].validation


def test_the_test_split_is_read_when_confirming_and_not_when_tuning() -> None:
    tune = run_to_end(job_for(tiny_study(), first_trial()))
    confirm = run_to_end(job_for(tiny_study(), first_trial(phase="confirm")))
    assert {progress.test for progress in tune.curve} == {None}
    assert all(0 <= progress.test <= 1 for progress in confirm.curve if progress.test is not None)
    assert confirm.curve[-1].test is not None


def test_a_diverged_trial_is_a_result_without_a_final_accuracy() -> None:
    trial = first_trial(settings={"peak_lr": 1e30, "momentum": 0.9})
    result = run_to_end(job_for(tiny_study(), trial))
    metrics = {name for name, _, _ in record_of(result)["metrics"]}
    assert result.kind == "diverged"
    assert result.outcome.validation is None
    assert {layout.DIVERGED, layout.DIVERGED_AT_UPDATE} <= metrics
    assert layout.FINAL_VALIDATION not in metrics


def test_an_exception_fails_its_trial_and_keeps_the_traceback() -> None:
    result = run_to_end(job_for(tiny_study(), first_trial(settings={"momentum": 0.9})))
    assert result.kind == "failed"
    assert "peak_lr" in result.error
    assert "peak_lr" in record_of(result)["tags"]["mlflow.note.content"]


def test_a_lost_process_is_a_failed_trial() -> None:
    result = failed_result(job_for(tiny_study(), first_trial()), "gone")
    assert result.outcome.kind == "failed"
    assert record_of(result)["metrics"] == []


def test_records_hold_finite_numbers_only_and_every_setting() -> None:
    trial = first_trial(settings={"peak_lr": 0.1, "momentum": 0.9, "milestones": (0.5, 0.75)}, arm="published")
    record = record_of(run_to_end(job_for(tiny_study(), trial)))
    assert all(math.isfinite(value) for _, value, _ in record["metrics"])
    assert record["params"]["milestones"] == "[0.5, 0.75]"
    assert record["params"]["peak_lr"] == "0.1"
    assert record["tags"][layout.TRIAL_KEY] == trial.key
    assert all(isinstance(value, str) for value in [*record["tags"].values(), *record["params"].values()])


def test_equal_trials_give_equal_results_whatever_ran_before() -> None:
    study = tiny_study()
    alone = run_to_end(job_for(study, first_trial()))
    run_to_end(job_for(study, first_trial(seed=99)))
    again = run_to_end(job_for(study, first_trial()))
    assert [replace(p, train_seconds=0.0) for p in alone.curve] == [replace(p, train_seconds=0.0) for p in again.curve]
