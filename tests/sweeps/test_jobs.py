"""What is decided on the submitting machine, and what travels: no cluster is needed."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import zipfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps.cluster.addresses import ClusterError
from sweeps.errors import InputError
from sweeps.jobs import bundle, client
from sweeps.jobs.arrival import arrive
from sweeps.jobs.bundle import STUDY_FILE, SUBMISSION_FILE, code_in, study_text, write_archive
from sweeps.jobs.checks import check_data_roots, check_own_code, jobs_url, tracking_uri_for
from sweeps.jobs.client import Jobs
from sweeps.jobs.guard import check_guarded
from sweeps.jobs.names import Job, JobName, find_job, next_name, parsed_name
from sweeps.jobs.submission import VARIABLE, Submission, check_versions, merged_environment, received
from sweeps.loading import load_study
from sweeps.provenance import git_state, machine
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


@pytest.mark.parametrize(
    "uri", ["http://me:hunter2@mlflow:5000", "https://hunter2@mlflow", "http://mlflow?key=hunter2"]
)
@pytest.mark.parametrize("by_hand", [True, False])
def test_credentials_in_a_tracking_uri_are_refused_and_not_repeated(uri: str, by_hand: bool) -> None:
    with pytest.raises(InputError, match=r"must carry no credentials.*MLFLOW_TRACKING_PASSWORD") as refusal:
        tracking_uri_for(uri if by_hand else None, None if by_hand else uri)
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize("uri", ["sqlite:///mlflow.db", "./mlruns"])
def test_a_database_file_for_a_job_is_refused(uri: str) -> None:
    with pytest.raises(InputError, match="--store-on-head"):
        tracking_uri_for(uri, None)


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


# What travels


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=me", "-c", "user.email=me@example.org"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "data").mkdir(parents=True)
    (folder / ".gitignore").write_text("data/\n*.log\n")
    (folder / "net.py").write_text("x = 1\n")
    (folder / "data" / "big.bin").write_bytes(b"0" * 1000)
    (folder / "run.log").write_text("no")
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    return folder


def test_code_travels_as_git_would_keep_it(repository: Path) -> None:
    (repository / "new.py").write_text("y = 2\n")
    assert set(code_in(repository).sizes) == {".gitignore", "net.py", "new.py"}


def test_code_in_submodules_travels_too(repository: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    library.mkdir()
    (library / "layers.py").write_text("z = 3\n")
    git(library, "init", "-q")
    git(library, "add", ".")
    git(library, "commit", "-qm", "first")
    git(repository, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(library), "lib/layers")
    (repository / "lib" / "layers" / "new.py").write_text("y = 2\n")
    sent = {".gitignore", ".gitmodules", "net.py", "lib/layers/layers.py", "lib/layers/new.py"}
    assert set(code_in(repository).sizes) == sent
    git(repository, "submodule", "deinit", "-q", "-f", "lib/layers")
    with pytest.raises(InputError, match=r"lib/layers is not. Run: git submodule update --init"):
        code_in(repository)


def test_a_link_to_a_folder_is_refused_rather_than_left_out(repository: Path) -> None:
    (repository / "package").mkdir()
    (repository / "package" / "a.py").write_text("a = 1\n")
    (repository / "alias").symlink_to("package")
    with pytest.raises(InputError, match="alias leads to a folder"):
        code_in(repository)


def study_naming(*networks: str) -> Any:
    workload = {"name": "w", "dataset": "digits", "batch_size": 64}
    return tiny_study(workloads=[{**workload, "name": f"w{i}", "network": name} for i, name in enumerate(networks)])


def test_code_of_the_current_folder_that_does_not_travel_is_refused_with_its_place(repository: Path) -> None:
    (repository / "nets").mkdir()
    (repository / "nets" / "mine.py").write_text("raise RuntimeError('imported')\n")
    study = study_naming("mlp", "net:small", "nets.mine:large")
    with pytest.raises(InputError, match=r"--code \.") as refusal:
        check_own_code(study, repository, None)
    assert "workloads[1].network: must be code that the cluster has, or that travels; got 'net:small'" in str(
        refusal.value
    )
    assert "workloads[2].network" in str(refusal.value)
    check_own_code(study, repository, code_in(repository))
    (repository / ".gitignore").write_text("nets/\n")
    with pytest.raises(InputError, match=r"has no nets/mine\.py, or git ignores it"):
        check_own_code(study, repository, code_in(repository))


def test_code_that_is_installed_or_not_here_at_all_is_the_clusters(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_own_code(study_naming("not_here:small", "torchvision:resnet18"), repository, None)
    monkeypatch.syspath_prepend(str(repository))
    check_own_code(study_naming("net:small"), repository.parent, None)  # as if installed
    with pytest.raises(InputError, match="net:small"):
        check_own_code(study_naming("net:small"), repository, None)


def test_a_file_that_is_gone_but_not_committed_does_not_travel(repository: Path) -> None:
    (repository / "net.py").unlink()
    assert set(code_in(repository).sizes) == {".gitignore"}


def test_too_much_code_is_refused_with_the_largest_files(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "MAX_BYTES", 2**20)
    (repository / "weights.bin").write_bytes(b"0" * (2 * 2**20))
    with pytest.raises(InputError, match=r"at most 1\.0 MiB; got 2\.0 MiB.*weights\.bin \(2\.0 MiB\)"):
        code_in(repository)


def test_a_link_out_of_the_folder_is_refused(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    (repository / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(InputError, match="link leads to"):
        code_in(repository)


def test_a_folder_outside_of_git_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(InputError, match="inside a git repository"):
        code_in(tmp_path)


def test_the_archive_holds_study_note_and_code_and_is_the_same_again(repository: Path, tmp_path: Path) -> None:
    study, code = tiny_study(), code_in(repository)
    archives = [tmp_path / name for name in ("one.zip", "two.zip")]
    for archive in archives:
        write_archive(archive, study, "{}", code)
    assert archives[0].read_bytes() == archives[1].read_bytes()
    with zipfile.ZipFile(archives[0]) as archive:
        assert set(archive.namelist()) == {STUDY_FILE, SUBMISSION_FILE, ".gitignore", "net.py"}
        assert archive.read("net.py") == b"x = 1\n"


@pytest.mark.parametrize("name", ["quickstart", "digits"])
def test_a_study_that_has_travelled_is_the_same_study(name: str, tmp_path: Path) -> None:
    study = load_study(name, ["tuning.draws=5", "question=How many?"])
    path = tmp_path / "study.yaml"
    path.write_text(study_text(study), encoding="utf-8")
    assert load_study(str(path)) == study
    assert load_study(str(path)).protocol_hash() == study.protocol_hash()


# The state of the code


def test_git_state_tells_changes_apart_that_are_not_committed(repository: Path) -> None:
    clean = git_state(repository)
    assert clean["git_dirty"] == "no"
    assert "git_diff_sha256" not in clean
    (repository / "net.py").write_text("x = 2\n")
    changed = git_state(repository)
    (repository / "new.py").write_text("y = 1\n")
    added = git_state(repository)
    (repository / "new.py").write_text("y = 2\n")
    assert len({state["git_diff_sha256"] for state in (changed, added, git_state(repository))}) == 3
    assert {state["git_commit"] for state in (clean, changed, added)} == {clean["git_commit"]}
    assert git_state(repository) == git_state(repository)


def test_the_command_is_recorded_without_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["fairsweep", "launch", "a b.yaml", "--tracking-uri", "http://me:hunter2@mlflow"])
    assert machine()["command"] == "fairsweep launch 'a b.yaml' --tracking-uri http://***@mlflow"


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
    assert arrive(Submission(**{**plain, "store_on_head": True}), dict(environment)) == []


# Tokens and strangers


@contextmanager
def server(token: str | None, *, ray: bool = True) -> Iterator[str]:
    """A server that answers like Ray's dashboard, behind a token or open."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            given = self.headers.get("Authorization")
            status = 200 if token is None or given == f"Bearer {token}" else 403 if given else 401
            found = b"[]" if "jobs" in self.path else b'{"version": "4", "ray_version": "2.60.0"}'
            content = found if ray and status == 200 else b"hello"
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{http.server_port}"
        finally:
            http.shutdown()


def test_a_cluster_that_asks_for_our_token_is_taken() -> None:
    with server("right") as url:
        check_guarded(url, "right", allow_open=False)


def test_a_missing_and_a_wrong_token_are_told_apart_and_not_repeated() -> None:
    with server("right") as url:
        with pytest.raises(ClusterError, match=r"a token, and there is none here: nothing in .*RAY_AUTH_TOKEN_PATH"):
            check_guarded(url, None, allow_open=True)
        with pytest.raises(ClusterError, match="does not take the token") as refusal:
            check_guarded(url, "wrong-one", allow_open=True)
    assert "wrong-one" not in str(refusal.value)


@pytest.mark.parametrize("token", [None, "right"])
def test_a_cluster_open_to_everybody_is_refused_unless_that_is_meant(token: str | None) -> None:
    with server(None) as url:
        with pytest.raises(ClusterError, match="must ask for a token"):
            check_guarded(url, token, allow_open=False)
        check_guarded(url, token, allow_open=True)


def test_a_dead_address_and_a_server_of_another_kind_are_no_cluster() -> None:
    with pytest.raises(ClusterError, match="Connection refused"):
        check_guarded("http://127.0.0.1:1", None, allow_open=False)
    with server(None, ray=False) as url, pytest.raises(ClusterError, match="something else answers"):
        check_guarded(url, None, allow_open=True)


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "\x00secret", "schlüssel"])
def test_what_cannot_be_a_token_is_refused_and_not_repeated(token: str) -> None:
    with server("right") as url, pytest.raises(ClusterError, match="must be one word") as refusal:
        check_guarded(url, token, allow_open=False)
    assert token not in str(refusal.value)


def test_a_token_is_not_handed_to_where_a_cluster_redirects() -> None:
    heard: list[str | None] = []

    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(self.headers.get("Authorization"))
            self.send_response(302 if "jobs" in self.path or "version" in self.path else 200)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Elsewhere) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        with pytest.raises(ClusterError, match="answers with status 302"):
            check_guarded(f"http://127.0.0.1:{http.server_port}", "right", allow_open=False)
        http.shutdown()
    assert heard.count("Bearer right") == 1


def test_no_proxy_hears_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither from the first requests nor from Ray's own client, which heeds the environment."""
    heard: list[str | None] = []

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(self.headers.get("Authorization"))
            self.send_error(502)

        def log_message(self, *args: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Proxy) as proxy, server("right") as url:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.server_port}")
        monkeypatch.setenv("no_proxy", "elsewhere.example.com")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.setenv("RAY_AUTH_TOKEN", "right")
        assert Jobs(url, allow_open=False).all() == []
        with pytest.raises(ClusterError, match=r"http_proxy is not used, since a proxy would hear the token\.$"):
            check_guarded("http://127.0.0.1:1", "right", allow_open=False)
        proxy.shutdown()
    assert heard == []
    assert (os.environ["no_proxy"], os.environ.get("NO_PROXY")) == ("elsewhere.example.com", None)


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
