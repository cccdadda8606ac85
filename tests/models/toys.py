"""Networks and losses as a user would bring them: ``tests.models.toys:NAME`` in a study."""

from __future__ import annotations

import math
import time
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


def noisy(input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
    """Build a network with all that draws or remembers: dropout, batch norm, convolutions."""
    channels, height, width = input_shape
    return nn.Sequential(
        nn.Conv2d(channels, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(6 * height * width, num_classes),
    )


def scalar(input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
    """Build batch norm without scale and shift, and a linear layer."""
    return nn.Sequential(
        nn.Flatten(),
        nn.BatchNorm1d(math.prod(input_shape), affine=False),
        nn.Linear(math.prod(input_shape), num_classes),
    )


class _SlowEvaluation(nn.Sequential):
    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            time.sleep(0.1)
        return super().forward(x)  # type: ignore[no-any-return]


def slow_to_evaluate(input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
    """Build a network whose evaluation takes a tenth of a second per batch."""
    return _SlowEvaluation(nn.Flatten(), nn.Linear(math.prod(input_shape), num_classes))


def in_doubles(input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
    """Build a network that tensors without memory go through, and examples do not."""
    return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(input_shape), num_classes, dtype=torch.float64))


class _Masked(nn.Sequential):
    def __init__(self, *parts: nn.Module) -> None:
        super().__init__(*parts)
        self.register_buffer("mask", torch.full((3, 3), -math.inf).triu(1))

    def get_extra_state(self) -> dict[str, Any]:
        return {"version": 1}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        assert state == {"version": 1}


def masked(input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
    """Build a network with infinities in a buffer, as masks of attention have, and with state that is no tensor."""
    return _Masked(nn.Flatten(), nn.Linear(math.prod(input_shape), num_classes))


class _RunningAway(nn.Sequential):
    statistic: Tensor

    def __init__(self, *parts: nn.Module) -> None:
        super().__init__(*parts)
        self.register_buffer("statistic", torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        self.statistic.fill_(math.inf)
        return super().forward(x)  # type: ignore[no-any-return]


def running_away(input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
    """Build a network with a buffer that becomes infinite when it is used."""
    return _RunningAway(nn.Flatten(), nn.Linear(math.prod(input_shape), num_classes))


class _Keeping(nn.Sequential):
    kept: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = super().forward(x)
        if not self.training and self.kept is None:
            self.kept = torch.ones(1, y.shape[1])
        return y if self.kept is None else y * self.kept


def keeping(input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
    """Build a network that keeps a tensor of its first evaluation and uses it from then on."""
    return _Keeping(nn.Flatten(), nn.Linear(math.prod(input_shape), num_classes))


def steep(logits: Tensor, y: Tensor) -> Tensor:
    """Return ten thousand times the cross entropy: its scaled gradients are too much for fp16."""
    return 1e4 * functional.cross_entropy(logits, y)


def steepest(logits: Tensor, y: Tensor) -> Tensor:
    """Return the cross entropy, plus 0 with a gradient that is not a number."""
    return functional.cross_entropy(logits, y) + (0 * logits).sum().sqrt()


def squared(logits: Tensor, y: Tensor) -> Tensor:
    """Return the squared error to the one-hot label."""
    return functional.mse_loss(logits, functional.one_hot(y, logits.shape[1]).to(logits.dtype))


def hungry(logits: Tensor, y: Tensor) -> Tensor:
    """Need more memory than there is."""
    raise torch.OutOfMemoryError(
        f"CUDA out of memory with {len(logits)} and {len(y)} rows. Tried to allocate 2.00 GiB."
    )


class Tiring(nn.Module):
    """Classify linearly, and refuse more than three batches of a training."""

    def __init__(self, inputs: int, num_classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, num_classes)
        self.batches = 0

    def forward(self, x: Tensor) -> Tensor:
        self.batches += self.training
        if self.batches > 3:
            raise ValueError("no more than 3 batches [/batch]")  # a closing tag, were it read as markup
        logits: Tensor = self.linear(x.flatten(1))
        return logits


def tiring(input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
    return Tiring(math.prod(input_shape), num_classes)
