"""MNIST-1D: 4000 + 1000 sequences of length 40 in 10 classes, generated on the spot."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.data.examples import Examples

INPUT_SHAPE = (40,)
NUM_CLASSES = 10
NUM_TRAIN = 4000


def load_train(root: Path | None = None) -> Examples:  # noqa: ARG001 - all loaders take it
    """Generate the data set and return its training part, shape ``(4000, 40)``.

    Reference:
        Greydanus, "Scaling down Deep Learning" (2020), by the published package with its published
        arguments.
    """
    return _part(_generate(), "x", "y")


def load_test(root: Path | None = None) -> Examples:  # noqa: ARG001
    """Generate the data set and return its test part, shape ``(1000, 40)``."""
    return _part(_generate(), "x_test", "y_test")


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
