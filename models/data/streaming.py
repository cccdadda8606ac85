"""Images that stay in their files, decoded batch by batch in processes of their own while the network works."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from PIL.Image import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from models.data.augment import Augmentation
from models.data.examples import DataError, Examples, ImageFiles
from models.data.images import middle, opened
from models.data.prepared import Part
from models.streams import update_seed


class _Wanted(NamedTuple):
    """An image to decode.

    Args:
        path: its file.
        seed: of what is cut out of it; None for the middle.
    """

    path: str
    seed: int | None


class _Images(Dataset[Tensor | str]):
    """Decode what is asked for; what cannot be decoded becomes the text that says so."""

    def __init__(self, files: ImageFiles) -> None:
        from torchvision.transforms import v2  # noqa: PLC0415 - takes a second that others need not pay

        self._channels, *size = files.shape
        self._size = (size[0], size[1])
        self._cover = files.cover
        self._anywhere = v2.RandomResizedCrop(self._size)
        self._to_tensor = v2.PILToTensor()

    def __getitem__(self, wanted: _Wanted) -> Tensor | str:
        try:
            image = opened(wanted.path, self._channels)
        except DataError as error:
            return str(error)
        return self._to_tensor(self._cut(image, wanted.seed))  # type: ignore[no-any-return]

    def _cut(self, image: Image, seed: int | None) -> Image:
        if seed is None:
            return middle(image, self._cover, self._size)
        with torch.random.fork_rng(devices=[]):  # torchvision draws from the global generator
            torch.default_generator.manual_seed(seed)
            return self._anywhere(image)  # type: ignore[no-any-return]


def _stacked(images: Sequence[Tensor | str]) -> Tensor | str:
    """Return a batch, or in one line what of it cannot be decoded."""
    damaged = [image for image in images if isinstance(image, str)]
    if not damaged:
        return torch.stack([image for image in images if isinstance(image, Tensor)])
    return damaged[0] + (f" {len(damaged) - 1} more of this batch cannot be used." if damaged[1:] else "")


class Order(Protocol):
    """The positions of batch after batch without end, which can go on where it was."""

    def __next__(self) -> Tensor:
        """Return positions in the part, shape ``(batch,)``, ``int64``."""

    def state(self) -> dict[str, Any]:
        """Return what `restore` needs to go on with the next batch."""

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken."""


class StreamedBatches:
    """Batches of a training, decoded ahead.

    What is cut out of an image depends on the seed, the number of the batch and the place in it, whoever decodes it.

    Args:
        part: what is trained on.
        order: which examples come when.
        augmentation: whether the middle of an image is cut out, or a part at random.
        seed: of what is cut out.
    """

    def __init__(self, part: Part, order: Order, augmentation: Augmentation, seed: int) -> None:
        self._part = part
        self._order = order
        self._at_random = augmentation.random_resized_crop
        self._seed = seed
        self._asked = 0
        self._state = self._now()
        self._ahead: deque[tuple[Tensor, dict[str, Any]]] = deque()  # batches asked for, with the state after each
        self._decoded: Iterator[Tensor] | None = None

    def __next__(self) -> Examples:
        x = next(self.start())
        positions, self._state = self._ahead.popleft()
        return Examples(_sent(x, self._part), self._part.y.index_select(0, positions))

    def start(self) -> Iterator[Tensor]:
        """Start the processes that decode, if they do not run."""
        if self._decoded is None:
            self._decoded = _decoded(self._part, self._wanted())
        return self._decoded

    def _wanted(self) -> Iterator[list[_Wanted]]:
        while True:
            positions = next(self._order)
            seeds: list[int | None] = [None] * len(positions)
            if self._at_random:
                generator = torch.Generator().manual_seed(update_seed(self._seed, self._asked))
                seeds = torch.randint(2**62, (len(positions),), generator=generator).tolist()
            self._asked += 1
            self._ahead.append((positions, self._now()))
            yield [_Wanted(path, seed) for path, seed in zip(_paths(self._part, positions), seeds, strict=True)]

    def _now(self) -> dict[str, Any]:
        return {"order": self._order.state(), "seed": self._seed, "asked": self._asked}

    def state(self) -> dict[str, Any]:
        """Return what `restore` needs to go on with the next batch; what was decoded ahead of it is forgotten."""
        return self._state

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken."""
        self.close()
        self._order.restore(state["order"])
        self._seed, self._asked, self._state = state["seed"], state["asked"], state

    def close(self) -> None:
        """End the processes that decode."""
        self._decoded = None
        self._ahead.clear()


def streamed_in_order(part: Part, batch_size: int) -> Iterator[Examples]:
    """Yield the middle of every image of a part in their order; see `models.data.inputs.evaluation_batches`."""
    batches = torch.split(torch.arange(len(part)), batch_size)
    wanted = ([_Wanted(path, None) for path in _paths(part, batch)] for batch in batches)
    for x, y in zip(_decoded(part, wanted), torch.split(part.y, batch_size), strict=True):
        yield Examples(_sent(x, part), y)


def _sent(x: Tensor, part: Part) -> Tensor:
    """Send a batch to the device as bytes, a quarter of what it becomes."""
    return x.to(part.device, non_blocking=True)


def _paths(part: Part, positions: Tensor) -> list[str]:
    assert isinstance(part.source, ImageFiles)  # noqa: S101 - for the type checker
    assert part.rows is not None  # noqa: S101
    return [part.source.paths[row] for row in part.rows[positions.cpu()].tolist()]


def _decoded(part: Part, batches: Iterator[list[_Wanted]]) -> Iterator[Tensor]:
    """Start processes that decode what is wanted, ahead of when it is asked for."""
    assert isinstance(part.source, ImageFiles)  # noqa: S101
    loader = DataLoader(
        _Images(part.source),
        batch_sampler=batches,
        num_workers=torch.get_num_threads(),
        collate_fn=_stacked,
        pin_memory=part.device.type == "cuda",
        generator=torch.Generator(),  # else the loader draws from the global one
    )
    return _checked(iter(loader))


def _checked(batches: Iterator[Tensor | str]) -> Iterator[Tensor]:
    for batch in batches:
        if isinstance(batch, str):  # a worker's exception would come as the text of its traceback
            raise DataError(batch)
        yield batch
