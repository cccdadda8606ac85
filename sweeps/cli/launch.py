"""Commands that run a study or say what it would run: launch and plan."""

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
from rich.table import Table

from sweeps.cli.console import amount, at_least_and_most, duration, err, out
from sweeps.cli.finding import named_study
from sweeps.cli.interrupts import something_to_end
from sweeps.cli.progress import Watch, showing
from sweeps.cli.remote import ADDRESS_VARIABLE, LaunchOptions, refuse_job_options, submit
from sweeps.cli.verdict import print_report
from sweeps.cluster.addresses import check_address, is_jobs_address
from sweeps.errors import FairsweepError, InputError
from sweeps.jobs.arrival import arrive
from sweeps.jobs.submission import Submission, received
from sweeps.loading import shipped_studies
from sweeps.places import Places, without_credentials

if TYPE_CHECKING:
    from sweeps.board import Board
    from sweeps.launching import Launch
    from sweeps.planning import CellPlan
    from sweeps.protocol import Cell
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
    go_on = submission.launch_command if submission else _command("launch", study, overrides, how)
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
        err.print(f"[red]{count} trials failed:[/] {escape(error)}", soft_wrap=True)
    if errors:
        err.print("The tracebacks are in MLflow (fairsweep ui); launch again to re-run what failed.", soft_wrap=True)
    if running.halted:
        _say(f"Ended early: {running.halted}")
    host = socket.gethostname() if received(os.environ) else ""
    on = f" of {host}" if host else ""
    if running.undelivered:
        raise FairsweepError(
            f"{running.undelivered} results wait in {places.spool(study.study)}{on} because MLflow at "
            f"{without_credentials(places.tracking_uri)} does not take them. Nothing is lost: launch again when it "
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


def _slots(study: Study) -> int:
    """Estimate the trials at a time on this machine."""
    return max(1, int((os.cpu_count() or 1) / study.resources.cpu))


def plan(study: StudyArgument, overrides: SetOption = None) -> None:
    """Show what a study would run and what is done already. Runs only a short calibration."""
    loaded = named_study(study, overrides or ())
    with err.status("measuring how fast this machine trains ..."):
        from sweeps.imports import check_networks, imported
        from sweeps.planning import balance_note, cell_plans, untrainable_because, verdict_note

        check_networks(loaded)
        done = _done(loaded)
        plans = cell_plans(loaded)
        untimed = untrainable_because(loaded)
        refused, hours = _data_and_hours(loaded, plans, timed=not untimed)
        if refused and not untimed:
            untimed = "its data cannot be used"
        ended = Counter({cell: 0 for cell, _ in done.tallies})
        for (cell, _), tally in done.tallies.items():
            ended[cell] += tally.ended
    if loaded.question:
        out.print(loaded.question, soft_wrap=True, markup=False, highlight=False)
    if study in shipped_studies():
        out.print(f"What it costs and where it is from: fairsweep studies {study}\n", style="dim", soft_wrap=True)
    _print_arms(loaded)
    for each in imported(loaded):
        out.print(f"Imports {each.name} from {each.where}.", soft_wrap=True, markup=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("cell", "tune", "confirm", "updates each", "updates", "done"):
        table.add_column(name, justify="left" if name == "cell" else "right")
    for p in plans:
        label = f"{p.cell.workload} {p.cell.budget.label}"
        confirm = at_least_and_most(p.confirm_trials, p.most_confirm_trials)
        row = (str(p.tune_trials), confirm, amount(p.updates_per_trial), amount(p.updates))
        table.add_row(label, *row, f"{ended[p.cell]}/{at_least_and_most(p.trials, p.most_trials)}")
    out.print(table)
    total, updates = done.total, sum(p.updates for p in plans)
    slots = _slots(loaded)
    left = {p.cell: max(1 - ended[p.cell] / p.trials, 0.0) for p in plans}
    hours_left = sum(hours.get(cell, 0.0) * part for cell, part in left.items())
    planned = at_least_and_most(total.planned, total.most_planned)
    if not any(left.values()):
        time_left = "Nothing is left to run."
    elif untimed:
        time_left = f"How long that takes cannot be measured here: {untimed}."
    else:
        time_left = (
            f"About {duration(hours_left)} of training left, {duration(hours_left / slots)} with {slots} trials at a "
            "time on this machine."
        )
    at_least = "at least " if total.most_planned > total.planned else ""
    out.print(
        f"\n{planned} trials, {at_least}{amount(updates)} updates; {total.ended} trials are done. {time_left}",
        soft_wrap=True,
    )
    for note in filter(None, (balance_note(loaded), verdict_note(loaded))):
        out.print(note, style="dim", soft_wrap=True, markup=False)
    if refused:
        err.print(f"note: launch would refuse this for now: {refused}", soft_wrap=True, markup=False)
        return
    out.print(f"Run it with: {_command('launch', study, overrides)}", style="dim", soft_wrap=True, markup=False)


def _data_and_hours(study: Study, plans: tuple[CellPlan, ...], *, timed: bool) -> tuple[str, dict[Cell, float]]:
    """Say which data of a study cannot be used here, empty where all can; with the hours of each cell if `timed`."""
    from models.data import DataError
    from sweeps.launching import check_data
    from sweeps.planning import cell_hours

    try:
        check_data(study)
        return "", cell_hours(study, plans) if timed else {}
    except (InputError, DataError) as error:  # images that stay in their files are read by a training only
        return str(error), {}


def _command(name: str, study: str, overrides: list[str] | None, how: LaunchOptions | None = None) -> str:
    """Write a command as it can be typed."""
    options = [part for override in overrides or () for part in ("--set", override)]
    if how is not None:
        options += [] if how.address == "local" else ["--address", how.address]
        options += [] if how.max_concurrent is None else ["--max-concurrent", str(how.max_concurrent)]
        options += ["--allow-unauthenticated"] if how.allow_open else []
    return shlex.join(["fairsweep", name, study, *options])


def _done(study: Study) -> Board:
    """Return the board of what is recorded, and say what an edit would add; an empty board where nothing is.

    Raises:
        InputError: launch would refuse the edit.
    """
    from sweeps.board import Board, board_of
    from sweeps.extending import shown
    from sweeps.recording import connect, recorded_outcomes, refuse_other_rules

    places = Places.from_environment()
    if places.is_new:
        return Board(study)
    client = connect(places)
    try:
        found = refuse_other_rules(client, study)
    except InputError as error:
        raise InputError(f"launch would refuse this: {error}") from error
    if found:
        out.print(
            f"This extends the recorded study; what is done counts:\n{shown(found)}\n", soft_wrap=True, markup=False
        )
    return board_of(study, recorded_outcomes(client, study.study))


def _seeds(study: Study) -> str:
    least, most = study.confirm.seeds, study.confirm.max_seeds
    return f"{least} to {most} confirm seeds until decided" if most > least else f"{least} confirm seeds"


def _print_arms(study: Study) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("arm", no_wrap=True)
    table.add_column("schedule", no_wrap=True)
    table.add_column("draws", justify="right")
    table.add_column("searches over", overflow="fold")
    for name, arm in study.arms.items():
        label = f"{name} (control)" if name == study.control else name
        if arm.as_published:
            table.add_row(label, arm.schedule, "–", "nothing: as published")
        else:
            dimensions = ", ".join(study.space(name).dimensions)
            table.add_row(label, arm.schedule, str(study.tuning.draws * study.tuning.searches), dimensions)
    out.print(table)
    out.print(
        f"sampler {study.tuning.sampler}, {_seeds(study)}, margin {study.equivalence_margin}, "
        f"alpha {study.alpha}, targets {', '.join(map(str, study.targets))}\n",
        style="dim",
        soft_wrap=True,
    )
