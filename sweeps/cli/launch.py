"""Commands that run a study or say what it would run: launch and plan."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from typing import Annotated

import typer
from rich.table import Table

from sweeps.board import Board, board_of
from sweeps.cli.console import amount, at_least_and_most, duration, err, out
from sweeps.cli.progress import Watch, showing
from sweeps.cli.verdict import print_report
from sweeps.errors import FairsweepError
from sweeps.loading import load_study
from sweeps.places import Places, without_credentials
from sweeps.spec import Study

StudyArgument = Annotated[str, typer.Argument(help="A study file, or the name of a shipped study.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Replace a value of the study file; repeatable."),
]
AddressOption = Annotated[
    str,
    typer.Option(
        help="Where to run: local, auto, or HOST:PORT of the head of the Ray cluster that this machine is a node of."
    ),
]
ConcurrencyOption = Annotated[
    int | None, typer.Option("--max-concurrent", min=1, help="Trials at a time; by default as many as fit.")
]


def launch(
    study: StudyArgument,
    address: AddressOption = "local",
    max_concurrent: ConcurrencyOption = None,
    overrides: SetOption = None,
) -> None:
    """Run a study, or resume it: trials that have ended are not run again."""
    loaded = load_study(study, overrides or ())
    places = Places.from_environment()
    with err.status("starting ..."):
        # Ray and torch take seconds to import, which a mistake in a study file should not cost.
        from sweeps.launching import prepared  # noqa: PLC0415
        from sweeps.runner import check_address  # noqa: PLC0415
    check_address(address)
    with prepared(loaded, places) as running:
        total = running.board.total
        planned = at_least_and_most(total.planned, total.most_planned)
        if running.resumed:
            out.print(
                f"Resuming study {loaded.study}: {total.ended} of {planned} trials are done.",
                soft_wrap=True,
            )
        else:
            out.print(f"Study {loaded.study}: {planned} trials.", soft_wrap=True)
        watch = Watch(running.board, _slots(loaded, max_concurrent), lambda: running.recorder.trouble)
        try:
            with showing(watch, err):
                running.run(address=address, max_concurrent=max_concurrent)
        except KeyboardInterrupt:
            err.print(
                f"Stopped. {running.board.total.ended} of {planned} trials are done and safe; "
                f"go on with: {_command('launch', study, overrides, address)}",
                soft_wrap=True,
            )
            raise typer.Exit(130) from None
    _finish(running.undelivered, [f.error for f in running.failures], loaded, places)


def _finish(undelivered: int, errors: list[str], study: Study, places: Places) -> None:
    if undelivered:
        raise FairsweepError(
            f"{undelivered} results wait in {places.spool(study.study)} because MLflow at "
            f"{without_credentials(places.tracking_uri)} does not take them. Nothing is lost: launch again when it "
            "does, and they are delivered first."
        )
    for error, count in Counter(_last_line(error) for error in errors).most_common(3):
        err.print(f"[red]{count} trials failed:[/] {error}", soft_wrap=True)
    if errors:
        err.print("The tracebacks are in MLflow (fairsweep ui); launch again to re-run what failed.", soft_wrap=True)
    try:
        print_report(places, study.study, places.report(study.study))
    except FairsweepError as error:
        raise FairsweepError(
            f"{error}\nAll trials that ended are safe; write the report later with: fairsweep report {study.study}"
        ) from error
    if errors:
        raise typer.Exit(1)


def _last_line(error: str) -> str:
    lines = [line for line in error.splitlines() if line.strip()]
    return lines[-1] if lines else "no message"


def _slots(study: Study, max_concurrent: int | None) -> int:
    """Estimate the trials at a time, for the time left."""
    fit = max(1, int((os.cpu_count() or 1) / study.resources.cpu))
    return min(fit, max_concurrent or fit)


def plan(study: StudyArgument, overrides: SetOption = None) -> None:
    """Show what a study would run and what is done already. Runs only a short calibration."""
    loaded = load_study(study, overrides or ())
    with err.status("measuring how fast this machine trains ..."):
        from sweeps.launching import check_data  # noqa: PLC0415
        from sweeps.planning import cell_hours, cell_plans  # noqa: PLC0415

        check_data(loaded)
        plans = cell_plans(loaded)
        hours = cell_hours(loaded, plans)
        done = _done(loaded)
        ended = Counter({cell: 0 for cell, _ in done.tallies})
        for (cell, _), tally in done.tallies.items():
            ended[cell] += tally.ended
    _print_arms(loaded)
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
    slots = _slots(loaded, None)
    left = sum(hours[p.cell] * max(1 - ended[p.cell] / p.trials, 0.0) for p in plans)
    planned = at_least_and_most(total.planned, total.most_planned)
    out.print(
        f"\n{planned} trials, {amount(updates)} updates; {total.ended} trials are done. About {duration(left)} "
        f"of training left, {duration(left / slots)} with {slots} trials at a time on this machine.",
        soft_wrap=True,
    )
    out.print(f"Run it with: {_command('launch', study, overrides)}", style="dim", soft_wrap=True, markup=False)


def _command(name: str, study: str, overrides: list[str] | None, address: str = "local") -> str:
    """Write a command as it can be typed."""
    options = [part for override in overrides or () for part in ("--set", override)]
    options += [] if address == "local" else ["--address", address]
    return shlex.join(["fairsweep", name, study, *options])


def _done(study: Study) -> Board:
    """Return the board of what is recorded under the same rules; an empty one where nothing is."""
    from sweeps.recording import connect, recorded_hash, recorded_outcomes  # noqa: PLC0415

    board, places = Board(study), Places.from_environment()
    if places.is_new:
        return board
    client = connect(places)
    outcomes = recorded_outcomes(client, study.study)
    if outcomes and recorded_hash(client, study.study) != study.protocol_hash():
        err.print(
            f"[yellow]warning:[/] study {study.study} has trials recorded under other rules; launch will refuse this "
            "one unless it gets another name (study: ...).",
            soft_wrap=True,
        )
        return board
    return board_of(study, outcomes)


def _seeds(study: Study) -> str:
    if study.confirm.until == "planned":
        return f"{study.confirm.seeds} confirm seeds"
    return f"{study.confirm.seeds} to {study.confirm.max_seeds} confirm seeds until decided"


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
