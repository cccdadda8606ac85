"""Gather the commands, and turn errors into messages and exit codes."""

from __future__ import annotations

import errno
import io
import os
import sys
import traceback
from importlib.metadata import version
from typing import Annotated, NoReturn

import typer

from sweeps.cli import data, deploy, doctor, files, launch, look, plan, range_test, remote, schedules
from sweeps.cli.console import err
from sweeps.cli.interrupts import EXIT_CODE, heed_interrupts
from sweeps.errors import FairsweepError

app = typer.Typer(
    name="fairsweep",
    help="Settle claims about learning-rate schedules: tuned baselines, many seeds, error bars, a verdict.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"fairsweep {version('fairsweep')}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
    _debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    pass


def _register(name: str, command: object, panel: str, example: str) -> None:
    epilog = f"Example:  [bold]{example}[/bold]"
    app.command(name, rich_help_panel=panel, epilog=epilog)(command)  # type: ignore[type-var]


_register("launch", launch.launch, "Run", "fairsweep launch quickstart")
_register("plan", plan.plan, "Run", "fairsweep plan quickstart --set tuning.draws=8")
_register("status", look.status, "Look", "fairsweep status quickstart")
_register("logs", remote.logs, "Look", "fairsweep logs quickstart -f --address http://127.0.0.1:8265")
_register("stop", remote.stop, "Run", "fairsweep stop quickstart --address http://127.0.0.1:8265")
_register("ui", look.ui, "Look", "fairsweep ui quickstart")
_register("report", look.report, "Look", "fairsweep report quickstart --out report")
_register("init", files.init, "Study files", "fairsweep init my-study.yaml")
_register("studies", files.studies, "Study files", "fairsweep studies")
_register("schedules", schedules.schedules, "Study files", "fairsweep schedules one_cycle --plot one_cycle.png")
_register("range-test", range_test.range_test, "Study files", "fairsweep range-test quickstart --seeds 3")
_register("schema", files.schema, "Study files", "fairsweep schema > study.schema.json")
_register("download", data.download, "Elsewhere", "fairsweep download cifar10 data")
_register("deploy", deploy.deploy, "Elsewhere", "fairsweep deploy mlflow --out mlflow-server")
_register("doctor", doctor.doctor, "Look", "fairsweep doctor")


def main() -> None:
    """Run the command line.

    Exit codes: 0 done, 1 something failed (some trials, or a service), 2 bad input, 130 interrupted.
    """
    debug = "--debug" in sys.argv
    heed_interrupts()
    if isinstance(sys.stdout, io.TextIOWrapper):  # where our characters cannot be written, others stand in their place
        sys.stdout.reconfigure(errors="replace")
    try:
        app(standalone_mode=True)
    except FairsweepError as error:
        if debug:
            traceback.print_exc()
        err.print(f"[bold red]error:[/] {_escaped(str(error))}", soft_wrap=True, highlight=False)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        err.print("interrupted")
        sys.exit(EXIT_CODE)
    except Exception as error:  # noqa: BLE001 (a bug: no traceback unless asked for)
        if debug:
            traceback.print_exc()
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            _leave_full_output(error)
        from models.memory import is_out_of_memory

        if is_out_of_memory(error):
            err.print("[bold red]error:[/] memory ran out on this machine; end what else takes it, and run this again.")
            sys.exit(1)
        text = f"{type(error).__name__}: {error}"
        err.print(f"[bold red]internal error:[/] {_escaped(text)}", soft_wrap=True, highlight=False)
        err.print("Run it again with --debug before the command for the traceback.")
        sys.exit(1)
    finally:
        exec("")  # noqa: S102 (where code like this was interrupted, `python -m` would end by SIGINT, not with our code)


def _leave_full_output(error: OSError) -> NoReturn:
    """Say that there is no room, and keep Python from trying to write the rest of the output once more."""
    where = f" to {error.filename}" if error.filename else ""
    text = f"nothing more can be written{where}: {error.strerror}."
    err.print(f"[bold red]error:[/] {_escaped(text)}", soft_wrap=True, highlight=False)
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(1)


def _escaped(text: str) -> str:
    return text.replace("[", r"\[")
