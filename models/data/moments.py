"""Mean and standard deviation of data that may be as large as the memory: a chunk at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from models.data.checking import CHUNK, check_spread
from models.data.examples import Examples, ImageFiles, Statistics
from models.data.images import decoded

_DECODED = 2000  # images, of those that stay in their files


def chunks(x: Tensor, rows: Tensor) -> Iterator[Tensor]:
    """Yield copies of some rows, in order and a few at a time.

    Args:
        x: inputs, shape ``(n, *input_shape)``.
        rows: which, shape ``(m,)``, ``int64``.
    """
    for some in torch.split(rows, max(1, CHUNK // x[:1].numel())):
        yield x.index_select(0, some)


def statistics_of(content: Examples | ImageFiles, rows: Tensor) -> Statistics:
    """Return mean and standard deviation over some rows: per channel of images, else over all numbers.

    Of images that stay in their files, evenly spaced ones are decoded.

    Raises:
        DataError: if a channel has the same number everywhere.
    """
    if isinstance(content, ImageFiles):
        some = rows[:: max(1, len(rows) // _DECODED)].tolist()
        x = decoded([content.paths[row] for row in some], content.shape)
        rows = torch.arange(len(x))
    else:
        x = content.x
    moments = _of_bytes(x, rows) if x.dtype == torch.uint8 else _of_numbers(x, rows)
    found = Statistics(mean=tuple(mean for mean, _ in moments), std=tuple(std for _, std in moments))
    check_spread("the training part", found)
    return found


def _by_channel(chunk: Tensor) -> Tensor:
    """Return numbers by channel of images, else all together; shape ``(channels, numbers)``."""
    return chunk.transpose(0, 1).flatten(1) if chunk.ndim == 4 else chunk.reshape(1, -1)


def _of_bytes(x: Tensor, rows: Tensor) -> list[tuple[float, float]]:
    """Count how often each byte occurs."""
    counts = sum(
        np.stack([np.bincount(numbers.numpy(), minlength=256) for numbers in _by_channel(chunk)])
        for chunk in chunks(x, rows)
    )
    values, moments = np.arange(256), []
    for share in counts / np.sum(counts, axis=1, keepdims=True):
        mean = float(share @ values)
        moments.append((mean, math.sqrt(share @ (values - mean) ** 2)))
    return moments


def _of_numbers(x: Tensor, rows: Tensor) -> list[tuple[float, float]]:
    """Combine the moments of chunks; of a single chunk they are its own.

    Reference:
        Chan, Golub, LeVeque (1983), "Algorithms for computing the sample variance", equation 2.1.
    """
    seen, mean, variance = 0, torch.zeros(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    for chunk in chunks(x, rows):
        numbers = _by_channel(chunk).to(torch.float64)
        seen += numbers.shape[1]
        share, off = numbers.shape[1] / seen, numbers.mean(1) - mean
        variance = (1 - share) * variance + share * numbers.var(1, correction=0) + share * (1 - share) * off**2
        mean = mean + share * off
    return list(zip(mean.tolist(), variance.sqrt().tolist(), strict=True))
