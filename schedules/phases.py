"""Where phases end, and how the factor moves within one."""

from __future__ import annotations

import math
import operator

from schedules.checks import Whole

TOTAL_STEPS = Whole(1)


def steps_of(frac: float, total_steps: int) -> int:
    """Turn a fraction of the run into steps: ``floor(frac * total_steps + 0.5)``.

    Args:
        frac: fraction of the run, in [0, 1].
        total_steps: length of the run in updates.

    Returns:
        The nearest whole number of steps, halves up; in [0, total_steps].
    """
    return math.floor(frac * total_steps + 0.5)


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
