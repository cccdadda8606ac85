import json
import time

import pandas as pd
import pytest

from analysis import layout
from analysis.report import build_report, report_json
from analysis.results import StudyNotFoundError, StudyReadError, read_study
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
    return read_study(tracking_uri, "quickstart")


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


def test_one_request_per_run_gives_the_same_curves(tracking_uri, read, monkeypatch):
    monkeypatch.setattr("analysis.results._bulk_history", lambda *_: None)
    pd.testing.assert_frame_equal(read_study(tracking_uri, "quickstart").evaluations, read.evaluations)


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
