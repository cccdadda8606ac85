"""Commands that look at a study: status, ui, report."""

from __future__ import annotations

import os
import webbrowser
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from sweeps.cli.compare import is_report, print_comparison
from sweeps.cli.console import at_least_and_most, err, out
from sweeps.cli.interrupts import something_to_end
from sweeps.cli.progress import tally_table
from sweeps.cli.remote import ADDRESS_VARIABLE, print_jobs
from sweeps.cli.verdict import is_table, print_report, print_table_report
from sweeps.cluster.addresses import is_jobs_address
from sweeps.errors import FairsweepError, InputError
from sweeps.jobs.names import parsed_name
from sweeps.places import Places, is_served, without_credentials

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment, Run

    from sweeps.board import Board
    from sweeps.spec import Study

RecordedStudy = Annotated[str | None, typer.Argument(help="Name of a recorded study; all of them by default.")]


def status(
    study: RecordedStudy = None,
    address: Annotated[
        str,
        typer.Option(envvar=ADDRESS_VARIABLE, help="http://HOST:PORT of a dashboard, to ask for the jobs there too."),
    ] = "local",
) -> None:
    """Show how far the recorded studies are."""
    if is_jobs_address(address):
        _cluster_status(address, study)
    else:
        _recorded_status(study)


def _cluster_status(address: str, study: str | None) -> None:
    """Show the jobs of a cluster, and what is recorded where this machine can read the record too."""
    has_jobs = print_jobs(address, study)
    places = Places.from_environment()
    if is_served(places.tracking_uri):
        job = parsed_name(study) if study else None
        out.print()
        _recorded_status(job.study if job else study)
    elif study is not None and not has_jobs:
        raise InputError(f"no job of a study {study!r} on this cluster; submit it with fairsweep launch.")
    elif study is not None:
        out.print("Set MLFLOW_TRACKING_URI to the server it records in to see the counts.", style="dim")


def _recorded_status(study: str | None) -> None:
    from sweeps.recording import connect, find_study, recorded_studies

    places = Places.from_environment()
    if places.is_new:
        _refuse_or_say_nothing_is_recorded(places, study)
        return
    client = connect(places)
    if study is not None:
        board = _board(client, find_study(client, study))
        out.print(tally_table(board, list(dict.fromkeys(cell for cell, _ in board.tallies))))
        return
    experiments = recorded_studies(client)
    if not experiments:
        _refuse_or_say_nothing_is_recorded(places, None)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("study", no_wrap=True)
    for name in ("trials done", "diverged", "failed"):
        table.add_column(name, justify="right")
    unreadable: list[FairsweepError] = []
    for experiment in experiments:
        try:
            total = _board(client, experiment).total
        except FairsweepError as error:
            unreadable.append(error)
            table.add_row(experiment.name, "?", "?", "?")
            continue
        done = f"{total.ended}/{at_least_and_most(total.planned, total.most_planned)}"
        table.add_row(experiment.name, done, str(total.diverged or "–"), str(total.failed or "–"))
    out.print(table)
    _warn_of_each(unreadable)


def _refuse_or_say_nothing_is_recorded(places: Places, study: str | None) -> None:
    if study is not None:
        raise InputError(
            f"no study {study!r} in {without_credentials(places.tracking_uri)}: none is recorded there yet."
        )
    out.print(f"No study is recorded in {without_credentials(places.tracking_uri)} yet.", soft_wrap=True, markup=False)
    out.print("Start with: fairsweep launch quickstart")


def _warn_of_each(errors: Iterable[FairsweepError]) -> None:
    """Say why studies cannot be shown, while the others are."""
    for message in dict.fromkeys(map(str, errors)):
        err.print(f"[yellow]warning:[/] {escape(message)}", soft_wrap=True)


def _board(client: MlflowClient, experiment: Experiment) -> Board:
    from sweeps.board import board_of
    from sweeps.recording import recorded_outcomes, recorded_study

    outcomes = recorded_outcomes(client, str(experiment.name), failures=True)
    return board_of(recorded_study(client, experiment), outcomes)


def report(  # noqa: PLR0913, PLR0917 (its signature is the command line)
    study: Annotated[str, typer.Argument(help="Name of a recorded study, or a table of results such as results.csv.")],
    folder: Annotated[
        Path | None,
        typer.Option("--out", help="Where to write it; by default below FAIRSWEEP_HOME, for a table beside you."),
    ] = None,
    curves: Annotated[Path | None, typer.Option(help="Table of evaluations that belongs to a table of runs.")] = None,
    rules: Annotated[
        Path | None, typer.Option(help="YAML or JSON file with the rules of a table: control, margin, arms and more.")
    ] = None,
    control: Annotated[str | None, typer.Option(help="Arm of a table that the others are compared with.")] = None,
    margin: Annotated[
        float | None, typer.Option(help="Equivalence margin for a table, as a fraction; 0.005 if not given.")
    ] = None,
    alpha: Annotated[
        float | None, typer.Option(help="Error rate over all comparisons of a table; 0.05 if not given.")
    ] = None,
    target: Annotated[
        list[float] | None, typer.Option(help="Accuracy to be reached in the curves of a table; repeatable.")
    ] = None,
    question: Annotated[str | None, typer.Option(help="Question that the report of a table answers.")] = None,
    unit: Annotated[str | None, typer.Option(help="What the budgets of a table count, such as epochs.")] = None,
    percent: Annotated[bool, typer.Option("--percent", help="The accuracies of a table are in percent.")] = False,
    compare: Annotated[
        str | None,
        typer.Option(help="Set this beside it: another recorded study, a folder with a report, or a table."),
    ] = None,
) -> None:
    """Write the significance report of a study, or of a table of results, and print its verdicts."""
    for_tables = {
        "--curves": curves,
        "--rules": rules,
        "--control": control,
        "--margin": margin,
        "--alpha": alpha,
        "--target": target,
        "--question": question,
        "--unit": unit,
        "--percent": percent or None,
    }
    from analysis.tidy import TableOptions

    options = TableOptions(
        control=control,
        margin=margin,
        alpha=alpha,
        targets=tuple(target or ()),
        question=question,
        budget_unit=unit,
        percent=percent,
        rules=rules,
    )
    sides = [study] if compare is None else [study, compare]
    given = [name for name, value in for_tables.items() if value is not None]
    if given and not any(is_table(side) and not is_report(side) for side in sides):
        raise InputError(
            f"{', '.join(given)} must be left away for a recorded study: its rules were fixed before its first trial. "
            "They are for tables such as results.csv."
        )
    if compare is not None:
        if curves is not None:
            raise InputError("--curves must be left away with --compare: which of the two it belongs to is not clear.")
        print_comparison(study, compare, options, folder)
    elif is_report(study):
        raise InputError(f"{study} is a report already; set another beside it with --compare.")
    elif is_table(study):
        print_table_report(Path(study), curves, options, folder)
    else:
        places = Places.from_environment()
        print_report(places, study, folder or places.report(study))


def ui(
    study: RecordedStudy = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; any free one if it is taken.")] = 5000,
    host: Annotated[str, typer.Option(help="Address to listen on; any but 127.0.0.1 needs a password.")] = "127.0.0.1",
    allowed_host: Annotated[
        list[str] | None, typer.Option(help="Another name by which browsers may ask for this machine; repeatable.")
    ] = None,
    browser: Annotated[bool, typer.Option("--open/--no-open", help="Open the comparison in a browser.")] = True,
) -> None:
    """Serve MLflow on this machine and link to the comparison view of a study."""
    from sweeps.access import USER, access

    reachable = access(host, port, allowed_host or (), os.environ)
    from sweeps.recording import connect, find_study, recorded_studies, recorded_study, study_run
    from sweeps.server import needs_server, serve

    places = Places.from_environment()
    if places.is_new:
        raise InputError(
            f"no study {study or ''} is recorded in {without_credentials(places.tracking_uri)} yet; launch one first."
        )
    client = connect(places)
    experiments = [find_study(client, study)] if study else recorded_studies(client)
    if not experiments:
        raise InputError(f"no study is recorded in {without_credentials(places.tracking_uri)} yet; launch one first.")
    links, unreadable = [], list[FairsweepError]()
    for e in experiments:
        try:
            recorded = recorded_study(client, e)
        except FairsweepError as error:
            unreadable.append(error)
            continue
        links.append((str(e.name), str(e.experiment_id), recorded, study_run(client, e.experiment_id)))
    if unreadable and not links:
        raise unreadable[0]
    _warn_of_each(unreadable)
    if not needs_server(places.tracking_uri):
        _print_links(places.tracking_uri, links, browser)
        return
    something_to_end()
    with ExitStack() as stack:
        with err.status("starting the MLflow server ..."):
            server = stack.enter_context(serve(places.tracking_uri, log_path=places.home / "ui.log", access=reachable))
        _print_links(server.url, links, browser)
        guard = f"asks for {USER} and the password; not encrypted" if reachable.password else "for this machine only"
        out.print(f"\nServing on {host} ({guard}). Ctrl-C stops it.", style="dim")
        server.wait()


def _print_links(base_url: str, studies: list[tuple[str, str, Study, Run | None]], browser: bool) -> None:
    from sweeps.mlflow_page import view_url
    from sweeps.views import COMPARISON

    comparisons = [view_url(base_url, experiment_id, COMPARISON) for _, experiment_id, _, _ in studies]
    if len(studies) == 1:
        _print_all_links(base_url, *studies[0])
    else:
        for (name, *_), url in zip(studies, comparisons, strict=True):
            out.print(f"{name}:\n  {url}", soft_wrap=True, markup=False)
        out.print("Search, cells and report of one of them:  fairsweep ui NAME", style="dim")
    if browser:
        webbrowser.open(comparisons[0])


def _print_all_links(base_url: str, name: str, experiment_id: str, study: Study, run: Run | None) -> None:
    from sweeps.mlflow_page import report_url, view_url
    from sweeps.recording import views_of

    out.print(f"\n[bold]{name}[/]")
    for view in views_of(study):
        out.print(f"{view.title}:", markup=False)
        out.print(f"  {view_url(base_url, experiment_id, view.key)}", soft_wrap=True, markup=False)
    if run is not None:
        out.print("Report:")
        out.print(f"  {report_url(base_url, experiment_id, str(run.info.run_id))}", soft_wrap=True, markup=False)
