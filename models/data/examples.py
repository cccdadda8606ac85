"""What a part of a data set is."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class DataError(ValueError):
    """A data set is not where it was looked for."""


class Examples(NamedTuple):
    """Inputs and their classes.

    Args:
        x: inputs, shape ``(n, *input_shape)``; any number type as loaded, ``float32`` once prepared.
        y: classes, shape ``(n,)``, ``int64`` in ``[0, num_classes)``.
    """

    x: Tensor
    y: Tensor
