"""What a study runs on: a cluster of several nodes, an MLflow server, and the processes of a launch; all killable."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from tests.commands import environment, heed_ctrl_c
from tests.patience import PATIENCE_SECONDS

ROOT = Path(__file__).parent.parent.parent
NODES = 2
#: Ray listens on 127.0.0.1 only, as on systems where it supports one machine only.
_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
#: What Ray calls a process that has a trial: while it does something, and in the moments between.
_TRAINING = ("ray::ResourceTrainable", "ray::TrialActor")
#: A lost node is noticed within two seconds or so instead of half a minute, and trials do not wait for what else runs
#: on this machine, so that rounds are short.
_CLUSTER_SETTINGS = {
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_failure_threshold": "3",
    "RAY_worker_niceness": "0",
}


@dataclass(kw_only=True)
class Stage:
    """A cluster and an MLflow server that stay while studies come and go.

    Args:
        folder: where everything is kept; short, since the paths of Ray's sockets must stay under 108 bytes.
        environment: of every process.
        cluster: the process that keeps the cluster.
        address: ``HOST:PORT`` of its head.
        port: of the MLflow server.
        raylets: process ids of the worker nodes that live, as far as is known.
        server: the MLflow server; None while it is down.
        replacing: number of nodes that were asked for and have not come yet.
    """

    folder: Path
    environment: dict[str, str]
    cluster: subprocess.Popen[str]
    address: str
    port: int
    raylets: list[int] = field(default_factory=list)
    server: subprocess.Popen[bytes] | None = None
    replacing: int = 0

    @property
    def home(self) -> Path:
        """Return the folder of the launches."""
        return self.folder / "home"

    @property
    def database(self) -> Path:
        """Return the file behind the MLflow server."""
        return self.folder / "mlflow.db"

    def start_launch(self, study: Path, log: IO[str]) -> subprocess.Popen[str]:
        """Start ``fairsweep launch`` in a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.driver", "launch", str(study), "--address", self.address],
            env=self.environment,
            cwd=ROOT,
            stdout=log,
            stderr=log,
            text=True,
            start_new_session=True,
            preexec_fn=heed_ctrl_c,  # noqa: PLW1509 (no threads of ours are running)
        )

    def kill_worker(self, pick: float) -> bool:
        """Kill a process that trains, if there is one; `pick` in [0, 1) says which."""
        workers = [pid for raylet in self.raylets for pid, name in _children(raylet) if name.startswith(_TRAINING)]
        if not workers:
            return False
        with suppress(ProcessLookupError):
            os.kill(sorted(workers)[int(pick * len(workers))], signal.SIGKILL)
        return True

    def kill_node(self, pick: float) -> bool:
        """Kill a worker node, if one lives, and order another in its place; `pick` in [0, 1) says which."""
        if not self.raylets:
            return False
        raylet = self.raylets[int(pick * len(self.raylets))]
        os.kill(raylet, signal.SIGKILL)
        self._replace(raylet)
        return True

    def replace_lost(self) -> int:
        """Order another node for each that has ended by itself, as those do that Ray gives up; return how many."""
        lost = [raylet for raylet in self.raylets if not _lives(raylet)]
        for raylet in lost:
            self._replace(raylet)
        return len(lost)

    def _replace(self, raylet: int) -> None:
        self.raylets.remove(raylet)
        assert self.cluster.stdin
        self.cluster.stdin.write(f"replace {raylet}\n")
        self.cluster.stdin.flush()
        self.replacing += 1

    def kill_server(self) -> bool:
        """Kill the MLflow server with all its processes, if it is up."""
        if self.server is None:
            return False
        os.killpg(self.server.pid, signal.SIGKILL)
        self.server.wait()
        self.server = None
        return True

    def start_server(self) -> None:
        """Start the MLflow server, unless it is up; it takes some seconds until it answers."""
        if self.server is not None:
            return
        with (self.folder / "server.log").open("ab") as log:
            self.server = subprocess.Popen(
                [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port),
                 "--workers", "1", "--backend-store-uri", f"sqlite:///{self.database}",
                 "--artifacts-destination", str(self.folder / "artifacts")],
                env={**self.environment, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def mend(self) -> None:
        """Wait until the server answers and all nodes have come, as an operator does before launching again."""
        self.start_server()
        self.replace_lost()
        while self.replacing:
            assert self.cluster.stdout
            line = self.cluster.stdout.readline()
            assert line, f"the cluster has ended:\n{(self.folder / 'cluster.log').read_text()[-4000:]}"
            self.raylets = [int(pid) for pid in line.split()]
            self.replacing -= 1
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self._answers():
            assert self.server is not None
            assert self.server.poll() is None, (self.folder / "server.log").read_text()[-2000:]
            assert time.monotonic() < deadline, "the MLflow server did not start in time"
            time.sleep(0.1)

    def _answers(self) -> bool:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"http://127.0.0.1:{self.port}/health", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


@contextmanager
def staged() -> Iterator[Stage]:
    """Run a cluster, which asks for a token, and an MLflow server, both on loopback, and end them with the block."""
    folder = Path(tempfile.mkdtemp(prefix="fx-"))
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_TMPDIR": str(folder)}
    port = _free_port()
    own = {
        **environment(folder / "home"), **token, **_LOOPBACK, "RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1",
        "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{port}", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true",
    }  # fmt: skip
    (folder / "home").mkdir()
    with (folder / "cluster.log").open("w") as log, subprocess.Popen(
        [sys.executable, "-m", "tests.chaos.nodes", str(folder / "ray"), str(NODES)],
        env=own | _CLUSTER_SETTINGS, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
    ) as cluster:  # fmt: skip
        stage = None
        try:
            assert cluster.stdout
            address = next((line.strip() for line in cluster.stdout if ":" in line), "")
            assert address, (folder / "cluster.log").read_text()[-2000:]
            raylets = [int(pid) for pid in cluster.stdout.readline().split()]
            stage = Stage(folder=folder, environment=own, cluster=cluster, address=address, port=port, raylets=raylets)
            stage.mend()
            yield stage
        finally:
            if stage:
                stage.kill_server()
            assert cluster.stdin
            cluster.stdin.close()
            cluster.wait(60)
            shutil.rmtree(folder, ignore_errors=True)


def _children(parent: int) -> list[tuple[int, str]]:
    """Return the ids and command lines of the processes that a process has started."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        with suppress(OSError):
            if int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                found.append((int(folder.name), (folder / "cmdline").read_text().replace("\0", " ")))
    return found


def _lives(process: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
