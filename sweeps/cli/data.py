"""The command that fetches the files of a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sweeps.cli.console import err, out
from sweeps.errors import FairsweepError, InputError


def download(
    name: Annotated[str, typer.Argument(metavar="NAME", help="mnist, fashion_mnist, cifar10 or cifar100.")],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Data folder to fill; made if it is not there.")],
) -> None:
    """Fetch the files of a data set over the network."""
    with err.status("starting ..."):
        from models.data import DataError
        from models.data import download as fetch
    try:
        fetch(name, folder)
    except DataError as error:
        raise FairsweepError(str(error)) from error
    except ValueError as error:
        raise InputError(str(error)) from error
    out.print(
        f"{name} is in {folder}. Say so by data_root in its workload, or for all by: export "
        f"FAIRSWEEP_DATA={folder.expanduser().resolve()}",
        soft_wrap=True,
        markup=False,
        highlight=False,
    )
