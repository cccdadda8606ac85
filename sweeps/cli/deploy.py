"""The command that writes files for running fairsweep elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from sweeps.cli.console import out
from sweeps.deploy import DEPLOYMENTS, MARK, Deployment, deployment, file_text
from sweeps.errors import InputError


def deploy(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Which files to write; without it they are listed.")
    ] = None,
    folder: Annotated[Path, typer.Option("--out", help="Folder to write to.")] = Path("deploy"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite existing files.")] = False,
) -> None:
    """Write files to run fairsweep on a cloud or on Kubernetes, with an MLflow server for many."""
    if name is None:
        _list()
        return
    chosen = deployment(name)
    _write(chosen, folder, force)
    out.print(
        f"Wrote {', '.join(chosen.files)} to {folder}. The top of each says how it is used and whether it has been "
        "run; docs/cluster.md goes through it step by step.",
        soft_wrap=True,
        markup=False,
    )
    if places := list(_places_to_edit(chosen, folder)):
        out.print(f"Fill in the lines marked {MARK}:", soft_wrap=True)
        for place in places:
            out.print(f"  {place}", style="dim", soft_wrap=True, markup=False, highlight=False)


def _list() -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("name", no_wrap=True)
    table.add_column("what it makes, and the files")
    for name, described in DEPLOYMENTS.items():
        table.add_row(name, f"{described.purpose}\n[dim]{', '.join(described.files)}[/]")
    out.print(table)
    out.print("\nWrite them with: fairsweep deploy NAME --out FOLDER", style="dim")


def _write(chosen: Deployment, folder: Path, force: bool) -> None:
    there = [file for file in chosen.files if (folder / file).exists()]
    if there and not force:
        raise InputError(f"{folder} must not hold {', '.join(there)} yet; give another --out, or --force to overwrite.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file in chosen.files:
            (folder / file).write_text(file_text(file), encoding="utf-8")
    except OSError as error:
        raise InputError(f"{folder} cannot be written to: {error.strerror}.") from error


def _places_to_edit(chosen: Deployment, folder: Path) -> list[str]:
    return [
        f"{folder / file}:{number}"
        for file in chosen.files
        for number, line in enumerate(file_text(file).splitlines(), start=1)
        if MARK in line and not line.lstrip().startswith("#")
    ]
