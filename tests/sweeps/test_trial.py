from __future__ import annotations

import gc
import math
import weakref
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from analysis import layout
from models.training import Progress
from models.training.update import Learner, update
from sweeps.protocol import Protocol, Trial
from sweeps.recording.record import record_of
from sweeps.trial import Job, TrialResult, failed_result, job_for, run_job, run_to_end
from tests.sweeps.studies import tiny_data, tiny_study


def first_trial(**changes: object) -> Trial:
    trial = Protocol(tiny_study()).next_trial()
    assert trial is not None
    return replace(trial, **changes)


def test_a_trial_yields_its_curve_and_its_outcome() -> None:
    trial = first_trial()
    result = run_to_end(job_for(tiny_study(), trial))
    updates = trial.cell.budget.amount
    assert result.kind == "finished"
    assert [progress.update for progress in result.curve] == [updates // 2, updates]
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


def test_memory_that_runs_out_on_a_gpu_is_named_with_the_batch_and_the_next_trial_runs() -> None:
    workload = tiny_data()["workloads"][0]
    hungry = tiny_study(workloads=[{**workload, "loss": "tests.models.toys:hungry", "micro_batch": 25}])
    result = run_to_end(job_for(hungry, first_trial()))
    assert result.kind == "failed"
    assert "Out of memory on cpu with batch_size 100 and micro_batch 25: set a smaller micro_batch" in result.error
    assert "OutOfMemoryError" in result.error
    assert run_to_end(job_for(tiny_study(), first_trial())).kind == "finished"


def test_a_training_that_failed_is_let_go_of_before_its_memory_is_cleared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where whoever reads the steps still has the last one."""
    there: list[weakref.ref[torch.nn.Module]] = []
    alive: list[bool] = []

    def update_once(learner: Learner, number: int) -> tuple[torch.Tensor, bool]:
        if there:
            raise RuntimeError("boom")
        there.append(weakref.ref(learner.network))
        return update(learner, number)

    def clear_up(error: str) -> None:
        gc.collect()
        alive.append(there[0]() is not None)

    monkeypatch.setattr("models.training.loop.update", update_once)
    monkeypatch.setattr("sweeps.trial._clear_up", clear_up)
    assert run_to_end(job_for(tiny_study(), first_trial())).error.rstrip().endswith("RuntimeError: boom")
    assert alive == [False]


def test_overflows_and_the_time_of_evaluations_are_recorded() -> None:
    workload = tiny_data()["workloads"][0]
    steep = tiny_study(workloads=[{**workload, "loss": "tests.models.toys:steep", "precision": "fp16"}])
    result = run_to_end(job_for(steep, first_trial()))
    finals = {name: value for name, value, _ in record_of(result)["metrics"] if name.startswith("final/")}
    assert finals[layout.FINAL_OVERFLOWS] == result.curve[-1].overflows > 0
    assert finals[layout.FINAL_EVALUATION_SECONDS] > 0
    names = {name for name, _, _ in record_of(run_to_end(job_for(tiny_study(), first_trial())))["metrics"]}
    assert layout.FINAL_OVERFLOWS not in names


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


def often(folder: Path, **changes: object) -> Job:
    """Return the job of a trial that keeps its state at every pause."""
    return replace(job_for(tiny_study(budgets={"updates": [20]}), first_trial(**changes), folder), checkpoint_seconds=0)


def leave(job: Job, pauses: int) -> None:
    """Run a trial for so many steps, and leave it as a killed process does."""
    steps = run_job(job)
    for _ in range(pauses):
        assert not isinstance(next(steps), TrialResult)


def bare(result: TrialResult) -> list[Progress]:
    return [replace(progress, train_seconds=0.0) for progress in result.curve]


@pytest.mark.parametrize("pauses", [1, 2, 3, 4, 5])
def test_a_trial_goes_on_from_its_checkpoint_and_removes_it(tmp_path: Path, pauses: int) -> None:
    job = often(tmp_path)
    alone = run_to_end(replace(job, checkpoint=None))
    leave(job, pauses)
    (file,) = tmp_path.iterdir()
    before = file.stat().st_size
    resumed = run_to_end(job)
    assert bare(resumed) == bare(alone)
    assert (resumed.kind, resumed.note) == ("finished", "")
    assert before > 0
    assert list(tmp_path.iterdir()) == []


def test_a_trial_that_went_on_did_not_begin_again(tmp_path: Path) -> None:
    job = often(tmp_path)
    whole = sum(1 for _ in run_job(job))
    leave(job, 10)
    assert sum(1 for _ in run_job(job)) == whole - 10


def test_a_short_trial_writes_no_checkpoint(tmp_path: Path) -> None:
    job = job_for(tiny_study(), first_trial(), tmp_path / "never-made")
    assert run_to_end(job).kind == "finished"
    assert not (tmp_path / "never-made").exists()


def test_a_damaged_checkpoint_is_ignored_with_a_note(tmp_path: Path) -> None:
    job = often(tmp_path)
    leave(job, 3)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-1])
    result = run_to_end(job)
    assert bare(result) == bare(run_to_end(replace(job, checkpoint=None)))
    assert result.note == "Began anew: a checkpoint was there, but it is damaged."


def test_a_checkpoint_of_another_trial_is_ignored_with_a_note(tmp_path: Path) -> None:
    job, other = often(tmp_path), often(tmp_path, seed=5, index=9)
    leave(other, 3)
    (file,) = tmp_path.iterdir()
    assert job.checkpoint is not None
    file.rename(job.checkpoint)
    result = run_to_end(job)
    assert "it is of another trial, training" in result.note
    assert bare(result) == bare(run_to_end(replace(job, checkpoint=None)))


def test_a_place_that_takes_no_checkpoint_fails_no_trial(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("where a folder should be")
    result = run_to_end(replace(often(tmp_path), checkpoint=tmp_path / "file" / "c.pt"))
    assert result.kind == "finished"
    assert result.note.startswith("A checkpoint could not be written:")


def test_a_failed_trial_leaves_no_checkpoint(tmp_path: Path) -> None:
    job = often(tmp_path)
    leave(job, 3)
    broken = replace(job, training=replace(job.training, settings={"momentum": 0.9}))
    assert run_to_end(broken).kind == "failed"
    assert list(tmp_path.iterdir()) == []


def test_faults_of_the_study_file_reach_the_job(tmp_path: Path) -> None:
    study = tiny_study(faults={"checkpoint_minutes": 2, "hang_minutes": 0.1})
    job = job_for(study, first_trial(), tmp_path)
    assert job.checkpoint_seconds == 120
    assert job.report_seconds == 1.5
    assert job_for(tiny_study(), first_trial()).report_seconds == 5
    assert job_for(tiny_study(), first_trial()).checkpoint is None


def test_a_process_whose_gpu_is_of_no_more_use_says_so_with_the_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exception ends the process, so that the next trial gets a new one."""

    def poisoned() -> None:
        raise RuntimeError("CUDA error: device-side assert triggered")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "synchronize", poisoned)
    job = job_for(tiny_study(), first_trial(settings={"momentum": 0.9}))
    with pytest.raises(RuntimeError, match="peak_lr must be"):
        run_to_end(job)
    assert run_to_end(job_for(tiny_study(), first_trial())).kind == "finished"
