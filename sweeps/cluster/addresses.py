"""The forms of an address of a Ray cluster. Imports no Ray, so that a mistake is found at once."""

from __future__ import annotations

from sweeps.errors import FairsweepError, InputError
from sweeps.places import without_credentials


class ClusterError(FairsweepError):
    """The Ray cluster cannot be reached or used."""


class NoRoomError(ClusterError):
    """The study asks for what no node of the cluster has: as good as a mistake in the study file."""

    exit_code = InputError.exit_code


def check_address(address: str) -> None:
    """Check the form of an address, before anything starts.

    Raises:
        InputError: it is none of ``local``, ``auto`` and ``HOST:PORT``.
    """
    if address not in {"local", "auto"} and not _is_host_and_port(address):
        raise InputError(
            "--address must be local, auto, HOST:PORT of a Ray head node, or http://HOST:PORT of its dashboard; got "
            f"{without_credentials(address)!r}."
        )


def is_jobs_address(address: str) -> bool:
    """Tell whether an address is that of a Jobs API, through which a machine outside the cluster launches."""
    return address.startswith(("http://", "https://"))


def _is_host_and_port(address: str) -> bool:
    host, colon, port = address.rpartition(":")
    return bool(host and colon) and "/" not in address and port.isdecimal() and 0 < int(port) < 65536
