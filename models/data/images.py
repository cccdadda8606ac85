"""Images in files: which there are, and decoded."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from models.data.examples import DataError

SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
_MODES = {1: "L", 3: "RGB"}
_OF_16_BITS = frozenset({"PNG", "PPM"})  # formats whose images of mode I have 16 bits, and not 32
_MOST_SHOWN = 5


class Listing(NamedTuple):
    """The images of one part of a data set.

    Args:
        paths: files, class by class, in the order of their names.
        y: number of the class of each, shape ``(n,)``, ``int64``.
        classes: names of the classes, sorted.
    """

    paths: tuple[str, ...]
    y: Tensor
    classes: tuple[str, ...]


def listed(root: Path | None, part: str) -> Listing:
    """List the images in the class folders of ``root/part``; names that begin with a dot are left out.

    Raises:
        DataError: if there is no such folder, or no image in one of the class folders; all of them at once.
    """
    if root is None:
        raise DataError(
            f"data_root must be the folder that holds {part}/; got none. Set data_root in the workload or "
            "FAIRSWEEP_DATA in the environment."
        )
    folder = root / part
    if not folder.is_dir():
        raise DataError(f"data_root must be the folder that holds {part}/; got {str(root)!r}, and it is not in there.")
    classes = tuple(sorted(entry.name for entry in os.scandir(folder) if _is_shown(entry) and entry.is_dir()))
    if not classes:
        raise DataError(f"{folder} must hold one folder of images per class; got none.")
    images = [sorted(_images(folder / name)) for name in classes]
    if empty := [str(folder / name) for name, paths in zip(classes, images, strict=True) if not paths]:
        known = ", ".join(sorted(SUFFIXES))
        raise DataError(f"class folders must hold images ({known}); got none in {_some(empty)}. Remove or fill them.")
    y = torch.repeat_interleave(torch.arange(len(classes)), torch.tensor([len(paths) for paths in images]))
    return Listing(tuple(path for paths in images for path in paths), y, classes)


def left_out(root: Path | None, part: str) -> str:
    """Say in a sentence which files in the class folders of ``root/part`` are not taken for images."""
    folder = root / part if root else None
    if folder is None or not folder.is_dir():
        return ""
    inside = [entry.path for entry in os.scandir(folder) if _is_shown(entry) and entry.is_dir()]
    others = sorted(path for name in inside for path in _files(Path(name)) if not _is_image(path))
    if not others:
        return ""
    known = ", ".join(sorted(SUFFIXES))
    return f"Not counted, since their names do not end like those of images ({known}): {_some(others)}."


def image_side(path: str) -> int:
    """Return the shorter side of an image in pixels."""
    with Image.open(path) as image:
        return min(image.size)


def opened(path: str, channels: int) -> Image.Image:
    """Decode one image.

    Args:
        path: its file.
        channels: 1 for grey, 3 for colour.

    Raises:
        DataError: if it cannot be decoded, or the range of its pixels is not known.
    """
    try:
        with Image.open(path) as image:
            return _of_bytes(image, path).convert(_MODES[channels])
    except DataError:
        raise
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:  # what Pillow raises
        why = (error.strerror if isinstance(error, OSError) else None) or str(error).partition(" '")[0]
        raise DataError(
            f"{path} must be an image; got what Pillow does not read ({why}). Replace or remove it."
        ) from error


def _of_bytes(image: Image.Image, path: str) -> Image.Image:
    """Return an image whose pixels are bytes; Pillow would clip larger numbers to white."""
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in _OF_16_BITS):
        return Image.fromarray(((np.asarray(image).astype(np.int64) + 128) // 257).astype(np.uint8))
    if image.mode in {"I", "F"}:
        kind = "floats" if image.mode == "F" else "32-bit numbers"
        raise DataError(f"{path} must have pixels of 8 or 16 bits; got {kind}. Convert it first.")
    return image


def middle(image: Image.Image, cover: tuple[int, int], size: tuple[int, int]) -> Image.Image:
    """Scale an image until it covers a rectangle, and cut out the middle.

    Args:
        image: the image.
        cover: ``(height, width)`` to cover, in pixels; for squares this is what ``Resize`` of torchvision does.
        size: ``(height, width)`` of what is cut out, at most `cover`.
    """
    width, height = image.size
    if height * cover[1] <= width * cover[0]:
        scaled = (cover[0], max(cover[1], width * cover[0] // height))
    else:
        scaled = (max(cover[0], height * cover[1] // width), cover[1])
    if scaled != (height, width):
        image = image.resize(scaled[::-1], Image.Resampling.BILINEAR)
    top, left = (round((over - wanted) / 2) for over, wanted in zip(scaled, size, strict=True))
    return image if scaled == size else image.crop((left, top, left + size[1], top + size[0]))


def decoded(paths: Sequence[str], shape: tuple[int, int, int]) -> Tensor:
    """Decode images, scale each until it covers the shape, and cut off what stands over on both sides.

    Args:
        paths: files.
        shape: ``(channels, height, width)``; one channel is grey, three are colour.

    Returns:
        The images, shape ``(len(paths), channels, height, width)``, ``uint8``.

    Raises:
        DataError: if files cannot be decoded; all of them at once.
    """
    channels, height, width = shape
    images = torch.empty((len(paths), *shape), dtype=torch.uint8)

    def decode(index: int) -> str:
        try:
            image = middle(opened(paths[index], channels), (height, width), (height, width))
        except DataError as error:
            return str(error)
        images[index] = torch.from_numpy(np.array(image)).view(height, width, channels).permute(2, 0, 1)
        return ""

    with ThreadPoolExecutor(torch.get_num_threads()) as threads:  # Pillow decodes outside of Python's lock
        damaged = [text for text in threads.map(decode, range(len(paths))) if text]
    if damaged:
        more = [f"and {len(damaged) - _MOST_SHOWN} more."] if len(damaged) > _MOST_SHOWN else []
        raise DataError("\n".join([*damaged[:_MOST_SHOWN], *more]))
    return images


def _images(folder: Path) -> Iterator[str]:
    return filter(_is_image, _files(folder))


def _files(folder: Path) -> Iterator[str]:
    for at, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]  # such as .ipynb_checkpoints, with copies
        yield from (os.path.join(at, name) for name in names if not name.startswith("."))  # noqa: PTH118 - a million


def _is_image(path: str) -> bool:
    return os.path.splitext(path)[1].lower() in SUFFIXES  # noqa: PTH122 - likewise


def _is_shown(entry: os.DirEntry[str]) -> bool:
    return not entry.name.startswith(".")


def _some(items: Sequence[str]) -> str:
    more = f" and {len(items) - _MOST_SHOWN} more" if len(items) > _MOST_SHOWN else ""
    return ", ".join(items[:_MOST_SHOWN]) + more
