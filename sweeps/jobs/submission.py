"""What a job is told of the machine that submitted it: its versions, its code, the command. Pure values."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from sweeps.errors import InputError

#: Names the file with the submission in the environment of a job, relative to its folder.
VARIABLE = "FAIRSWEEP_SUBMISSION"

_PYTHON, _FAIRSWEEP, _SOURCE = "python", "version_fairsweep", "source_sha256"


@dataclass(frozen=True, kw_only=True)
class Submission:
    """The machine that submitted a study.

    Args:
        study: name of the study.
        launch_command: how it was launched there, to be typed again.
        environment: versions and state of the code there, as `sweeps.provenance.environment` gives them.
        store_on_head: record in a database on the head node where the cluster names no MLflow server.
    """

    study: str
    launch_command: str
    environment: Mapping[str, str]
    store_on_head: bool

    def text(self) -> str:
        """Return the submission as the text of a file."""
        return json.dumps(asdict(self), indent=1)


def received(environment: Mapping[str, str]) -> Submission | None:
    """Return the submission of the job that this process runs for; None where it is no job.

    Raises:
        InputError: the file is damaged.
    """
    name = environment.get(VARIABLE)
    return _read(name) if name else None


@functools.cache  # the folder of a job may be gone later: Ray unpacks it anew where nodes share a disk
def _read(name: str) -> Submission:
    try:
        plain = json.loads(Path(name).read_text(encoding="utf-8"))
        return Submission(**{field.name: plain[field.name] for field in fields(Submission)})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{VARIABLE} must name the submission of this job; got {name!r}: {error}.") from error


def check_versions(there: Mapping[str, str], here: Mapping[str, str]) -> list[str]:
    """Compare the versions of the submitting machine with those of the cluster.

    Args:
        there: of the machine that submitted, as `sweeps.provenance.environment` gives them.
        here: of the cluster.

    Returns:
        one line per difference that a reader of the results should know.

    Raises:
        InputError: fairsweep itself or Python differ so much that the job would be another one.
    """
    for key, label in ((_FAIRSWEEP, "fairsweep"), (_PYTHON, "Python")):
        asked = _series(there.get(key, "unknown"))
        if asked != _series(here[key]):
            raise InputError(
                f"{label} must be {asked} on the cluster as on the machine that submitted; got "
                f"{here[key]}. Install the same on every node (or use an image with it), and launch again."
            )
    return list(_differences(there, here))


def _differences(there: Mapping[str, str], here: Mapping[str, str]) -> Iterator[str]:
    if there.get(_SOURCE) != here[_SOURCE]:
        yield (
            "The fairsweep on the cluster differs in its source from the one that submitted; the one on the cluster "
            "runs. Send yours with --code."
        )
    for key in there:
        if key.startswith("version_") and there[key] != here.get(key, "not installed"):
            name = key.removeprefix("version_")
            yield f"{name} is {here.get(key, 'not installed')} on the cluster, {there[key]} where it was submitted."


def _series(version: str) -> str:
    """Return the part of a version within which releases are compatible, such as ``3.11`` of ``3.11.9``."""
    return ".".join(version.split(".")[:2])


def merged_environment(here: Mapping[str, str], submission: Submission | None) -> dict[str, str]:
    """Return the environment of a job as it is recorded: what ran is the cluster's, who asked the submitting machine's.

    Args:
        here: of the cluster.
        submission: who asked; None for a launch that is no job.
    """
    if submission is None:
        return dict(here)
    there = submission.environment
    git = {key: value for key, value in there.items() if key.startswith("git_")}
    rest = {f"submitted_{key}": value for key, value in there.items() if key not in git and key != "command"}
    return {**here, **git, **rest, "command": submission.launch_command}
