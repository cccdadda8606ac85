"""Files to run fairsweep elsewhere than on this machine: images, a cloud, Kubernetes, an MLflow server for many."""

from __future__ import annotations

import importlib.resources
from collections.abc import Mapping
from dataclasses import dataclass

from sweeps.errors import InputError, name_options, suggest

_FOLDER = importlib.resources.files(__name__)

#: What the user of a file must fill in stands in lines with this word.
MARK = "EDIT"


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """Files that are used together.

    Args:
        purpose: what they make, in a line.
        files: their names, in the order of use.
    """

    purpose: str
    files: tuple[str, ...]


DEPLOYMENTS: Mapping[str, Deployment] = {
    "image": Deployment(
        purpose="container image for the nodes of a Ray cluster",
        files=("Dockerfile", "Dockerfile.dockerignore"),
    ),
    "mlflow": Deployment(
        purpose="MLflow server with passwords on PostgreSQL, by docker compose",
        files=("compose.yaml", "mlflow.Dockerfile", "mlflow-auth.ini"),
    ),
    "ray-up": Deployment(
        purpose="GPU cluster on AWS (with notes for Google Cloud), by ray up",
        files=("ray-up-aws.yaml",),
    ),
    "kuberay": Deployment(
        purpose="Ray cluster or single study on Kubernetes, with MLflow and network rules",
        files=("kubernetes-base.yaml", "kubernetes-mlflow.yaml", "kuberay-cluster.yaml", "kuberay-job.yaml"),
    ),
}


def deployment(name: str) -> Deployment:
    """Return a deployment by its name.

    Raises:
        InputError: there is none of that name.
    """
    if name not in DEPLOYMENTS:
        raise InputError(
            f"the deployment must be {name_options(DEPLOYMENTS)}; got {name!r}.{suggest(name, DEPLOYMENTS)}"
        )
    return DEPLOYMENTS[name]


def file_text(name: str) -> str:
    """Return the text of a file of a deployment."""
    return (_FOLDER / name).read_text(encoding="utf-8")
