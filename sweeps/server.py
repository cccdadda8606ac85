"""Show a study in the MLflow page: serve its store from this machine for as long as somebody looks at it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sweeps import lifeline
from sweeps.access import THIS_MACHINE, Access
from sweeps.errors import FairsweepError
from sweeps.places import is_served

_POLL_SECONDS = 0.2
_ANSWER_SECONDS = 2.0
_ANY_REQUEST = "/api/2.0/mlflow/experiments/search?max_results=1"
_STORE_VARIABLE = "MLFLOW_BACKEND_STORE_URI"
_STOP_SECONDS = 10.0
_LOG_TAIL_LINES = 20
# The job runner would start seven more processes; nothing here uses it.
_ENVIRONMENT = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
}


class ServerError(FairsweepError):
    """Report that the MLflow server did not start or ended by itself, with the last lines of its log."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """Hold a running MLflow server.

    Args:
        url: its address for a browser.
        own_url: its address for this machine.
        process: its process.
        log_path: what it writes.
        folder: what it keeps while it runs.
    """

    url: str
    own_url: str
    process: subprocess.Popen[bytes]
    log_path: Path
    folder: Path

    def wait(self) -> None:
        """Block until the server ends, which it does not do by itself.

        Raises:
            ServerError: The server ended without having been stopped.
        """
        code = self.process.wait()
        raise ServerError(_with_log_tail(f"The MLflow server ended with exit code {code}.", self.log_path))

    def stop(self) -> None:
        """End the server and every process that it started; do nothing when they are gone."""
        _signal_group(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        finally:
            # Also reached by a second Ctrl-C, and for workers that outlived the process that started them.
            _signal_group(self.process.pid, signal.SIGKILL)
            self.process.wait()
            if self.process.stdin:
                self.process.stdin.close()
            shutil.rmtree(self.folder, ignore_errors=True)


def needs_server(tracking_uri: str) -> bool:
    """Tell whether a store must be served before a browser can show it.

    Args:
        tracking_uri: Where MLflow keeps the runs, such as ``sqlite:///study.db`` or ``http://host:5000``.

    Returns:
        False when ``tracking_uri`` is the address of an MLflow server already.
    """
    return not is_served(tracking_uri)


@contextmanager
def serve(
    store_uri: str,
    *,
    log_path: Path,
    access: Access = THIS_MACHINE,
    start_seconds: float = 120.0,
) -> Iterator[Server]:
    """Serve a store inside a ``with`` block.

    The server gets a process group of its own, so that a Ctrl-C reaches the caller only; leaving the block,
    in whatever way, ends that group and nothing else, and so does the death of this process.

    Args:
        store_uri: Store of the runs, such as ``sqlite:///study.db``; artifacts are read where the runs say.
        log_path: File that receives the output of the server; overwritten.
        access: Where to listen, and who may come in.
        start_seconds: Longest wait for the first healthy answer.

    Yields:
        The server, which answers requests.

    Raises:
        ServerError: The server ended while starting, did not answer in time, or lets strangers in although it has a
            password.
        ValueError: ``store_uri`` is the address of a server.
    """
    if not needs_server(store_uri):
        raise ValueError(f"store_uri must be a store, not a server; got {store_uri}. Open that address instead.")
    server = _launch(store_uri, access, log_path=log_path)
    try:
        _await_healthy(server, deadline=time.monotonic() + start_seconds)
        if access.password and _status(f"{server.own_url}{_ANY_REQUEST}") != 401:
            raise ServerError(f"The MLflow server on {access.host} did not ask a stranger for a password; stopped it.")
        yield server
    finally:
        server.stop()


def _launch(store_uri: str, access: Access, *, log_path: Path) -> Server:
    port = _free_port(access)
    command = [sys.executable, "-P", lifeline.__file__]  # ends the server also where this process is killed
    command += [sys.executable, "-m", "mlflow", "server", "--host", access.host, "--port", str(port), "--workers", "1"]
    # What is recorded through this server stays beside its log, wherever the server is started next.
    command += ["--artifacts-destination", str(log_path.parent / "artifacts")]
    if access.password:
        command += ["--app-name", "basic-auth"]
    folder = Path(tempfile.mkdtemp(prefix="fairsweep-ui-"))
    # The store is not among the arguments, which everybody on this machine can read: its address may hold a password.
    environment = {**os.environ, **_ENVIRONMENT, **access.environment(port, folder), _STORE_VARIABLE: store_uri}
    log_path.parent.mkdir(parents=True, exist_ok=True)
    with log_path.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - the command is ours, without a shell
            command,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
    own_host = f"[{access.reached_at}]" if ":" in access.reached_at else access.reached_at
    return Server(
        url=access.url(port),
        own_url=f"http://{own_host}:{port}",
        process=process,
        log_path=log_path,
        folder=folder,
    )


def _free_port(access: Access) -> int:
    family = socket.AF_INET6 if ":" in access.host else socket.AF_INET
    for port in (access.port, 0):
        with socket.socket(family) as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((access.host, port))
            return int(probe.getsockname()[1])
    raise ServerError(f"{access.host} is no address of this machine, or has no free port.")


def _await_healthy(server: Server, *, deadline: float) -> None:
    while _status(f"{server.own_url}/health") != 200:
        code = server.process.poll()
        if code is not None:
            raise ServerError(_with_log_tail(f"The MLflow server did not start (exit code {code}).", server.log_path))
        if time.monotonic() > deadline:
            raise ServerError(_with_log_tail("The MLflow server did not answer in time.", server.log_path))
        time.sleep(_POLL_SECONDS)


def _status(url: str) -> int | None:
    """Return the status with which a stranger's request is answered, or None where there is no answer."""
    # No proxy: one set in the environment cannot reach this machine's loopback interface.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=_ANSWER_SECONDS) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return int(error.code)
    except OSError:
        return None


def _signal_group(group: int, signal_number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal_number)


def _with_log_tail(message: str, log_path: Path) -> str:
    lines = log_path.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_TAIL_LINES:]
    return "\n".join([message, f"Last lines of {log_path}:", *lines])
