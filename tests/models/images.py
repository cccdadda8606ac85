"""Images small enough to be made in each test."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from models.data import Dataset, Examples


def make_folder(root: Path, images: Mapping[str, int], size: tuple[int, int] = (8, 8), suffix: str = "png") -> Path:
    """Write random colour images: ``{"train/cat": 3}`` makes three; every call makes the same."""
    random = np.random.default_rng(0)
    for folder, count in images.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            pixels = random.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / folder / f"{index:03}.{suffix}")
    return root


def noise(root: Path | None, *, kind: str = "float32", version: str = "", count: int = 60, side: int = 6) -> Dataset:
    """Describe random colour images of any type of numbers; with a version they are kept in the cache."""

    def load(seed: int, number: int) -> Examples:
        random = torch.Generator().manual_seed(seed)
        x = torch.randint(256, (number, 3, side, side), generator=random, dtype=torch.uint8)
        return Examples(x.to(getattr(torch, kind)), torch.arange(number) % 3)

    return Dataset(
        input_shape=(3, side, side),
        num_classes=3,
        num_train=count,
        load_train=lambda: load(0, count),
        load_test=lambda: load(1, 20),
        version=(lambda: version) if version else None,
    )
