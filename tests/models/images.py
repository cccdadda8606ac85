"""Image files small enough to be made in each test."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image


def make_folder(root: Path, images: Mapping[str, int], size: tuple[int, int] = (8, 8), suffix: str = "png") -> Path:
    """Write random colour images: ``{"train/cat": 3}`` makes three; every call makes the same."""
    random = np.random.default_rng(0)
    for folder, count in images.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            pixels = random.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / folder / f"{index:03}.{suffix}")
    return root
