"""What each launch leaves in the record, and how a trial says in which launch it ran.

A launch goes by its number in the study run. Its results may have to wait on disk, and meanwhile the store may be
replaced by another one, whose launches have numbers of their own. Each result therefore says in which store its launch
had which number and under which rules it was obtained, and what is known of the launch is kept beside the results.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from analysis import layout
from sweeps.recording.lease import Claim

_ORIGIN = "origin"


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a result comes from.

    Args:
        study_run: id of the study run that the launch was recorded in.
        number: of the launch there.
        rules: hash of the rules under which the result was obtained.
    """

    study_run: str
    number: int
    rules: str

    def name_in(self, study_run: str) -> str:
        """Return the name of the launch in a study run, see `analysis.layout.launch_file`."""
        return str(self.number) if study_run == self.study_run else self.name

    @property
    def name(self) -> str:
        """Return a name of the launch that no launch of another store has."""
        return f"{self.study_run[:8]}-{self.number}"


def marked(record: Mapping[str, Any], origin: Origin) -> dict[str, Any]:
    """Return a record that says where it comes from."""
    return {**record, _ORIGIN: asdict(origin)}


def origin_of(record: Mapping[str, Any]) -> Origin | None:
    """Return where a record comes from; None for one that an earlier version put on disk."""
    return Origin(**record[_ORIGIN]) if _ORIGIN in record else None


def origins_of(records: Iterable[Mapping[str, Any]]) -> frozenset[Origin | None]:
    """Return where records come from."""
    return frozenset(map(origin_of, records))


def tagged(record: Mapping[str, Any], study_run: str) -> Mapping[str, Any]:
    """Return a record whose tags name the launch that it comes from, as it is delivered to a study run."""
    origin = origin_of(record)
    if origin is None:
        return record
    return {**record, "tags": {**record["tags"], layout.LAUNCH: origin.name_in(study_run)}}


def facts_of(claim: Claim, rules: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """Return what the record says of a launch.

    Args:
        claim: what the launch says of itself in its lease.
        rules: hash of the rules that it runs under.
        environment: versions, machine and state of the code.
    """
    return {
        "launch": claim.number,
        "time": claim.since,
        "who": claim.who,
        "protocol_hash": rules,
        "environment": dict(environment),
    }
