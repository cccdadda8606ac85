"""The state of a training between two updates, and as a file that a later process can trust.

A file is one line of JSON, with what the training was and a checksum, and then what `torch.save` writes of plain values
and tensors. It is read with ``weights_only``: nothing in it is run.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.data.prepared import data_digest
from models.importing import source_of
from models.networks import LIBRARIES
from models.training.values import Progress, Training

_FORMAT = 1
_ROOMS = ("models", "schedules")  # the code that decides what a training yields


class CheckpointError(Exception):
    """A file is no checkpoint of this training; its message says why."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """All that is needed to go on with a training between two updates.

    Args:
        update: updates done.
        train_seconds: time in updates so far.
        evaluation_seconds: time in evaluations so far.
        overflows: updates so far that were left out because scaled gradients overflowed.
        losses: of the updates since the last evaluation.
        curve: progress so far.
        network: the network's ``state_dict``; it must hold all that changes in training.
        optimizer: the optimizer's ``state_dict``.
        scaler: scale of the loss in fp16; empty in other precisions.
        inputs: the generators of data order and augmentation, and the position in the epoch.
    """

    update: int
    train_seconds: float
    evaluation_seconds: float
    overflows: int
    losses: tuple[float, ...]
    curve: tuple[Progress, ...]
    network: dict[str, Any]
    optimizer: dict[str, Any]
    scaler: dict[str, Any]
    inputs: dict[str, Any]


def on_cpu(value: Any) -> Any:
    """Return a copy of nested dicts, lists and tensors, with every tensor on the CPU."""
    if isinstance(value, Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        copied = type(value)((key, on_cpu(item)) for key, item in value.items())
        if hasattr(value, "_metadata"):  # versions of the parts of a network
            copied._metadata = value._metadata  # type: ignore[attr-defined]
        return copied
    return [on_cpu(item) for item in value] if isinstance(value, list) else value


def training_identity(training: Training, device: torch.device | str) -> dict[str, str]:
    """Return what must be equal for a checkpoint to be of use: training, data, code, libraries, device.

    Where the data lies is left out, since it differs between machines.
    """
    device = torch.device(device)
    fields = {name: getattr(training, name) for name in training.__dataclass_fields__}
    fields["workload"] = training.workload.model_dump(mode="json", exclude={"data_root"})
    fields["budget"] = training.budget.slug
    fields["settings"] = dict(training.settings)
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} CPU threads"
    return {
        "training": hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest(),
        "data": data_digest(training.workload, device, with_test=False),
        "code": " ".join([_code_digest(), *_digests_of_users_code(training)]),
        "libraries": _libraries(),
        "device": where,
    }


@lru_cache(maxsize=1)
def _libraries() -> str:
    """Return the versions of the libraries that networks are made of."""
    versions = [f"torch {torch.__version__}"]
    for name in sorted(LIBRARIES):
        with suppress(PackageNotFoundError):
            versions.append(f"{name} {version(name)}")
    return ", ".join(versions)


@lru_cache(maxsize=1)
def _code_digest() -> str:
    """Hash the source of the rooms that train."""
    root, digest = Path(__file__).parents[2], hashlib.sha256()
    for path in sorted(path for room in _ROOMS for path in (root / room).rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _digests_of_users_code(training: Training) -> list[str]:
    """Hash the files of the functions that the workload names as ``package.module:function``."""
    named = training.workload.elsewhere.items()
    found = [source_of(field, name) for field, name in named if name.partition(":")[0] not in LIBRARIES]
    return [source[1] for source in found if source]


def save_checkpoint(path: Path, checkpoint: Checkpoint, identity: Mapping[str, str]) -> None:
    """Write a checkpoint in place of the last one, whole or not at all.

    Args:
        path: its folder is created if missing.
        checkpoint: what to write.
        identity: see `training_identity`; more entries may be added.

    Raises:
        OSError: the disk is full or not writable; what was there is left.
    """
    buffer = io.BytesIO()
    plain = {name: getattr(checkpoint, name) for name in checkpoint.__dataclass_fields__}
    torch.save({**plain, "curve": [asdict(progress) for progress in checkpoint.curve]}, buffer)
    payload = buffer.getvalue()
    header = {"format": _FORMAT, "sha256": hashlib.sha256(payload).hexdigest(), "identity": dict(identity)}
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(json.dumps(header).encode() + b"\n" + payload)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def load_checkpoint(path: Path, identity: Mapping[str, str]) -> Checkpoint | None:
    """Read a checkpoint; None where there is none.

    Args:
        path: as given to `save_checkpoint`.
        identity: as given to `save_checkpoint`.

    Raises:
        CheckpointError: the file is damaged, cannot be read, or is of something else.
    """
    try:
        header_line, _, payload = path.read_bytes().partition(b"\n")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CheckpointError(f"it cannot be read: {error.strerror}") from error
    try:
        header = json.loads(header_line)
        intact = header["format"] == _FORMAT and header["sha256"] == hashlib.sha256(payload).hexdigest()
        written_for = header["identity"]
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError("it is damaged") from error
    if not intact:
        raise CheckpointError("it is damaged")
    if differing := [name for name in identity if written_for.get(name) != identity[name]]:
        raise CheckpointError(f"it is of another {', '.join(differing)}")
    try:
        plain = torch.load(io.BytesIO(payload), weights_only=True, map_location="cpu")
        curve = tuple(Progress(**progress) for progress in plain.pop("curve"))
        return Checkpoint(**plain, curve=curve)
    except (pickle.UnpicklingError, RuntimeError, TypeError, KeyError, ValueError) as error:
        raise CheckpointError("it is damaged") from error


def remove_checkpoint(path: Path) -> None:
    """Remove a checkpoint, and what a killed process left of one."""
    try:
        for leftover in [path, *path.parent.glob(f"{path.stem}.*.tmp")]:
            leftover.unlink(missing_ok=True)
    except OSError:  # a disk that takes no changes: the file is of no more use, and does no harm
        pass
