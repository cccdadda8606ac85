"""Where phases end, and how the factor moves within one.

There is one rule for phases that are given as fractions of the run: `steps_of`. A phase of ``n`` steps has the
indices ``0 ... n - 1``, and what it leads to is reached at index ``n``, the first of the next phase.
"""

from __future__ import annotations

import math
import operator
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from schedules.checks import Whole

LONGEST = 2**53
"""Updates of the longest run: beyond it, floating point does not count in ones."""

TOTAL_STEPS = Whole(1, "Give the length of the run in updates, such as 1000.", high=LONGEST)

Shape = Callable[[float, float, float], float]
"""A way from a start to an end, by progress in [0, 1]: `linear` or `cosine`."""


def steps_of(frac: float, total_steps: int) -> int:
    """Turn a fraction of the run into steps: ``floor(frac * total_steps + 0.5)``, in floating point.

    So 0.145 of 100 steps are 14, since the product is 14.499999999999998. Everyone who computes the formula gets the
    same.

    Args:
        frac: fraction of the run, in [0, 1].
        total_steps: length of the run in updates.

    Returns:
        The nearest whole number of steps, halves up; in [0, total_steps].
    """
    return min(math.floor(frac * total_steps + 0.5), total_steps)  # the sum may round up in runs of 2**52 and more


def checked_step(step: int, total_steps: int) -> int:
    """Return ``step`` if the run has it.

    Raises:
        IndexError: if it is outside ``[0, total_steps)``; nothing is extrapolated.
        TypeError: if it is not a whole number.
    """
    step = operator.index(step)
    if not 0 <= step < total_steps:
        raise IndexError(f"step must be in [0, {total_steps}); got {step}.")
    return step


def between(start: float, end: float, weight: float) -> float:
    """Mix two values, exactly ``start`` at weight 1 and exactly ``end`` at weight 0."""
    return start * weight + end * (1.0 - weight)


def linear(start: float, end: float, progress: float) -> float:
    """Move from ``start`` to ``end`` on a straight line; ``progress`` in [0, 1]."""
    return between(start, end, 1.0 - progress)


def cosine(start: float, end: float, progress: float) -> float:
    """Move from ``start`` to ``end`` on half a cosine wave; ``progress`` in [0, 1]."""
    return between(start, end, (1.0 + math.cos(math.pi * progress)) / 2.0)


@dataclass(frozen=True)
class Path:
    """The way through points of a run; made by `path_through`.

    Args:
        steps: where the points are, rising from 0.
        factors: the factors there.
        shape: how the factor moves from one point to the next; after the last it stays.
    """

    steps: tuple[int, ...]
    factors: tuple[float, ...]
    shape: Shape

    def __call__(self, step: int) -> float:
        """Return the factor at ``step``, which is at least 0."""
        after = bisect_right(self.steps, step)
        if after == len(self.steps):
            return self.factors[-1]
        start, end = self.steps[after - 1], self.steps[after]
        return self.shape(self.factors[after - 1], self.factors[after], (step - start) / (end - start))


def path_through(points: Sequence[tuple[int, float]], total_steps: int, shape: Shape = linear) -> Path:
    """Lay a path through points that may fall together, so that a run of any length keeps its peak.

    A point of factor 1 that falls beyond the last update is moved onto it. Where points fall together, the highest
    of them counts; but if the last point is one of those on the last update, and none there is 1, the last point
    counts, so that the run ends where it should.

    Args:
        points: step and factor of each, by rising step; the first at step 0.
        total_steps: length of the run in updates.
        shape: how the factor moves from one point to the next.

    Returns:
        The path.
    """
    placed: dict[int, float] = {}
    last_step, last_factor = points[-1]
    for step, factor in points:
        at = min(step, total_steps - 1) if factor == 1.0 else step
        placed[at] = max(factor, placed.get(at, 0.0))
    if last_step == total_steps - 1 and placed[last_step] < 1.0:
        placed[last_step] = last_factor
    steps, factors = zip(*sorted(placed.items()), strict=True)
    return Path(steps, factors, shape)
