"""Studies submitted from outside to a real head of a cluster, through its Jobs API."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from mlflow import MlflowClient

from analysis.results import read_study
from sweeps.errors import InputError
from sweeps.jobs.names import JobName
from tests.commands import heed_ctrl_c, uri, write_study
from tests.heads import ROOT, Head, ray_head
from tests.patience import PATIENCE_SECONDS

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(900)]

#: Long enough to be stopped in the middle: one trial takes as long as a few commands.
SLOW = {"study": "slow", "budgets": {"updates": [15000]}, "tuning": {"draws": 3}}


@dataclass(frozen=True)
class Client:
    """A machine outside of the cluster, with a home of its own."""

    head: Head
    home: Path

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "sweeps.cli", *arguments],
            env={**self.head.client(self.home), "PYTHONPATH": str(ROOT), **variables},
            cwd=self.home,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=heed_ctrl_c,  # noqa: PLW1509 (no threads of ours are running)
        )

    def __call__(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command about the cluster to its end."""
        process = self.start(*arguments, "--address", self.head.url, **variables)
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    @property
    def store(self) -> str:
        return uri(self.head.home / "fairsweep-runs")


@pytest.fixture(scope="module")
def head() -> Iterator[Head]:
    with ray_head() as running:
        yield running


@pytest.fixture(scope="module")
def client(head: Head, tmp_path_factory: pytest.TempPathFactory) -> Client:
    home = tmp_path_factory.mktemp("client")
    write_study(home)
    return Client(head, home)


@pytest.fixture(scope="module")
def followed(client: Client) -> subprocess.CompletedProcess[str]:
    """A tiny study, submitted and followed to its end."""
    return client("launch", "tiny.yaml", "--store-on-head", "--follow")


def environment_recorded(client: Client, study: str) -> dict[str, str]:
    mlflow = MlflowClient(client.store)
    experiment = mlflow.get_experiment_by_name(study)
    assert experiment is not None
    (run,) = mlflow.search_runs([experiment.experiment_id], "tags.`fairsweep.role` = 'study'")
    path = mlflow.download_artifacts(run.info.run_id, "environment.json")
    recorded: dict[str, str] = json.loads(Path(path).read_text(encoding="utf-8"))
    return recorded


def trials_recorded(client: Client, study: str) -> tuple[int, int]:
    """Return the number of trials that ended, and of different ones."""
    keys = read_study(client.store, study).trials["trial_key"]
    return len(keys), keys.nunique()


def test_a_followed_submission_runs_every_trial_there_and_ends_as_the_job_does(
    client: Client, followed: subprocess.CompletedProcess[str]
) -> None:
    assert followed.returncode == 0, followed.stdout + followed.stderr
    assert re.search(r"^Job fairsweep-tiny-[0-9a-f]{8}-1 is submitted\.$", followed.stdout, re.MULTILINE)
    assert followed.stdout.count("Study tiny: 24 trials.") == 1
    assert f"Report, on {socket.gethostname()}:" in followed.stdout  # not as if it were here
    assert "fairsweep ui" not in followed.stdout
    assert trials_recorded(client, "tiny") == (24, 24)


def test_the_log_of_a_job_has_plain_lines_without_secrets(
    client: Client, followed: subprocess.CompletedProcess[str]
) -> None:
    token = client.head.token_file.read_text()
    assert "\r" not in followed.stdout
    assert "\x1b" not in followed.stdout
    assert token not in followed.stdout + followed.stderr
    for file in [*client.head.home.rglob("*"), *client.home.rglob("*")]:
        assert not file.is_file() or token.encode() not in file.read_bytes(), file


def test_the_record_says_what_ran_and_who_asked(client: Client, followed: subprocess.CompletedProcess[str]) -> None:
    recorded = environment_recorded(client, "tiny")
    assert recorded["command"].startswith("fairsweep launch tiny.yaml --store-on-head")
    assert recorded["submitted_version_torch"] == recorded["version_torch"]
    assert recorded["submitted_source_sha256"] == recorded["source_sha256"]


def test_a_study_that_is_done_is_resumed_as_the_next_attempt_which_says_that_sources_differ(
    client: Client, tmp_path: Path, followed: subprocess.CompletedProcess[str]
) -> None:
    other = changed_copy(tmp_path / "other")
    again = client("launch", "tiny.yaml", "--store-on-head", "--follow", PYTHONPATH=str(other))
    assert again.returncode == 0, again.stdout + again.stderr
    assert re.search(r"fairsweep-tiny-[0-9a-f]{8}-2", again.stdout)
    assert "Resuming study tiny: 24 of 24 trials are done." in again.stdout
    assert "differs in its source" in again.stdout


def changed_copy(folder: Path) -> Path:
    """Copy the program, and change it a little."""
    for package in ("schedules", "models", "sweeps", "analysis"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    with (folder / "schedules" / "cosine.py").open("a") as file:
        file.write("\n# of the user\n")
    return folder


def wait_for_progress(client: Client) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not re.search(r"^\d\d:\d\d:\d\d  [1-9]", client("logs", "slow").stdout, re.MULTILINE):
        assert time.monotonic() < deadline, "no progress in time"


def test_a_job_is_looked_at_stopped_and_resumed_by_the_name_of_its_study(client: Client) -> None:
    folder = client.home / "slow"
    folder.mkdir()
    launch = ("launch", str(write_study(folder, **SLOW)), "--store-on-head")
    submitted = client(*launch, "--max-concurrent", "1")
    assert submitted.returncode == 0, submitted.stderr
    assert "Study slow: 12 trials." in submitted.stdout

    for change in ([], ["--set", "seed=3"]):
        second = client(*launch, *change)
        assert second.returncode == 2
        assert re.search(r"job fairsweep-slow-[0-9a-f]{8}-1 is running", " ".join(second.stderr.split()))

    wait_for_progress(client)
    state = client("status", "slow")
    assert re.search(r"fairsweep-slow-[0-9a-f]{8}-1: running", state.stdout), state.stderr
    assert re.search(r"\d+/12 trials", state.stdout)

    following = client.start("logs", "slow", "-f", FAIRSWEEP_ADDRESS=client.head.url)
    assert following.stdout
    assert any("Study slow: 12 trials." in line for line in following.stdout)  # comes while the job runs
    following.send_signal(signal.SIGINT)
    _, err = following.communicate(timeout=PATIENCE_SECONDS)
    assert following.returncode == 130
    assert "the job goes on" in err

    stopped = client("stop", "slow")
    assert stopped.returncode == 0, stopped.stderr
    done = re.search(r"Stopped\. (\d+) of 12 trials are done and safe", stopped.stdout)
    assert done, stopped.stdout
    assert f"go on with: fairsweep launch {launch[1]} --store-on-head --max-concurrent 1 --address" in stopped.stdout
    assert "stopped" in client("status").stdout
    assert "Nothing to stop" in client("stop", "slow").stdout

    resumed = client("launch", "slow", "--store-on-head", "--follow")  # without its file: the cluster knows the study
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert re.search(r"Going on with study slow as submitted last \(fairsweep-slow-[0-9a-f]{8}-1\)\.", resumed.stderr)
    assert re.search(r"fairsweep-slow-[0-9a-f]{8}-2 is submitted", resumed.stdout)
    assert f"Resuming study slow: {done[1]} of 12 trials are done." in resumed.stdout
    assert trials_recorded(client, "slow") == (12, 12)


def test_of_two_clients_that_submit_at_once_one_is_refused(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import zipfile

    from sweeps.jobs.client import Entry, Jobs

    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(client.head.token_file))
    archive = tmp_path / "job.zip"
    with zipfile.ZipFile(archive, "w") as empty:
        empty.writestr("note", "x")
    entry = Entry(command="sleep 20", archive=archive, study_text="", variables={})
    name = JobName(study="raced", rules="01234567", attempt=1)
    first, second = (Jobs(client.head.url, allow_open=False) for _ in range(2))
    first.submit(name, entry)
    with pytest.raises(InputError, match=r"job fairsweep-raced-01234567-1 is (pending|running)"):
        second.submit(name, entry)
    assert first.stop(name).state == "STOPPED"


def test_a_job_without_a_tracking_server_ends_with_a_remedy_and_hides_no_job_that_ran(
    client: Client, followed: subprocess.CompletedProcess[str]
) -> None:
    refused = client("launch", "tiny.yaml", "--set", "alpha=0.01")
    assert refused.returncode == 2
    assert refused.stderr.count("error: MLFLOW_TRACKING_URI must be the address of an MLflow server") == 1
    assert refused.stderr.count("error:") == 1
    assert "Traceback" not in refused.stdout + refused.stderr
    (name,) = re.findall(r"Job (fairsweep-tiny-[0-9a-f]{8}-1) failed with exit code 2", refused.stderr)
    state = client("status", "tiny").stdout
    assert re.search(r"^Job fairsweep-tiny-[0-9a-f]{8}-\d: succeeded", state)
    assert f"Submitted later and refused: {name}." in state


def test_code_that_is_sent_comes_before_what_is_installed(
    client: Client, tmp_path: Path, followed: subprocess.CompletedProcess[str]
) -> None:
    code = changed_copy(tmp_path / "checkout")
    subprocess.run(["git", "init", "-q"], cwd=code, check=True)
    sent = client(
        "launch", "tiny.yaml", "--store-on-head", "--follow", "--set", "study=sent", "--code", str(code),
        PYTHONPATH=str(code),
    )  # fmt: skip
    assert sent.returncode == 0, sent.stdout + sent.stderr
    assert "Sending " in sent.stderr
    recorded, installed = (environment_recorded(client, study) for study in ("sent", "tiny"))
    assert recorded["source_sha256"] == recorded["submitted_source_sha256"] != installed["source_sha256"]
    assert "differs in its source" not in sent.stdout


@pytest.mark.parametrize("command", [["status"], ["logs", "tiny"], ["stop", "tiny"], ["launch", "tiny.yaml"]])
def test_a_wrong_token_is_refused_in_one_line(client: Client, tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "token").touch(mode=0o600)
    (tmp_path / "token").write_text("0" * 64)
    refused = client(*command, RAY_AUTH_TOKEN_PATH=str(tmp_path / "token"))
    assert refused.returncode == 1
    assert "does not take the token found here" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_a_study_that_was_never_submitted_is_bad_input(client: Client) -> None:
    for command in ("logs", "stop", "status"):
        refused = client(command, "nothing-of-that-name")
        assert refused.returncode == 2
        assert "nothing-of-that-name" in refused.stderr
