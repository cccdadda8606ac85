"""Separate random streams from one seed."""

from __future__ import annotations

from typing import Literal

import numpy as np

Stream = Literal["init", "order", "augmentation"]

# The position is the spawn key, so it must never change: add new streams at the end.
_POSITIONS: dict[Stream, int] = {"init": 0, "order": 1, "augmentation": 2}


def stream_seed(seed: int, stream: Stream) -> int:
    """Derive the seed of one stream: the children of ``numpy.random.SeedSequence(seed).spawn(3)``, in order.

    Streams do not depend on one another, so what is drawn from one never shifts another: two trainings with
    equal seed start from the same weights and see the same batches, whatever else differs.

    Args:
        seed: seed of the training, >= 0.
        stream: ``init`` (weights), ``order`` (batches), or ``augmentation``, which no data set needs yet.

    Returns:
        A 64-bit seed for a ``torch.Generator``.
    """
    child = np.random.SeedSequence(seed, spawn_key=(_POSITIONS[stream],))
    return int(child.generate_state(1, np.uint64)[0])
