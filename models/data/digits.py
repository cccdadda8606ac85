"""Digits: 1797 images of 8 x 8 pixels in 10 classes, shipped with scikit-learn."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch

from models.data.examples import Examples
from models.data.split import held_out_count, stratified_split

INPUT_SHAPE = (8, 8)
NUM_CLASSES = 10
TEST_FRAC = 0.2
TEST_SEED = 0
NUM_TRAIN = 1797 - held_out_count(1797, TEST_FRAC)


def _load(root: Path | None = None, *, held_out: bool) -> Examples:  # noqa: ARG001 - all loaders take it
    # Imported late: scikit-learn takes half a second that no other data set should pay.
    from sklearn.datasets import load_digits  # noqa: PLC0415

    images, classes = load_digits(return_X_y=True)
    indices = stratified_split(classes, TEST_FRAC, TEST_SEED)[held_out]
    x = torch.tensor(images[indices], dtype=torch.float32).reshape(-1, *INPUT_SHAPE)
    return Examples(x, torch.tensor(classes[indices], dtype=torch.int64))


load_train = partial(_load, held_out=False)
load_test = partial(_load, held_out=True)
