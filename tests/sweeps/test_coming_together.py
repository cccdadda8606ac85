"""Launches that come at the same moment: before the study is on record, or while another changes what is."""

from __future__ import annotations

import sys

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from analysis import layout
from analysis.results import read_study
from sweeps.errors import InputError
from sweeps.places import Places
from sweeps.recording import connect, find_study, recorded_study, study_run
from sweeps.recording.lease import Lease, LeaseHeldError, highest_number
from sweeps.recording.store import study_runs
from sweeps.spec import Study
from sweeps.trial import TrialResult
from tests.sweeps.studies import new_name, opened_recorder, tiny_study

MODULE = sys.modules["sweeps.recording.study_run"]  # a function of its package has the same name


def numbers_of_launches(study: Study, places: Places) -> list[int]:
    client = connect(places)
    return [highest_number(run) for run in study_runs(client, find_study(client, study.study).experiment_id)]


def test_a_launch_that_did_not_see_the_study_run_of_another_gives_way(
    study: Study, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the other's request to make it takes longer than one waits for it."""
    first = opened_recorder(study, places)
    with monkeypatch.context() as patch:
        patch.setattr(MODULE, "_MAKING_SECONDS", 0.0)
        patch.setattr(MODULE, "study_run", lambda *_: None)
        with pytest.raises(LeaseHeldError, match="is being launched already, by process"):
            opened_recorder(study, places)
    assert numbers_of_launches(study, places) == [1]
    first.check_lease()
    first.close(done=False)
    opened_recorder(study, places).close(done=False)
    assert numbers_of_launches(study, places) == [2]


def test_of_two_study_runs_all_use_the_one_that_a_launch_is_recorded_in(
    study: Study, places: Places, results: list[TrialResult]
) -> None:
    """As where the one that was begun first is there last."""
    recorder = opened_recorder(study, places)
    for result in results:
        recorder.put(result)
    recorder.flush(20)
    recorder.close(done=True)
    client = connect(places)
    experiment_id = find_study(client, study.study).experiment_id
    used = study_run(client, experiment_id)
    for start_time in (1, 2**41):
        client.create_run(experiment_id, start_time=start_time, tags={layout.ROLE: layout.ROLE_STUDY})
    again = study_run(client, experiment_id)
    assert used
    assert again
    assert again.info.run_id == used.info.run_id
    assert read_study(places.tracking_uri, study.study).provenance["study_run_id"] == used.info.run_id
    later = opened_recorder(study, places)
    assert later.study_run_id == used.info.run_id
    later.close(done=False)


def test_a_study_run_that_was_not_needed_is_deleted(
    study: Study, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = opened_recorder(study, places)
    first.close(done=False)
    looks: list[Run | None] = []

    def blind_at_first(client: MlflowClient, experiment_id: str) -> Run | None:
        looks.append(study_run(client, experiment_id) if len(looks) > 1 else None)
        return looks[-1]

    monkeypatch.setattr(MODULE, "_MAKING_SECONDS", 0.0)
    monkeypatch.setattr(MODULE, "study_run", blind_at_first)
    second = opened_recorder(study, places)
    assert second.study_run_id == first.study_run_id
    assert numbers_of_launches(study, places) == [2]
    second.close(done=False)


def test_rules_that_another_launch_extended_meanwhile_hold(
    places: Places, results: list[TrialResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = new_name()
    study, extended = tiny_study(study=name), tiny_study(study=name, confirm={"seeds": 5})
    first = opened_recorder(study, places)
    first.put(results[0])
    assert first.flush(20)
    first.close(done=False)
    take = Lease.take

    def after_another(lease: Lease, *args: object) -> object:
        monkeypatch.setattr(Lease, "take", take)
        opened_recorder(extended, places).close(done=False)
        return take(lease, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Lease, "take", after_another)
    with pytest.raises(InputError, match="other rules"):
        opened_recorder(study, places)
    client = connect(places)
    assert recorded_study(client, find_study(client, name)).confirm.seeds == 5
