"""Show a study in the MLflow page: serve its store on this machine for as long as somebody looks at it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sweeps.errors import FairsweepError
from sweeps.places import is_served

HOST = "127.0.0.1"
PREFERRED_PORT = 5000

_POLL_SECONDS = 0.2
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
    """Hold a running MLflow server: its address, its process and its log."""

    url: str
    process: subprocess.Popen[bytes]
    log_path: Path

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
    preferred_port: int = PREFERRED_PORT,
    start_seconds: float = 120.0,
) -> Iterator[Server]:
    """Serve a store on the loopback interface inside a ``with`` block.

    The server gets a process group of its own, so that a Ctrl-C reaches the caller only; leaving the block,
    in whatever way, ends that group and nothing else.

    Args:
        store_uri: Store of the runs, such as ``sqlite:///study.db``; artifacts are read where the runs say.
        log_path: File that receives the output of the server; overwritten.
        preferred_port: Port to listen on; when it is taken, or 0, any free one.
        start_seconds: Longest wait for the first healthy answer.

    Yields:
        The server, which answers requests.

    Raises:
        ServerError: The server ended while starting, or did not answer in time.
        ValueError: ``store_uri`` is the address of a server.
    """
    if not needs_server(store_uri):
        raise ValueError(f"store_uri must be a store, not a server; got {store_uri}. Open that address instead.")
    server = _launch(store_uri, port=_free_port(preferred_port), log_path=log_path)
    try:
        _await_healthy(server, deadline=time.monotonic() + start_seconds)
        yield server
    finally:
        server.stop()


def _launch(store_uri: str, *, port: int, log_path: Path) -> Server:
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        "--host",
        HOST,
        "--port",
        str(port),
        "--workers",
        "1",
    ]
    command += ["--backend-store-uri", store_uri]
    log_path.parent.mkdir(parents=True, exist_ok=True)
    with log_path.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - the command is ours, without a shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=_environment(os.environ),
            start_new_session=True,
        )
    return Server(url=f"http://{HOST}:{port}", process=process, log_path=log_path)


def _environment(inherited: Mapping[str, str]) -> dict[str, str]:
    return {**inherited, **_ENVIRONMENT}


def _free_port(preferred: int) -> int:
    for port in (preferred, 0):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, port))
            return int(probe.getsockname()[1])
    raise ServerError(f"No free port on {HOST}.")


def _await_healthy(server: Server, *, deadline: float) -> None:
    while not _is_healthy(server.url):
        code = server.process.poll()
        if code is not None:
            raise ServerError(_with_log_tail(f"The MLflow server did not start (exit code {code}).", server.log_path))
        if time.monotonic() > deadline:
            raise ServerError(_with_log_tail("The MLflow server did not answer in time.", server.log_path))
        time.sleep(_POLL_SECONDS)


def _is_healthy(url: str) -> bool:
    # No proxy: one set in the environment cannot reach this machine's loopback interface.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{url}/health", timeout=2) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _signal_group(group: int, signal_number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal_number)


def _with_log_tail(message: str, log_path: Path) -> str:
    lines = log_path.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_TAIL_LINES:]
    return "\n".join([message, f"Last lines of {log_path}:", *lines])
