"""Keep a Ray cluster of several nodes on this machine, in a process of its own, and replace nodes on demand.

Commands come as lines on stdin, answers go as lines to stdout, troubles to stderr. Nodes are killed by others, by the
ids of their processes; the cluster ends when stdin does.
"""

from __future__ import annotations

import sys
import traceback
from typing import TextIO

from ray._private.node import Node
from ray.cluster_utils import Cluster

from tests.patience import start_patiently

#: A worker node has room for one trial.
NODE_CPUS = 1
#: On a machine that is too busy, a node may be given up for lost while it starts.
_TRIES = 3


def main(folder: str, nodes: int, commands: TextIO) -> None:
    """Start a head, which takes no trials, and `nodes` worker nodes; then heed commands to their end.

    ``replace PID`` removes what is left of the node whose raylet is or was process PID, and adds a new one. Each answer
    is the process ids of the raylets; the first line is the address of the head.

    Args:
        folder: where Ray keeps its files.
        nodes: number of worker nodes.
        commands: where commands come from.
    """
    start_patiently()
    head = {"num_cpus": 0, "include_dashboard": False, "temp_dir": folder}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    running = [_added(cluster) for _ in range(nodes)]
    print(cluster.address, flush=True)
    print(*map(_raylet, running), flush=True)
    for line in commands:
        pid = int(line.split()[1])
        gone = next(node for node in running if _raylet(node) == pid)
        running.remove(gone)
        cluster.remove_node(gone, allow_graceful=False)
        running.append(_added(cluster))
        print(*map(_raylet, running), flush=True)
    cluster.shutdown()


def _added(cluster: Cluster) -> Node:
    for _ in range(_TRIES - 1):
        try:
            return cluster.add_node(num_cpus=NODE_CPUS)
        except Exception:  # noqa: BLE001 (Ray raises bare ones)
            traceback.print_exc()
    return cluster.add_node(num_cpus=NODE_CPUS)


def _raylet(node: Node) -> int:
    [info] = node.all_processes["raylet"]
    return int(info.process.pid)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.stdin)
