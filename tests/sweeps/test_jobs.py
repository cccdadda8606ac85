"""What is decided on the submitting machine, and what travels: no cluster is needed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps.cluster.addresses import ClusterError
from sweeps.errors import InputError
from sweeps.jobs import client
from sweeps.jobs.arrival import arrive
from sweeps.jobs.checks import check_data_roots, jobs_url, tracking_uri_for
from sweeps.jobs.client import Jobs
from sweeps.jobs.names import Job, JobName, find_job, next_name, parsed_name
from sweeps.jobs.submission import VARIABLE, Submission, check_versions, merged_environment, received
from sweeps.provenance import machine
from tests.sweeps.studies import tiny_study

HASH = "0123456789abcdef" * 4
HOME, PROJECT = Path("/home/me"), Path("/srv/project")


def job(attempt: int, state: str, *, study: str = "tiny", rules: str = HASH[:8], started_at: float = 1.0) -> Job:
    return Job(name=JobName(study=study, rules=rules, attempt=attempt), state=state, started_at=started_at)


# Names


@given(
    st.from_regex(r"[a-z0-9][a-z0-9._-]{0,60}", fullmatch=True),
    st.from_regex(r"[0-9a-f]{8}", fullmatch=True),
    st.integers(1, 10**6),
)
def test_a_submission_id_says_study_rules_and_attempt(study: str, rules: str, attempt: int) -> None:
    name = JobName(study=study, rules=rules, attempt=attempt)
    assert parsed_name(name.submission_id) == name


@pytest.mark.parametrize("other", ["raysubmit_4LamXRuQpYdSMg7J", "", "fairsweep-tiny-0123456-1", "fairsweep-tiny-1"])
def test_jobs_of_others_are_not_ours(other: str) -> None:
    assert parsed_name(other) is None


def test_the_first_submission_is_attempt_1() -> None:
    assert next_name("tiny", HASH, []).submission_id == "fairsweep-tiny-01234567-1"


@pytest.mark.parametrize("state", ["STOPPED", "FAILED", "SUCCEEDED"])
def test_after_a_job_has_ended_the_next_attempt_is_submitted(state: str) -> None:
    assert next_name("tiny", HASH, [job(1, "FAILED"), job(2, state)]).attempt == 3


@pytest.mark.parametrize("state", ["PENDING", "RUNNING"])
@pytest.mark.parametrize("rules", [HASH[:8], "ffffffff"])
def test_a_second_submission_while_one_runs_is_refused_also_under_other_rules(state: str, rules: str) -> None:
    running = job(2, state, rules=rules)
    with pytest.raises(InputError, match=f"{running.submission_id} is {state.lower()}") as refused:
        next_name("tiny", HASH, [job(1, "FAILED", rules=rules), running])
    assert "with the same --address" in str(refused.value)


def test_other_studies_and_other_rules_do_not_count_as_attempts() -> None:
    others = [job(4, "RUNNING", study="tiny-2"), job(7, "FAILED", rules="ffffffff")]
    assert next_name("tiny", HASH, others).attempt == 1


def test_a_study_is_found_by_its_job_that_runs_or_else_by_the_last() -> None:
    old, new = job(1, "STOPPED", started_at=10), job(2, "FAILED", started_at=20)
    assert find_job("tiny", [old, new]) is new
    running = job(1, "RUNNING", rules="ffffffff", started_at=5)
    assert find_job("tiny", [old, new, running]) is running
    assert find_job(old.submission_id, [old, new, running]) is old


def test_an_unknown_study_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"Did you mean tiny\? Jobs of other, tiny are known there"):
        find_job("tinny", [job(1, "STOPPED"), job(1, "STOPPED", study="other")])


# What is refused before anything is sent


@pytest.mark.parametrize("address", ["http://head:8265", "https://proxy.example/ray", "http://[::1]:8265"])
def test_an_address_of_a_dashboard_is_taken_without_its_last_slash(address: str) -> None:
    assert jobs_url(f"{address}/") == jobs_url(address) == address


@pytest.mark.parametrize("address", ["http://", "http://head:port", "http://head:99999", "http://head?x=1", "auto"])
def test_an_address_without_a_host_or_with_more_is_refused(address: str) -> None:
    with pytest.raises(InputError, match="--address must be http://HOST:PORT"):
        jobs_url(address)


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(InputError, match="without user and password") as refusal:
        jobs_url("http://me:hunter2@head:8265")
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize("here", [None, "sqlite:////tmp/mlflow.db", "http://127.0.0.1:5000", "http://localhost:5000"])
def test_a_store_of_this_machine_is_not_passed_on(here: str | None) -> None:
    assert tracking_uri_for(None, here) is None


def test_a_server_is_passed_on_and_one_that_is_given_comes_first() -> None:
    assert tracking_uri_for(None, "http://mlflow:5000") == "http://mlflow:5000"
    assert tracking_uri_for("http://127.0.0.1:5000", "http://mlflow:5000") == "http://127.0.0.1:5000"


def test_a_database_on_the_head_is_preferred_to_the_server_of_this_machine_and_not_to_one_that_is_given() -> None:
    assert tracking_uri_for(None, "http://mlflow:5000", on_head=True) is None
    with pytest.raises(InputError, match="--tracking-uri and --store-on-head must not be given together") as refused:
        tracking_uri_for("http://me:hunter2@mlflow:5000", None, on_head=True)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "uri", ["http://me:hunter2@mlflow:5000", "https://hunter2@mlflow", "http://mlflow?key=hunter2"]
)
@pytest.mark.parametrize("by_hand", [True, False])
def test_credentials_in_a_tracking_uri_are_refused_and_not_repeated(uri: str, by_hand: bool) -> None:
    with pytest.raises(InputError, match=r"must carry no credentials.*MLFLOW_TRACKING_PASSWORD") as refusal:
        tracking_uri_for(uri if by_hand else None, None if by_hand else uri)
    assert "hunter2" not in str(refusal.value)


def test_a_database_file_for_a_job_is_refused() -> None:
    with pytest.raises(InputError, match="--store-on-head"):
        tracking_uri_for("sqlite:///mlflow.db", None)


@pytest.mark.parametrize("uri", ["./mlruns", "mlflow:5000", "http://"])
def test_what_is_no_store_is_refused_here_by_the_name_of_what_holds_it(uri: str) -> None:
    with pytest.raises(InputError, match=r"^--tracking-uri must be the address of a server"):
        tracking_uri_for(uri, None)
    with pytest.raises(InputError, match=r"^MLFLOW_TRACKING_URI must be the address of a server"):
        tracking_uri_for(None, uri)


def study_with_data(root: str) -> Any:
    workload = {"name": "mnist-mlp", "dataset": "mnist", "network": "mlp", "data_root": root}
    return tiny_study(workloads=[workload])


@pytest.mark.parametrize("root", ["/home/me/data", "/srv/project/data", "~/data", "data", "../data"])
def test_data_folders_of_this_machine_are_refused_with_their_place(root: str) -> None:
    with pytest.raises(InputError, match=r"workloads\[0\]\.data_root.*FAIRSWEEP_DATA"):
        check_data_roots(study_with_data(root), [HOME, PROJECT], on_cluster=False)


@pytest.mark.parametrize(
    "root",
    [
        "/tmp/mydata",
        "/var/tmp/mydata",
        "/dev/shm/mydata",
        "/Users/me/data",
        "/Volumes/Disk/data",
        "/private/var/folders/x/data",
        "/mnt/c/Users/me/data",
        "/mnt/D/data",
        "/mnt/c",
        "/mnt/../home/me/data",
        "/data/.././tmp/mydata",
        "//tmp/mydata",
    ],
)
def test_data_on_a_disk_of_this_machine_alone_is_refused_however_it_is_spelt(root: str) -> None:
    with pytest.raises(InputError, match=r"workloads\[0\]\.data_root.*FAIRSWEEP_DATA.*--data-on-cluster"):
        check_data_roots(study_with_data(root), [HOME, PROJECT], on_cluster=False)
    check_data_roots(study_with_data(root), [HOME, PROJECT], on_cluster=True)


def test_data_in_what_a_home_is_a_link_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "me").symlink_to(tmp_path / "disk")
    with pytest.raises(InputError, match="inside your home"):
        check_data_roots(study_with_data(str(tmp_path / "disk" / "data")), [tmp_path / "me"], on_cluster=False)


@pytest.mark.parametrize(
    "root", ["/shared/data", "/data", "/mnt/data", "/mnt/efs/fs1", "/home/melissa/data", "/root/data", "/tmpfs/data"]
)
def test_data_on_what_may_be_a_shared_disk_is_taken(root: str) -> None:
    check_data_roots(study_with_data(root), [HOME, PROJECT, Path("/")], on_cluster=False)


@pytest.mark.parametrize("root", ["/home/me/data", "/srv/project/data", "~/data"])
def test_data_folders_that_are_there_too_are_taken_where_the_user_says_so(root: str) -> None:
    check_data_roots(study_with_data(root), [HOME, PROJECT], on_cluster=True)


def test_a_relative_data_folder_is_refused_whatever_the_user_says() -> None:
    with pytest.raises(InputError, match="must be an absolute path"):
        check_data_roots(study_with_data("data"), [HOME, PROJECT], on_cluster=True)


def test_no_data_folder_is_taken() -> None:
    check_data_roots(tiny_study(), [HOME, PROJECT], on_cluster=False)


# Arriving on the cluster


def submission(**environment: str) -> Submission:
    return Submission(
        study="tiny", launch_command="fairsweep launch tiny.yaml", environment={**machine(), **environment},
        store_on_head=False,
    )  # fmt: skip


def test_a_submission_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "submission.json"
    path.write_text(submission().text())
    assert received({VARIABLE: str(path)}) == submission()
    assert received({}) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"study": "tiny"}'])
def test_a_damaged_submission_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "submission.json"
    path.write_text(text)
    with pytest.raises(InputError, match="must name the submission of this job"):
        received({VARIABLE: str(path)})


VERSIONS = {"python": "3.11.9", "version_fairsweep": "0.1.3", "version_torch": "2.14.1", "source_sha256": "aa"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version_fairsweep": "0.2.0"}, r"fairsweep must be 0\.1 on the cluster.*got 0\.2\.0"),
        ({"python": "3.12.1"}, r"Python must be 3\.11 on the cluster.*got 3\.12\.1"),
    ],
)
def test_another_series_of_fairsweep_or_python_on_the_cluster_is_refused(change: Mapping[str, str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        check_versions(VERSIONS, {**VERSIONS, **change})


def test_smaller_differences_are_said_and_equal_versions_are_not() -> None:
    here = {**VERSIONS, "python": "3.11.2", "version_torch": "2.13.0", "source_sha256": "bb"}
    source, torch = check_versions(VERSIONS, here)
    assert "Send yours with --code" in source
    assert torch == "torch is 2.13.0 on the cluster, 2.14.1 where it was submitted."
    assert check_versions(VERSIONS, VERSIONS) == []


def test_a_job_records_what_ran_and_who_asked() -> None:
    asked = submission(version_torch="1.0", git_commit="abc", git_dirty="no")
    recorded = merged_environment({**VERSIONS, "command": "python -m sweeps.cli"}, asked)
    assert recorded["version_torch"] == "2.14.1"
    assert recorded["submitted_version_torch"] == "1.0"
    assert recorded["git_commit"] == "abc"
    assert recorded["command"] == "fairsweep launch tiny.yaml"
    assert merged_environment(VERSIONS, None) == VERSIONS


@pytest.fixture
def landed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a job, with a home beside it."""
    folder = tmp_path / "job"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return folder


def test_a_job_keeps_results_outside_of_its_own_folder(landed: Path, tmp_path: Path) -> None:
    environment = {"MLFLOW_TRACKING_URI": "http://mlflow:5000"}
    assert arrive(submission(), environment) == []
    assert environment["FAIRSWEEP_HOME"] == str(tmp_path / "home" / "fairsweep-runs")
    chosen = {**environment, "FAIRSWEEP_HOME": str(tmp_path / "runs")}
    arrive(submission(), chosen)
    assert chosen["FAIRSWEEP_HOME"] == str(tmp_path / "runs")
    relative = {**environment, "FAIRSWEEP_HOME": "runs"}
    arrive(submission(), relative)
    assert relative["FAIRSWEEP_HOME"] == str(tmp_path / "home" / "runs")


def test_a_job_goes_on_where_its_folder_is_removed_under_it(landed: Path) -> None:
    (landed / "note.json").write_text(submission().text())
    note = received({VARIABLE: "note.json"})
    assert note is not None
    (landed / "note.json").unlink()
    landed.rmdir()
    arrive(note, {"MLFLOW_TRACKING_URI": "http://mlflow:5000"})
    assert received({VARIABLE: "note.json"}) == note
    assert machine()["python"]


def test_a_home_that_cannot_be_written_is_refused(landed: Path) -> None:
    (landed / "file").write_text("")
    with pytest.raises(InputError, match="FAIRSWEEP_HOME must be a folder that can be written"):
        arrive(submission(), {"MLFLOW_TRACKING_URI": "http://mlflow:5000", "FAIRSWEEP_HOME": str(landed / "file")})


@pytest.mark.parametrize("environment", [{}, {"MLFLOW_TRACKING_URI": "sqlite:////data/mlflow.db"}])
def test_a_job_without_an_mlflow_server_is_refused_unless_that_is_meant(
    environment: dict[str, str], landed: Path
) -> None:
    with pytest.raises(InputError, match="MLFLOW_TRACKING_URI must be the address of an MLflow server"):
        arrive(submission(), dict(environment))
    plain = json.loads(submission().text())
    notes = arrive(Submission(**{**plain, "store_on_head": True}), dict(environment))
    assert notes == [
        f"--store-on-head changes nothing: the nodes of this cluster are set to record in {store}."
        for store in environment.values()
    ]


def test_a_job_is_told_that_the_cluster_has_a_server_where_it_asks_for_a_database_on_the_head(landed: Path) -> None:
    plain = json.loads(submission().text())
    (note,) = arrive(
        Submission(**{**plain, "store_on_head": True}), {"MLFLOW_TRACKING_URI": "http://a:b@mlflow:5000?k=s"}
    )
    assert note == (
        "--store-on-head changes nothing: the nodes of this cluster are set to record in http://***@mlflow:5000."
    )


# Following


class Tail:
    """Ray's client, as far as following needs it: a log that is closed after some pieces, until the cluster dies."""

    def __init__(self, closings: int, silences: int, *, dies: bool) -> None:
        self.turns = iter(["closed"] * closings + ["silent"] * silences + ["closed"])
        self.dies = dies
        self.asked = 0

    async def tail_job_logs(self, _: str) -> AsyncIterator[str]:
        self.asked += 1
        turn = next(self.turns, "dead" if self.dies else "ended")
        if turn in {"silent", "dead"}:
            raise RuntimeError("no route to host")
        yield "one line\n"
        self.ended = turn == "ended"

    def get_job_info(self, submission_id: str) -> SimpleNamespace:
        state = SimpleNamespace(value="SUCCEEDED" if self.ended else "RUNNING")
        times = {"start_time": None, "end_time": None, "driver_exit_code": None, "message": "", "metadata": {}}
        return SimpleNamespace(submission_id=submission_id, status=state, **times)

    def get_job_logs(self, _: str) -> str:
        return "one line\nlast line\n"


def following(monkeypatch: pytest.MonkeyPatch, tail: Tail) -> Iterator[str]:
    monkeypatch.setattr(client, "_RECONNECT_SECONDS", 0)
    jobs = object.__new__(Jobs)
    jobs.url, jobs._client = "http://127.0.0.1:1", cast("Any", tail)
    return jobs.follow(JobName(study="tiny", rules=HASH[:8], attempt=1))


def test_a_log_that_is_closed_again_and_again_is_followed_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "".join(following(monkeypatch, Tail(closings=20, silences=5, dies=False))) == "one line\nlast line\n"


@pytest.mark.parametrize("closings", [0, 5, 6, 20])
def test_a_cluster_that_has_died_is_given_up_after_five_attempts(
    monkeypatch: pytest.MonkeyPatch, closings: int
) -> None:
    tail = Tail(closings=closings, silences=0, dies=True)
    with pytest.raises(ClusterError, match="no route to host"):
        list(following(monkeypatch, tail))
    assert tail.asked == closings + 1 + 5 + 1
