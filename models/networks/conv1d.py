"""Three strided convolutions over a sequence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import nn

from schedules.checks import Flag, Rule, Whole, complaint, read_settings

_KERNELS = (5, 3, 3)
_STRIDE = 2
_PADDING = 1
_RULES: Mapping[str, Rule] = {"channels": Whole(1), "batch_norm": Flag()}


def conv1d(
    input_shape: tuple[int, ...], num_classes: int, *, channels: int = 25, batch_norm: bool = False
) -> nn.Module:
    """Build three convolutions with stride 2 and ReLU, and a linear layer on top.

    Args:
        input_shape: ``(length,)``, with length >= 3.
        num_classes: number of classes.
        channels: channels of every convolution, >= 1.
        batch_norm: normalise between convolution and ReLU.

    Returns:
        A module from ``(n, length)`` to ``(n, num_classes)``; 5210 parameters for MNIST-1D with the
        defaults.

    Raises:
        ValueError: if a setting breaks its range or the input is no sequence of that length.

    Reference:
        ``ConvBase`` in ``notebooks/models.py`` of github.com/greydanus/mnist1d, which has no batch
        normalisation.
    """
    read_settings({"channels": channels, "batch_norm": batch_norm}, _RULES)
    length = _output_length(input_shape)
    return nn.Sequential(
        nn.Unflatten(1, (1, input_shape[0])),
        *_convolutions(channels, batch_norm),
        nn.Flatten(),
        nn.Linear(channels * length, num_classes),
    )


def _convolutions(channels: int, batch_norm: bool) -> Iterator[nn.Module]:
    inputs = 1
    for kernel in _KERNELS:
        yield nn.Conv1d(inputs, channels, kernel, stride=_STRIDE, padding=_PADDING)
        if batch_norm:
            yield nn.BatchNorm1d(channels)
        yield nn.ReLU()
        inputs = channels


def _output_length(input_shape: tuple[int, ...]) -> int:
    """Return how long the sequence is after the last convolution."""
    length = input_shape[0] if len(input_shape) == 1 else 0
    for kernel in _KERNELS:
        length = (length + 2 * _PADDING - kernel) // _STRIDE + 1
    if length < 1:
        remedy = "Take a data set of sequences, such as mnist1d, or the network mlp, which fits any shape."
        raise ValueError(complaint("network", "one that fits the data set's examples", "conv1d", remedy))
    return length
