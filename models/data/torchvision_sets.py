"""Small image sets as torchvision reads them from a folder: MNIST, Fashion-MNIST, CIFAR-10 and CIFAR-100."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from models.data.examples import DataError, Dataset, Examples
from models.data.files import listing_digest
from models.memory import is_out_of_memory


@dataclass(frozen=True, kw_only=True)
class _Kind:
    """What is known of one of the sets.

    Args:
        name: key of ``DATASETS``.
        reader: name of the class in ``torchvision.datasets``.
        folder: where its files lie below the data folder.
        input_shape: ``(channels, height, width)``.
        num_classes: number of classes.
        num_train: images of the training part.
    """

    name: str
    reader: str
    folder: str
    input_shape: tuple[int, int, int]
    num_classes: int
    num_train: int


_KINDS = {
    kind.name: kind
    for kind in (
        _Kind(
            name="mnist",
            reader="MNIST",
            folder="MNIST/raw",
            input_shape=(1, 28, 28),
            num_classes=10,
            num_train=60_000,
        ),
        _Kind(
            name="fashion_mnist",
            reader="FashionMNIST",
            folder="FashionMNIST/raw",
            input_shape=(1, 28, 28),
            num_classes=10,
            num_train=60_000,
        ),
        _Kind(
            name="cifar10",
            reader="CIFAR10",
            folder="cifar-10-batches-py",
            input_shape=(3, 32, 32),
            num_classes=10,
            num_train=50_000,
        ),
        _Kind(
            name="cifar100",
            reader="CIFAR100",
            folder="cifar-100-python",
            input_shape=(3, 32, 32),
            num_classes=100,
            num_train=50_000,
        ),
    )
}


def _builder(kind: _Kind) -> Callable[[Path | None], Dataset]:
    def build(root: Path | None) -> Dataset:
        return Dataset(
            input_shape=kind.input_shape,
            num_classes=kind.num_classes,
            num_train=kind.num_train,
            load_train=partial(_load, kind, root, train=True),
            load_test=partial(_load, kind, root, train=False),
            version=lambda: listing_digest(root / kind.folder) if root else "",
            download=lambda folder: _reader(kind)(folder, download=True),
        )

    return build


mnist = _builder(_KINDS["mnist"])
fashion_mnist = _builder(_KINDS["fashion_mnist"])
cifar10 = _builder(_KINDS["cifar10"])
cifar100 = _builder(_KINDS["cifar100"])


def _reader(kind: _Kind) -> Callable[..., Any]:
    import torchvision.datasets  # noqa: PLC0415 - takes a second that others need not pay

    reader: Callable[..., Any] = getattr(torchvision.datasets, kind.reader)
    return reader


def _load(kind: _Kind, root: Path | None, *, train: bool) -> Examples:
    fetch = f"fairsweep download {kind.name} FOLDER"
    if root is None:
        raise DataError(
            f"data_root must be the folder that holds {kind.folder}; got none. Set data_root in the workload or "
            f"FAIRSWEEP_DATA in the environment; to fetch the files: {fetch}"
        )
    try:
        read = _reader(kind)(root, train=train, download=False)
    except (RuntimeError, ValueError, EOFError, OSError) as error:  # an empty file is no RuntimeError
        if is_out_of_memory(error):
            raise
        state = (
            "are damaged or cannot be read"
            if (root / kind.folder).is_dir()
            else f"are not in {(root / kind.folder).resolve()}"
        )
        raise DataError(
            f"data_root must be the folder that holds {kind.folder}; got {str(root)!r}, and the files {state}. "
            f"To fetch them: {fetch}"
        ) from error
    x = torch.as_tensor(read.data)
    x = x.unsqueeze(1) if x.ndim == 3 else x.permute(0, 3, 1, 2).contiguous()  # torchvision: images in rows of pixels
    return Examples(x, torch.as_tensor(read.targets, dtype=torch.int64))
