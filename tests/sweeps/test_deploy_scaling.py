"""Whether clusters on Kubernetes grow for the trials of a launch: Ray's own reader and autoscalers, no Kubernetes."""

from __future__ import annotations

import functools
import json
import shlex
from typing import Any

import pytest
from ray.autoscaler._private.kuberay.autoscaling_config import _derive_autoscaling_config_from_ray_cr
from ray.autoscaler._private.node_provider_availability_tracker import NodeAvailabilitySummary
from ray.autoscaler._private.resource_demand_scheduler import _default_utilization_scorer, get_nodes_for
from ray.autoscaler.v2.instance_manager.config import NodeTypeConfig
from ray.autoscaler.v2.scheduler import ResourceDemandScheduler, SchedulingRequest
from ray.autoscaler.v2.schema import AutoscalerInstance
from ray.autoscaler.v2.utils import ResourceRequestUtil
from ray.core.generated.autoscaler_pb2 import NodeState, NodeStatus
from ray.core.generated.instance_manager_pb2 import Instance, NodeKind

from models.workload import Budget
from sweeps.cluster.addresses import NoRoomError
from sweeps.cluster.capacity import addable
from sweeps.cluster.placement import Node, Placement, place
from sweeps.protocol import Cell
from sweeps.spec import Resources
from tests.sweeps.deploy_files import ray_clusters


def described_to_the_autoscaler(cluster: dict[str, Any]) -> dict[str, Any]:
    """Return what Ray's autoscaler makes of a cluster on Kubernetes; the only other parts that it reads are names."""
    config: dict[str, Any] = _derive_autoscaling_config_from_ray_cr(
        {"metadata": {"name": "fairsweep", "namespace": "fairsweep"}, "spec": cluster}
    )
    return config


def placed_on_kubernetes(cluster: dict[str, Any], request: Resources, workers: int = 0) -> Placement:
    """Place two cells on a cluster that has its head and some workers."""
    there = {"headgroup": 1, "gpu": workers}
    alive = [Node(cpu=0), *[Node(cpu=6, gpu=1, kind="L4")] * workers]
    cells = [Cell("w", Budget(unit="epochs", amount=amount)) for amount in (5, 20)]
    return place(cells, request, [*alive, *addable(described_to_the_autoscaler(cluster), there)], {})


@pytest.mark.parametrize("workers", [0, 1, 8])
def test_a_launch_on_kubernetes_counts_every_worker_that_may_be_added(workers: int) -> None:
    for cluster in ray_clusters():
        most = cluster["workerGroupSpecs"][0]["maxReplicas"]
        assert placed_on_kubernetes(cluster, Resources(gpu=1), workers).limit(None) == most
        assert placed_on_kubernetes(cluster, Resources(gpu=0.25), workers).limit(None) == 4 * most
        assert placed_on_kubernetes(cluster, Resources(gpu=1, accelerator="L4"), workers).limit(None) == most


def test_both_autoscalers_of_ray_add_workers_on_kubernetes_for_the_trials_of_a_launch() -> None:
    for cluster in ray_clusters():
        placement = placed_on_kubernetes(cluster, Resources(gpu=1))
        config = described_to_the_autoscaler(cluster)
        wanted = [placement.bundle(Cell("w", Budget(unit="epochs", amount=5)))] * placement.total
        assert added_by_autoscaler(config, wanted) == {"gpu": 8}
        assert added_by_autoscaler_v2(config, wanted) == {"gpu": 8}
        undeclared = [{"CPU": 1, "GPU": 1, "accelerator_type:A100": 0.001}]
        assert added_by_autoscaler(config, undeclared) == {}
        assert added_by_autoscaler_v2(config, undeclared) == {}


def added_by_autoscaler(config: dict[str, Any], bundles: list[dict[str, float]]) -> dict[str, int]:
    types = config["available_node_types"]
    scorer = functools.partial(
        _default_utilization_scorer, node_availability_summary=NodeAvailabilitySummary(node_availabilities={})
    )
    added, _ = get_nodes_for(types, {}, "headgroup", config["max_workers"], bundles, utilization_scorer=scorer)
    return dict(added)


def added_by_autoscaler_v2(config: dict[str, Any], bundles: list[dict[str, float]]) -> dict[str, int]:
    types = {
        name: NodeTypeConfig(
            name=name,
            min_worker_nodes=described["min_workers"],
            max_worker_nodes=described["max_workers"],
            resources=described["resources"],
        )
        for name, described in config["available_node_types"].items()
    }
    head = Instance(instance_type="headgroup", status=Instance.RAY_RUNNING, instance_id="0", node_kind=NodeKind.HEAD)
    node = NodeState(ray_node_type_name="headgroup", status=NodeStatus.RUNNING, node_id=b"0")
    reply = ResourceDemandScheduler(event_logger=None).schedule(
        SchedulingRequest(
            disable_launch_config_check=True,
            node_type_configs=types,
            max_num_nodes=config["max_workers"] + 1,
            resource_requests=ResourceRequestUtil.group_by_count([ResourceRequestUtil.make(b) for b in bundles]),
            current_instances=[AutoscalerInstance(im_instance=head, ray_node=node, cloud_instance_id="0")],
        )
    )
    return {launch.instance_type: launch.count for launch in reply.to_launch}


def test_a_kind_of_gpu_that_no_worker_group_declares_is_refused_at_once() -> None:
    for cluster in ray_clusters():
        with pytest.raises(NoRoomError, match=r"got 'A100'\. Found: L4"):
            placed_on_kubernetes(cluster, Resources(gpu=1, accelerator="A100"))
        with pytest.raises(NoRoomError, match=r"8 x \(6 CPU, 1 GPU L4\)"):
            placed_on_kubernetes(cluster, Resources(gpu=2))


def test_the_kind_that_is_declared_is_read_alike_by_the_shell_and_the_operator() -> None:
    for cluster in ray_clusters():
        (group,) = cluster["workerGroupSpecs"]
        given = group["rayStartParams"]["resources"]
        assert json.loads(given.strip("'")) == {"accelerator_type:L4": 1}  # the operator trims quotes, and reads JSON
        assert shlex.split(f"--resources={given}") == ['--resources={"accelerator_type:L4": 1}']
