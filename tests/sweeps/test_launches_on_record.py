"""What every launch leaves in the record, and what becomes of results that wait on disk while the store changes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from analysis import layout
from analysis.checks import run_checks
from analysis.results import read_study
from analysis.samples import collect_samples
from analysis.tables.rows import CheckRow
from analysis.trial_table import RunFacts
from sweeps.errors import InputError
from sweeps.launching import prepared
from sweeps.places import Places
from sweeps.recording import Recorder, connect, find_study, trial_runs
from sweeps.recording.lease import claim_of
from sweeps.recording.store import read_artifact
from sweeps.spec import Study
from sweeps.trial import TrialResult
from tests.sweeps.studies import new_name, tiny_study


@contextmanager
def launch(study: Study, places: Places, **environment: str) -> Iterator[Recorder]:
    writer = Recorder(study, places)
    writer.open({"python": "3.11", **environment})
    try:
        yield writer
    finally:
        writer.flush(20)
        writer.close(done=False)


@contextmanager
def launch_that_delivers_nothing(study: Study, places: Places, **environment: str) -> Iterator[Recorder]:
    writer = Recorder(study, places)
    writer.open({"python": "3.11", **environment})

    def refused(*_: object, **__: object) -> None:
        raise ConnectionError("connection refused")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer._client, "create_run", refused)
        yield writer
        assert not writer.flush(0.1)
        writer.close(done=False)


def runs(study: Study, places: Places) -> dict[str, RunFacts]:
    client = connect(places)
    found = trial_runs(client, find_study(client, study.study).experiment_id)
    return {run.tags[layout.TRIAL_KEY]: run for run in found}


def software(study: Study, places: Places) -> CheckRow:
    record = read_study(places.tracking_uri, study.study)
    return {row.name: row for row in run_checks(record, collect_samples(record))}["same_software"]


def test_every_launch_leaves_what_it_ran_with_and_its_trials_name_it(
    study: Study, places: Places, results: list[TrialResult]
) -> None:
    with launch(study, places, version_torch="2.10.0") as first:
        first.put(results[0])
    with launch(study, places, version_torch="2.11.0") as second:
        second.put(results[1])
    found = runs(study, places)
    assert [found[result.trial.key].tags[layout.LAUNCH] for result in results[:2]] == ["1", "2"]
    kept = [read_artifact(connect(places), first.study_run_id, f"launches/00{n}.json") for n in (1, 2)]
    assert [facts["environment"]["version_torch"] for facts in kept] == ["2.10.0", "2.11.0"]
    assert [facts["launch"] for facts in kept] == [1, 2]
    assert kept[1]["time"] >= kept[0]["time"]
    assert kept[1]["who"].startswith("process ")


def test_the_report_names_what_launches_ran_with_that_differs(
    study: Study, places: Places, results: list[TrialResult]
) -> None:
    with launch(study, places, version_torch="2.10.0", version_ray="2.59", command="a") as writer:
        writer.put(results[0])
    assert software(study, places).status == "pass"
    with launch(study, places, version_torch="2.10.0", version_ray="2.60", command="b") as writer:
        writer.put(results[1])
    assert software(study, places).status == "pass"  # nothing that differs can change a result
    with launch(study, places, version_torch="2.11.0") as writer:
        writer.put(results[2])
    row = software(study, places)
    assert (row.status, row.evidence) == (
        "warn",
        "torch: 2.10.0 for 2 runs (launches 1, 2), 2.11.0 for 1 runs (launch 3)",
    )
    assert row.run_ids == (runs(study, places)[results[2].trial.key].run_id,)


def test_a_result_that_waits_is_recorded_under_the_launch_that_obtained_it(
    study: Study, places: Places, results: list[TrialResult]
) -> None:
    with launch_that_delivers_nothing(study, places) as first:
        first.put(results[0])
    with launch(study, places) as second:
        second.put(results[1])
    found = runs(study, places)
    assert [found[result.trial.key].tags[layout.LAUNCH] for result in results[:2]] == ["1", "2"]


def test_trials_of_an_older_version_are_said_to_lack_their_launch(
    study: Study, places: Places, results: list[TrialResult]
) -> None:
    with launch(study, places) as writer:
        writer.put(results[0])
        writer.put(results[1])
    client = connect(places)
    client.delete_tag(runs(study, places)[results[0].trial.key].run_id, layout.LAUNCH)
    row = software(study, places)
    assert (row.status, row.evidence) == ("warn", "1 runs do not say with what they were trained")
    client.delete_tag(runs(study, places)[results[1].trial.key].run_id, layout.LAUNCH)
    assert software(study, places).evidence == "not recorded: with which versions every run was trained"


def replaced(places: Places) -> Places:
    """Return another store for the same folder of waiting results."""
    name = new_name()
    return replace(
        places, tracking_uri=f"sqlite:///{places.home / name}.db", artifact_root=places.home / f"{name}-artifacts"
    )


def test_results_that_wait_are_taken_by_a_store_that_replaces_the_one_they_were_meant_for(
    study: Study, places: Places, results: list[TrialResult]
) -> None:
    with launch_that_delivers_nothing(study, places, version_torch="2.10.0") as first:
        first.put(results[0])
    new = replaced(places)
    with launch(study, new, version_torch="2.11.0") as second:
        assert [outcome.key for outcome in second.outcomes()] == [results[0].trial.key]
        second.put(results[1])
    found = runs(study, new)
    foreign = f"{first.study_run_id[:8]}-1"
    assert [found[result.trial.key].tags[layout.LAUNCH] for result in results[:2]] == [foreign, "1"]
    assert software(study, new).evidence == (
        f"torch: 2.10.0 for 1 runs (launch {foreign}), 2.11.0 for 1 runs (launch 1)"
    )
    with launch(study, new) as third:
        assert len(third.outcomes()) == 2


def test_results_under_rules_that_nobody_knows_are_refused_with_where_they_wait(
    study: Study, places: Places, results: list[TrialResult]
) -> None:
    with launch_that_delivers_nothing(study, places) as first:
        first.put(results[0])
    new = replaced(places)
    changed = study.model_copy(update={"alpha": 0.01})
    folder = re.escape(str(places.spool(study.study)))
    for _ in range(2):
        with pytest.raises(InputError, match=rf"{folder} must hold results .* move the folder away"):
            Recorder(changed, new).open({})
    with launch(study, new) as second:
        assert len(second.outcomes()) == 1


def test_results_that_wait_under_rules_that_were_extended_since_are_taken(
    study: Study, places: Places, results: list[TrialResult]
) -> None:
    with launch_that_delivers_nothing(study, places) as first:
        first.put(results[0])
    extended = tiny_study(study=study.study, tuning={"draws": 5})
    elsewhere = replace(places, home=places.home / study.study)
    with launch(extended, elsewhere) as second:
        assert second.outcomes() == []
        second.put(results[1])
    with launch(extended, places) as third:
        assert len(third.outcomes()) == 2
    assert len(runs(study, places)) == 2


def test_an_extension_that_meets_a_new_store_is_on_record_as_made_after_the_results_that_waited(
    study: Study, places: Places, results: list[TrialResult]
) -> None:
    with launch_that_delivers_nothing(study, places) as first:
        first.put(results[0])
    extended, new = tiny_study(study=study.study, tuning={"draws": 5}), replaced(places)
    with launch(extended, new) as second:
        assert [str(change) for change in second.extension] == ["tuning.draws was 3, is 5"]
    versions = read_study(new.tracking_uri, study.study).rules.versions
    assert [(v.version, v.trials, v.changes) for v in versions] == [(1, 0, ()), (2, 1, ("tuning.draws was 3, is 5",))]


def test_results_of_another_study_of_the_same_name_do_not_slip_into_its_record(
    study: Study, places: Places, results: list[TrialResult]
) -> None:
    with launch_that_delivers_nothing(study, places) as first:
        first.put(results[0])
    new = replaced(places)
    other = study.model_copy(update={"alpha": 0.01})
    with launch(other, replace(new, home=places.home / study.study)) as writer:
        writer.put(results[1])
    with pytest.raises(InputError, match="obtained under this study's rules, or under rules that it extends"):
        Recorder(other, new).open({})


def test_a_launch_whose_draws_are_not_those_on_record_is_refused_with_both_versions(
    study: Study, places: Places, results: list[TrialResult]
) -> None:
    trial = results[0].trial
    other = replace(results[0], trial=replace(trial, settings={**trial.settings, "peak_lr": 0.0123}))
    with launch(study, places, version_scipy="1.0.0") as writer:
        writer.put(other)  # as drawn by another scipy
    said = rf"peak_lr of {trial.key} must be 0.0123, .* \(1 recorded draws differ\).* scipy 1.0.0 \(here 1\."
    with pytest.raises(InputError, match=said), prepared(study, places):
        pass
    assert list(runs(study, places)) == [trial.key]


def test_a_launch_that_begins_as_another_ends_is_shown_as_running(study: Study, places: Places) -> None:
    writer, later = (Recorder(study, places) for _ in range(2))
    writer.open({})
    release = writer._lease.release  # type: ignore[union-attr]

    def release_and_be_succeeded() -> None:
        release()
        later.open({})

    writer._lease.release = release_and_be_succeeded  # type: ignore[union-attr, method-assign]
    writer.close(done=False)
    assert connect(places).get_run(later.study_run_id).info.status == "RUNNING"
    later.close(done=True)
    assert connect(places).get_run(later.study_run_id).info.status == "FINISHED"


def test_a_lease_is_let_go_even_if_the_study_run_cannot_be_marked_as_ended(
    study: Study, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = Recorder(study, places)
    writer.open({})

    def refused(*_: object, **__: object) -> None:
        raise ConnectionError("connection refused")

    monkeypatch.setattr(writer._client, "set_terminated", refused)
    writer.close(done=True)
    claim = claim_of(connect(places).get_run(writer.study_run_id))
    assert claim is not None
    assert claim.expires == 0
