"""Hold out part of a data set, class by class."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]


def held_out_count(num_examples: int, frac: float) -> int:
    """Return how many examples are held out: ``floor(frac * num_examples + 0.5)``."""
    return math.floor(frac * num_examples + 0.5)


def balanced_subset(y: npt.ArrayLike, count: int, seed: int) -> Indices:
    """Choose `count` indices at random, as many of each class as can be.

    Numbers of the classes differ by at most one, but for classes that have fewer examples and give them all. A smaller
    subset of the same seed is part of every larger one.

    Args:
        y: classes, shape ``(n,)``.
        count: how many, in ``[0, n]``.
        seed: seed of the choice, >= 0.

    Returns:
        The indices, sorted, shape ``(count,)``.
    """
    labels = np.asarray(y)
    # A generator of its own, since the same seed splits the subset afterwards.
    random = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,)))
    shuffled = random.permutation(len(labels))
    order = shuffled[np.argsort(labels[shuffled], kind="stable")]  # class by class, each in its random order
    rank = np.concatenate([np.arange(size) for size in np.unique(labels, return_counts=True)[1]])
    turns = random.permutation(len(labels))  # who comes first among those of equal rank
    chosen = order[np.lexsort((turns, rank))[:count]]
    return np.sort(chosen)


def stratified_split(y: npt.ArrayLike, frac: float, seed: int) -> tuple[Indices, Indices]:
    """Split indices at random so that every class keeps its share in both parts.

    Each class gives ``floor(frac * n_class)`` examples; what is missing to ``held_out_count`` comes from
    the classes with the largest remainders, one each. The sizes of both parts thus depend on the number of
    examples only.

    Args:
        y: classes, shape ``(n,)``.
        frac: fraction to hold out, in (0, 1).
        seed: seed of the split, >= 0.

    Returns:
        Indices kept and indices held out, each sorted; together they are ``0 .. n - 1``.
    """
    labels = np.asarray(y)
    classes, counts = np.unique(labels, return_counts=True)
    shares = frac * counts
    quota = np.floor(shares).astype(np.int64)
    missing = held_out_count(len(labels), frac) - int(quota.sum())
    quota[np.argsort(quota - shares, kind="stable")[:missing]] += 1

    random = np.random.default_rng(seed)
    chosen = [
        random.permutation(np.flatnonzero(labels == label))[:count] for label, count in zip(classes, quota, strict=True)
    ]
    held_out = np.zeros(len(labels), dtype=bool)
    held_out[np.concatenate(chosen)] = True
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)
