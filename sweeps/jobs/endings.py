"""How a launch on a cluster ended, read from the log of its job. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

_MOST_LINES = 20
_ERROR = re.compile(r"(internal )?error: ")
_NOT_INSTALLED = re.compile(r"No module named '?sweeps|python: (command )?not found|can't open file")
_REMEDY = (
    "fairsweep must be installed on the cluster's nodes, in the Python that `python` means there: use an image with "
    "it, or install it before ray start."
)


def own_lines(log: str) -> list[str]:
    """Return what the launch itself wrote: a log without Ray's words before it."""
    lines = log.splitlines()
    begins = [i for i, line in enumerate(lines) if line.startswith("Running entrypoint for job ")]
    return lines[begins[0] + 1 :] if begins else lines


def last_words(lines: Sequence[str]) -> list[str]:
    """Return what a launch that failed said last: its error to the end or, where it gave none, its last lines.

    Args:
        lines: what the launch wrote, see `own_lines`.
    """
    said = [line for line in lines if line.strip()]
    errors = [index for index, line in enumerate(said) if _ERROR.match(line)]
    return said[errors[-1] :] if errors else said[-_MOST_LINES:]


def remedy(lines: Sequence[str]) -> str:
    """Say what to do where a launch could not begin because fairsweep is not there; else nothing."""
    return _REMEDY if _NOT_INSTALLED.search("\n".join(lines)) else ""


def rays_reason(message: str) -> str:
    """Return why Ray could not run a job, in one line.

    Args:
        message: what Ray says of the job; of one that ran, its exit code and then its log once more.
    """
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    if not lines:
        return "Ray gives no reason"
    ran = re.match(r"Job entrypoint command failed with exit code -?\d+", lines[0])
    return ran[0] if ran else lines[-1][:300]
