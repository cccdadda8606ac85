"""A Ray cluster of several nodes on this machine, in processes of its own, guarded by a token."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
_SERVE = """
import json, sys
from ray.cluster_utils import Cluster
from tests.patience import start_patiently

start_patiently()
nodes, folder = json.loads(sys.argv[1]), sys.argv[2]
cluster = Cluster(
    initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, "temp_dir": folder}
)
for node in nodes:
    cluster.add_node(**node)
print(cluster.address, flush=True)
sys.stdin.read()  # until the test has gone
cluster.shutdown()
"""


@dataclass(frozen=True)
class RunningCluster:
    """A cluster that a test may join.

    Args:
        address: ``HOST:PORT`` of its head.
        environment: what a process needs to join it: the mode and the token.
    """

    address: str
    environment: dict[str, str]


def fake_gpus(kind: str, number: int, cpus: int = 2) -> dict[str, Any]:
    """Describe a node that says it had GPUs."""
    return {
        "num_cpus": cpus,
        "num_gpus": number,
        "resources": {f"accelerator_type:{kind}": 1},
        "labels": {"ray.io/accelerator-type": kind},
    }


#: For many processes that start at once on few cores: Ray takes a worker for lost that does not answer within a minute.
PATIENCE = {
    "RAY_worker_register_timeout_seconds": "900",
    "RAY_health_check_timeout_ms": "120000",
    "RAY_health_check_failure_threshold": "20",
}


@contextmanager
def cluster(
    *nodes: dict[str, Any], guarded: bool = True, settings: Mapping[str, str] | None = None
) -> Iterator[RunningCluster]:
    """Run a cluster with a head that takes no trials and these worker nodes.

    Args:
        nodes: of each, what ``Cluster.add_node`` takes.
        guarded: whether a token is needed.
        settings: of Ray's own processes, as environment variables.
    """
    # A short path: those of Ray's sockets must stay under 108 bytes.
    folder = Path(tempfile.mkdtemp(prefix="fc-"))
    auth = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    own = auth if guarded else {"RAY_AUTH_MODE": "disabled"}
    clean = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    environment = {
        **clean,
        **(settings or {}),
        **own,
        "HOME": str(folder),
        "RAY_TMPDIR": str(folder),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_worker_niceness": "0",  # or trials wait for whatever test runs beside this one
    }
    with subprocess.Popen(
        [sys.executable, "-c", _SERVE, json.dumps(nodes), str(folder / "ray")],
        env=environment,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stdout
            address = next((line.strip() for line in process.stdout if ":" in line), "")
            assert address, "the cluster did not start"
            yield RunningCluster(address, {**own, "RAY_TMPDIR": str(folder)})
        finally:
            assert process.stdin
            process.stdin.close()
            process.wait(60)
            shutil.rmtree(folder, ignore_errors=True)
