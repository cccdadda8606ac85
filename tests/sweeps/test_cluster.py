"""Joining, starting and asking real clusters, each from a process of its own: Ray reads its tokens once per process."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from mlflow import MlflowClient

from sweeps.cluster.joining import remove_leftovers
from sweeps.cluster.probing import ask_head
from tests.clusters import RunningCluster, cluster, fake_gpus
from tests.commands import environment, uri, write_study
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.cluster

_JOIN = """
import json, sys
from sweeps.cluster.addresses import ClusterError
from sweeps.cluster.joining import joined

address, allow_open, body = sys.argv[1], sys.argv[2] == "open", sys.argv[3]
found = {}
try:
    with joined(address, allow_open=allow_open):
        exec(body)
except ClusterError as error:
    found["refused"] = str(error)
print(json.dumps(found))
"""


def join(
    home: Path, address: str, body: str = "", *, allow_open: bool = False, given: dict[str, str] | None = None
) -> dict[str, Any]:
    """Run `body` in a process that has joined a cluster; it leaves what it finds in the dict `found`."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    done = subprocess.run(
        [sys.executable, "-c", _JOIN, address, "open" if allow_open else "guarded", body],
        env={**clean, "HOME": str(home), **(given or {})},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()  # Ray writes nothing of its own
    result: dict[str, Any] = json.loads(line)
    return result


LISTENERS = """
import psutil  # comes with Ray
mine = [psutil.Process(), *psutil.Process().children(recursive=True)]
listening = [(p.name(), c.laddr.ip) for p in mine for c in p.net_connections() if c.status == "LISTEN"]
found["open"] = [entry for entry in listening if entry[1].removeprefix("::ffff:") not in ("127.0.0.1", "::1")]
found["number"] = len(listening)
import os
token = found["token"] = os.environ["RAY_AUTH_TOKEN"]
found["told"] = [p.name() for p in mine if any(token in argument for argument in p.cmdline())]
import ray
from sweeps.cluster.probing import ask_head
found["answer"] = ask_head(ray.get_runtime_context().gcs_address)
"""


def test_a_cluster_started_here_listens_on_loopback_only_and_refuses_strangers(tmp_path: Path) -> None:
    """Ray's own default is to listen on all interfaces, and to take the token that opens another cluster too."""
    found = join(tmp_path, "local", LISTENERS, given={"RAY_AUTH_TOKEN": "0" * 64})
    assert found["token"] != "0" * 64
    assert found["number"] >= 5  # or nothing would have been seen
    assert found["open"] == []
    assert found["answer"] == "refused"
    assert found["told"] == []
    assert not (tmp_path / ".ray").exists()


def test_what_a_killed_launch_left_is_removed_and_what_a_living_one_uses_is_not(tmp_path: Path) -> None:
    kept = ["fairsweep-ray-living", "fairsweep-ray-unmarked", "fairsweep-bench"]
    for name in ("fairsweep-ray-killed", *kept):
        (tmp_path / name).mkdir()
        (tmp_path / name / ("log" if name.endswith("unmarked") else "in-use")).touch()
    with (tmp_path / kept[0] / "in-use").open() as mark:
        fcntl.flock(mark, fcntl.LOCK_EX)
        remove_leftovers(tmp_path)
    assert sorted(left.name for left in tmp_path.iterdir()) == sorted(kept)


@pytest.mark.parametrize("address", ["local", "127.0.0.1:1"])
def test_starting_or_joining_a_cluster_without_tokens_is_refused_before_anything_happens(
    tmp_path: Path, address: str
) -> None:
    refused = join(tmp_path, address, given={"RAY_AUTH_MODE": "disabled"})["refused"]
    assert refused.startswith("RAY_AUTH_MODE must be token or unset; got 'disabled'.")


INVENTORY = """
from sweeps.cluster.capacity import inventory
nodes, found["can_grow"] = inventory()
found["nodes"] = sorted([node.cpu, node.gpu, node.kind] for node in nodes)
"""

PLACED = """
from models.workload import Budget
from sweeps.cluster.capacity import placed
from sweeps.protocol import Cell
from sweeps.spec import Resources
cells = [Cell("w", Budget(unit="epochs", amount=amount)) for amount in (5, 20)]
placement = placed(cells, Resources(gpu=%s), {})
found["slots"] = dict(placement.slots)
import ray
from sweeps.cluster.hardware import hardware
from ray.util.placement_group import placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy
for cell in cells:
    group = placement_group([placement.bundle(cell)])
    strategy = PlacementGroupSchedulingStrategy(group, placement_group_capture_child_tasks=True)
    ask = ray.remote(num_cpus=1, num_gpus=1, scheduling_strategy=strategy)(lambda: (hardware(True), hardware(False)))
    found.setdefault("kinds", []).append(placement.kind(cell))
    seen, cpu = ray.get(ask.remote())
    found.setdefault("seen", []).append(seen)
    found["cpu"] = cpu
"""


DEATH = """
import os, time
try:
    ray.get(ray.remote(max_retries=0)(lambda: os._exit(1)).remote())
except ray.exceptions.WorkerCrashedError:
    found["died"] = True
time.sleep(2)  # Ray would have said so by now
"""


#: Ends itself with SIGTERM while Ray starts, at a moment when that has set an answer of its own.
_ENDED_EARLY = """
import os, signal, sys
from sweeps.cli.app import main
import sweeps.cluster.joining
from ray._private.node import Node

Node.start_ray_processes = lambda _: os.kill(os.getpid(), signal.SIGTERM)
sys.argv[0] = "fairsweep"
main()
"""


def test_a_launch_that_is_ended_while_ray_starts_ends_in_order(tmp_path: Path) -> None:
    with TemporaryDirectory() as short:  # for Ray's sockets
        done = subprocess.run(
            [sys.executable, "-c", _ENDED_EARLY, "launch", str(write_study(tmp_path))],
            env=environment(tmp_path) | {"TMPDIR": short},
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert not list(Path(short).glob("fairsweep*"))
    assert (done.returncode, done.stderr) == (130, "")


def test_a_temporary_folder_whose_path_is_too_long_for_ray_is_refused_with_the_remedy(tmp_path: Path) -> None:
    (far := tmp_path / ("x" * 80)).mkdir()
    refused = join(tmp_path, "local", given={"TMPDIR": str(far)})["refused"]
    assert refused == f"Ray cannot make its sockets in {far}, whose path is too long: set TMPDIR to a shorter one."
    assert not list(far.glob("fairsweep*"))


def test_trials_here_are_as_nice_as_the_launch_unless_told_otherwise(tmp_path: Path) -> None:
    body = "import os, ray; found['added'] = ray.get(ray.remote(lambda: os.nice(0)).remote()) - os.nice(0)"
    assert join(tmp_path, "local", body) == {"added": 0}
    assert join(tmp_path, "local", body, given={"RAY_worker_niceness": "3"}) == {"added": 3}


def test_ray_writes_nothing_of_its_own_when_a_worker_dies(tmp_path: Path) -> None:
    assert join(tmp_path, "local", "import ray" + DEATH) == {"died": True}


@pytest.fixture(scope="module")
def two_kinds() -> Iterator[RunningCluster]:
    with cluster(fake_gpus("A100", 1), fake_gpus("H100", 2)) as running:
        yield running


def test_the_nodes_of_a_cluster_are_seen_one_by_one(two_kinds: RunningCluster, tmp_path: Path) -> None:
    found = join(tmp_path, two_kinds.address, INVENTORY, given=two_kinds.environment)
    assert found["nodes"] == [[0, 0, None], [2, 1, "A100"], [2, 2, "H100"]]
    assert found["can_grow"] is False


def test_trials_of_a_cell_run_on_its_kind_of_gpu(two_kinds: RunningCluster, tmp_path: Path) -> None:
    found = join(tmp_path, two_kinds.address, PLACED % "1", given=two_kinds.environment)
    assert found["slots"] == {"A100": 1, "H100": 2}
    assert sorted(found["kinds"]) == ["A100", "H100"]
    assert found["seen"] == found["kinds"]
    assert found["cpu"]


def test_auto_finds_the_cluster_that_this_machine_is_a_node_of(two_kinds: RunningCluster, tmp_path: Path) -> None:
    body = "import ray; found['head'] = ray.get_runtime_context().gcs_address"
    assert join(tmp_path, "auto", body, given=two_kinds.environment) == {"head": two_kinds.address}


def test_a_request_that_no_node_can_meet_fails_at_once(two_kinds: RunningCluster, tmp_path: Path) -> None:
    refused = join(tmp_path, two_kinds.address, PLACED % "4", given=two_kinds.environment)["refused"]
    assert "needs 1 CPU and 4 GPU on one node" in refused
    assert "(2 CPU, 2 GPU H100), (2 CPU, 1 GPU A100)" in refused


@pytest.mark.parametrize("given", [{}, {"RAY_AUTH_TOKEN": "0" * 64}, {"RAY_AUTH_MODE": "disabled"}])
def test_a_cluster_is_not_joined_without_its_token(
    two_kinds: RunningCluster, tmp_path: Path, given: dict[str, str]
) -> None:
    """Not even by someone who would join an open one, who alone comes as far as the head without tokens."""
    refused = join(tmp_path, two_kinds.address, given=given, allow_open="RAY_AUTH_MODE" in given)["refused"]
    assert "does not take our token, or there is none to send" in refused
    assert two_kinds.environment["RAY_AUTH_TOKEN"] not in refused


def test_an_address_where_nothing_listens_is_said_to_be_no_cluster(tmp_path: Path) -> None:
    refused = join(tmp_path, "127.0.0.1:9", given={"RAY_AUTH_TOKEN": "0" * 64})["refused"]
    assert refused == "no Ray cluster at --address 127.0.0.1:9: nothing listens there."


def test_a_cluster_that_auto_finds_and_that_does_not_answer_is_not_waited_for(tmp_path: Path) -> None:
    """Ray itself tries for more than ten minutes, and shows the failures of its own network code meanwhile."""
    given = {"RAY_AUTH_TOKEN": "0" * 64, "RAY_ADDRESS": "127.0.0.1:9"}
    refused = join(tmp_path, "auto", given=given)["refused"]
    assert refused.startswith("no Ray cluster at --address auto: nothing listens at ")


def test_the_head_of_a_guarded_cluster_refuses_a_stranger(two_kinds: RunningCluster) -> None:
    assert ask_head(two_kinds.address) == "refused"
    assert ask_head(two_kinds.address, "0" * 64) == "refused"
    assert ask_head(two_kinds.address, "x" * 5000) == "refused"  # as long as the tokens of Kubernetes
    assert ask_head(two_kinds.address, two_kinds.environment["RAY_AUTH_TOKEN"]) == "answered"


SCALING = """
max_workers: 4
head_node_type: head
available_node_types:
  head: {resources: {CPU: 0}, max_workers: 0}
  small: {resources: {CPU: 1}, max_workers: 2}
  large: {resources: {CPU: 16, GPU: 2, "accelerator_type:A100": 1}, max_workers: 2}
"""


def test_what_an_autoscaler_can_add_is_counted_where_it_says_so(managed: RunningCluster, tmp_path: Path) -> None:
    unknown = join(tmp_path, managed.address, INVENTORY, given=managed.environment, allow_open=True)
    assert unknown == {"can_grow": True, "nodes": [[0, 0, None], [1, 0, None]]}
    (tmp_path / "ray_bootstrap_config.yaml").write_text(SCALING, encoding="utf-8")
    known = join(tmp_path, managed.address, INVENTORY, given=managed.environment, allow_open=True)
    assert known == {"can_grow": False, "nodes": [[0, 0, None], [1, 0, None], [1, 0, None], [16, 2, "A100"]]}


WAITED = """
from sweeps.cluster import capacity
from sweeps.spec import Resources
capacity.PATIENCE_SECONDS, capacity._POLL_SECONDS = 1.0, 0.1
said = found["said"] = []
capacity.placed([], Resources(gpu=1), {}, said.append)
"""


def test_an_autoscaler_that_says_nothing_is_waited_for_with_one_line_and_not_for_ever(
    managed: RunningCluster, tmp_path: Path
) -> None:
    found = join(tmp_path, managed.address, WAITED, given=managed.environment, allow_open=True)
    (line,) = found["said"]
    assert line.startswith("No node has room for a trial yet (1 CPU and 1 GPU).")
    assert "needs 1 CPU and 1 GPU on one node" in found["refused"]


@pytest.fixture(scope="module")
def managed() -> Iterator[RunningCluster]:
    """A cluster without tokens, of which an autoscaler or an operator has named a node's type."""
    with cluster({"num_cpus": 1, "env_vars": {"RAY_NODE_TYPE_NAME": "small"}}, guarded=False) as running:
        yield running


def test_a_cluster_that_asks_for_no_token_is_used_only_when_told_so(managed: RunningCluster, tmp_path: Path) -> None:
    assert ask_head(managed.address) == "answered"
    for given in ({}, {"RAY_AUTH_TOKEN": "0" * 64}):
        refused = join(tmp_path, managed.address, given=given)["refused"]
        assert f"--address {managed.address} answers to requests without a token" in refused
    body = "found['joined'] = True"
    for given in ({}, {"RAY_AUTH_MODE": "disabled"}):
        found = join(tmp_path, managed.address, body, allow_open=True, given=given)
        assert found == {"joined": True}


def launch_on(running: RunningCluster, home: Path, **changes: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sweeps.cli", "launch", str(write_study(home, **changes)), "--address", running.address],
        env={**environment(home), **running.environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def test_a_study_that_no_node_can_run_is_refused_before_anything_is_recorded(
    two_kinds: RunningCluster, tmp_path: Path
) -> None:
    done = launch_on(two_kinds, tmp_path, resources={"gpu": 4})
    assert done.returncode == 2
    message = " ".join(done.stderr.split())
    assert "one trial needs 1 CPU and 4 GPU on one node, and the largest nodes have (2 CPU, 2 GPU H100)" in message
    assert MlflowClient(uri(tmp_path)).get_experiment_by_name("tiny") is None
    misspelt = launch_on(two_kinds, tmp_path, resources={"gpu": 1, "accelerator": "A10O"})
    assert "Found: A100, H100. Did you mean A100?" in " ".join(misspelt.stderr.split())


@pytest.mark.slow
def test_a_launch_keeps_each_cell_on_one_kind_of_gpu_and_uses_both(two_kinds: RunningCluster, tmp_path: Path) -> None:
    """The GPUs are only said to be there, so that every trial fails; where it did so is recorded all the same."""
    done = launch_on(two_kinds, tmp_path, resources={"gpu": 0.5}, faults={"stop_after": 1000})
    assert done.returncode == 1
    assert "of 2 cells, 1 on A100, 1 on H100" in " ".join((done.stdout + done.stderr).split())
    assert two_kinds.environment["RAY_AUTH_TOKEN"] not in done.stdout + done.stderr
    runs = MlflowClient(uri(tmp_path)).search_runs(["1"], "tags.`fairsweep.role` = 'trial'")
    kinds = {(run.data.tags["fairsweep.cell"], run.data.tags["fairsweep.hardware"]) for run in runs}
    assert len(runs) >= 12
    assert len(kinds) == 2
    assert {kind for _, kind in kinds} == {"A100", "H100"}
