"""Fully connected layers over the flattened example."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from torch import nn

from schedules.checks import Flag, Rule, Several, Whole, read_settings

_RULES: Mapping[str, Rule] = {
    "hidden_sizes": Several(Whole(1), "a list of whole numbers >= 1", least=0),
    "batch_norm": Flag(),
}


def mlp(
    input_shape: tuple[int, ...],
    num_classes: int,
    *,
    hidden_sizes: Sequence[int] = (100, 100),
    batch_norm: bool = False,
) -> nn.Module:
    """Build a multi-layer perceptron with ReLU.

    Args:
        input_shape: any; examples are flattened.
        num_classes: number of classes.
        hidden_sizes: units of each hidden layer, >= 1; an empty list gives logistic regression.
        batch_norm: normalise between linear layer and ReLU.

    Returns:
        A module from ``(n, *input_shape)`` to ``(n, num_classes)``.

    Raises:
        ValueError: if a setting breaks its range.
    """
    read_settings({"hidden_sizes": hidden_sizes, "batch_norm": batch_norm}, _RULES)
    widths = (math.prod(input_shape), *hidden_sizes)
    return nn.Sequential(nn.Flatten(), *_hidden_layers(widths, batch_norm), nn.Linear(widths[-1], num_classes))


def _hidden_layers(widths: Sequence[int], batch_norm: bool) -> Iterator[nn.Module]:
    for inputs, outputs in pairwise(widths):
        yield nn.Linear(inputs, outputs)
        if batch_norm:
            yield nn.BatchNorm1d(outputs)
        yield nn.ReLU()
