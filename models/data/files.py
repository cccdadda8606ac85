"""The files of a data set, without reading them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path


def listing_digest(folder: Path) -> str:
    """Hash path, size and time of change of every file below a folder; "" where there is none.

    Names that begin with a dot are left out, as nobody reads them.

    Looking at 60,000 files takes about half a second, reading them all a minute.
    """
    digest, empty = hashlib.sha256(), True
    for path, size, changed_ns in sorted(_listing(folder, "")):
        digest.update(f"{path}\0{size}\0{changed_ns}\n".encode())
        empty = False
    return "" if empty else digest.hexdigest()


def _listing(folder: Path | str, below: str) -> Iterator[tuple[str, int, int]]:
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        path = f"{below}{entry.name}"
        if entry.is_dir():
            yield from _listing(entry.path, f"{path}/")
        else:
            try:
                status = entry.stat()
            except OSError:  # such as a link that leads nowhere: whoever reads it will say so
                yield path, -1, -1
            else:
                yield path, status.st_size, status.st_mtime_ns
