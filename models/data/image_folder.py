"""Images in folders, one folder per class, in ``train/`` and ``test/``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from models.data.examples import DataError, Dataset, Examples, ImageFiles
from models.data.files import listing_digest
from models.data.images import Listing, decoded, image_side, left_out, listed
from schedules.checks import Flag, Rule, Whole, complaint, read_settings


@dataclass(frozen=True)
class _Sides:
    """Height and width, given as one number or as two."""

    condition: str = "a side in pixels, or [height, width]"
    remedy: str = ""

    def read(self, value: object) -> tuple[int, int]:
        sides = list(value) if isinstance(value, Sequence) else [value, value]
        if len(sides) != 2:
            raise ValueError(self.condition)
        height, width = (Whole(1).read(side) for side in sides)
        return height, width


_RULES: Mapping[str, Rule] = {
    "image_size": _Sides(),
    "num_classes": Whole(2),
    "num_train": Whole(2),
    "grey": Flag(),
    "stream": Flag(),
}


def imagefolder(
    root: Path | None,
    *,
    image_size: int | Sequence[int] | None = None,
    num_classes: int | None = None,
    num_train: int | None = None,
    grey: bool = False,
    stream: bool = False,
) -> Dataset:
    """Return the images in ``train/CLASS/`` and ``test/CLASS/`` of a folder.

    Images of another size are scaled until they cover `image_size`, and what stands over is cut off on both sides.
    Classes are numbered in the order of their names.

    Args:
        root: the folder.
        image_size: side of the images in pixels, or ``[height, width]``.
        num_classes: number of class folders.
        num_train: images below ``train/``.
        grey: one channel instead of three.
        stream: leave the images in their files and decode them batch by batch, instead of once and for all into a file
            that is mapped into memory.

    Raises:
        ValueError: if a setting is missing or out of range; one line per offender.
    """
    facts = {"image_size": image_size, "num_classes": num_classes, "num_train": num_train}
    if missing := [name for name, value in facts.items() if value is None]:
        raise ValueError(
            f"dataset_settings must have {', '.join(missing)} for imagefolder. {_suggestion(root, image_size)}"
        )
    read = read_settings({**facts, "grey": grey, "stream": stream}, _RULES)
    dataset = Dataset(
        input_shape=(1 if read["grey"] else 3, *read["image_size"]),
        num_classes=read["num_classes"],
        num_train=read["num_train"],
        load_train=lambda: _loaded(dataset, _listings(dataset, root)[0], stream=stream),
        load_test=lambda: _loaded(dataset, _listings(dataset, root)[1], stream=stream),
        streamed=stream,
        version=None if stream else partial(_version, root),
    )
    return dataset


def _version(root: Path | None) -> str:
    return "-".join(listing_digest(root / name) for name in ("train", "test")).strip("-") if root else ""


def _suggestion(root: Path | None, image_size: object) -> str:
    """Say what to write for the folder that is at hand, with the size of images if one is given."""
    try:
        listing = listed(root, "train")
        found = {
            "image_size": image_side(listing.paths[0]) if image_size is None else image_size,
            "num_classes": len(listing.classes),
            "num_train": len(listing.paths),
        }
    except (DataError, OSError):
        return "They are the side in pixels, the folders in train/, and the images in them."
    written = ", ".join(f"{name}: {value}" for name, value in found.items())
    return f"For {root}: dataset_settings: {{{written}}}. {left_out(root, 'train')}".rstrip()


def _listings(dataset: Dataset, root: Path | None) -> tuple[Listing, Listing]:
    """Return what is in ``train/`` and ``test/``: both are looked at before one is used, and no image is opened."""
    listing = listed(root, "train")
    uncounted = left_out(root, "train") if len(listing.paths) < dataset.num_train else ""
    offences = [
        complaint(f"dataset_settings.{name}", f"the {found} {what} of {root}/train", promised, remedy)
        for name, what, found, promised, remedy in (
            ("num_classes", "class folders", len(listing.classes), dataset.num_classes, ""),
            ("num_train", "images", len(listing.paths), dataset.num_train, uncounted),
        )
        if found != promised
    ]
    if offences:
        raise DataError("\n".join(offences))
    test = listed(root, "test")
    if test.classes != listing.classes:
        alone = ", ".join(sorted(set(listing.classes) ^ set(test.classes)))
        raise DataError(f"{root}/test must have the class folders of {root}/train; got one of the two only: {alone}.")
    return listing, test


def _loaded(dataset: Dataset, listing: Listing, *, stream: bool) -> Examples | ImageFiles:
    channels, height, width = dataset.input_shape
    if stream:
        return ImageFiles(listing.paths, listing.y, (channels, height, width), cover=(height, width))
    return Examples(decoded(listing.paths, (channels, height, width)), listing.y)
