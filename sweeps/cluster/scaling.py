"""What the autoscaler of the joined cluster is told that it may add: types of nodes, and how many of each.

An autoscaler tells nobody. It reads a file where ``ray up`` made the cluster, and the resource RayCluster on
Kubernetes; a launch on the head can read the same.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

#: ``ray up`` puts the cluster's configuration here, on the head.
_BOOTSTRAP_FILE = Path("~/ray_bootstrap_config.yaml")
#: KubeRay sets this in every pod of Ray.
_CLUSTER_VARIABLE = "RAY_CLUSTER_NAME"
#: Kubernetes puts the name of the pod's namespace here, beside what proves to its API who asks.
_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def scaling_config() -> Mapping[str, Any] | None:
    """Return the configuration that the autoscaler works by, in the form of ``ray up``, or None where it is unknown."""
    return _of_ray_up() or _of_kuberay()


def _of_ray_up() -> Mapping[str, Any] | None:
    try:
        config = yaml.safe_load(_BOOTSTRAP_FILE.expanduser().read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError):
        return None
    return config if isinstance(config, dict) and config.get("available_node_types") else None


@functools.cache  # asked while a launch waits for a node, too; where Kubernetes does not answer, that takes a minute
def _of_kuberay() -> Mapping[str, Any] | None:
    """Ask Kubernetes as Ray's autoscaler does, which is another container of the head's pod with the same rights."""
    cluster = os.environ.get(_CLUSTER_VARIABLE)
    try:
        namespace = _NAMESPACE_FILE.read_text(encoding="utf-8").strip()
    except OSError:
        return None
    if not cluster:
        return None
    try:
        from ray.autoscaler._private.kuberay import autoscaling_config, node_provider  # noqa: PLC0415 (only there)

        resource = node_provider.KubernetesHttpApiClient(namespace).get(f"rayclusters/{cluster}")
        return autoscaling_config._derive_autoscaling_config_from_ray_cr(resource)
    except Exception:  # noqa: BLE001 (not public, and whatever it raises: a launch goes on without)
        return None
