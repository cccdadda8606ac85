"""A trial that was tried several times: each failure is on record once, and the result is that of one attempt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from analysis import layout
from analysis.trial_table import RunFacts
from sweeps.places import Places
from sweeps.protocol import Protocol
from sweeps.recording import connect, trial_runs
from sweeps.recording.record import record_of
from sweeps.recording.trial_runs import TrialRuns
from sweeps.trial import TrialResult, failed_result, job_for, run_to_end
from tests.sweeps.studies import new_name, tiny_study


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> MlflowClient:
    return connect(Places.from_environment({"FAIRSWEEP_HOME": str(tmp_path_factory.mktemp("home"))}))


@pytest.fixture
def experiment(client: MlflowClient) -> str:
    return str(client.create_experiment(new_name()))


@pytest.fixture(scope="module")
def good() -> TrialResult:
    trial = Protocol(tiny_study()).next_trial()
    assert trial is not None
    return replace(run_to_end(job_for(tiny_study(), trial)), hardware="A100")


@pytest.fixture(scope="module")
def failed(good: TrialResult) -> TrialResult:
    return replace(failed_result(job_for(tiny_study(), good.trial), "Traceback: boom"), started_at=1.0, ended_at=2.0)


def deliver(client: MlflowClient, experiment: str, *results: TrialResult) -> None:
    """Deliver results as a launch that reads back first what is recorded."""
    writer = TrialRuns(client, experiment, "", {})
    writer.remember(trial_runs(client, experiment))
    for result in results:
        writer.write(record_of(result))
    writer.tidy()


def killed(client: MlflowClient, experiment: str, result: TrialResult, monkeypatch: pytest.MonkeyPatch) -> str:
    """Deliver a result up to the moment before its run is marked as ended."""

    def die(*_: Any, **__: Any) -> None:
        raise ConnectionError("killed here")

    with monkeypatch.context() as patch:
        patch.setattr(client, "set_terminated", die)
        with pytest.raises(ConnectionError):
            deliver(client, experiment, result)
    (run,) = (run for run in trial_runs(client, experiment) if run.status == "RUNNING")
    return run.run_id


def statuses(client: MlflowClient, experiment: str) -> Counter[str]:
    return Counter(run.status for run in trial_runs(client, experiment))


def finished(client: MlflowClient, experiment: str) -> RunFacts:
    (run,) = (run for run in trial_runs(client, experiment) if run.status == "FINISHED")
    return run


def curve(client: MlflowClient, run_id: str) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in client.get_metric_history(run_id, layout.CURVE_VALIDATION)]


def test_a_result_does_not_inherit_the_tags_of_a_failure_whose_delivery_was_cut_short(
    client: MlflowClient, experiment: str, good: TrialResult, failed: TrialResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed(client, experiment, failed, monkeypatch)
    deliver(client, experiment, good)
    run = finished(client, experiment)
    assert (run.tags[layout.OUTCOME], run.tags[layout.HARDWARE]) == ("finished", "A100")
    assert "mlflow.note.content" not in run.tags
    assert statuses(client, experiment) == {"FINISHED": 1}
    deliver(client, experiment, failed)  # from the disk of the machine that was killed
    assert statuses(client, experiment) == {"FINISHED": 1, "FAILED": 1}


def test_a_result_is_not_mixed_with_the_points_of_another_attempt(
    client: MlflowClient, experiment: str, good: TrialResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed(client, experiment, good, monkeypatch)
    again = replace(good, hardware="H100", attempts=3, started_at=good.started_at + 5, ended_at=good.ended_at + 5)
    deliver(client, experiment, again)
    run = finished(client, experiment)
    assert (run.tags[layout.HARDWARE], run.tags[layout.ATTEMPTS]) == ("H100", "3")
    assert curve(client, run.run_id) == [(point.update, point.validation) for point in again.curve]
    deliver(client, experiment, good)  # a trial has one result, also where two machines have run it
    assert finished(client, experiment) == run
    assert statuses(client, experiment) == {"FINISHED": 1}


def test_an_attempt_whose_delivery_was_cut_short_is_completed_in_place(
    client: MlflowClient, experiment: str, good: TrialResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = killed(client, experiment, good, monkeypatch)
    deliver(client, experiment, good)
    run = finished(client, experiment)
    assert run.run_id == begun
    assert curve(client, begun) == [(point.update, point.validation) for point in good.curve]


@pytest.mark.parametrize("order", [list, reversed], ids=["in order", "the later first"])
def test_each_failure_is_on_record_once_however_often_it_is_delivered(
    client: MlflowClient,
    experiment: str,
    good: TrialResult,
    failed: TrialResult,
    order: Callable[[list[TrialResult]], list[TrialResult]],
) -> None:
    later = replace(failed, started_at=3.0, ended_at=4.0)
    for _ in range(2):
        deliver(client, experiment, *order([failed, later, good]))
    assert statuses(client, experiment) == {"FINISHED": 1, "FAILED": 2}


def test_a_failure_is_delivered_once_where_the_answer_to_its_last_request_was_lost(
    client: MlflowClient, experiment: str, failed: TrialResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, record, end = TrialRuns(client, experiment, "", {}), record_of(failed), client.set_terminated

    def end_without_an_answer(*arguments: Any, **named: Any) -> None:
        end(*arguments, **named)
        raise ConnectionError("the connection broke")

    with monkeypatch.context() as patch:
        patch.setattr(client, "set_terminated", end_without_an_answer)
        with pytest.raises(ConnectionError):
            writer.write(record)
    writer.write(record)
    assert statuses(client, experiment) == {"FAILED": 1}


def test_a_run_that_was_deleted_by_hand_is_written_anew(
    client: MlflowClient, experiment: str, good: TrialResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = killed(client, experiment, good, monkeypatch)
    writer = TrialRuns(client, experiment, "", {})
    writer.remember(trial_runs(client, experiment))
    client.delete_run(begun)
    with pytest.raises(MlflowException):
        writer.write(record_of(good))
    writer.write(record_of(good))
    assert statuses(client, experiment) == {"FINISHED": 1}
