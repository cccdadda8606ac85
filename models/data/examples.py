"""What a data set and a part of one are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from torch import Tensor


class DataError(ValueError):
    """A data set is not where it was looked for, or is not what it should be."""


class Examples(NamedTuple):
    """Inputs and their classes.

    Args:
        x: inputs, shape ``(n, *input_shape)``; ``uint8`` for images, else any number type.
        y: classes, shape ``(n,)``, ``int64`` in ``[0, num_classes)``.
    """

    x: Tensor
    y: Tensor


class ImageFiles(NamedTuple):
    """Images that stay in their files, since all of them decoded would fill the memory.

    Args:
        paths: files, in the order of `y`.
        y: classes, shape ``(n,)``, ``int64`` in ``[0, num_classes)``.
        shape: shape of one image once it is decoded, ``(channels, height, width)``.
        cover: ``(height, width)`` that an image is scaled to cover before its middle of `shape` is cut out, in pixels;
            neither is smaller than in `shape`.
    """

    paths: tuple[str, ...]
    y: Tensor
    shape: tuple[int, int, int]
    cover: tuple[int, int]


class Loaded(NamedTuple):
    """What a data set has loaded.

    Args:
        content: examples, or images that stay in their files.
        sha256: hash of the examples; of images that stay in their files, of their names and classes.
        is_shared: whether the examples lie in a file that all processes of the machine map into memory.
    """

    content: Examples | ImageFiles
    sha256: str
    is_shared: bool


class Statistics(NamedTuple):
    """Mean and standard deviation by which inputs are standardised, in the units of the inputs as loaded.

    Args:
        mean: one number per channel of images, else one for all.
        std: likewise.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A data set in a folder: what is known without looking into it, and how to load it.

    Args:
        input_shape: shape of one example; of images ``(channels, height, width)``.
        num_classes: number of classes.
        num_train: examples in the training part, validation included.
        load_train: reads the training part.
        load_test: reads the test part.
        version: text that changes with the files of the folder. With it, what is loaded is kept in a file that all
            processes of a machine map into memory; None where each process loads its own.
        download: fetches the files into a folder; None where there are none to fetch.
        streamed: whether images stay in their files.
        statistics: by which inputs are standardised; None for those of the training part.
    """

    input_shape: tuple[int, ...]
    num_classes: int
    num_train: int
    load_train: Callable[[], Examples | ImageFiles]
    load_test: Callable[[], Examples | ImageFiles]
    version: Callable[[], str] | None = None
    download: Callable[[Path], None] | None = None
    streamed: bool = False
    statistics: Statistics | None = None

    def __post_init__(self) -> None:
        """Take a list for a shape as well."""
        object.__setattr__(self, "input_shape", tuple(self.input_shape))
