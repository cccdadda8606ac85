from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from analysis import layout
from sweeps.errors import InputError
from sweeps.places import Places
from sweeps.protocol import Protocol
from sweeps.recording import (
    Recorder,
    TrackerError,
    connect,
    find_study,
    record_report,
    recorded_outcomes,
    recorded_study,
    trial_runs,
)
from sweeps.spec import Study
from sweeps.trial import TrialResult, failed_result, job_for, run_to_end
from tests.sweeps.studies import tiny_study

_names = (f"study-{number}" for number in itertools.count())


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that the tests of this module share, each with a study of its own: making one takes seconds."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def places(home: Path) -> Places:
    return Places.from_environment({"FAIRSWEEP_HOME": str(home)})


@pytest.fixture
def study() -> Study:
    return tiny_study(study=next(_names))


@pytest.fixture(scope="module")
def results() -> list[TrialResult]:
    study = tiny_study()
    protocol = Protocol(study)
    trials = [protocol.next_trial() for _ in range(3)]
    return [run_to_end(job_for(study, trial)) for trial in trials if trial]


def recorder(study: Study, places: Places) -> Recorder:
    made = Recorder(study, places)
    made.open({"python": "3"})
    return made


def runs(study: Study, places: Places) -> Iterator[Run]:
    client = connect(places)
    return trial_runs(client, find_study(client, study.study).experiment_id)


def test_every_result_is_recorded_once_with_its_curve(study: Study, places: Places, results: list[TrialResult]) -> None:
    writer = recorder(study, places)
    for result in results:
        writer.put(result)
    assert writer.flush(20)
    writer.close(done=True)
    recorded = list(runs(study, places))
    assert Counter(run.data.tags[layout.TRIAL_KEY] for run in recorded) == Counter(r.trial.key for r in results)
    assert {run.info.status for run in recorded} == {"FINISHED"}
    run = next(run for run in recorded if run.data.tags[layout.TRIAL_KEY] == results[0].trial.key)
    curve = MlflowClient(places.tracking_uri).get_metric_history(run.info.run_id, layout.CURVE_VALIDATION)
    assert [(m.step, m.value) for m in curve] == [(p.update, p.validation) for p in results[0].curve]
    assert float(run.data.params["peak_lr"]) == results[0].trial.settings["peak_lr"]


def test_a_second_launch_reads_back_what_the_first_recorded(
    study: Study, places: Places, results: list[TrialResult]
) -> None:
    first = recorder(study, places)
    first.put(results[0])
    first.flush(20)
    first.close(done=False)
    second = recorder(study, places)
    second.close(done=False)
    assert second.outcomes() == [results[0].outcome]
    assert recorded_outcomes(connect(places), study.study) == [results[0].outcome]


def test_delivering_twice_records_once(study: Study, places: Places, results: list[TrialResult]) -> None:
    for _ in range(2):
        writer = recorder(study, places)
        writer.put(results[0])
        assert writer.flush(20)
        writer.close(done=False)
    assert len(list(runs(study, places))) == 1


def test_a_run_that_a_killed_process_began_is_completed_not_doubled(
    study: Study, places: Places, results: list[TrialResult]
) -> None:
    writer = recorder(study, places)
    writer.close(done=False)
    client = connect(places)
    half = client.create_run(
        writer.experiment_id,
        tags={layout.ROLE: layout.ROLE_TRIAL, layout.TRIAL_KEY: results[0].trial.key, layout.OUTCOME: "finished"},
    )
    again = recorder(study, places)
    assert again.outcomes() == []
    again.put(results[0])
    assert again.flush(20)
    again.close(done=False)
    [run] = runs(study, places)
    assert run.info.run_id == half.info.run_id
    assert run.info.status == "FINISHED"


def test_a_failed_trial_is_shown_and_its_second_attempt_counts(
    study: Study, places: Places, results: list[TrialResult]
) -> None:
    writer = recorder(study, places)
    job = job_for(study, results[0].trial)
    writer.put(failed_result(job, "Traceback: boom"))
    writer.put(results[0])
    assert writer.flush(20)
    writer.close(done=True)
    assert Counter(run.info.status for run in runs(study, places)) == {"FAILED": 1, "FINISHED": 1}
    assert recorded_outcomes(connect(places), study.study) == [results[0].outcome]


def test_results_wait_on_disk_while_mlflow_is_away_and_are_delivered_later(
    study: Study, places: Places, results: list[TrialResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = recorder(study, places)

    def away(*_: object, **__: object) -> None:
        raise ConnectionError("connection refused")

    with monkeypatch.context() as patch:
        patch.setattr(writer._client, "create_run", away)
        writer.put(results[0])
        assert not writer.flush(0.5)
        assert "connection refused" in writer.trouble
        writer.close(done=False)
    assert writer.waiting == 1
    later = recorder(study, places)
    assert later.outcomes() == [results[0].outcome]  # known from the spool, so it is not run again
    assert later.flush(20)
    later.close(done=False)
    assert len(list(runs(study, places))) == 1


def test_rules_may_change_until_the_first_trial_has_run(study: Study, places: Places) -> None:
    recorder(study, places).close(done=False)
    changed = study.model_copy(update={"alpha": 0.01})
    recorder(changed, places).close(done=False)
    client = connect(places)
    assert recorded_study(client, find_study(client, study.study)).alpha == 0.01


def test_a_study_under_other_rules_is_refused_with_the_difference(
    study: Study, places: Places, results: list[TrialResult]
) -> None:
    writer = recorder(study, places)
    writer.put(results[0])
    assert writer.flush(20)
    writer.close(done=False)
    changed = study.model_copy(update={"alpha": 0.01})
    with pytest.raises(InputError, match=r"other rules: alpha was 0.05, is 0.01"):
        Recorder(changed, places).open({})


def test_resources_may_change_between_launches(study: Study, places: Places, results: list[TrialResult]) -> None:
    first = recorder(study, places)
    first.put(results[0])
    assert first.flush(20)
    first.close(done=False)
    second = recorder(tiny_study(study=study.study, resources={"cpu": 2}), places)
    second.close(done=False)
    assert second.outcomes() == [results[0].outcome]


def test_the_study_is_recorded_as_it_was_validated(study: Study, places: Places) -> None:
    recorder(study, places).close(done=False)
    client = connect(places)
    assert recorded_study(client, find_study(client, study.study)) == study


def test_an_unknown_study_is_answered_with_the_recorded_ones(study: Study, places: Places) -> None:
    recorder(study, places).close(done=False)
    with pytest.raises(InputError, match=rf"Recorded are: .*{study.study}"):
        find_study(connect(places), "nothing")


def test_an_experiment_of_somebody_else_is_left_alone(study: Study, places: Places) -> None:
    connect(places).create_experiment(study.study)
    with pytest.raises(InputError, match="not a study of fairsweep"):
        Recorder(study, places).open({})


def test_passwords_in_the_address_of_a_store_are_not_shown(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    places = Places.from_environment({"FAIRSWEEP_HOME": str(tmp_path)})
    dead = replace(places, tracking_uri="http://user:secret@127.0.0.1:9", artifact_root=None)
    with pytest.raises(TrackerError) as caught:
        Recorder(study, dead).open({})
    assert "secret" not in str(caught.value)


def test_a_server_that_does_not_answer_is_named_in_seconds(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    dead = replace(
        Places.from_environment({"FAIRSWEEP_HOME": str(tmp_path)}),
        tracking_uri="http://127.0.0.1:9",
        artifact_root=None,
    )
    with pytest.raises(TrackerError, match=r"MLflow at http://127.0.0.1:9"):
        Recorder(study, dead).open({})


def test_a_report_is_logged_with_its_folders_and_without_what_else_lies_there(
    study: Study, places: Places, tmp_path: Path
) -> None:
    recorder(study, places).close(done=True)
    names = ["report.html", "figures/a.pdf", "tables/arms.csv"]
    for name in [*names, "data.bin"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name, encoding="utf-8")
    _, run_id = record_report(places, study.study, {name: tmp_path / name for name in names}, "one_cycle is better.")
    client = connect(places)
    listed = [*client.list_artifacts(run_id, "report"), *client.list_artifacts(run_id, "report/tables")]
    assert {item.path for item in listed} == {
        "report/report.html",
        "report/figures",
        "report/tables",
        "report/tables/arms.csv",
    }
    assert client.get_run(run_id).data.tags["mlflow.note.content"] == "one_cycle is better."
