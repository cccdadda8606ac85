"""Whether a range test has learned anything at all: without that, no rate can be read off it."""

from __future__ import annotations

import math
import statistics
from itertools import pairwise

from models.diagnostics.range_test import RangeCurve

#: What counts as more than noise, in standard errors.
_ERRORS = 5.0
_MEDIAN_OF_NORMAL = 0.6745  # of the size of a standard normal variable


def has_learned(curve: RangeCurve, *, num_classes: int, num_validation: int) -> bool:
    """Tell whether the network has learned more than noise explains.

    It has where the averaged loss fell below that of the untrained network by more than five times the noise of a
    batch's loss; or where an accuracy, at a loss that is not above the untrained network's by as much, exceeds both
    chance and the first accuracy by more than five standard errors. The noise of a batch's loss is read off the changes
    from update to update, up to the lowest averaged loss.

    Args:
        curve: what the test has seen.
        num_classes: classes of the data; chance is one over it.
        num_validation: examples of the validation part.
    """
    if not curve.smoothed_losses:
        return False
    margin = _ERRORS * _noise(curve)
    if min(curve.smoothed_losses) < curve.losses[0] - margin:
        return True
    counted = [
        accuracy
        for update, accuracy in zip(curve.evaluated_updates, curve.accuracies, strict=True)
        if _smoothed_at(curve, update) <= curve.losses[0] + margin
    ]
    beginning = max(1 / num_classes, *curve.accuracies[:1], 0.0)
    error = math.sqrt(beginning * (1 - beginning) / num_validation)
    return max(counted, default=0.0) > beginning + _ERRORS * error


def has_blown_up(curve: RangeCurve) -> bool:
    """Tell whether the loss diverged, or ended above that of the untrained network by more than noise."""
    if curve.diverged_at is not None or not curve.smoothed_losses:
        return curve.diverged_at is not None
    return curve.smoothed_losses[-1] > curve.losses[0] + _ERRORS * _noise(curve)


def _noise(curve: RangeCurve) -> float:
    """Return the standard deviation of a batch's loss around its course, by a median that forgives the odd jump."""
    lowest = min(range(len(curve.smoothed_losses)), key=lambda i: curve.smoothed_losses[i])
    changes = [abs(after - before) for before, after in pairwise(curve.losses[: lowest + curve.window])]
    return statistics.median(changes) / (_MEDIAN_OF_NORMAL * math.sqrt(2)) if changes else 0.0


def _smoothed_at(curve: RangeCurve, update: int) -> float:
    """Return the averaged loss around an update, or the nearest there is."""
    place = update - 1 - curve.window // 2
    return curve.smoothed_losses[min(max(place, 0), len(curve.smoothed_losses) - 1)]
