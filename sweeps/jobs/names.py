"""The names of jobs: which study, under which rules, at which attempt. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from sweeps.errors import InputError, suggest

#: States in which a job has not ended.
ACTIVE = frozenset({"PENDING", "RUNNING"})
#: With this exit code a launch refuses what it is given, before it runs anything.
_REFUSED = InputError.exit_code

_HASH_DIGITS = 8
_ID = re.compile(
    rf"fairsweep-(?P<study>[a-z0-9][a-z0-9._-]*)-(?P<rules>[0-9a-f]{{{_HASH_DIGITS}}})-(?P<attempt>[1-9]\d*)"
)


@dataclass(frozen=True, kw_only=True)
class JobName:
    """What the submission id of a job says.

    Args:
        study: name of the study.
        rules: first digits of the study's protocol hash.
        attempt: 1 for the first submission under these rules.
    """

    study: str
    rules: str
    attempt: int

    @property
    def submission_id(self) -> str:
        """Return the id under which Ray knows the job."""
        return f"fairsweep-{self.study}-{self.rules}-{self.attempt}"


@dataclass(frozen=True, kw_only=True)
class Job:
    """One submission of a study, as the cluster knows it.

    Args:
        name: what its id says.
        state: Ray's word for it: PENDING, RUNNING, STOPPED, SUCCEEDED or FAILED.
        started_at: seconds since the epoch, or None before it ran.
        ended_at: seconds since the epoch, or None before it ended.
        exit_code: of the launch on the cluster, or None where there is none.
        message: what Ray says of it.
        study_text: the study as it was submitted; empty where it is not kept.
    """

    name: JobName
    state: str
    started_at: float | None = None
    ended_at: float | None = None
    exit_code: int | None = None
    message: str = ""
    study_text: str = ""

    @property
    def submission_id(self) -> str:
        """Return the id under which Ray knows the job."""
        return self.name.submission_id

    @property
    def is_active(self) -> bool:
        """Tell whether the job waits or runs."""
        return self.state in ACTIVE

    @property
    def was_refused(self) -> bool:
        """Tell whether the launch refused what was asked of it, so that it ran nothing."""
        return self.state == "FAILED" and self.exit_code == _REFUSED


def parsed_name(submission_id: str) -> JobName | None:
    """Return what a submission id says, or None where it is not one of ours."""
    found = _ID.fullmatch(submission_id)
    if found is None:
        return None
    return JobName(study=found["study"], rules=found["rules"], attempt=int(found["attempt"]))


def next_name(study: str, protocol_hash: str, jobs: Iterable[Job]) -> JobName:
    """Return the name under which a study is submitted next.

    Args:
        study: its name.
        protocol_hash: its rules.
        jobs: all that the cluster knows.

    Raises:
        InputError: a job of this study has not ended; two at a time would run its trials twice.
    """
    of_study = jobs_of(study, jobs)
    active = next((job for job in of_study if job.is_active), None)
    if active is not None:
        raise already_there(active.name, active.state)
    rules = protocol_hash[:_HASH_DIGITS]
    attempts = [job.name.attempt for job in of_study if job.name.rules == rules]
    return JobName(study=study, rules=rules, attempt=max(attempts, default=0) + 1)


def jobs_of(study: str, jobs: Iterable[Job]) -> list[Job]:
    """Return the jobs of one study, the latest first: those that have not ended, then by time.

    Those that were refused come last, however late: they say nothing of how far the study is.
    """
    return sorted(
        (job for job in jobs if job.name.study == study),
        key=lambda job: (job.is_active, not job.was_refused, job.started_at or 0.0, job.name.attempt),
        reverse=True,
    )


def refused_since(job: Job, jobs: Iterable[Job]) -> Job | None:
    """Return the last job of the same study that was submitted after `job` and refused, if there is one."""
    later = [other for other in jobs_of(job.name.study, jobs) if other.was_refused and other != job]
    return next((other for other in later if (other.started_at or 0.0) > (job.started_at or 0.0)), None)


def find_job(name_or_id: str, jobs: Iterable[Job]) -> Job:
    """Return the latest job of a study, or the one with this id.

    Raises:
        InputError: there is none.
    """
    known = list(jobs)
    for job in known:
        if job.submission_id == name_or_id:
            return job
    of_study = jobs_of(name_or_id, known)
    if of_study:
        return of_study[0]
    studies = sorted({job.name.study for job in known})
    there = f"Jobs of {', '.join(studies)} are known there." if studies else "None has been submitted there."
    raise InputError(f"no job of a study {name_or_id!r} on this cluster.{suggest(name_or_id, studies)} {there}")


def already_there(name: JobName, state: str) -> InputError:
    """Return the refusal of a second submission while one has not ended."""
    return InputError(
        f"study {name.study} must be submitted once at a time; job {name.submission_id} is {state.lower()}. "
        f"Look at it with: fairsweep logs {name.study}; stop it with: fairsweep stop {name.study} "
        "(both with the same --address)"
    )
