"""What an autoscaler may add is read from where it reads it itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from ray.autoscaler._private.kuberay import node_provider

from sweeps.cluster import scaling
from sweeps.cluster.capacity import addable
from sweeps.cluster.placement import Node
from sweeps.deploy import file_text

Kubernetes = Callable[[str], dict[str, Any]]


@pytest.fixture
def pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Kubernetes], None]]:
    """A pod of Ray on Kubernetes, whose API answers as it is told."""
    (tmp_path / "namespace").write_text("fairsweep\n", encoding="utf-8")
    monkeypatch.setattr(scaling, "_NAMESPACE_FILE", tmp_path / "namespace")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RAY_CLUSTER_NAME", "fairsweep-study-x7k2p")

    def answering(kubernetes: Kubernetes) -> None:
        monkeypatch.setattr(node_provider.KubernetesHttpApiClient, "get", lambda _, path: kubernetes(path))

    scaling._of_kuberay.cache_clear()
    yield answering
    scaling._of_kuberay.cache_clear()


def shipped(path: str) -> dict[str, Any]:
    assert path == "rayclusters/fairsweep-study-x7k2p"
    cluster: dict[str, Any] = yaml.safe_load(file_text("kuberay-cluster.yaml"))
    return cluster


def broken(path: str) -> dict[str, Any]:
    raise requests.HTTPError(f"403: {path}")


def test_on_kubernetes_the_worker_groups_of_the_cluster_may_be_added(pod: Callable[[Kubernetes], None]) -> None:
    pod(shipped)
    config = scaling.scaling_config()
    assert config is not None
    assert addable(config, {"headgroup": 1, "gpu": 3}) == [Node(cpu=6, gpu=1, kind="L4", count=5)]


@pytest.mark.parametrize("answer", [broken, lambda _: {}, lambda _: {"metadata": {"namespace": "n"}, "spec": None}])
def test_where_kubernetes_does_not_say_it_is_unknown(pod: Callable[[Kubernetes], None], answer: Kubernetes) -> None:
    pod(answer)
    assert scaling.scaling_config() is None


def test_outside_of_kubernetes_it_is_not_asked(
    pod: Callable[[Kubernetes], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    pod(shipped)
    monkeypatch.delenv("RAY_CLUSTER_NAME")
    assert scaling.scaling_config() is None
