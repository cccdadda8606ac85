"""What goes into a network, batch by batch: taken from a part, augmented, standardised."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from models.data.augment import Augmentation, cut_out, moved
from models.data.examples import Examples, ImageFiles
from models.data.prepared import Part, as_tensors
from models.data.streaming import Order, StreamedBatches, streamed_in_order


class TrainingInputs:
    """The batches of a training without end, augmented anew each time.

    What is drawn depends on the seed and on nothing else: neither on the device nor on the number of processes that
    decode.

    Args:
        part: what is trained on.
        order: which examples come when.
        augmentation: how images are varied.
        seed: of the augmentation.
        channels_last: whether images are laid out pixel by pixel instead of channel by channel.
    """

    def __init__(
        self, part: Part, order: Order, augmentation: Augmentation, *, seed: int, channels_last: bool = False
    ) -> None:
        self._augmentation = augmentation
        self._generator = torch.Generator().manual_seed(seed)
        self._finish = _Finish(part, channels_last=channels_last)
        # Batches of small data take microseconds, so that even a call that does nothing counts.
        self._is_finished = augmentation == Augmentation() and self._finish.does_nothing
        self._batches: _StoredBatches | StreamedBatches
        if isinstance(part.source, ImageFiles):
            self._batches = StreamedBatches(part, order, augmentation, seed)
        else:
            self._batches = _StoredBatches(part, order)

    def __next__(self) -> Examples:
        examples = next(self._batches)
        if self._is_finished:
            return examples
        x, y = examples
        if self._augmentation.moves_pixels:
            x = moved(x, self._augmentation, self._generator, self._finish.black)
        x = self._finish(x)
        if self._augmentation.cutout:
            x = cut_out(x, self._augmentation.cutout, self._generator)
        return Examples(x, y)

    def start(self) -> None:
        """Start the processes that decode, if there are any; else the first batch does, which then takes seconds."""
        self._batches.start()

    def state(self) -> dict[str, Any]:
        """Return what `restore` needs to go on with the next batch."""
        return {"order": self._batches.state(), "augmentation": self._generator.get_state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken."""
        self._batches.restore(state["order"])
        self._generator.set_state(state["augmentation"])

    def close(self) -> None:
        """End the processes that decode, if there are any."""
        self._batches.close()


def evaluation_batches(part: Part, batch_size: int, *, channels_last: bool = False) -> Iterator[Examples]:
    """Yield all examples of a part in their order, as they are.

    Args:
        part: what is evaluated.
        batch_size: examples at a time, >= 1; the last batch may be smaller.
        channels_last: see `TrainingInputs`.
    """
    finish = _Finish(part, channels_last=channels_last)
    if isinstance(part.source, ImageFiles):
        stored = streamed_in_order(part, batch_size)
    else:
        positions = torch.split(torch.arange(len(part), device=part.device), batch_size)
        stored = (Examples(part.stored(batch), part.y[batch]) for batch in positions)
    for x, y in stored:
        yield Examples(finish(x), y)


class _StoredBatches:
    """Batches of a part that lies in memory."""

    def __init__(self, part: Part, order: Order) -> None:
        self._stored = part.stored
        self._y = part.y
        self._order = order

    def __next__(self) -> Examples:
        batch = next(self._order)
        return Examples(self._stored(batch), self._y.index_select(0, batch))

    def start(self) -> None:
        pass

    def state(self) -> dict[str, Any]:
        return self._order.state()

    def restore(self, state: dict[str, Any]) -> None:
        self._order.restore(state)

    def close(self) -> None:
        pass


class _Finish:
    """Standardise a batch, unless it was stored like that, and lay it out as the network wants it."""

    def __init__(self, part: Part, *, channels_last: bool) -> None:
        self._is_standardised = part.is_standardised
        images = isinstance(part.source, ImageFiles) or part.source.ndim == 4
        self._layout = torch.channels_last if channels_last and images else torch.contiguous_format
        self._mean, self._std = as_tensors(part.statistics, images=images, device=part.device)
        stored_as = torch.uint8 if isinstance(part.source, ImageFiles) else part.source.dtype
        black = -self._mean / self._std if part.is_standardised else torch.zeros_like(self._mean, dtype=stored_as)
        self.black = black

    @property
    def does_nothing(self) -> bool:
        """Tell whether batches are stored as the network wants them."""
        return self._is_standardised and self._layout is torch.contiguous_format

    def __call__(self, x: Tensor) -> Tensor:
        if self._is_standardised:
            return x.to(memory_format=self._layout)
        return x.to(torch.float32, memory_format=self._layout).sub_(self._mean).div_(self._std)
