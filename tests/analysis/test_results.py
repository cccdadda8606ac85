import json
import time

import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from requests import Session
from sqlalchemy import column, table

from analysis import layout
from analysis.report import build_report, report_json
from analysis.results import StudyNotFoundError, StudyReadError, database, read_study
from analysis.results.curves import read_evaluations
from analysis.results.points import Chunk, points_of
from analysis.results.runs import every_run
from sweeps.server import serve
from tests.analysis.synthetic_study import ARMS, changed, store, study_json, synthetic_record
from tests.analysis.test_report import timeless

SHAPE = {
    "arms": {name: ARMS[name] for name in ("piecewise", "piecewise_as_published", "one_cycle")},
    "budgets": (10, 2),
    "draws": 3,
    "seeds": 3,
}


@pytest.fixture(scope="module")
def record():
    record = synthetic_record(**SHAPE)
    return changed(
        record,
        lambda t: (t["arm"] == "one_cycle") & (t["budget"] == 2) & (t["draw"] == 0),
        diverged=True,
        outcome="diverged",
        diverged_at_update=9,
        validation=float("nan"),
    )


@pytest.fixture(scope="module")
def tracking_uri(record, tmp_path_factory):
    folder = tmp_path_factory.mktemp("mlflow")
    uri = f"sqlite:///{folder}/mlflow.db"
    store(record, study_json(**SHAPE), uri, folder / "artifacts")
    return uri


@pytest.fixture(scope="module")
def read(tracking_uri):
    return read_study(tracking_uri, "quickstart", curves=layout.CURVES)


def in_key_order(table):
    return table.drop(columns="run_id").sort_values("trial_key", kind="stable", ignore_index=True)


def test_what_was_written_is_read_back(record, read):
    assert read.rules == record.rules
    pd.testing.assert_frame_equal(in_key_order(read.trials), in_key_order(record.trials), check_like=True)
    pd.testing.assert_frame_equal(in_key_order(read.evaluations), in_key_order(record.evaluations))


def test_what_is_absent_stays_absent(read):
    diverged = read.trials[read.trials["diverged"]].iloc[0]
    assert pd.isna(diverged["validation"])
    assert diverged["diverged_at_update"] == 9
    assert read.trials.loc[read.trials["phase"] == "tune", "test"].isna().all()


def test_rows_are_ordered_by_trial_and_not_by_time(read):
    trials = read.trials
    assert list(trials["arm"].drop_duplicates()) == ["piecewise", "piecewise_as_published", "one_cycle"]
    assert list(trials["budget"].drop_duplicates()) == [2, 10]
    first = trials.head(6)
    assert list(first["phase"]) == ["tune"] * 3 + ["confirm"] * 3
    assert list(first["draw"][:3]) == [0, 1, 2]


def test_curves_of_tuning_trials_are_read_only_when_asked_for(tracking_uri, read):
    assert set(read.evaluations["phase"]) == {"confirm"}
    assert read_study(tracking_uri, "quickstart", curve_phases=()).evaluations.empty


def test_by_default_only_the_curves_that_a_report_needs_are_read(tracking_uri, read):
    evaluations = read_study(tracking_uri, "quickstart").evaluations
    unread = ["validation", "train_loss", "lr", "momentum"]
    assert evaluations[unread].isna().all(axis=None)
    pd.testing.assert_frame_equal(evaluations.drop(columns=unread), read.evaluations.drop(columns=unread))


def same_as(read, again):
    pd.testing.assert_frame_equal(again.trials, read.trials)
    pd.testing.assert_frame_equal(again.evaluations, read.evaluations)
    assert again.provenance.keys() == read.provenance.keys()


def test_mlflows_client_gives_the_same_tables_as_its_database(tracking_uri, read, monkeypatch):
    monkeypatch.setattr("analysis.results.reading.engine_of", lambda _: None)
    monkeypatch.setattr("analysis.results.runs.RUNS_PER_PAGE", 7)
    same_as(read, read_study(tracking_uri, "quickstart", curves=layout.CURVES))


@pytest.fixture
def busy(tmp_path):
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    return client, client.create_experiment("busy", artifact_location=tmp_path.as_uri())


def test_a_run_that_is_recorded_while_the_database_is_read_is_not_found_finished_without_its_results(busy, monkeypatch):
    client, experiment_id = busy
    run_id = client.create_run(experiment_id, tags={layout.ROLE: layout.ROLE_TRIAL}).info.run_id
    rows, read = database._rows, []

    def rows_and_then_a_delivery(engine, query):
        found = list(rows(engine, query))
        if not read:
            client.log_batch(run_id, [Metric(layout.FINAL_TEST, 0.9, 0, 0)], [Param("arm", "a")])
            client.set_terminated(run_id)
        read.append(query)
        return found

    monkeypatch.setattr(database, "_rows", rows_and_then_a_delivery)
    [run] = database.database_runs(database.engine_of(client), experiment_id)
    assert run.status == "RUNNING"
    monkeypatch.undo()
    [run] = database.database_runs(database.engine_of(client), experiment_id)
    assert (run.status, run.params, run.metrics) == ("FINISHED", {"arm": "a"}, {layout.FINAL_TEST: 0.9})


@pytest.mark.parametrize("start_time", [1, 2**41])
def test_a_run_that_is_recorded_between_two_pages_makes_no_other_come_twice(busy, monkeypatch, start_time):
    client, experiment_id = busy
    there = [client.create_run(experiment_id, start_time=10 * i).info.run_id for i in range(1, 6)]
    search, pages = client.search_runs, []

    def search_and_then_a_delivery(*args, **settings):
        pages.append(search(*args, **settings))
        if len(pages) == 1:
            client.create_run(experiment_id, start_time=start_time)
        return pages[-1]

    monkeypatch.setattr("analysis.results.runs.RUNS_PER_PAGE", 2)
    monkeypatch.setattr(client, "search_runs", search_and_then_a_delivery)
    found = [run.run_id for run in every_run(client, experiment_id)]
    assert len(found) == len(set(found))
    assert set(there) <= set(found)


def test_answers_that_are_cut_short_are_asked_for_again_in_parts(tracking_uri, read, monkeypatch):
    monkeypatch.setattr("analysis.results.reading.engine_of", lambda _: None)
    for points in (40, 10):  # two runs in one answer, and not even one
        monkeypatch.setattr("analysis.results.curves.POINTS_PER_READ", points)
        same_as(read, read_study(tracking_uri, "quickstart", curves=layout.CURVES))


def test_one_request_per_run_gives_the_same_curves(tracking_uri, read, monkeypatch):
    monkeypatch.setattr("analysis.results.reading.engine_of", lambda _: None)
    monkeypatch.setattr("analysis.results.curves._bulk_read", lambda _: None)
    same_as(read, read_study(tracking_uri, "quickstart", curves=layout.CURVES))


def test_a_database_of_another_shape_is_read_through_mlflows_client(tracking_uri, read, monkeypatch):
    for name in ("_LATEST", "_METRICS"):
        columns = map(column, ("run_uuid", "key", "value", "is_nan", "step", "timestamp"))
        monkeypatch.setattr(f"analysis.results.database.{name}", table("renamed", *columns))
    same_as(read, read_study(tracking_uri, "quickstart", curves=layout.CURVES))


def test_many_runs_are_asked_for_by_their_phase(tracking_uri, read, monkeypatch):
    monkeypatch.setattr("analysis.results.database.RUNS_BY_NAME", 0)
    monkeypatch.setattr("analysis.results.database.ROWS_AT_A_TIME", 7)
    same_as(read, read_study(tracking_uri, "quickstart", curves=layout.CURVES))


def test_a_server_is_asked_a_few_times_however_many_trials_there_are(tracking_uri, read, tmp_path, monkeypatch):
    asked = []
    request = Session.request

    def counted(session, method, url, **kwargs):
        asked.append(url)
        return request(session, method, url, **kwargs)

    monkeypatch.setattr(Session, "request", counted)
    with serve(tracking_uri, log_path=tmp_path / "server.log") as server:
        same_as(read, read_study(server.url, "quickstart", curves=layout.CURVES))
    assert len(read.trials) > len(asked)
    assert sum("get-history-bulk" in url for url in asked) == len(layout.CURVES)


def test_epochs_are_read_for_every_run_whose_updates_its_cell_does_not_share(record):
    def histories(key, run_ids):
        kept = record.evaluations[record.evaluations["run_id"].isin(run_ids)]
        column = {layout.CURVE_TEST: "test", layout.CURVE_EPOCH: "epoch"}[key]
        # One run was evaluated where no other was.
        steps = kept["update"] + (kept["run_id"] == record.evaluations["run_id"].iloc[-1])
        yield Chunk(run_ids=list(kept["run_id"]), steps=list(steps), times=[0] * len(kept), values=list(kept[column]))

    trials = record.trials[record.trials["phase"] == "confirm"]
    found = read_evaluations(trials, [layout.CURVE_TEST, layout.CURVE_EPOCH], histories)
    assert list(found["epoch"]) == list(record.evaluations["epoch"])
    assert list(found["test"]) == list(record.evaluations["test"])


def test_of_a_point_that_was_logged_twice_the_later_counts():
    chunks = [
        Chunk(run_ids=["a", "b", "a"], steps=[2, 1, 1], times=[9, 9, 9], values=[0.2, 0.5, 0.1]),
        Chunk(run_ids=["a", "c", "a"], steps=[2, 1, 1], times=[10, 9, 8], values=[0.3, 0.9, 0.7]),
    ]
    points = points_of(chunks, ["b", "a"])
    assert (points.runs.tolist(), points.steps.tolist()) == ([0, 1, 1], [1, 1, 2])
    assert points.measured.tolist() == [0.5, 0.1, 0.3]


def test_no_points_make_an_empty_table(record):
    trials = record.trials[record.trials["phase"] == "confirm"]
    found = read_evaluations(trials, [layout.CURVE_TEST, layout.CURVE_EPOCH], lambda *_: iter(()))
    assert found.empty
    pd.testing.assert_series_equal(found.dtypes, record.evaluations.dtypes)


def test_the_report_of_a_study_is_the_same_from_the_store_as_from_memory(record, read):
    first, second = (timeless(json.loads(report_json(build_report(r)))) for r in (record, read))
    assert first == second


def test_runs_that_did_not_finish_are_left_out_and_counted(tracking_uri, read):
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri)
    experiment = client.get_experiment_by_name("quickstart")
    run = client.create_run(experiment.experiment_id, tags={layout.ROLE: layout.ROLE_TRIAL})
    try:
        again = read_study(tracking_uri, "quickstart")
    finally:
        client.delete_run(run.info.run_id)
    assert len(again.trials) == len(read.trials)
    assert again.provenance["unfinished_runs_left_out"] == "1"
    assert again.provenance["environment.python"] == "3.11"


def test_an_unknown_study_is_answered_with_those_there_are(tracking_uri):
    with pytest.raises(StudyNotFoundError, match=r"one of quickstart; got 'quikstart' .* Did you mean 'quickstart'\?"):
        read_study(tracking_uri, "quikstart")


def test_an_experiment_that_is_not_a_study_is_named_as_such(tracking_uri):
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri)
    experiment = client.create_experiment("other")
    with pytest.raises(StudyReadError, match=r"other must have a run tagged fairsweep.role=study"):
        read_study(tracking_uri, "other")
    client.create_run(experiment, tags={layout.ROLE: layout.ROLE_STUDY})
    with pytest.raises(StudyReadError, match=r"other must hold its rules as study\.json"):
        read_study(tracking_uri, "other")
    client.delete_experiment(experiment)
    with pytest.raises(StudyNotFoundError):
        read_study(tracking_uri, "other")


def test_a_mistyped_database_is_not_created(tmp_path):
    with pytest.raises(StudyReadError, match="there is no file"):
        read_study(f"sqlite:///{tmp_path}/nothing.db", "quickstart")
    assert not list(tmp_path.iterdir())


def test_a_server_that_is_not_there_fails_within_seconds_on_one_line_without_credentials():
    start = time.monotonic()
    with pytest.raises(StudyReadError) as caught:
        read_study("http://me:secret@127.0.0.1:9", "quickstart")
    assert time.monotonic() - start < 20
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)
