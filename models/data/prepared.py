"""Data as a training sees it: chosen, split, with the numbers to standardise it, and loaded once per process."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from models.data import Examples, ImageFiles, Loaded, Statistics, data_root, load_part
from models.data.checking import check_classes_left, check_promises, check_statistics
from models.data.moments import chunks, statistics_of
from models.data.split import Indices, balanced_subset, stratified_split
from models.workload import Workload

_FIELDS = {"dataset", "dataset_settings", "train_samples", "split_seed", "validation_frac"}  # they decide the data
_LARGE = 2**26  # bytes of which no second copy is made
_PROCESS_KEEPS = 4  # workloads of one study seldom differ in more data sets, and each may take hundreds of megabytes


@dataclass(frozen=True, kw_only=True)
class Part:
    """Some examples of a data set, of which batches can be taken.

    Args:
        source: all that was loaded, of which this is a part: on the device, or on the CPU a file mapped into memory, or
            images that stay in their files.
        is_standardised: whether `source` holds numbers as the network gets them, instead of those that were loaded.
        rows: which rows of `source` belong to the part, in order, shape ``(n,)``, ``int64``; None if all do.
        y: classes, shape ``(n,)``, ``int64``, on the device.
        statistics: by which inputs are standardised.
        sha256: hash of all that `source` was made of, as decoded; of images that stay in their files, of their names
            and classes.
    """

    source: Tensor | ImageFiles
    is_standardised: bool
    rows: Tensor | None
    y: Tensor
    statistics: Statistics
    sha256: str

    def __len__(self) -> int:
        return len(self.y)

    @property
    def device(self) -> torch.device:
        """Return where batches are."""
        return self.y.device

    @property
    def x(self) -> Tensor:
        """Return a copy of all inputs as they are stored."""
        return self.stored(torch.arange(len(self), device=self.device))

    def stored(self, batch: Tensor) -> Tensor:
        """Return inputs by their position in the part, shape ``(len(batch), *input_shape)``, as they are stored."""
        if isinstance(self.source, ImageFiles):
            raise TypeError("images that stay in their files are read by models.data.streaming")
        return self.source.index_select(0, batch if self.rows is None else self.rows.index_select(0, batch))


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Training and validation part.

    Args:
        train: what the updates see.
        validation: what selection reads.
        split_sha256: hash of the rows of both parts.
    """

    train: Part
    validation: Part
    split_sha256: str

    @property
    def statistics(self) -> Statistics:
        """Return what every part is standardised by."""
        return self.train.statistics


def prepare(workload: Workload, device: torch.device) -> Prepared:
    """Load and split the training part of a workload's data set.

    Subset and split depend on ``split_seed`` and the classes only, so that all trainings of a workload share them.

    Args:
        workload: what is trained.
        device: where batches are wanted.

    Returns:
        The two parts; the same object for the same request within a process.

    Raises:
        DataError: if the files are not there, or not what they should be.
    """
    return _prepare(_Request.of(workload, _FIELDS), device)


def prepare_test(workload: Workload, device: torch.device) -> Part:
    """Load the test part, to be standardised with the statistics of the training part; see `prepare`."""
    shared = _prepare_test(_Request.of(workload, {"dataset", "dataset_settings"}), device)
    return replace(shared, statistics=prepare(workload, device).statistics)


@dataclass(frozen=True)
class _Request:
    """What decides the data of a workload; requests for the same are equal.

    Args:
        key: all that decides, as text.
        workload: one of the workloads that ask for it.
    """

    key: str
    workload: Workload = field(compare=False)

    @classmethod
    def of(cls, workload: Workload, fields: set[str]) -> _Request:
        return cls(f"{data_root(workload.data_root)} {workload.model_dump_json(include=fields)}", workload)


@lru_cache(maxsize=_PROCESS_KEEPS)
def _prepare(request: _Request, device: torch.device) -> Prepared:
    workload = request.workload
    loaded = load_part(workload.dataset, workload.data_root, workload.dataset_settings, "train")
    content, dataset = loaded.content, workload.data
    check_statistics(workload.dataset, dataset)
    check_promises(workload.dataset, dataset, content, dataset.num_train)
    split = _split(workload, content.y)
    train, validation = (torch.from_numpy(rows) for rows in split)
    check_classes_left(workload.dataset, content.y[train], dataset.num_classes)
    statistics = dataset.statistics or statistics_of(content, train)
    return Prepared(
        train=_part(loaded, train, statistics, device, standardised=True, of=len(train) + len(validation)),
        validation=_part(loaded, validation, statistics, device, standardised=True, of=len(train) + len(validation)),
        split_sha256=hashlib.sha256(b"".join(rows.tobytes() for rows in split)).hexdigest(),
    )


def _split(workload: Workload, y: Tensor) -> tuple[Indices, Indices]:
    """Return which rows of the training data are trained on, and which are held out."""
    available: Indices = np.arange(len(y))
    if workload.train_samples is not None:
        available = balanced_subset(y, workload.train_samples, workload.split_seed)
    kept, held_out = stratified_split(y[available], workload.validation_frac, workload.split_seed)
    return available[kept], available[held_out]


@lru_cache(maxsize=_PROCESS_KEEPS)
def _prepare_test(request: _Request, device: torch.device) -> Part:
    """Return the test part as it was loaded, so that workloads with statistics of their own can share it."""
    workload = request.workload
    loaded = load_part(workload.dataset, workload.data_root, workload.dataset_settings, "test")
    check_promises(workload.dataset, workload.data, loaded.content, len(loaded.content.y))
    everything, statistics = torch.arange(len(loaded.content.y)), prepare(workload, device).statistics
    return _part(loaded, everything, statistics, device, standardised=False, of=len(everything))


def _part(
    loaded: Loaded, rows: Tensor, statistics: Statistics, device: torch.device, *, standardised: bool, of: int
) -> Part:
    """Put a part where it is used: mapped files stay where they are if that is the CPU, all else is copied.

    Copies of numbers that are no bytes can be standardised at once: batches of small data take microseconds. Of large
    data there would be two copies while that is done, unless few rows of it are wanted: `of` all parts together.
    """
    content = loaded.content
    source: Tensor | ImageFiles
    left: Tensor | None = None
    is_standardised = False
    if isinstance(content, ImageFiles):
        source, left = content, rows
    elif device.type == "cpu" and (loaded.is_shared or content.x.dtype == torch.uint8 or _are_many(content, of)):
        source, left = content.x, rows
    else:
        is_standardised = standardised and content.x.dtype != torch.uint8
        source = _copied(content.x, rows, statistics if is_standardised else None, device)
    return Part(
        source=source,
        is_standardised=is_standardised,
        rows=left,
        y=content.y[rows].to(device),
        statistics=statistics,
        sha256=loaded.sha256,
    )


def _are_many(content: Examples, rows: int) -> bool:
    """Tell whether so many rows are most of a large data set, so that a copy of them is to be avoided."""
    return 2 * rows > len(content.x) and content.x.nbytes > _LARGE


def _copied(x: Tensor, rows: Tensor, statistics: Statistics | None, device: torch.device) -> Tensor:
    """Copy some rows to a device, standardised if there are statistics; no more than a chunk is held twice."""
    dtype = x.dtype if statistics is None else torch.float32
    copy = torch.empty((len(rows), *x.shape[1:]), dtype=dtype, device=device)
    done = 0
    for chunk in chunks(x, rows):
        if statistics is not None:
            mean, std = as_tensors(statistics, images=x.ndim == 4, device=x.device)
            chunk = (chunk.to(dtype) - mean) / std  # noqa: PLW2901 - the old one is of no more use
        copy[done : done + len(chunk)] = chunk
        done += len(chunk)
    return copy


def as_tensors(statistics: Statistics, *, images: bool, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation in a shape that goes with an example."""
    shape = (-1, 1, 1) if images else (-1,)
    mean, std = (torch.tensor(values, dtype=torch.float32, device=device).view(shape) for values in statistics)
    return mean, std


def data_digest(workload: Workload, device: torch.device, *, with_test: bool) -> str:
    """Return the first 16 digits of the SHA-256 of the data that a training used: of the training and of the test part.

    Args:
        workload: what is trained.
        device: where.
        with_test: whether the test part was read.
    """
    parts = [prepare(workload, device).train, *([prepare_test(workload, device)] if with_test else [])]
    return " ".join(part.sha256[:16] for part in parts)


def data_facts(workload: Workload) -> dict[str, str]:
    """Return what of a workload's training data is worth recording, as text: which it is, how it was split.

    The test part is left alone.

    Raises:
        DataError: as `prepare` does.
    """
    parts = prepare(workload, torch.device("cpu"))
    return {
        "dataset": workload.dataset,
        "sha256": parts.train.sha256,
        "split_sha256": parts.split_sha256,
        "training_examples": str(len(parts.train)),
        "validation_examples": str(len(parts.validation)),
        "mean": ", ".join(f"{mean:.6g}" for mean in parts.statistics.mean),
        "std": ", ".join(f"{std:.6g}" for std in parts.statistics.std),
    }
