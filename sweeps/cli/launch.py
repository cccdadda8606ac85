"""The command that runs a study."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from sweeps.cli.console import at_least_and_most, counted, err, out
from sweeps.cli.finding import named_study
from sweeps.cli.interrupts import something_to_end
from sweeps.cli.progress import Watch, showing
from sweeps.cli.remote import ADDRESS_VARIABLE, LaunchOptions, refuse_job_options, submit
from sweeps.cli.verdict import print_report
from sweeps.cluster.addresses import check_address, is_jobs_address
from sweeps.errors import FairsweepError
from sweeps.jobs.arrival import arrive
from sweeps.jobs.submission import Submission, received
from sweeps.places import Places, without_credentials

if TYPE_CHECKING:
    from sweeps.launching import Launch
    from sweeps.spec import Study

StudyArgument = Annotated[str, typer.Argument(help="A study file, or the name of a shipped or recorded study.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Replace a value of the study file; repeatable."),
]
AddressOption = Annotated[
    str,
    typer.Option(
        envvar=ADDRESS_VARIABLE,
        help="Where to run: local; auto or HOST:PORT on a node of a Ray cluster; http://HOST:PORT of the dashboard of "
        "its head node from anywhere.",
    ),
]
OpenOption = Annotated[
    bool,
    typer.Option(
        "--allow-unauthenticated",
        help="Use a cluster that asks for no token. Its network must keep everyone else out.",
    ),
]
_JOBS = "With --address http://HOST:PORT"
FollowOption = Annotated[
    bool, typer.Option("--follow", "-f", rich_help_panel=_JOBS, help="Show the log until the job ends.")
]
CodeOption = Annotated[
    Path | None,
    typer.Option(rich_help_panel=_JOBS, help="Send this folder of a git repository; its code comes first there."),
]
TrackingOption = Annotated[
    str | None, typer.Option(rich_help_panel=_JOBS, help="MLflow server to record in, as the cluster sees it.")
]
StoreOnHeadOption = Annotated[
    bool, typer.Option("--store-on-head", rich_help_panel=_JOBS, help="Record in a database on the head node.")
]
DataOption = Annotated[
    bool, typer.Option("--data-on-cluster", rich_help_panel=_JOBS, help="Data folders of mine are there too.")
]
ConcurrencyOption = Annotated[
    int | None, typer.Option("--max-concurrent", min=1, help="Trials at a time; by default as many as fit.")
]


def launch(  # noqa: PLR0913, PLR0917 (its signature is the command line)
    study: StudyArgument,
    address: AddressOption = "local",
    max_concurrent: ConcurrencyOption = None,
    overrides: SetOption = None,
    allow_unauthenticated: OpenOption = False,
    follow: FollowOption = False,
    code: CodeOption = None,
    tracking_uri: TrackingOption = None,
    store_on_head: StoreOnHeadOption = False,
    data_on_cluster: DataOption = False,
) -> None:
    """Run a study, or resume it: trials that have ended are not run again."""
    how = LaunchOptions(
        address=address,
        max_concurrent=max_concurrent,
        follow=follow,
        code=code,
        tracking_uri=tracking_uri,
        store_on_head=store_on_head,
        data_on_cluster=data_on_cluster,
        allow_open=allow_unauthenticated,
    )
    loaded = named_study(study, overrides or (), address)
    if is_jobs_address(address):
        submit(loaded, how, os.environ.get("MLFLOW_TRACKING_URI"))
        if not follow:
            _note_verdicts(loaded)
        return
    refuse_job_options(how)
    check_address(address)
    submission = received(os.environ)
    if submission is not None:
        _arrive(submission)
    go_on = submission.launch_command if submission else typed("launch", study, overrides, how)
    _run(loaded, how, go_on)


def _arrive(submission: Submission) -> None:
    # A shell that started Ray in the background has had its processes ignore Ctrl-C, and with it the order to stop.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for note in arrive(submission, os.environ):
        err.print(f"note: {note}", soft_wrap=True, markup=False)


def _run(loaded: Study, how: LaunchOptions, go_on: str) -> None:
    """Run all that is left of a study, and report on it.

    Args:
        loaded: the study.
        how: on which Ray cluster, and how many trials at a time.
        go_on: command that goes on where this launch is stopped.
    """
    places = Places.from_environment()
    with err.status("starting ..."):
        # Ray and torch take seconds to import, which a mistake in a study file should not cost.
        from sweeps.launching import Target, prepared
    target = Target(address=how.address, max_concurrent=how.max_concurrent, allow_open=how.allow_open)
    something_to_end()
    with prepared(loaded, places, target, _say) as running:
        total = running.board.total
        planned = at_least_and_most(total.planned, total.most_planned)
        if running.resumed:
            out.print(
                f"Resuming study {loaded.study}: {total.ended} of {planned} trials are done.",
                soft_wrap=True,
            )
        else:
            out.print(f"Study {loaded.study}: {planned} trials.", soft_wrap=True)
        for change in running.extension:
            out.print(f"Extended: {change}.", soft_wrap=True, markup=False)
        if running.placement is not None:
            _note_verdicts(loaded)
        for note in running.notes:
            _say(f"note: {note}")
        slots = running.placement.limit(how.max_concurrent) if running.placement else 1
        watch = Watch(running.board, slots, lambda: running.trouble)
        try:
            with showing(watch, err):
                running.run()
        except KeyboardInterrupt:
            err.print(
                f"Stopped. {running.board.total.ended} of {planned} trials are done and safe; go on with: {go_on}",
                soft_wrap=True,
                markup=False,
            )
            raise typer.Exit(130) from None
    _finish(running, loaded, places)


def _say(line: str) -> None:
    err.print(line, soft_wrap=True, markup=False)


def _note_verdicts(study: Study) -> None:
    """Say so where no verdict of better or worse is possible, however the trials end."""
    from sweeps.planning import verdict_note

    if note := verdict_note(study):
        err.print(f"note: {note}", soft_wrap=True, markup=False)


def _finish(running: Launch, study: Study, places: Places) -> None:
    """Say how a launch ended, and report on the study."""
    errors = [failure.error for failure in running.failures]
    for error, count in Counter(_last_line(error) for error in errors).most_common(3):
        err.print(f"[red]{counted(count, 'trial')} failed:[/] {escape(error)}", soft_wrap=True)
    if errors:
        err.print("The tracebacks are in MLflow (fairsweep ui); launch again to re-run what failed.", soft_wrap=True)
    if running.halted:
        _say(f"Ended early: {running.halted}")
    waiting, host = counted(running.undelivered, "trial"), socket.gethostname() if received(os.environ) else ""
    on = f" of {host}" if host else ""
    if running.undelivered:
        raise FairsweepError(
            f"Results of {waiting} wait in {places.spool(study.study)}{on} because MLflow "
            f"at {without_credentials(places.tracking_uri)} does not take them. Nothing is lost: launch again when it "
            "does, and they are delivered first."
        )
    try:
        comparable = print_report(places, study.study, places.report(study.study), host=host)
    except FairsweepError as error:
        raise FairsweepError(
            f"{error}\nAll trials that ended are safe; write the report later with: fairsweep report {study.study}"
        ) from error
    if errors or running.halted or not comparable:
        raise typer.Exit(1)


def _last_line(error: str) -> str:
    lines = [line for line in error.splitlines() if line.strip()]
    return re.sub(r"^(\w+\.)+(?=\w+: )", "", lines[-1]) if lines else "no message"


def typed(name: str, study: str, overrides: list[str] | None, how: LaunchOptions | None = None) -> str:
    """Write a command as it can be typed."""
    options = [part for override in overrides or () for part in ("--set", override)]
    if how is not None:
        options += [] if how.address == "local" else ["--address", how.address]
        options += [] if how.max_concurrent is None else ["--max-concurrent", str(how.max_concurrent)]
        options += ["--allow-unauthenticated"] if how.allow_open else []
    return shlex.join(["fairsweep", name, study, *options])
