"""MNIST: 60000 + 10000 images of 28 x 28 pixels in 10 classes, read from a folder."""

from __future__ import annotations

from pathlib import Path

import torch

from models.data.examples import DataError, Examples

INPUT_SHAPE = (28, 28)
NUM_CLASSES = 10
NUM_TRAIN = 60_000


def load_train(root: Path | None) -> Examples:
    """Read the training part, shape ``(60000, 28, 28)``.

    Args:
        root: folder that holds ``MNIST/raw``.

    Raises:
        DataError: if the folder is not given, or the files are not in it.
    """
    return _load(root, train=True)


def load_test(root: Path | None) -> Examples:
    """Read the test part, shape ``(10000, 28, 28)``; see ``load_train``."""
    return _load(root, train=False)


def download(root: Path) -> None:
    """Fetch both parts over the network into ``root/MNIST/raw``."""
    from torchvision.datasets import MNIST  # noqa: PLC0415 - takes a second that others need not pay

    MNIST(root, download=True)


def _load(root: Path | None, *, train: bool) -> Examples:
    from torchvision.datasets import MNIST  # noqa: PLC0415

    fetch = "python -c \"from models.data import download; download('mnist', 'FOLDER')\""
    if root is None:
        raise DataError(
            "data_root must be the folder that holds MNIST/raw; got none. Set data_root in the workload or "
            f"FAIRSWEEP_DATA in the environment; to fetch the files: {fetch}"
        )
    try:
        dataset = MNIST(root, train=train, download=False)
    except RuntimeError as error:
        folder = root.resolve() / "MNIST" / "raw"
        raise DataError(
            f"data_root must be the folder that holds MNIST/raw; got {str(root)!r}, "
            f"and the files are not in {folder}. To fetch them: {fetch}"
        ) from error
    return Examples(dataset.data, dataset.targets.to(torch.int64))
