"""Separate random streams from one seed."""

from __future__ import annotations

from typing import Literal

import numpy as np

Stream = Literal["init", "order", "augmentation", "noise", "statistics"]

# The position is the spawn key, so it must never change: add new streams at the end.
_POSITIONS: dict[Stream, int] = {"init": 0, "order": 1, "augmentation": 2, "noise": 3, "statistics": 4}

_MASK = 2**64 - 1


def stream_seed(seed: int, stream: Stream) -> int:
    """Derive the seed of one stream: the children of ``numpy.random.SeedSequence(seed).spawn(5)``, in order.

    Streams do not depend on one another, so what is drawn from one never shifts another: two trainings with
    equal seed start from the same weights and see the same batches, whatever else differs.

    Args:
        seed: seed of the training, >= 0.
        stream: ``init`` (weights), ``order`` (batches), ``augmentation`` (of examples), ``noise`` (dropout and what
            else a network draws), or ``statistics`` (batches for the statistics of batch norm).

    Returns:
        A 64-bit seed for a ``torch.Generator``.
    """
    child = np.random.SeedSequence(seed, spawn_key=(_POSITIONS[stream],))
    return int(child.generate_state(1, np.uint64)[0])


def update_seed(seed: int, update: int) -> int:
    """Derive the seed of one update: entry `update` of the sequence that SplitMix64 yields from `seed`.

    A microsecond, where ``SeedSequence`` takes ten.

    Args:
        seed: seed of a stream, 64 bits.
        update: index of the update, >= 0.

    Returns:
        A 64-bit seed; different for every update of one stream.

    Reference:
        Steele, Lea and Flood (2014), "Fast splittable pseudorandom number generators", figure 16.
    """
    mixed = (seed + (update + 1) * 0x9E3779B97F4A7C15) & _MASK
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
    return mixed ^ (mixed >> 31)
