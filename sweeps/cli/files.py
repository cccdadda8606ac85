"""Commands about study files and this machine: init, studies, schema, doctor."""

from __future__ import annotations

import importlib.resources
import json
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
import yaml
from rich.table import Table

from sweeps.cli.console import err, out
from sweeps.errors import FairsweepError, InputError
from sweeps.loading import shipped_studies, study_schema
from sweeps.places import Places, without_credentials
from sweeps.provenance import package_versions

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
    out.print(f"Wrote {path} and {schema_path.name}. Edit it, then: fairsweep plan {path}", soft_wrap=True)


def studies() -> None:
    """List the studies that come with fairsweep."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("study", no_wrap=True)
    table.add_column("question")
    for name, path in shipped_studies().items():
        table.add_row(name, yaml.safe_load(path.read_text(encoding="utf-8")).get("question", ""))
    out.print(table)
    out.print("\nRun one with: fairsweep launch NAME", style="dim")


def schema() -> None:
    """Print the JSON Schema of study files, for editors that complete and check them."""
    sys.stdout.write(schema_text())


def schema_text() -> str:
    """Return the JSON Schema of study files as text."""
    return json.dumps(study_schema(), indent=1) + "\n"


def doctor() -> None:
    """Check versions, devices, the tracking store, writable places and auth."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column("", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("", overflow="fold")
    healthy = True
    for ok, name, finding in _findings():
        healthy = healthy and ok is not False
        mark = {True: "[green]ok[/]", False: "[red]no[/]", None: "[yellow]--[/]"}[ok]
        table.add_row(mark, name, finding)
    out.print(table)
    if not healthy:
        raise typer.Exit(1)


def _findings() -> Iterator[tuple[bool | None, str, str]]:
    yield (
        sys.version_info >= (3, 11),
        "python",
        f"{platform.python_version()} on {platform.platform(terse=True)}",
    )
    for name, version in package_versions().items():
        yield version != "not installed", name, version
    yield True, "cpu", f"{os.cpu_count()} cores"
    yield _gpus()
    places = Places.from_environment()
    yield _writable(places.home)
    yield _store(places)
    data = os.environ.get("FAIRSWEEP_DATA")
    if data:
        yield (
            Path(data).is_dir(),
            "data",
            data if Path(data).is_dir() else f"FAIRSWEEP_DATA: no folder {data}",
        )
    else:
        yield None, "data", "FAIRSWEEP_DATA is not set; only studies on downloaded data need it"
    mode = os.environ.get("RAY_AUTH_MODE")
    yield (
        mode != "disabled",
        "ray auth",
        f"RAY_AUTH_MODE={mode}" if mode else "a token per launch (RAY_AUTH_MODE unset)",
    )


def _gpus() -> tuple[bool | None, str, str]:
    import torch  # noqa: PLC0415 (slow to import; only doctor asks)

    if not torch.cuda.is_available():
        return None, "gpu", "none that torch can use; studies with resources.gpu need another --address"
    return True, "gpu", ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))


def _writable(folder: Path) -> tuple[bool | None, str, str]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".doctor"
        probe.write_text("x", encoding="utf-8")
        probe.unlink()
    except OSError as error:
        return False, "home", f"{folder} is not writable: {error.strerror}; set FAIRSWEEP_HOME"
    free = shutil.disk_usage(folder).free / 2**30
    return free > 1, "home", f"{folder} ({free:.0f} GiB free)"


def _store(places: Places) -> tuple[bool | None, str, str]:
    from sweeps.recording import connect, recorded_studies  # noqa: PLC0415

    with err.status("asking MLflow ..."):
        try:
            found = recorded_studies(connect(places))
        except FairsweepError as error:
            return False, "tracking", str(error)
    return True, "tracking", f"{without_credentials(places.tracking_uri)} ({len(found)} studies)"
