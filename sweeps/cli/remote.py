"""Commands about a study on a cluster that this machine is no part of: submit, logs, stop."""

from __future__ import annotations

import re
import shlex
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from sweeps.cli.console import duration, err, out
from sweeps.cli.interrupts import something_to_end
from sweeps.errors import FairsweepError, InputError
from sweeps.jobs.bundle import STUDY_FILE, SUBMISSION_FILE, Code, code_in, study_text, write_archive
from sweeps.jobs.checks import check_data_roots, check_own_code, jobs_url, tracking_uri_for
from sweeps.jobs.endings import last_words, own_lines, rays_reason, remedy
from sweeps.jobs.names import Job, find_job, jobs_of, next_name, refused_since
from sweeps.jobs.submission import VARIABLE, Submission
from sweeps.places import Places
from sweeps.provenance import machine
from sweeps.yaml_reader import read_yaml

if TYPE_CHECKING:
    from sweeps.jobs.client import Jobs
    from sweeps.spec import Study

ADDRESS_VARIABLE = "FAIRSWEEP_ADDRESS"
#: How long a submission waits for the launch over there to say that it has begun; longer is no failure.
_PATIENCE_SECONDS = 120.0

JobArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of a study, or the id of one of its jobs.")]
JobsAddressOption = Annotated[
    str, typer.Option(envvar=ADDRESS_VARIABLE, help="http://HOST:PORT of the dashboard of the cluster's head node.")
]


@dataclass(frozen=True, kw_only=True)
class LaunchOptions:
    """How a study is launched, here or as a job.

    Args:
        address: of a Ray cluster or its Jobs API, as given.
        max_concurrent: trials at a time; None for as many as fit.
        follow: show the log until the job ends.
        code: folder of code that travels, or None.
        tracking_uri: MLflow server as the cluster sees it, or None.
        store_on_head: record on the head node where the cluster names no server.
        data_on_cluster: absolute data folders are there too.
        allow_open: use a cluster even if it asks for no token.
    """

    address: str
    max_concurrent: int | None
    follow: bool
    code: Path | None
    tracking_uri: str | None
    store_on_head: bool
    data_on_cluster: bool
    allow_open: bool

    @property
    def only_for_jobs(self) -> list[str]:
        """Return the options given that mean something for a job only."""
        given = {
            "--follow": self.follow,
            "--code": self.code is not None,
            "--tracking-uri": self.tracking_uri is not None,
            "--store-on-head": self.store_on_head,
            "--data-on-cluster": self.data_on_cluster,
        }
        return [name for name, is_given in given.items() if is_given]


def submit(study: Study, how: LaunchOptions, tracking_uri_here: str | None) -> None:
    """Submit a study as a job, and return when it has begun or, with `follow`, ended.

    Raises:
        InputError: something is refused before anything is sent, or a job of this study has not ended.
        ClusterError: the cluster cannot be used.
    """
    url = jobs_url(how.address)
    uri = tracking_uri_for(how.tracking_uri, tracking_uri_here, on_head=how.store_on_head)
    check_data_roots(study, [Path.home(), Path.cwd(), Path(tempfile.gettempdir())], how.data_on_cluster)
    if uri and uri == tracking_uri_here:
        _refuse_what_is_refused_there(study)
    code = code_in(how.code) if how.code else None
    check_own_code(study, Path.cwd(), code)
    note = Submission(
        study=study.study,
        launch_command=shlex.join(["fairsweep", *sys.argv[1:]]),
        environment=machine(how.code),
        store_on_head=how.store_on_head,
    )
    with err.status("asking the cluster ..."):
        from sweeps.jobs.client import Entry, Jobs

        jobs = Jobs(url, allow_open=how.allow_open)
        name = next_name(study.study, study.protocol_hash(), jobs.all())
    if code:
        _say_what_travels(code, note)
    something_to_end()
    with err.status("submitting ..."), tempfile.TemporaryDirectory(prefix="fairsweep-") as folder:
        archive = Path(folder) / "job.zip"
        write_archive(archive, study, note.text(), code)
        text = study_text(study)
        variables = {VARIABLE: SUBMISSION_FILE} | ({"MLFLOW_TRACKING_URI": uri} if uri else {})
        entry = Entry(command=_entry_command(how), archive=archive, study_text=text, variables=variables)
        jobs.submit(name, entry)
    out.print(f"Job {name.submission_id} is submitted.", soft_wrap=True, markup=False)
    job = Job(name=name, state="PENDING")
    if how.follow:
        _follow(jobs, job)
    else:
        _await_opening(jobs, job, how.address)


def _refuse_what_is_refused_there(study: Study) -> None:
    """Refuse an edit that the launch over there would refuse, where its record can be read from here.

    Where it cannot, the launch says so itself.
    """
    from sweeps.recording import TrackerError, connect, refuse_other_rules

    with err.status("asking MLflow ..."), suppress(TrackerError):
        refuse_other_rules(connect(Places.from_environment()), study)


def _entry_command(how: LaunchOptions) -> str:
    options = [] if how.max_concurrent is None else ["--max-concurrent", str(how.max_concurrent)]
    options += ["--allow-unauthenticated"] if how.allow_open else []
    return shlex.join(["python", "-m", "sweeps.cli", "launch", STUDY_FILE, "--address", "auto", *options])


def _say_what_travels(code: Code, note: Submission) -> None:
    commit = note.environment.get("git_commit", "")[:8] or "no commit yet"
    dirty = ", with changes that are not committed" if note.environment.get("git_dirty") == "yes" else ""
    size = f"{code.total_bytes / 2**20:.1f} MiB"
    err.print(
        f"Sending {len(code.sizes)} files ({size}) of {code.folder}: {commit}{dirty}.", soft_wrap=True, markup=False
    )


def _await_opening(jobs: Jobs, job: Job, address: str) -> None:
    """Wait until the launch on the cluster says what it runs, so that one that cannot begin is found out here."""
    opening = re.compile(rf"^(?:Study|Resuming study) {re.escape(job.name.study)}: .*$", re.MULTILINE)
    said: list[str] = []

    def has_begun(_: Job) -> bool:
        said.extend(opening.findall(jobs.log(job.name)))
        return bool(said)

    try:
        with err.status("waiting for it to begin (Ctrl-C leaves it alone) ..."):
            job = jobs.wait(job.name, has_begun, _PATIENCE_SECONDS)
            has_begun(job)
    except KeyboardInterrupt:
        pass
    if not said and not job.is_active and job.state != "SUCCEEDED":
        _show_end(job, own_lines(jobs.log(job.name)), shown=False)
    out.print(said[0] if said else "It has not begun yet; its log will say when.", soft_wrap=True, markup=False)
    for label, command in (("Look at", "status"), ("Follow", "logs -f"), ("Stop", "stop")):
        words = [*command.split(), job.name.study, "--address", address]
        out.print(f"{label} it:  {shlex.join(['fairsweep', *words])}", style="dim", soft_wrap=True, markup=False)


def _show_end(job: Job, lines: Sequence[str], *, shown: bool) -> None:
    """Say how a job ended that did not succeed, and exit as it did.

    Args:
        job: as it ended.
        lines: what the launch itself wrote.
        shown: the user has seen them.
    """
    if job.state == "STOPPED":
        err.print(f"Job {job.submission_id} was stopped.", soft_wrap=True)
        raise typer.Exit(130)
    if lines:
        for line in () if shown else last_words(lines):
            err.print(line, soft_wrap=True, markup=False)
        code = "" if job.exit_code is None else f" with exit code {job.exit_code}"
        words = " ".join([f"Job {job.submission_id} failed{code}.", remedy(lines)]).strip()
        err.print(words, soft_wrap=True, markup=False)
    else:
        reason = f"job {job.submission_id} did not run: {rays_reason(job.message)}."
        err.print(f"[bold red]error:[/] {escape(reason)}", soft_wrap=True, highlight=False)
    raise typer.Exit(job.exit_code if job.exit_code in {1, 2} else 1)


def _follow(jobs: Jobs, job: Job) -> None:
    """Show a log to its end, and exit as the job does."""
    try:
        for piece in jobs.follow(job.name):
            out.out(piece, end="", highlight=False)
    except KeyboardInterrupt:
        command = shlex.join(["fairsweep", "stop", job.name.study, "--address", jobs.url])
        err.print(f"\nNo longer followed; the job goes on. Stop it with: {command}", soft_wrap=True)
        raise typer.Exit(130) from None
    ended = jobs.get(job.name)
    if ended.state != "SUCCEEDED":
        _show_end(ended, own_lines(jobs.log(job.name)), shown=True)


def logs(
    name: JobArgument,
    address: JobsAddressOption,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job ends.")] = False,
) -> None:
    """Show what the launch of a study on a cluster has written."""
    jobs, job = _find(name, address)
    if follow:
        _follow(jobs, job)
    else:
        out.out(jobs.log(job.name), end="", highlight=False)


def stop(name: JobArgument, address: JobsAddressOption) -> None:
    """Stop the launch of a study on a cluster; what has ended is kept, and launching again goes on."""
    jobs, job = _find(name, address)
    if not job.is_active:
        out.print(f"Nothing to stop: job {job.submission_id} has {_ended_word(job)} already.", soft_wrap=True)
        return
    with err.status("waiting for it to save what it has ..."):
        ended = jobs.stop(job.name)
        lines = own_lines(jobs.log(job.name))
    if ended.is_active:
        raise FairsweepError(f"job {job.submission_id} has been told to stop and has not ended yet; look again later.")
    out.print(f"Job {job.submission_id} has {_ended_word(ended)}.", soft_wrap=True, markup=False)
    last = next((i for i in reversed(range(len(lines))) if lines[i].startswith("Stopped. ")), None)
    if last is not None:
        out.print("\n".join(lines[last:]), soft_wrap=True, markup=False)
    elif ended.state == "STOPPED":
        words = "It was not training, or was killed after two minutes; trials that had ended are safe."
        out.print(words, soft_wrap=True)


def print_jobs(address: str, study: str | None) -> bool:
    """Show the jobs of a cluster or, for a study, its latest one and what it said last.

    Returns:
        whether there are any.
    """
    with err.status("asking the cluster ..."):
        jobs = _connect(address)
        known = jobs.all()
    if study is None:
        latest = [jobs_of(name, known)[0] for name in sorted({job.name.study for job in known})]
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in ("study", "job", "state", "since"):
            table.add_column(column, overflow="fold")
        for job in latest:
            table.add_row(job.name.study, job.submission_id, job.state.lower(), _time_in_state(job))
        out.print(table if latest else "No study has been submitted there yet.")
        return bool(latest)
    if not jobs_of(study, known) and not any(job.submission_id == study for job in known):
        return False
    job = find_job(study, known)
    since = f" since {_time_in_state(job)}" if job.is_active and job.started_at else f", {_time_in_state(job)}"
    out.print(f"Job {job.submission_id}: {job.state.lower()}{since}.", soft_wrap=True, markup=False)
    lines = [line for line in own_lines(jobs.log(job.name)) if line.strip()]
    progress = [line for line in lines if re.match(r"\d\d:\d\d:\d\d  ", line)]
    if job.is_active:
        said = (progress or lines)[-1:]
    else:
        said = last_words(lines) or [f"{rays_reason(job.message)}."] if job.state == "FAILED" else []
    for line in said:
        out.print(line, soft_wrap=True, markup=False)
    if later := refused_since(job, known):
        out.print(f"Submitted later and refused: {later.submission_id}.", style="dim", soft_wrap=True, markup=False)
    return True


@dataclass(frozen=True, kw_only=True)
class Submitted:
    """A study as it was submitted.

    Args:
        job: id of its job.
        data: content of its study file, with the overrides of then.
    """

    job: str
    data: dict[str, Any]


def study_of_last_job(study: str, address: str) -> Submitted | None:
    """Return the study of its latest job that was not refused, or None where the cluster knows none.

    Raises:
        ClusterError: the cluster cannot be used.
    """
    with err.status("asking the cluster ..."):
        known = jobs_of(study, _connect(address).all())
    for job in known:
        if job.study_text and not job.was_refused:
            return Submitted(job=job.submission_id, data=read_yaml(job.study_text, job.submission_id).data)
    return None


def _find(name: str, address: str) -> tuple[Jobs, Job]:
    with err.status("asking the cluster ..."):
        jobs = _connect(address)
        return jobs, find_job(name, jobs.all())


def _connect(address: str) -> Jobs:
    url = jobs_url(address)
    from sweeps.jobs.client import Jobs

    return Jobs(url, allow_open=True)  # looked at and stopped as it is; launch is what refuses


def _ended_word(job: Job) -> str:
    return {"STOPPED": "stopped", "SUCCEEDED": "ended", "FAILED": "failed"}.get(job.state, job.state.lower())


def _time_in_state(job: Job) -> str:
    if job.started_at is None:
        return "not begun"
    if job.ended_at is None:
        return duration((time.time() - job.started_at) / 3600)
    return f"{duration((time.time() - job.ended_at) / 3600)} ago"


def refuse_job_options(how: LaunchOptions) -> None:
    """Refuse options that mean something for a job only.

    Raises:
        InputError: there are some.
    """
    if how.only_for_jobs:
        raise InputError(
            f"{', '.join(how.only_for_jobs)} must be left away unless --address is http://HOST:PORT of a cluster's "
            f"dashboard; got --address {how.address}."
        )
