"""Replace the files of a report all together: an old report is never left half overwritten."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

# Lists the files of the report in a folder, so that those of an older one can be told from what is not ours.
MANIFEST = ".fairsweep-report.json"
_STAGING_PREFIX = ".fairsweep-writing-"


def replace_files(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write files to a folder, and remove those that an earlier call wrote there and this one does not.

    Everything is written beside its place first, so that a full disk leaves the old files as they were. Two calls at
    once come one after the other.

    Args:
        folder: Made if needed.
        contents: Bytes by name; a name may have folders in it, separated by ``/``.

    Raises:
        OSError: If the folder cannot be written; the old files are all there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _lock(folder):
        for left_over in folder.glob(f"{_STAGING_PREFIX}*"):
            shutil.rmtree(left_over, ignore_errors=True)
        staging = Path(tempfile.mkdtemp(prefix=_STAGING_PREFIX, dir=folder))
        try:
            _write_all(staging, {**contents, MANIFEST: json.dumps(sorted(contents), indent=1).encode()})
            _refuse_folders_in_the_way(folder, contents)
            old = _written_before(folder)
            for name in contents:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (staging / name).replace(folder / name)
            for name in old - contents.keys():
                with suppress(OSError):
                    (folder / name).unlink()
            (staging / MANIFEST).replace(folder / MANIFEST)
        finally:
            shutil.rmtree(staging, ignore_errors=True)


def _write_all(staging: Path, contents: Mapping[str, bytes]) -> None:
    for name, content in contents.items():
        path = staging / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _refuse_folders_in_the_way(folder: Path, contents: Mapping[str, bytes]) -> None:
    for name in contents:
        path = folder / name
        if path.is_dir():
            raise IsADirectoryError(21, f"{name} is a folder", str(path))


def _written_before(folder: Path) -> set[str]:
    """Return the names in the list of an earlier report; what points outside of the folder is not ours."""
    try:
        names = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return set()
    listed = (PurePosixPath(name) for name in names if isinstance(name, str)) if isinstance(names, list) else ()
    return {
        str(name)
        for name in listed
        if not name.is_absolute() and ".." not in name.parts and not (folder / name).parent.is_symlink()
    }


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Hold the folder for one writer, where the file system can."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
