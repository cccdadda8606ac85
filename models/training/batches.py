"""The order in which a training sees its examples."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class Batches:
    """The indices of batch after batch without end, in a fresh order each epoch.

    An epoch's last, incomplete batch is dropped.

    Args:
        num_examples: examples of the training part.
        batch_size: examples per batch, at most `num_examples`.
        seed: seed of the order.
        device: where the indices go.
    """

    def __init__(self, num_examples: int, batch_size: int, seed: int, device: torch.device) -> None:
        self._num_examples = num_examples
        self._batch_size = batch_size
        self._device = device
        self._generator = torch.Generator().manual_seed(seed)
        self._begin_epoch()

    def _begin_epoch(self) -> None:
        self._epoch_began_with = self._generator.get_state()
        order = torch.randperm(self._num_examples, generator=self._generator).to(self._device)
        self._batches = torch.split(order, self._batch_size)[: self._num_examples // self._batch_size]
        self._position = 0

    def __next__(self) -> Tensor:
        if self._position == len(self._batches):
            self._begin_epoch()
        batch = self._batches[self._position]
        self._position += 1
        return batch

    def state(self) -> dict[str, Any]:
        """Return what `restore` needs to go on with the next batch."""
        return {"generator": self._epoch_began_with, "position": self._position}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken."""
        self._generator.set_state(state["generator"])
        self._begin_epoch()
        self._position = state["position"]
