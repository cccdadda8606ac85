"""The Jobs API of a Ray cluster: submit, list, read, follow, stop."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Read by Ray when it is imported.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

from ray.exceptions import RayError
from ray.job_submission import JobSubmissionClient

from sweeps.cluster.addresses import ClusterError
from sweeps.cluster.tokens import private_token
from sweeps.jobs.guard import check_guarded, directly_to
from sweeps.jobs.names import Job, JobName, already_there, parsed_name

#: How long a job that is told to stop may take to save and deliver what it has.
STOP_SECONDS = 120
#: Ray ends a job with SIGTERM and kills it 3 s later, unless the job's environment says otherwise.
_STOP_VARIABLES = {"RAY_JOB_STOP_SIGNAL": "SIGINT", "RAY_JOB_STOP_WAIT_TIME_S": str(STOP_SECONDS)}

#: These come before the address that a client is given.
_ADDRESS_VARIABLES = ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS")
_NO_AGENT = (
    "the agent of its head node does not run, perhaps because another cluster on that machine has its port; start Ray "
    "with --dashboard-agent-listen-port=0"
)
#: Where a job keeps its study. Ray hands that to the job in one variable, of which Linux takes no more than 128 KiB.
_STUDY_TEXT, _MAX_KEPT = "study_file", 50_000
_POLL_SECONDS = 0.5
_RECONNECTS = 5
_RECONNECT_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What a job runs.

    Args:
        command: shell command.
        archive: what travels; unpacked into the job's folder.
        study_text: the study in it, kept with the job too, so that it can be submitted again by its name.
        variables: environment of the job and its workers; shown by the dashboard, so nothing secret.
    """

    command: str
    archive: Path
    study_text: str
    variables: Mapping[str, str]


class Jobs:
    """The jobs of one cluster.

    Args:
        url: address of its Jobs API, as `sweeps.jobs.checks.jobs_url` returns it.
        allow_open: talk to a cluster even if it asks for no token.

    Raises:
        InputError: others can read the file with our token.
        ClusterError: there is none, it is open to everybody, or it does not take our token.
    """

    def __init__(self, url: str, *, allow_open: bool) -> None:
        token = private_token(os.environ)
        check_guarded(url, token, allow_open=allow_open)
        self.url = url
        for name in ("ray", "ray.dashboard", "ray.dashboard.modules.dashboard_sdk", "ray.dashboard.modules.job.sdk"):
            logging.getLogger(name).setLevel(logging.ERROR)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        with self._answering(), _without(_ADDRESS_VARIABLES):
            self._client = JobSubmissionClient(url, headers=headers)

    def all(self) -> list[Job]:
        """Return the jobs that are ours."""
        with self._answering():
            details = self._client.list_jobs()
        return [job for job in map(_job, details) if job is not None]

    def get(self, name: JobName) -> Job:
        """Return one job as it is now."""
        with self._answering():
            details = self._client.get_job_info(name.submission_id)
        return _job(details) or Job(name=name, state="FAILED")

    def submit(self, name: JobName, entry: Entry) -> None:
        """Submit a job.

        Raises:
            InputError: another client has submitted it in the meantime.
            ClusterError: the cluster does not take it.
        """
        try:
            with self._answering():
                self._client.submit_job(
                    entrypoint=entry.command,
                    submission_id=name.submission_id,
                    runtime_env={
                        "working_dir": str(entry.archive),
                        "env_vars": {**_STOP_VARIABLES, **entry.variables},
                    },
                    metadata={"study": name.study} | _kept(entry.study_text),
                )
        except ClusterError:
            other = next((job for job in self.all() if job.name == name), None)
            if other is not None:
                raise already_there(name, other.state) from None
            raise

    def log(self, name: JobName) -> str:
        """Return what a job has written so far."""
        with self._answering():
            return str(self._client.get_job_logs(name.submission_id))

    def follow(self, name: JobName) -> Iterator[str]:
        """Yield what a job writes, from its beginning to its end, in pieces; lost connections are taken up again.

        Raises:
            ClusterError: the cluster has not answered several times in a row.
        """
        shown, failures = 0, 0
        while True:
            seen = 0
            try:
                for piece in self._pieces(name):
                    seen += len(piece)
                    if seen > shown:
                        yield piece[max(len(piece) - (seen - shown), 0) :]
                        shown, failures = seen, 0
                if not self.get(name).is_active:
                    yield self.log(name)[shown:]
                    return
                failures = 0  # a log that is closed while its job goes on is no failure, however often
            except ClusterError:
                if failures >= _RECONNECTS:
                    raise
                failures += 1
            time.sleep(_RECONNECT_SECONDS)

    def wait(self, name: JobName, until: Callable[[Job], bool], seconds: float) -> Job:
        """Return the job as soon as it has ended or is as wanted, or after `seconds` as it is then."""
        deadline = time.monotonic() + seconds
        while True:
            job = self.get(name)
            if not job.is_active or until(job) or time.monotonic() > deadline:
                return job
            time.sleep(_POLL_SECONDS)

    def stop(self, name: JobName) -> Job:
        """Tell a job to stop, and return it when it has saved what it has and ended."""
        with self._answering():
            self._client.stop_job(name.submission_id)
        return self.wait(name, lambda _: False, STOP_SECONDS + 30)

    def _pieces(self, name: JobName) -> Iterator[str]:
        pieces = self._client.tail_job_logs(name.submission_id)

        async def next_piece() -> str | None:
            return await anext(pieces, None)

        with asyncio.Runner() as runner, self._answering():
            while (piece := runner.run(next_piece())) is not None:
                yield piece

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """Turn every way in which Ray says that a request failed into one of ours."""
        import aiohttp  # noqa: PLC0415 (comes with Ray's Jobs API)
        import requests  # noqa: PLC0415

        try:
            with directly_to(self.url):
                yield
        except (RuntimeError, OSError, RayError, requests.RequestException, aiohttp.ClientError) as error:
            lines = [line for line in str(error).splitlines() if line.strip()]
            reason = _NO_AGENT if "No available agent" in str(error) else (lines or [type(error).__name__])[-1]
            raise ClusterError(f"the cluster at {self.url} did not do as asked: {reason.strip()[:300]}.") from error


@contextmanager
def _without(names: tuple[str, ...]) -> Iterator[None]:
    kept = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(kept)


def _kept(study_text: str) -> dict[str, str]:
    return {_STUDY_TEXT: study_text} if len(study_text) <= _MAX_KEPT else {}


def _job(details: Any) -> Job | None:
    name = parsed_name(details.submission_id or "")
    if name is None:
        return None
    return Job(
        name=name,
        state=str(details.status.value),
        started_at=details.start_time / 1000 if details.start_time else None,
        ended_at=details.end_time / 1000 if details.end_time else None,
        exit_code=details.driver_exit_code,
        message=details.message or "",
        study_text=(details.metadata or {}).get(_STUDY_TEXT, ""),
    )
