"""A durable queue of records on disk, one JSON file each.

A record is safe once `put` returns: it survives the death of this process, and of the machine as far as the disk keeps
what was synced. It is removed only after it was delivered.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sweeps.errors import FairsweepError, InputError

#: Held back on the disk for the results of the trials in flight when it runs full.
RESERVE_BYTES = 4 * 2**20
_RESERVE = "reserve.bin"
_LAUNCHES = "launches"


class SpoolError(FairsweepError):
    """The spool cannot be written: the results of the trials in flight would be lost."""


class Spool:
    """A folder of records that wait for delivery.

    Args:
        folder: created if missing; used by one process at a time.

    Raises:
        SpoolError: the folder cannot be written, or its disk is full already.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._reserve = folder / _RESERVE
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for left_over in folder.glob("*.tmp"):  # of a process killed while writing, or a machine that went down
                _keep_if_whole(left_over)
            self._hold_back()
        except OSError as error:
            raise SpoolError(
                f"{folder} must be a writable folder for results, with {RESERVE_BYTES // 2**20} MB free; "
                f"{error.strerror}."
            ) from error
        self._files = dict.fromkeys(sorted(folder.glob("*.json")))
        self._count = max((int(path.name.split("-")[0]) for path in self._files), default=-1) + 1

    def _hold_back(self) -> None:
        if self._reserve.exists() and self._reserve.stat().st_size == RESERVE_BYTES:
            return
        _write_synced(self._reserve, os.urandom(RESERVE_BYTES))  # not zeros: disks that compress keep no room for them

    def put(self, record: Mapping[str, Any]) -> Path:
        """Write a record and return its file; the key ``trial_key`` names it.

        On a full disk it goes to the space held back, see `is_full`.

        Raises:
            SpoolError: the disk is full to the last, or not writable.
        """
        digest = hashlib.blake2b(str(record["trial_key"]).encode(), digest_size=8).hexdigest()
        path = self.folder / f"{self._count:08d}-{digest}.json"
        content = json.dumps(record, allow_nan=False).encode()
        try:
            try:
                _write_synced(path, content)
            except OSError as error:
                if error.errno not in {errno.ENOSPC, errno.EDQUOT} or self.is_full:
                    raise
                self._reserve.unlink()
                _write_synced(path, content)
        except OSError as error:
            raise SpoolError(
                f"{path} cannot be written: {error.strerror}. Free some space and launch again: all trials that had "
                "ended before are safe."
            ) from error
        self._count += 1
        with self._lock:
            self._files[path] = None
        return path

    @property
    def is_full(self) -> bool:
        """Tell whether the disk has run full, and records go to the last of the space held back."""
        return not self._reserve.exists()

    def files(self) -> list[Path]:
        """Return the files of the undelivered records, oldest first."""
        with self._lock:
            return list(self._files)

    def read(self, path: Path) -> dict[str, Any]:
        """Return the record in a file."""
        record: dict[str, Any] = json.loads(path.read_bytes())
        return record

    def remove(self, path: Path) -> None:
        """Remove a record that was delivered."""
        path.unlink(missing_ok=True)
        with self._lock:
            self._files.pop(path, None)

    def pending(self) -> Iterator[dict[str, Any]]:
        """Yield the undelivered records, oldest first; one that the disk has damaged is set aside."""
        for path in self.files():
            try:
                yield self.read(path)
            except ValueError:
                path.replace(path.with_suffix(".unreadable"))
                self.remove(path)

    def keep_launch(self, name: str, facts: Mapping[str, Any]) -> None:
        """Keep what is known of a launch as long as its records may wait.

        Raises:
            SpoolError: the disk is full, or not writable.
        """
        path = self.folder / _LAUNCHES / f"{name}.json"
        try:
            path.parent.mkdir(exist_ok=True)
            _write_synced(path, json.dumps(facts).encode())
        except OSError as error:
            raise SpoolError(
                f"{path} cannot be written: {error.strerror}. Free some space and launch again."
            ) from error

    def launches(self) -> dict[str, dict[str, Any]]:
        """Return what is known of the launches whose records may wait, by name; what the disk has damaged is not."""
        found = {}
        for path in sorted((self.folder / _LAUNCHES).glob("*.json")):
            with suppress(ValueError):
                found[path.stem] = json.loads(path.read_bytes())
        return found

    def forget_launches(self, *, but: Collection[str]) -> None:
        """Remove what is known of launches, save some."""
        for path in (self.folder / _LAUNCHES).glob("*.json"):
            if path.stem not in but:
                path.unlink(missing_ok=True)

    def __len__(self) -> int:
        with self._lock:
            return len(self._files)


def key_mark(path: Path) -> str:
    """Return the part of a record's file name that is the same for every record of one trial."""
    return path.stem.split("-")[1]


def _keep_if_whole(left_over: Path) -> None:
    """Keep a record that was written and synced, and not yet given its name when the machine went down."""
    try:
        json.loads(left_over.read_bytes())
    except ValueError:
        left_over.unlink()
    else:
        left_over.rename(left_over.with_suffix(".json"))


def _write_synced(path: Path, content: bytes) -> None:
    """Write a file that is there as a whole or not at all.

    In few system calls: each lets go of the interpreter, and a thread that delivers may keep it for a moment.
    """
    temporary = path.with_suffix(".tmp")
    try:
        file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(file, rest) :]
            os.fsync(file)
        finally:
            os.close(file)
        temporary.rename(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


@contextmanager
def exclusive(folder: Path, study: str) -> Iterator[None]:
    """Hold `folder` for this process while it launches `study`.

    The operating system lets go of the lock when the process ends, however it ends.

    Raises:
        InputError: another process on this machine is launching the same study.
        SpoolError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".lock").open("a+")
    except OSError as error:
        raise SpoolError(f"{folder} must be a writable folder for results; {error.strerror}.") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read(20).strip()
            who = f"process {holder}" if holder.isdecimal() else "another process"
            raise InputError(f"study {study} is being launched by {who} here; wait for it, or stop it first.") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
