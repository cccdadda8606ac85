from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from analysis import layout
from analysis.trial_table import RunFacts
from models.training import Progress
from sweeps.board import board_of
from sweeps.errors import InputError
from sweeps.places import Places
from sweeps.protocol import Outcome, Protocol, Trial
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
from sweeps.recording.record import record_of
from sweeps.recording.store import read_artifact
from sweeps.spec import Study
from sweeps.trial import TrialResult, failed_result, job_for
from tests.sweeps.studies import new_name, opened_recorder, tiny_data, tiny_study


def runs(study: Study, places: Places) -> list[RunFacts]:
    client = connect(places)
    return trial_runs(client, find_study(client, study.study).experiment_id)


def known(outcomes: list[Outcome]) -> list[tuple[object, ...]]:
    return [(o.key, o.kind, o.validation, o.test) for o in outcomes]


def test_every_result_is_recorded_once_with_its_curve(study: Study, places: Places, results: list[TrialResult]) -> None:
    writer = opened_recorder(study, places)
    for result in results:
        writer.put(result)
    assert writer.flush(20)
    writer.close(done=True)
    recorded = runs(study, places)
    assert Counter(run.tags[layout.TRIAL_KEY] for run in recorded) == Counter(r.trial.key for r in results)
    assert {run.status for run in recorded} == {"FINISHED"}
    run = next(run for run in recorded if run.tags[layout.TRIAL_KEY] == results[0].trial.key)
    curve = MlflowClient(places.tracking_uri).get_metric_history(run.run_id, layout.CURVE_VALIDATION)
    assert [(m.step, m.value) for m in curve] == [(p.update, p.validation) for p in results[0].curve]
    assert float(run.params["peak_lr"]) == results[0].trial.settings["peak_lr"]


def test_a_second_launch_reads_back_what_the_first_recorded(
    study: Study, places: Places, results: list[TrialResult]
) -> None:
    first = opened_recorder(study, places)
    first.put(results[0])
    first.flush(20)
    first.close(done=False)
    second = opened_recorder(study, places)
    second.close(done=False)
    assert known(second.outcomes()) == known([results[0].outcome])
    assert known(recorded_outcomes(connect(places), study.study)) == known([results[0].outcome])


def test_delivering_twice_records_once(study: Study, places: Places, results: list[TrialResult]) -> None:
    for _ in range(2):
        writer = opened_recorder(study, places)
        writer.put(results[0])
        assert writer.flush(20)
        writer.close(done=False)
    assert len(runs(study, places)) == 1


def test_a_run_that_a_killed_process_began_is_completed_not_doubled(
    study: Study, places: Places, results: list[TrialResult]
) -> None:
    writer = opened_recorder(study, places)
    writer.close(done=False)
    client = connect(places)
    half = client.create_run(
        writer.experiment_id,
        start_time=record_of(results[0])["start_ms"],
        tags={layout.ROLE: layout.ROLE_TRIAL, layout.TRIAL_KEY: results[0].trial.key, layout.OUTCOME: "finished"},
    )
    again = opened_recorder(study, places)
    assert again.outcomes() == []
    again.put(results[0])
    assert again.flush(20)
    again.close(done=False)
    [run] = runs(study, places)
    assert run.run_id == half.info.run_id
    assert run.status == "FINISHED"
    assert run.tags[layout.ATTEMPTS] == "1"


def test_a_failed_trial_is_shown_and_its_second_attempt_counts(
    study: Study, places: Places, results: list[TrialResult]
) -> None:
    writer = opened_recorder(study, places)
    job = job_for(study, results[0].trial)
    writer.put(failed_result(job, "Traceback: boom"))
    assert writer.flush(20)
    [failed] = recorded_outcomes(connect(places), study.study, failures=True)
    assert (failed.key, failed.kind) == (results[0].trial.key, "failed")
    assert (board_of(study, [failed]).total.failed, board_of(study, [failed]).total.ended) == (1, 0)
    assert recorded_outcomes(connect(places), study.study) == []
    writer.put(results[0])
    assert writer.flush(20)
    writer.close(done=True)
    assert known(recorded_outcomes(connect(places), study.study, failures=True)) == known([results[0].outcome])
    assert Counter(run.status for run in runs(study, places)) == {"FAILED": 1, "FINISHED": 1}
    assert known(recorded_outcomes(connect(places), study.study)) == known([results[0].outcome])


def test_an_error_that_no_store_can_hold_as_it_is_is_recorded_all_the_same(
    study: Study, places: Places, results: list[TrialResult]
) -> None:
    """Names of files that are no UTF-8 reach Python as halves of characters."""
    writer = opened_recorder(study, places)
    writer.put(failed_result(job_for(study, results[0].trial), "ValueError: bad folder caf\udce9\0"))
    assert writer.flush(20)
    writer.close(done=True)
    [run] = runs(study, places)
    note = connect(places).get_run(run.run_id).data.tags["mlflow.note.content"]
    assert "bad folder caf?\ufffd" in note


def test_a_run_whose_creation_the_killed_launch_before_had_asked_for_is_found_or_deleted(
    study: Study, places: Places, results: list[TrialResult]
) -> None:
    first = opened_recorder(study, places)
    first._delivery.stop(5)  # type: ignore[union-attr]
    first.put(results[0])
    first.close(done=False)
    later = Recorder(study, places)
    create, late = later._client.create_run, []

    def twice(*args: Any, **settings: Any) -> Any:
        if "run_name" in settings:
            late.append(create(*args, **settings))  # what the first had asked for, done only now
        return create(*args, **settings)

    later._client.create_run = twice
    later.open({})
    assert later.flush(20)
    later.close(done=True)
    assert len(late) == 1
    assert Counter(run.status for run in runs(study, places)) == {"FINISHED": 1}


def test_results_wait_on_disk_while_mlflow_is_away_and_are_delivered_later(
    study: Study, places: Places, results: list[TrialResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = opened_recorder(study, places)

    def away(*_: object, **__: object) -> None:
        raise ConnectionError("connection refused")

    with monkeypatch.context() as patch:
        patch.setattr(writer._client, "create_run", away)
        writer.put(results[0])
        assert not writer.flush(0.5)
        assert "connection refused" in writer.trouble
        writer.close(done=False)
    assert writer.waiting == 1
    later = opened_recorder(study, places)
    assert known(later.outcomes()) == known([results[0].outcome])  # known from the spool, so it is not run again
    assert later.flush(20)
    assert known(later.outcomes()) == known([results[0].outcome])  # nor when it was delivered in the meantime
    later.close(done=False)
    assert len(runs(study, places)) == 1


def test_rules_may_change_until_the_first_trial_has_run(study: Study, places: Places) -> None:
    opened_recorder(study, places).close(done=False)
    changed = study.model_copy(update={"alpha": 0.01})
    opened_recorder(changed, places).close(done=False)
    client = connect(places)
    assert recorded_study(client, find_study(client, study.study)).alpha == 0.01


def test_a_study_under_other_rules_is_refused_with_the_difference(
    study: Study, places: Places, results: list[TrialResult]
) -> None:
    writer = opened_recorder(study, places)
    writer.put(results[0])
    assert writer.flush(20)
    writer.close(done=False)
    changed = study.model_copy(update={"alpha": 0.01})
    with pytest.raises(InputError, match=r"other rules:\n  alpha was 0.05, is 0.01\n"):
        Recorder(changed, places).open({})


def test_resources_may_change_between_launches(study: Study, places: Places, results: list[TrialResult]) -> None:
    first = opened_recorder(study, places)
    first.put(results[0])
    assert first.flush(20)
    first.close(done=False)
    second = opened_recorder(tiny_study(study=study.study, resources={"cpu": 2}), places)
    second.close(done=False)
    assert known(second.outcomes()) == known([results[0].outcome])


def test_the_study_is_recorded_as_it_was_validated(study: Study, places: Places) -> None:
    opened_recorder(study, places).close(done=False)
    client = connect(places)
    assert recorded_study(client, find_study(client, study.study)) == study


def test_an_unknown_study_is_answered_with_the_recorded_ones(study: Study, places: Places) -> None:
    opened_recorder(study, places).close(done=False)
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
    opened_recorder(study, places).close(done=True)
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


def launched(study: Study, places: Places, *, at_most: int = 10_000) -> list[str]:
    """Launch a study with made-up results, and return the keys of what ran."""
    writer = opened_recorder(study, places)
    protocol, ran = Protocol(study), []
    for outcome in writer.outcomes():
        protocol.record(outcome)
    protocol.replay()
    while (trial := protocol.next_trial()) is not None and len(ran) < at_most:
        result = made_up(study, trial)
        writer.put(result)
        protocol.record(result.outcome)
        ran.append(trial.key)
    assert writer.flush(60)
    writer.close(done=True)
    return ran


def made_up(study: Study, trial: Trial) -> TrialResult:
    """Return a result that depends on the trial's settings and seed only."""
    value = random.Random(f"{sorted(trial.settings.items())} {trial.seed} {trial.arm}").random()
    progress = Progress(
        update=trial.budget.amount,
        epoch=1.0,
        total_updates=trial.budget.amount,
        train_loss=1 - value,
        validation=value,
        test=value if trial.phase == "confirm" else None,
        lr=0.1,
        momentum=0.9,
        train_seconds=0.1,
        diverged=False,
    )
    arm = study.arms[trial.arm]
    return TrialResult(
        trial=trial,
        schedule=arm.schedule,
        momentum_policy=arm.momentum_policy,
        kind="finished",
        curve=(progress,),
        total_updates=trial.budget.amount,
        started_at=1.0,
        ended_at=2.0,
        attempts=2,
        hardware="a device",
        data="0123456789abcdef",
    )


LINEAR = {**tiny_data()["arms"], "linear": {"schedule": "linear"}}
AGAIN = [*tiny_data()["workloads"], {**tiny_data()["workloads"][0], "name": "digits-again"}]


@pytest.mark.parametrize(
    "edit",
    [
        {"tuning": {"draws": 5}},
        {"tuning": {"draws": 5, "sampler": "random"}},
        {"tuning": {"draws": 12, "sampler": "tpe"}},
        {"tuning": {"draws": 3, "searches": 2}},
        {"confirm": {"seeds": 4}},
        {"budgets": {"updates": [2, 4, 8]}},
        {"workloads": AGAIN},
        {"arms": LINEAR},
    ],
    ids=lambda edit: str(next(iter(edit.items())))[:40],
)
def test_an_extended_study_runs_what_is_new_and_ends_up_like_one_that_was_launched_so(
    places: Places, edit: dict[str, Any]
) -> None:
    sampler = edit.get("tuning", {}).get("sampler", "sobol")
    first = tiny_study(study=new_name(), tuning={"draws": 3, "sampler": sampler})
    extended, at_once = (tiny_study(study=name, **edit) for name in (first.study, new_name()))
    before = launched(first, places)
    added = launched(extended, places)
    whole = launched(at_once, places)
    assert added
    assert not set(added) & set(before)
    assert set(whole) <= set(before) | set(added)
    superseded = (set(before) | set(added)) - set(whole)
    assert superseded <= {key for key in before if "/confirm/" in key}  # of winners that an added draw has beaten
    settings = {run.tags[layout.TRIAL_KEY]: run.params for run in runs(extended, places)}
    for run in runs(at_once, places):
        assert settings[run.tags[layout.TRIAL_KEY]] == run.params


def test_an_extension_is_recorded_with_what_had_ended_by_then(study: Study, places: Places) -> None:
    before = launched(study, places)
    extended = tiny_study(study=study.study, tuning={"draws": 5})
    writer = opened_recorder(extended, places)
    assert [str(change) for change in writer.extension] == ["tuning.draws was 3, is 5"]
    writer.close(done=False)
    client = connect(places)
    [_, entry] = json.loads(client.get_run(writer.study_run_id).data.tags[layout.RULES_HISTORY])
    assert (entry["version"], entry["trials"]) == (2, len(before))
    assert entry["confirm_trials"] == sum("/confirm/" in key for key in before)
    kept = read_artifact(client, writer.study_run_id, layout.rules_file(2))
    assert kept["changes"] == [{"field": "tuning.draws", "was": "3", "is": "5"}]
    assert Study.from_recorded(kept["study"]) == extended
    assert Study.from_recorded(read_artifact(client, writer.study_run_id, layout.rules_file(1))["study"]) == study
    again = opened_recorder(extended, places)
    again.close(done=False)
    assert again.extension == ()


def test_an_extension_that_was_cut_short_is_done_again(study: Study, places: Places) -> None:
    launched(study, places, at_most=2)
    extended = tiny_study(study=study.study, tuning={"draws": 5})
    cut = opened_recorder(extended, places)
    cut.close(done=False)
    client = connect(places)
    client.set_tag(cut.study_run_id, layout.RULES_VERSION, "1")  # killed before that was written, and the hash
    client.set_experiment_tag(cut.experiment_id, layout.EXPERIMENT_PROTOCOL_HASH, study.protocol_hash())
    again = opened_recorder(extended, places)
    again.close(done=False)
    assert [str(change) for change in again.extension] == ["tuning.draws was 3, is 5"]
    history = json.loads(client.get_run(cut.study_run_id).data.tags[layout.RULES_HISTORY])
    assert [entry["version"] for entry in history] == [1, 2]


def test_attempts_hardware_and_data_of_a_trial_are_recorded(study: Study, places: Places) -> None:
    launched(study, places, at_most=1)
    [run] = runs(study, places)
    assert (run.tags[layout.ATTEMPTS], run.tags[layout.HARDWARE]) == ("2", "a device")
    assert run.tags[layout.DATA] == "0123456789abcdef"
    writer = opened_recorder(study, places)
    writer.close(done=False)
    assert writer.hardware() == {run.tags[layout.CELL]: {"a device"}}


def test_a_study_of_another_version_is_not_gone_on_with(study: Study, places: Places) -> None:
    opened_recorder(study, places).close(done=False)
    client = connect(places)
    client.set_experiment_tag(find_study(client, study.study).experiment_id, layout.EXPERIMENT_LAYOUT, "1")
    with pytest.raises(InputError, match=r"another version of fairsweep \(layout 1, this one writes"):
        Recorder(study, places).open({})
