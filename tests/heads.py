"""A Ray head with its dashboard on this machine, as an operator starts one, reached through its Jobs API."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sweeps.cluster.probing import ask_dashboard
from tests.commands import environment
from tests.patience import PATIENCE_SECONDS

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Head:
    """A head that a client may submit to.

    Args:
        url: address of its Jobs API.
        home: home folder of its processes.
        token_file: file with its token.
    """

    url: str
    home: Path
    token_file: Path

    def client(self, home: Path) -> dict[str, str]:
        """Return the environment of a client with a home of its own and the head's token."""
        return {**environment(home), "RAY_AUTH_TOKEN_PATH": str(self.token_file), "RAY_ADDRESS": "nowhere:1"}


@contextmanager
def ray_head() -> Iterator[Head]:
    """Run a head that asks for a token and listens on free ports, in a process group that ends with the block."""
    folder = Path(tempfile.mkdtemp(prefix="fh-"))  # a short path: those of Ray's sockets must stay under 108 bytes
    head = Head(f"http://127.0.0.1:{(ports := _free_ports(5))[0]}", folder / "home", folder / "token")
    head.home.mkdir()
    head.token_file.touch(mode=0o600)
    head.token_file.write_text(secrets.token_hex(32))
    dashboard, gcs, agent, grpc, metrics = map(str, ports)
    options = {
        "--temp-dir": str(folder / "ray"), "--num-cpus": "2", "--port": gcs, "--dashboard-host": "127.0.0.1",
        "--dashboard-port": dashboard, "--dashboard-agent-listen-port": agent, "--dashboard-agent-grpc-port": grpc,
        "--metrics-export-port": metrics, "--object-store-memory": "100000000",
    }  # fmt: skip
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("RAY_", "MLFLOW", "FAIRSWEEP"))}
    own = {
        "HOME": str(head.home), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT), "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(head.token_file),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_worker_niceness": "0",  # or trials wait for whatever test runs beside this one
    }  # fmt: skip
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [Path(sys.executable).with_name("ray"), "start", "--head", "--block", "--disable-usage-stats",
             *[part for option in options.items() for part in option]],
            env={**clean, **own}, stdout=log, stderr=log, start_new_session=True,
            preexec_fn=_ignore_ctrl_c,  # noqa: PLW1509 (no threads of ours are running)
        )  # fmt: skip
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while ask_dashboard(head.url) != "refused":
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, "the head did not start in time"
            time.sleep(0.3)
        yield head
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)


def _ignore_ctrl_c() -> None:
    """Begin as from a shell that starts Ray in the background: its jobs begin by ignoring the order to stop."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()
