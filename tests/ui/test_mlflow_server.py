from __future__ import annotations

import base64
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest
from mlflow import MlflowClient

from sweeps.access import LOOPBACK, PASSWORD_VARIABLE, Access, access
from sweeps.errors import InputError
from sweeps.server import ServerError, needs_server, serve
from tests.commands import heed_ctrl_c
from tests.ui.study import RecordedStudy

SERVE_UNTIL_INTERRUPTED = """
import sys
from pathlib import Path
from sweeps.access import Access
from sweeps.server import serve

with serve(sys.argv[1], log_path=Path(sys.argv[2]), access=Access(port=0)) as server:
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
    with socket.create_server((LOOPBACK, 0)) as other:
        taken = other.getsockname()[1]
        with serve(recorded_study.store_uri, log_path=tmp_path / "log", access=Access(port=taken)) as server:
            assert server.url.startswith(f"http://{LOOPBACK}:")
            assert server.url != f"http://{LOOPBACK}:{taken}"
            with urllib.request.urlopen(f"{server.url}/health") as response:
                assert response.status == 200
    assert_ended(server.process.pid)


def test_what_is_recorded_through_the_server_lies_beside_its_log(tmp_path: Path) -> None:
    with serve(f"sqlite:///{tmp_path / 'mlflow.db'}", log_path=tmp_path / "ui.log", access=Access(port=0)) as server:
        client = MlflowClient(server.url)
        run = client.create_run(client.create_experiment("through-it"))
        client.log_dict(run.info.run_id, {"a": 1}, "rules.json")
    assert [path.name for path in (tmp_path / "artifacts").rglob("*.json")] == ["rules.json"]


def test_a_store_that_cannot_be_opened_is_an_error_with_the_end_of_the_log(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 'no such folder' / 'mlflow.db'}"
    (tmp_path / "no such folder").write_text("a file where a folder should be")
    with (
        pytest.raises(ServerError, match=r"(?s)did not start .*Last lines of .*log"),
        serve(store, log_path=tmp_path / "log", access=Access(port=0), start_seconds=60),
    ):
        pass


def test_a_server_that_dies_is_reported_and_its_children_are_ended(
    recorded_study: RecordedStudy, tmp_path: Path
) -> None:
    with serve(recorded_study.store_uri, log_path=tmp_path / "log", access=Access(port=0)) as server:
        server.process.kill()
        with pytest.raises(ServerError, match="ended with exit code -9"):
            server.wait()
    assert_ended(server.process.pid)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_the_server_ends_with_the_command_that_is_stopped_or_killed(
    recorded_study: RecordedStudy, tmp_path: Path, number: signal.Signals
) -> None:
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
        caller.send_signal(number)
        caller.wait(timeout=30)
    assert_ended(group, within_seconds=15.0)


PASSWORD = "correct horse battery"
WITH_PASSWORD = {PASSWORD_VARIABLE: PASSWORD}
SEARCH = "/api/2.0/mlflow/experiments/search"


def own_address() -> str:
    """Return an address of this machine that others could reach; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])


def answer(url: str, *, password: str | None = None, body: bytes | None = None, **headers: str) -> int:
    request = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json", **headers})
    if password:
        request.add_header("Authorization", "Basic " + base64.b64encode(f"admin:{password}".encode()).decode())
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return int(error.code)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.1.2.3"])
def test_a_server_for_this_machine_needs_no_password(host: str) -> None:
    assert access(host, 5000, (), {}).password is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "gpu-server"])
@pytest.mark.parametrize(("password", "got"), [("", "none"), ("too short", "a shorter one")])
def test_others_are_not_let_in_without_a_password(host: str, password: str, got: str) -> None:
    with pytest.raises(
        InputError, match=f"--host {host} lets others in.*at least 12 characters; got {got}.*ssh -L 5000"
    ):
        access(host, 5000, (), {PASSWORD_VARIABLE: password})


@pytest.mark.parametrize("host", ["", "a b", "$(id)", "-x", "http://x", "x/y", "a\nb"])
def test_what_is_no_host_is_refused(host: str) -> None:
    with pytest.raises(InputError, match="--host must be an address"):
        access(host, 5000, (), WITH_PASSWORD)
    with pytest.raises(InputError, match="--allowed-host must be a host name"):
        access(LOOPBACK, 5000, (host,), {})


def test_a_password_is_not_shown() -> None:
    assert PASSWORD not in repr(access("0.0.0.0", 5000, (), WITH_PASSWORD))


def test_a_server_for_others_asks_for_the_password_and_knows_its_names(
    recorded_study: RecordedStudy, tmp_path: Path
) -> None:
    own = own_address()
    reachable = access(own, 0, ("gpu-server",), WITH_PASSWORD)
    with serve(recorded_study.store_uri, log_path=tmp_path / "log", access=reachable) as server:
        port = server.url.rpartition(":")[2]
        assert server.url == f"http://{own}:{port}"
        search = f"{server.url}{SEARCH}?max_results=1"
        assert answer(search) == 401
        assert answer(search, password="wrong") == 401
        assert answer(search, password=PASSWORD) == 200
        assert answer(f"{server.url}/") == 401
        named = {"password": PASSWORD, "body": b'{"max_results": 1}'}
        assert answer(search, Host=f"gpu-server:{port}", Origin=f"http://gpu-server:{port}", **named) == 200
        assert answer(search, Host="rebound.example", **named) == 403
        assert answer(search, Origin="http://elsewhere.example", **named) == 403
        with pytest.raises(OSError):
            socket.create_connection((LOOPBACK, int(port)), 2)
        arguments = "\n".join(running_processes(server.process.pid))
        assert "mlflow" in arguments
        assert PASSWORD not in arguments
        assert recorded_study.store_uri not in arguments
        assert PASSWORD not in (tmp_path / "log").read_text(encoding="utf-8")
    assert not server.folder.exists()


@dataclass(frozen=True, kw_only=True)
class OpenDoor(Access):
    """A password that nobody is asked for."""

    def environment(self, port: int, folder: Path) -> dict[str, str]:
        variables = super().environment(port, folder)
        settings = Path(variables["MLFLOW_AUTH_CONFIG_PATH"])
        text = settings.read_text(encoding="utf-8")
        settings.write_text(text.replace("mlflow.server.auth:authenticate_request_basic_auth", "opendoor:let_in"))
        (folder / "opendoor.py").write_text(
            "from werkzeug.datastructures import Authorization\n"
            "def let_in(*_):\n    return Authorization('basic', {'username': 'admin', 'password': ''})\n"
        )
        return {**variables, "PYTHONPATH": str(folder)}


def test_a_server_that_lets_strangers_in_although_it_has_a_password_is_stopped(
    recorded_study: RecordedStudy, tmp_path: Path
) -> None:
    with (
        pytest.raises(ServerError, match="did not ask a stranger for a password; stopped it"),
        serve(recorded_study.store_uri, log_path=tmp_path / "log", access=OpenDoor(port=0, password=PASSWORD)),
    ):
        pytest.fail("it was handed out")
