"""ImageNet (ILSVRC 2012): 1,281,167 + 50,000 photographs in 1,000 classes, in ``train/`` and ``val/``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from models.data.examples import DataError, Dataset, ImageFiles, Statistics
from models.data.images import listed
from schedules.checks import complaint

NUM_TRAIN = 1_281_167
NUM_TEST = 50_000
NUM_CLASSES = 1000


def imagenet(root: Path | None, *, image_size: int = 224) -> Dataset:
    """Return ImageNet, whose images stay in their files: folders as ``torchvision.datasets.ImageNet`` leaves them.

    For an evaluation the shorter side is scaled to ``image_size * 256 / 224`` and the middle cut out. Pixels are
    standardised by the constants of torchvision.

    Args:
        root: folder that holds ``train`` and ``val``, each with one folder per class. The validation part of the
            contest is our test part.
        image_size: side of an image that the network sees, in pixels.

    Raises:
        ValueError: if the setting is out of range.

    Reference:
        torchvision, ``transforms/_presets.py``, class ``ImageClassification``.
    """
    if not isinstance(image_size, int) or isinstance(image_size, bool) or image_size < 1:
        raise ValueError(complaint("dataset_settings.image_size", "a side in pixels", image_size))
    return Dataset(
        input_shape=(3, image_size, image_size),
        num_classes=NUM_CLASSES,
        num_train=NUM_TRAIN,
        load_train=lambda: _listed(root, "train", NUM_TRAIN, image_size),
        load_test=lambda: _listed(root, "val", NUM_TEST, image_size),
        streamed=True,
        statistics=Statistics(
            mean=tuple(255 * mean for mean in (0.485, 0.456, 0.406)),
            std=tuple(255 * std for std in (0.229, 0.224, 0.225)),
        ),
    )


def _listed(root: Path | None, part: str, expected: int, image_size: int) -> ImageFiles:
    listing = listed(root, part)
    found: dict[str, Any] = {"class folders": (len(listing.classes), NUM_CLASSES), "images": (len(listing.y), expected)}
    if any(number != promised for number, promised in found.values()):
        condition = f"complete, with {NUM_CLASSES} class folders and {expected} images in {part}/"
        got = ", ".join(f"{number} {what}" for what, (number, _) in found.items())
        raise DataError(f"ImageNet must be {condition}; got {got} in {root}. For part of it take imagefolder.")
    side = round(image_size * 256 / 224)
    return ImageFiles(listing.paths, listing.y, (3, image_size, image_size), cover=(side, side))
