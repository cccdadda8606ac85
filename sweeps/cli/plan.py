"""The command that says what a study would run."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.table import Table

from sweeps.cli.console import amount, at_least_and_most, duration, err, out
from sweeps.cli.finding import named_study
from sweeps.cli.launch import SetOption, StudyArgument, typed
from sweeps.errors import InputError
from sweeps.loading import shipped_studies
from sweeps.places import Places

if TYPE_CHECKING:
    from sweeps.board import Board
    from sweeps.planning import CellPlan
    from sweeps.protocol import Cell
    from sweeps.spec import Study


def plan(study: StudyArgument, overrides: SetOption = None) -> None:
    """Show what a study would run and what is done already. Runs only a short calibration."""
    loaded = named_study(study, overrides or ())
    with err.status("looking at the study and its data ...") as status:
        from sweeps.imports import check_networks, imported
        from sweeps.planning import balance_note, cell_plans, untrainable_because, verdict_note

        check_networks(loaded)
        done = _done(loaded)
        plans = cell_plans(loaded)
        untimed = untrainable_because(loaded)
        if not untimed:
            status.update("measuring how fast this machine trains ...")
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
    _print_cells(plans, ended)
    total, updates = done.total, sum(p.updates for p in plans)
    planned = at_least_and_most(total.planned, total.most_planned)
    at_least = "at least " if total.most_planned > total.planned else ""
    left = {p.cell: max(1 - ended[p.cell] / p.trials, 0.0) for p in plans}
    out.print(
        f"\n{planned} trials, {at_least}{amount(updates)} updates; {total.ended} trials are done. "
        f"{_time_left(loaded, hours, left, untimed)}",
        soft_wrap=True,
    )
    for note in filter(None, (balance_note(loaded), verdict_note(loaded))):
        out.print(note, style="dim", soft_wrap=True, markup=False)
    if refused:
        err.print(f"note: launch would refuse this for now: {refused}", soft_wrap=True, markup=False)
        return
    out.print(f"Run it with: {typed('launch', study, overrides)}", style="dim", soft_wrap=True, markup=False)


def _print_cells(plans: tuple[CellPlan, ...], ended: Mapping[Cell, int]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("cell", "tune", "confirm", "updates each", "updates", "done"):
        table.add_column(name, justify="left" if name == "cell" else "right")
    for p in plans:
        label = f"{p.cell.workload} {p.cell.budget.label}"
        confirm = at_least_and_most(p.confirm_trials, p.most_confirm_trials)
        row = (str(p.tune_trials), confirm, amount(p.updates_per_trial), amount(p.updates))
        table.add_row(label, *row, f"{ended[p.cell]}/{at_least_and_most(p.trials, p.most_trials)}")
    out.print(table)


def _time_left(study: Study, hours: Mapping[Cell, float], left: Mapping[Cell, float], untimed: str) -> str:
    """Say how long what is left takes on this machine.

    Args:
        study: the study.
        hours: of training in each cell, where they were measured.
        left: part of each cell's trials that has not ended, in [0, 1].
        untimed: why nothing could be measured; empty where it was.
    """
    if not any(left.values()):
        return "Nothing is left to run."
    if untimed:
        return f"How long that takes cannot be measured here: {untimed}."
    slots = max(1, int((os.cpu_count() or 1) / study.resources.cpu))
    hours_left = sum(hours.get(cell, 0.0) * part for cell, part in left.items())
    return (
        f"About {duration(hours_left)} of training left, {duration(hours_left / slots)} with {slots} trials at a "
        "time on this machine."
    )


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
