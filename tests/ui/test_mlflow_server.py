from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from sweeps.server import HOST, ServerError, needs_server, serve
from tests.commands import heed_ctrl_c
from tests.ui.study import RecordedStudy

SERVE_UNTIL_INTERRUPTED = """
import sys
from pathlib import Path
from sweeps.server import serve

with serve(sys.argv[1], log_path=Path(sys.argv[2]), preferred_port=0) as server:
    print(server.process.pid, flush=True)
    server.wait()
"""


def running_processes(group: int) -> list[str]:
    """List the processes of a group; one that has ended but was not yet collected by its parent does not count."""
    table = subprocess.run(["ps", "-A", "-o", "pgid=,stat=,args="], capture_output=True, text=True, check=True)
    rows = [line.split(maxsplit=2) for line in table.stdout.splitlines()]
    return [args for pgid, stat, args in rows if int(pgid) == group and not stat.startswith("Z")]


def assert_ended(group: int, within_seconds: float = 5.0) -> None:
    deadline = time.monotonic() + within_seconds
    while running_processes(group) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert running_processes(group) == []


@pytest.mark.parametrize(
    ("tracking_uri", "needed"),
    [
        ("sqlite:///study.db", True),
        ("postgresql://db/mlflow", True),
        ("http://mlflow:5000", False),
        ("https://mlflow", False),
    ],
)
def test_only_a_store_needs_a_server(tracking_uri: str, needed: bool) -> None:
    assert needs_server(tracking_uri) is needed


def test_a_server_address_is_not_served_again(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match="must be a store"),
        serve("http://mlflow:5000", log_path=tmp_path / "log"),
    ):
        pass


def test_a_server_on_another_port_than_the_taken_one_answers_until_it_is_stopped(
    recorded_study: RecordedStudy, tmp_path: Path
) -> None:
    with socket.create_server((HOST, 0)) as other:
        taken = other.getsockname()[1]
        with serve(recorded_study.store_uri, log_path=tmp_path / "log", preferred_port=taken) as server:
            assert server.url.startswith(f"http://{HOST}:")
            assert server.url != f"http://{HOST}:{taken}"
            with urllib.request.urlopen(f"{server.url}/health") as response:
                assert response.status == 200
    assert_ended(server.process.pid)


def test_a_store_that_cannot_be_opened_is_an_error_with_the_end_of_the_log(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 'no such folder' / 'mlflow.db'}"
    (tmp_path / "no such folder").write_text("a file where a folder should be")
    with (
        pytest.raises(ServerError, match=r"(?s)did not start .*Last lines of .*log"),
        serve(store, log_path=tmp_path / "log", preferred_port=0, start_seconds=60),
    ):
        pass


def test_a_server_that_dies_is_reported_and_its_children_are_ended(
    recorded_study: RecordedStudy, tmp_path: Path
) -> None:
    with serve(recorded_study.store_uri, log_path=tmp_path / "log", preferred_port=0) as server:
        server.process.kill()
        with pytest.raises(ServerError, match="ended with exit code -9"):
            server.wait()
    assert_ended(server.process.pid)


def test_ctrl_c_ends_the_server_too(recorded_study: RecordedStudy, tmp_path: Path) -> None:
    command = [sys.executable, "-c", SERVE_UNTIL_INTERRUPTED, recorded_study.store_uri, str(tmp_path / "log")]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=heed_ctrl_c,  # noqa: PLW1509
    ) as caller:
        assert caller.stdout is not None
        group = int(caller.stdout.readline())
        assert running_processes(group)
        caller.send_signal(signal.SIGINT)
        caller.wait(timeout=30)
    assert_ended(group)
