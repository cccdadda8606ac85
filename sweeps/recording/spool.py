"""A durable queue of records on disk, one JSON file each.

A record is safe once `put` returns: it survives the death of this process, and of the machine as far as the disk keeps
what was synced. It is removed only after it was delivered.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sweeps.errors import FairsweepError, InputError


class SpoolError(FairsweepError):
    """The spool cannot be written: the results of the trials in flight would be lost."""


class Spool:
    """A folder of records that wait for delivery.

    Args:
        folder: created if missing; used by one process at a time.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for leftover in folder.glob("*.tmp"):  # of a process killed while writing
                leftover.unlink()
        except OSError as error:
            raise SpoolError(f"{folder} must be a writable folder for results; {error.strerror}.") from error
        self._count = max((int(path.name.split("-")[0]) for path in self._files()), default=-1) + 1

    def put(self, record: dict[str, Any]) -> Path:
        """Write a record and return its file; the key ``trial_key`` names it.

        Raises:
            SpoolError: the disk is full or not writable.
        """
        digest = hashlib.blake2b(record["trial_key"].encode(), digest_size=8).hexdigest()
        path = self.folder / f"{self._count:08d}-{digest}.json"
        temporary = path.with_suffix(".tmp")
        try:
            with temporary.open("w", encoding="utf-8") as file:
                json.dump(record, file, allow_nan=False)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except OSError as error:
            raise SpoolError(
                f"{path} cannot be written: {error.strerror}. Free some space and launch again: all trials that had "
                "ended before are safe."
            ) from error
        self._count += 1
        return path

    def pending(self) -> Iterator[tuple[Path, dict[str, Any]]]:
        """Yield the undelivered records, oldest first."""
        for path in self._files():
            yield path, json.loads(path.read_text(encoding="utf-8"))

    def __len__(self) -> int:
        return len(self._files())

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("*.json"))


@contextmanager
def exclusive(folder: Path, study: str) -> Iterator[None]:
    """Hold `folder` for this process while it launches `study`.

    The operating system lets go of the lock when the process ends, however it ends.

    Raises:
        InputError: another process on this machine is launching the same study.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".lock").open("w")
    except OSError as error:
        raise SpoolError(f"{folder} must be a writable folder for results; {error.strerror}.") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"study {study} is being launched by another process here; wait for it, or stop it first."
            ) from None
        yield
