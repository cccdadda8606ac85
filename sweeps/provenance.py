"""What a study was run with: versions, machine, and the state of the code."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import shlex
import subprocess
import sys
from pathlib import Path

from sweeps.jobs.submission import merged_environment, received
from sweeps.places import without_credentials

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

_OWN_PACKAGES = ("schedules", "models", "sweeps", "analysis")
_MAX_HASHED_BYTES = 2**20


def package_versions() -> dict[str, str]:
    """Return the installed version of each package that can change a result."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def source_digest() -> str:
    """Hash the source of this program, so that two of the same version can be told apart."""
    root = Path(__file__).parent.parent
    digest = hashlib.sha256()
    for package in _OWN_PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            digest.update(f"{path.relative_to(root).as_posix()}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def git_state(folder: Path | None = None) -> dict[str, str]:
    """Return the state of the repository around `folder`, by default the current one; empty outside one.

    A state that is not committed is told from others by the hash of its differences to the commit and of the files
    that git does not know yet.
    """
    try:
        folder = folder or Path.cwd()
        commit = _git(folder, "rev-parse", "HEAD").decode().strip()
        dirty = _git(folder, "status", "--porcelain")
        if not dirty:
            return {"git_commit": commit, "git_dirty": "no"}
        digest = hashlib.sha256(_git(folder, "diff", "HEAD", "--binary"))
        root = Path(os.fsdecode(_git(folder, "rev-parse", "--show-toplevel").rstrip(b"\n")))
        for name in _git(root, "ls-files", "-z", "--others", "--exclude-standard").split(b"\0"):
            path = root / os.fsdecode(name)
            digest.update(name + b"\0")
            if name and path.is_file() and path.stat().st_size <= _MAX_HASHED_BYTES:
                digest.update(path.read_bytes())
    except (OSError, subprocess.SubprocessError):
        return {}
    return {"git_commit": commit, "git_dirty": "yes", "git_diff_sha256": digest.hexdigest()}


def _git(folder: Path, *arguments: str) -> bytes:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, check=True, timeout=10).stdout  # noqa: S603


def machine(code: Path | None = None) -> dict[str, str]:
    """Return versions, source, command and state of the code on this machine.

    Args:
        code: folder of the user's code; by default the current one.
    """
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu_count": str(os.cpu_count()),
        "command": without_credentials(shlex.join(["fairsweep", *sys.argv[1:]])),
        **{f"version_{name}": version for name, version in package_versions().items()},
        "source_sha256": source_digest(),
        **git_state(code),
    }


def environment() -> dict[str, str]:
    """Return what a reader needs to re-create the environment of a study; of a job, also where it was submitted."""
    return merged_environment(machine(), received(os.environ))
