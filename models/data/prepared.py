"""Data as a training sees it: split, standardised, on the device, and loaded once per process."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from models.data import data_root, load_test, load_train
from models.data.examples import Examples
from models.data.split import stratified_split
from models.workload import Workload

_PROCESS_KEEPS = 4  # workloads of one study seldom differ in more data sets, and each may take hundreds of megabytes


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Training and validation part.

    Args:
        train: what the updates see.
        validation: what selection reads.
        mean: mean over all numbers of the training part, by which every part is standardised.
        std: standard deviation of the same.
    """

    train: Examples
    validation: Examples
    mean: float
    std: float


def prepare(workload: Workload, device: torch.device) -> Prepared:
    """Load, split and standardise the training part of a workload's data set.

    The split depends on ``split_seed`` and the classes only, so that all trainings of a workload share it.

    Args:
        workload: what is trained.
        device: where the tensors go.

    Returns:
        The two parts; the same object for the same request within a process.

    Raises:
        DataError: if the files are not there.
    """
    root = data_root(workload.data_root)
    return _prepare(workload.dataset, root, workload.validation_frac, workload.split_seed, device)


def prepare_test(workload: Workload, device: torch.device) -> Examples:
    """Load the test part and standardise it with the statistics of the training part; see ``prepare``."""
    parts = prepare(workload, device)
    return _prepare_test(workload.dataset, data_root(workload.data_root), parts.mean, parts.std, device)


@lru_cache(maxsize=_PROCESS_KEEPS)
def _prepare(
    dataset: str, root: Path | None, validation_frac: float, split_seed: int, device: torch.device
) -> Prepared:
    x, y = load_train(dataset, root)
    kept, held_out = (torch.from_numpy(part) for part in stratified_split(y, validation_frac, split_seed))
    numbers = x[kept].to(torch.float64)
    mean, std = numbers.mean().item(), numbers.std(correction=0).item()
    return Prepared(
        train=Examples(_standardised(x[kept], mean, std, device), y[kept].to(device)),
        validation=Examples(_standardised(x[held_out], mean, std, device), y[held_out].to(device)),
        mean=mean,
        std=std,
    )


@lru_cache(maxsize=_PROCESS_KEEPS)
def _prepare_test(dataset: str, root: Path | None, mean: float, std: float, device: torch.device) -> Examples:
    x, y = load_test(dataset, root)
    return Examples(_standardised(x, mean, std, device), y.to(device))


def _standardised(x: Tensor, mean: float, std: float, device: torch.device) -> Tensor:
    return ((x.to(torch.float32) - mean) / std).to(device)
