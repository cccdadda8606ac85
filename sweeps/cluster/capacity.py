"""What the joined cluster has, what its autoscaler could add, and where that puts the trials of a study."""

from __future__ import annotations

import functools
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import ray
from ray.autoscaler.sdk import request_resources
from ray.autoscaler.v2.sdk import get_cluster_status
from ray.exceptions import RaySystemError

from sweeps.cluster.addresses import ClusterError
from sweeps.cluster.placement import KIND_RESOURCE, Node, Placement, bundle, place
from sweeps.cluster.scaling import scaling_config
from sweeps.protocol import Cell
from sweeps.spec import Resources

#: How long an autoscaler that does not say what it can add is given to add a node for the first trial.
PATIENCE_SECONDS = 20 * 60.0
_POLL_SECONDS = 2.0
#: How long what was seen of the nodes stands, while a study runs.
_GLANCE_SECONDS = 10.0

#: What Ray calls the type of a node that nobody but its user has started.
_UNMANAGED = "node_"


def placed(
    cells: Sequence[Cell],
    request: Resources,
    recorded: Mapping[str, Collection[str]],
    say: Callable[[str], None] = lambda _: None,
) -> Placement:
    """Place the cells of a study on the joined cluster, or fail at once.

    Where an autoscaler says what it can add, that counts. Where it does not, and not one trial fits now, it is asked
    for a node and given twenty minutes.

    Args:
        cells: the cells of the study.
        request: what one trial occupies.
        recorded: the hardware that trials have run on, by the cell's slug, for cells that are not finished.
        say: told in one line what is being waited for.

    Raises:
        ClusterError: the cluster cannot run one trial, or not on the kind of GPU on which a cell was begun.
    """
    nodes, can_grow = inventory()
    deadline = time.monotonic() + PATIENCE_SECONDS
    asked = False
    try:
        while True:
            try:
                return place(cells, request, nodes, recorded, can_grow=can_grow)
            except ClusterError:
                if not can_grow or time.monotonic() > deadline:
                    raise
            if not asked:
                say(
                    f"No node has room for a trial yet ({request.described}). The cluster may add one; it does not say "
                    f"which it can: waiting for up to {PATIENCE_SECONDS / 60:.0f} minutes."
                )
                request_resources(bundles=[bundle(request, request.accelerator)])
                asked = True
            time.sleep(_POLL_SECONDS)
            nodes, can_grow = inventory()
    finally:
        if asked:
            request_resources(bundles=[])


def inventory() -> tuple[list[Node], bool]:
    """Return the nodes that the cluster has and is known to be able to add, and whether it may add others."""
    types = _types()
    here = _alive()
    managed = Counter(types[name] for name in here if not types.get(name, _UNMANAGED).startswith(_UNMANAGED))
    config = scaling_config() if managed else None
    if config is None:
        return list(here.values()), bool(managed)
    return [*here.values(), *addable(config, managed)], False


def shortage(placement: Placement) -> str:
    """Say which trials no living node of the joined cluster could run; what is seen is up to ten seconds old."""
    try:
        return placement.shortage(_lately_alive(int(time.monotonic() / _GLANCE_SECONDS)))
    except RaySystemError:  # not joined, or just left by another thread
        return ""


@functools.lru_cache(maxsize=1)
def _lately_alive(_: int) -> list[Node]:
    return list(_alive().values())


def _alive() -> dict[str, Node]:
    """Return the living nodes by their ids."""
    listed: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return {node["NodeID"]: node_from(node["Resources"]) for node in listed if node["Alive"]}


def node_from(resources: Mapping[str, float], count: int = 1) -> Node:
    """Return the node, or the `count` nodes alike, that Ray describes by `resources`."""
    kinds = sorted(name.removeprefix(KIND_RESOURCE) for name in resources if name.startswith(KIND_RESOURCE))
    return Node(
        cpu=float(resources.get("CPU", 0)),
        gpu=float(resources.get("GPU", 0)),
        kind=kinds[0] if kinds else None,
        count=count,
    )


def addable(config: Mapping[str, Any], there: Mapping[str, int]) -> list[Node]:
    """Return the nodes that an autoscaler could still add.

    Args:
        config: in the form of ``ray up``: the types of nodes, and how many of each and in all there may be.
        there: how many nodes of each type there are now.
    """
    head = config.get("head_node_type")
    types: Mapping[str, Any] = config.get("available_node_types") or {}
    workers = sum(there.values()) - there.get(str(head), 0)
    in_all = max(int(config.get("max_workers", 2)) - workers, 0)  # 2 is the default of ``ray up``
    nodes = []
    for name, type_ in types.items():
        most = int(type_.get("max_workers", 0 if name == head else config.get("max_workers", 2)))
        count = min(most - (there.get(name, 0) if name != head else 0), in_all)
        if count > 0:
            nodes.append(node_from(type_.get("resources") or {}, count))
    return nodes


def _types() -> dict[str, str]:
    """Return the type of each node, by its id."""
    status = get_cluster_status(ray.get_runtime_context().gcs_address)
    return {
        node.node_id: node.ray_node_type_name for node in (*status.active_nodes, *status.idle_nodes) if node.node_id
    }
