"""Commands about study files: init, studies, schema."""

from __future__ import annotations

import importlib.resources
import json
import sys
from pathlib import Path
from typing import Annotated

import typer
import yaml
from rich.table import Table

from schedules.checks import unknown_option
from sweeps.cli.console import out
from sweeps.errors import InputError
from sweeps.loading import shipped_studies, study_schema

_TEMPLATE = importlib.resources.files("sweeps.studies") / "template.yaml.txt"


def init(
    path: Annotated[Path, typer.Argument(help="The study file to write.")] = Path("study.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Write a commented study to start from, and the schema that lets editors check it."""
    schema_path = path.with_name("study.schema.json")
    if path.exists() and not force:
        raise InputError(f"{path} exists; give another name, or --force to overwrite it.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_TEMPLATE.read_text(encoding="utf-8"), encoding="utf-8")
        schema_path.write_text(schema_text(), encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}.") from error
    out.print(
        f"Wrote {path} and {schema_path.name}. Edit it, then: fairsweep plan {path}", soft_wrap=True, markup=False
    )


def studies(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Print the file of this one instead.")] = None,
) -> None:
    """List the studies that come with fairsweep, or print the file of one: its question, costs and source."""
    if name is not None:
        if name not in shipped_studies():
            raise InputError(unknown_option("NAME", name, shipped_studies()))
        sys.stdout.write(shipped_studies()[name].read_text(encoding="utf-8"))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("study", no_wrap=True)
    table.add_column("question")
    for each, path in shipped_studies().items():
        table.add_row(each, yaml.safe_load(path.read_text(encoding="utf-8")).get("question", ""))
    out.print(table)
    out.print("\nSee what one asks, costs and is from with: fairsweep studies NAME", style="dim")
    out.print("Run one with: fairsweep launch NAME", style="dim")


def schema() -> None:
    """Print the JSON Schema of study files, for editors that complete and check them."""
    sys.stdout.write(schema_text())


def schema_text() -> str:
    """Return the JSON Schema of study files as text."""
    return json.dumps(study_schema(), indent=1) + "\n"
