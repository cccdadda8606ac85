"""Digits: 1797 images of 8 x 8 pixels in 10 classes, shipped with scikit-learn."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch

from models.data.examples import Dataset, Examples
from models.data.split import held_out_count, stratified_split

_NUM_EXAMPLES = 1797
_TEST_FRAC = 0.2
_TEST_SEED = 0


def digits(root: Path | None) -> Dataset:  # noqa: ARG001 - every data set is asked with the folder
    """Return the data set; a fifth of each class, always the same examples, is the test part."""
    return Dataset(
        input_shape=(1, 8, 8),
        num_classes=10,
        num_train=_NUM_EXAMPLES - held_out_count(_NUM_EXAMPLES, _TEST_FRAC),
        load_train=partial(_load, held_out=False),
        load_test=partial(_load, held_out=True),
    )


def _load(*, held_out: bool) -> Examples:
    # Imported late: scikit-learn takes half a second that no other data set should pay.
    from sklearn.datasets import load_digits  # noqa: PLC0415

    images, classes = load_digits(return_X_y=True)
    indices = stratified_split(classes, _TEST_FRAC, _TEST_SEED)[held_out]
    x = torch.tensor(images[indices], dtype=torch.float32).reshape(-1, 1, 8, 8)
    return Examples(x, torch.tensor(classes[indices], dtype=torch.int64))
