"""Decoded data sets as files that all processes of a machine map into memory: one copy per node, made once.

A data set is written into a folder of its own, which gets its name only when it is complete; whoever finds a folder by
its name can rely on it. A lock keeps the others of the machine from decoding the same at the same time.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch
from torch import Tensor

from models.data.examples import DataError, Examples, Loaded

CACHE_VARIABLE = "FAIRSWEEP_CACHE"
_FORMAT = 2
_NAMES = ("x", "y")


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return where decoded data sets are kept: ``FAIRSWEEP_CACHE``, else ``fairsweep`` in the user's cache folder."""
    given = environment.get(CACHE_VARIABLE)
    if given:
        return Path(given).expanduser()
    return Path(environment.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "fairsweep"


def kept(label: str, identity: dict[str, Any], load: Callable[[], Examples]) -> Loaded:
    """Return what `load` returns, from a file that is mapped into memory; make the file if it is not there.

    Args:
        label: begins the name of the folder.
        identity: what makes this data set another one; plain JSON values.
        load: loads it.

    Returns:
        The examples, with the hash that they were compared with; their memory is shared with all processes of the
        machine, and lent from the system's file cache.

    Raises:
        DataError: if the file cannot be written. What `load` raises goes through.
    """
    text = json.dumps({"format": _FORMAT, **identity}, sort_keys=True)
    folder = cache_folder() / f"{label}-{hashlib.sha256(text.encode()).hexdigest()[:20]}"
    found = _opened(folder)
    if found:
        return found
    with _alone(folder.parent / f"{folder.name}.lock"):
        found = _opened(folder)
        if found:
            return found
        examples = load()
        with _blaming_the_cache():
            return _written(folder, examples)


def checksum(examples: Examples) -> str:
    """Hash the examples: SHA-256 of the bytes of `x` and then of `y`."""
    digest = hashlib.sha256()
    for tensor in examples:
        digest.update(_bytes(tensor))
    return digest.hexdigest()


def _bytes(tensor: Tensor) -> memoryview:
    return tensor.contiguous().view(-1).view(torch.uint8).numpy().data


def _opened(folder: Path) -> Loaded | None:
    """Map a complete and undamaged data set into memory."""
    try:
        header = json.loads((folder / "header.json").read_text(encoding="utf-8"))
        examples = Examples(*(_mapped(folder / name, **header[name]) for name in _NAMES))
        expected = header["sha256"]
    except (OSError, ValueError, KeyError, TypeError, RuntimeError):
        return None
    return Loaded(examples, expected, is_shared=True) if checksum(examples) == expected else None


def _mapped(path: Path, dtype: str, shape: list[int]) -> Tensor:
    kind: torch.dtype = getattr(torch, dtype)
    if path.stat().st_size != prod(shape) * kind.itemsize:
        raise ValueError(path)
    # A private mapping is read-only as far as the file goes, and its pages are those of every other process.
    return torch.from_file(str(path), shared=False, size=prod(shape), dtype=kind).view(shape)


def _written(folder: Path, examples: Examples) -> Loaded:
    shutil.rmtree(folder, ignore_errors=True)  # there only if damaged
    for left_by_a_killed_process in folder.parent.glob(f".{folder.name}.*"):
        shutil.rmtree(left_by_a_killed_process, ignore_errors=True)
    unfinished = folder.parent / f".{folder.name}.{uuid4().hex}"
    unfinished.mkdir()
    try:
        header: dict[str, Any] = {"sha256": checksum(examples)}
        for name, tensor in zip(_NAMES, examples, strict=True):
            header[name] = {"dtype": str(tensor.dtype).removeprefix("torch."), "shape": list(tensor.shape)}
            _write(unfinished / name, _bytes(tensor))
        _write(unfinished / "header.json", json.dumps(header).encode())
        unfinished.rename(folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    written = _opened(folder)
    if written is None:
        raise OSError(0, "what was written cannot be read back")
    return written


def _write(path: Path, content: bytes | memoryview) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    with _blaming_the_cache():
        lock.parent.mkdir(parents=True, exist_ok=True)
        file = lock.open("w")
    with file:
        with _blaming_the_cache():
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _blaming_the_cache() -> Iterator[None]:
    """Say of an operating system's error that it is the cache's; around nothing that reads the data itself."""
    try:
        yield
    except OSError as error:
        raise DataError(
            f"{CACHE_VARIABLE} must be a folder that can be written to, with room for the decoded data sets; got "
            f"{str(cache_folder())!r} ({error.strerror}). Set it in the environment."
        ) from error
