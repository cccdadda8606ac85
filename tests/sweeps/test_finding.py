"""Which study a name means: a file, one that is shipped, one on record, or one of a job."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from sweeps.cli.finding import named_study
from sweeps.errors import InputError
from sweeps.jobs.bundle import study_text
from sweeps.jobs.client import _kept
from sweeps.loading import shipped_studies
from sweeps.places import Places
from sweeps.recording import Recorder
from sweeps.spec import Study
from tests.answering import Answer, answering
from tests.sweeps.studies import tiny_data, tiny_study
from tests.sweeps.test_cli import Cli

WORKLOAD = {**tiny_data()["workloads"][0], "data_root": "/shared/data"}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that the tests of this module share: making one takes seconds."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def home(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FAIRSWEEP_HOME", str(store))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    return store


def launched(study: Study, home: Path) -> Study:
    """Open and close the record of a study as a launch does."""
    recorder = Recorder(study, Places.from_environment({"FAIRSWEEP_HOME": str(home)}))
    recorder.open({"python": "3"})
    recorder.close(done=False)
    return study


def test_a_recorded_study_is_found_by_its_name_with_what_is_no_rule(home: Path) -> None:
    study = tiny_study(
        study="by-name", question="Why?", workloads=[WORKLOAD], resources={"cpu": 2}, faults={"retries": 7}
    )
    launched(study, home)
    found = named_study("by-name", ())
    assert found == study
    assert found.protocol_hash() == study.protocol_hash()


def test_resources_and_data_folders_are_those_of_the_newest_launch(home: Path) -> None:
    launched(tiny_study(study="moved", resources={"cpu": 2}), home)
    newest = launched(tiny_study(study="moved", workloads=[WORKLOAD], resources={"cpu": 0.5}), home)
    assert named_study("moved", ()) == newest


def test_values_of_a_recorded_study_can_be_replaced(home: Path) -> None:
    launched(tiny_study(study="more"), home)
    found = named_study("more", ("tuning.draws=5", "budgets.updates=[4, 8, 16]", "confirm.seeds=7"))
    assert found == tiny_study(study="more", tuning={"draws": 5}, budgets={"updates": [4, 8, 16]}, confirm={"seeds": 7})
    with pytest.raises(InputError, match=r"study more as recorded in sqlite:.*tuning.draws"):
        named_study("more", ("tuning.draws=none",))


def test_a_file_and_a_shipped_study_come_before_a_recorded_one(home: Path, tmp_path: Path) -> None:
    launched(tiny_study(study="quickstart"), home)
    assert named_study("quickstart", ()) != tiny_study(study="quickstart")
    (tmp_path / "quickstart").write_text(yaml.safe_dump(tiny_data()), encoding="utf-8")
    assert named_study("quickstart", ()) == tiny_study()


def test_a_name_that_means_nothing_says_where_it_was_looked_for(home: Path) -> None:
    launched(tiny_study(study="some"), home)
    with pytest.raises(InputError, match=r"^no study file 'sone', .* Nor is one found in sqlite:.*: give its study"):
        named_study("sone", ())
    with pytest.raises(InputError, match=r"writes a study to start from\.$"):
        named_study("folder/sone.yaml", ())
    Path("some").mkdir()
    assert named_study("some", ()) == tiny_study(study="some")
    Path("sone").mkdir()
    with pytest.raises(InputError, match=r"^a study must be a YAML file; sone is a folder\. Nor is one found"):
        named_study("sone", ())


def test_plan_and_launch_take_the_name_of_a_recorded_study(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    launched(tiny_study(study="planned"), home)
    cli = Cli(monkeypatch, capsys)
    assert cli("plan", "planned") == 0
    assert "24 trials" in cli.out
    assert "Going on with study planned as recorded in sqlite:" in " ".join(cli.err.split())
    assert cli("launch", "plannned", "--address", "auto") == 2
    assert "no study file 'plannned'" in " ".join(cli.err.split())


# Jobs


def job(submission_id: str, study: Study | None, *, started: int, exit_code: int = 1) -> dict[str, Any]:
    """A job as Ray's Jobs API tells of it."""
    return {
        "type": "SUBMISSION",
        "submission_id": submission_id,
        "status": "FAILED",
        "entrypoint": "python",
        "start_time": started,
        "end_time": started + 1,
        "driver_exit_code": exit_code,
        "metadata": {"study": "tiny"} | (_kept(study_text(study)) if study else {}),
    }


@contextmanager
def cluster(*jobs: dict[str, Any]) -> Iterator[str]:
    def dashboard(path: str, token: str | None) -> Answer:
        content = json.dumps(list(jobs) if "jobs" in path else {"version": "4", "ray_version": "2.60.0"})
        return Answer(200 if token else 401, content.encode(), {"Content-Type": "application/json"})

    with answering(dashboard) as url:
        yield url


def test_where_the_record_cannot_be_read_the_cluster_knows_what_was_submitted_last(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "token")
    launched(tiny_study(seed=5), home)  # on this machine, which is not where jobs record
    newest = tiny_study(seed=3, resources={"cpu": 2})
    with cluster(
        job("fairsweep-tiny-01234567-1", tiny_study(), started=1000),
        job("fairsweep-tiny-01234567-2", newest, started=3000),
        job("fairsweep-tiny-89abcdef-1", tiny_study(seed=4), started=4000, exit_code=2),  # refused
        job("fairsweep-other-89abcdef-1", None, started=5000),
    ) as address:
        assert named_study("tiny", (), address) == newest
        with pytest.raises(InputError, match=rf"Nor is one found in the jobs at {address}: give its study file"):
            named_study("other", (), address)


def test_a_job_keeps_its_study_unless_that_is_too_long_for_its_environment() -> None:
    for path in shipped_studies().values():
        assert _kept(path.read_text(encoding="utf-8"))
    assert _kept("x" * 100_000) == {}
