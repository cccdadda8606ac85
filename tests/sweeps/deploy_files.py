"""Read the files that are shipped for clouds, Kubernetes and MLflow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from sweeps.deploy import DEPLOYMENTS, file_text


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(file_text(name)))


def resources() -> Iterator[dict[str, Any]]:
    for name in DEPLOYMENTS["kuberay"].files:
        yield from documents(name)


def resource(kind: str, name: str) -> dict[str, Any]:
    (found,) = [r for r in resources() if (r["kind"], r["metadata"]["name"]) == (kind, name)]
    return found


def ray_clusters() -> list[dict[str, Any]]:
    job = resource("RayJob", "fairsweep-study")["spec"]
    return [resource("RayCluster", "fairsweep")["spec"], job["rayClusterSpec"]]


def groups(cluster: dict[str, Any]) -> list[dict[str, Any]]:
    return [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]


def pod_templates() -> list[dict[str, Any]]:
    own = [r["spec"]["template"] for r in resources() if r["kind"] in {"Deployment", "StatefulSet"}]
    return own + [group["template"] for cluster in ray_clusters() for group in groups(cluster)]


def ray_up() -> dict[str, Any]:
    (config,) = documents("ray-up-aws.yaml")
    return config


def compose() -> dict[str, Any]:
    (config,) = documents("compose.yaml")
    return config
