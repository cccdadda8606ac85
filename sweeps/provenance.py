"""What a study was run with: versions, machine, and the state of the code."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys

PACKAGES = (
    "fairsweep",
    "torch",
    "torchvision",
    "ray",
    "mlflow",
    "optuna",
    "numpy",
    "scipy",
    "mnist1d",
    "scikit-learn",
)


def package_versions() -> dict[str, str]:
    """Return the installed version of each package that can change a result."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def git_state() -> dict[str, str]:
    """Return commit and cleanliness of the repository around the current folder; empty outside one."""
    try:
        commit = _git("rev-parse", "HEAD")
        dirty = _git("status", "--porcelain")
    except (OSError, subprocess.SubprocessError):
        return {}
    return {"git_commit": commit, "git_dirty": "yes" if dirty else "no"}


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True, timeout=10)  # noqa: S603, S607
    return done.stdout.strip()


def environment() -> dict[str, str]:
    """Return what a reader needs to re-create the environment of a study."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu_count": str(os.cpu_count()),
        "command": " ".join(["fairsweep", *sys.argv[1:]]),
        **{f"version_{name}": version for name, version in package_versions().items()},
        **git_state(),
    }
