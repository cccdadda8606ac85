"""MNIST-1D: 4000 + 1000 sequences of length 40 in 10 classes, generated on the spot."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.data.examples import Dataset, Examples


def mnist1d(root: Path | None) -> Dataset:  # noqa: ARG001 - every data set is asked with the folder
    """Return the data set; it is generated anew in each process, in about a second.

    Reference:
        Greydanus, "Scaling down Deep Learning" (2020), by the published package with its published
        arguments.
    """
    return Dataset(
        input_shape=(40,),
        num_classes=10,
        num_train=4000,
        load_train=lambda: _part(_generate(), "x", "y"),
        load_test=lambda: _part(_generate(), "x_test", "y_test"),
    )


def _part(dataset: dict[str, Any], x: str, y: str) -> Examples:
    return Examples(torch.tensor(dataset[x], dtype=torch.float32), torch.tensor(dataset[y], dtype=torch.int64))


def _generate() -> dict[str, Any]:
    # Not get_dataset: that one goes to the network first and leaves a pickle in the working folder.
    # Imported late because the package pulls in matplotlib.pyplot and requests.
    from mnist1d.data import get_dataset_args, make_dataset  # noqa: PLC0415

    with _global_random_kept():
        dataset: dict[str, Any] = make_dataset(get_dataset_args())
    return dataset


@contextmanager
def _global_random_kept() -> Iterator[None]:
    """Put the global generators of Python and NumPy back: the package seeds both with 42."""
    python_state = random.getstate()
    numpy_state = np.random.get_state()  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)  # noqa: NPY002
