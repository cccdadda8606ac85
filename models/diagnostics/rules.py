"""Named rules that read a learning rate off a range test. To add one, write its function and its line in the table."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import log

from models.diagnostics.range_test import RangeCurve

#: Part of the rate of divergence that the rule of that name suggests.
DIVERGENCE_FRAC = 1 / 3


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule by which a rate is read off one curve.

    Args:
        suggest: returns the rate, or None where the curve does not show what the rule looks for.
        meaning: which rate that is, in words.
    """

    suggest: Callable[[RangeCurve], float | None]
    meaning: str


def accuracy_peak(curve: RangeCurve) -> float | None:
    """Return the rate at which the validation accuracy was highest, the lowest such rate; None without evaluations.

    Reference:
        Smith, "Cyclical Learning Rates for Training Neural Networks" (arXiv 1506.01186), section 3.3: the upper bound
        is where the accuracy slows, becomes ragged or starts to fall. The peak stands for that judgement by eye.
    """
    if not curve.accuracies:
        return None
    best = max(range(len(curve.accuracies)), key=lambda i: curve.accuracies[i])
    return curve.evaluated_rates[best]


def steepest_descent(curve: RangeCurve) -> float | None:
    """Return the rate at which the smoothed loss falls fastest against the logarithm of the rate.

    Only what comes before the lowest loss counts: a loss that has diverged jumps down as well as up. None if it never
    falls.

    Reference:
        ``steep`` of fast.ai (``fastai/callback/schedule.py``), which looks along the whole curve.
    """
    rates, losses = curve.smoothed_rates, curve.smoothed_losses
    slopes = {
        i: (losses[i + 1] - losses[i]) / (log(rates[i + 1]) - log(rates[i]))
        for i in range(_lowest(losses))
        if rates[i] > 0
    }
    if not slopes or min(slopes.values()) >= 0:
        return None
    return rates[min(slopes, key=lambda i: slopes[i])]


def valley(curve: RangeCurve) -> float | None:
    """Return the rate half-way down the longest fall of the smoothed loss.

    The longest fall is the longest strictly falling subsequence; with L its length and e the update at which it ends,
    the rate is that of update ``e - L + 1 + L // 2``. None if the loss never falls.

    Reference:
        ``valley`` of fast.ai (``fastai/callback/schedule.py``), the same to within one update; where the loss falls
        from the first value on, that one may count backwards from the end of the list.
    """
    lengths = _falling_lengths(curve.smoothed_losses)
    longest = max(lengths, default=0)
    if longest < 2:
        return None
    end = lengths.index(longest)
    return curve.smoothed_rates[end - longest + 1 + longest // 2]


def fraction_of_divergence(curve: RangeCurve) -> float | None:
    """Return a third of the rate at which the loss diverged; None if it did not.

    Reference:
        Smith, "Cyclical Learning Rates for Training Neural Networks" (arXiv 1506.01186), section 3.3: a third or a
        quarter of the largest rate that converges, as a rule of thumb, is the lower bound of a cycle.
    """
    return None if curve.diverged_at is None else DIVERGENCE_FRAC * curve.diverged_at


RULES: Mapping[str, Rule] = {
    "accuracy_peak": Rule(suggest=accuracy_peak, meaning="best validation accuracy"),
    "steepest_descent": Rule(suggest=steepest_descent, meaning="fastest fall of the loss"),
    "valley": Rule(suggest=valley, meaning="middle of the longest fall"),
    "fraction_of_divergence": Rule(suggest=fraction_of_divergence, meaning="a third of where it diverged"),
}


def _lowest(losses: Sequence[float]) -> int:
    return min(range(len(losses)), key=lambda i: losses[i], default=0)


def _falling_lengths(losses: Sequence[float]) -> list[int]:
    """Return the length of the longest strictly falling subsequence that ends at each loss, in O(n log n)."""
    tails: list[float] = []  # of the subsequences of each length, the highest last loss, negated: rising
    lengths = []
    for loss in losses:
        place = bisect_left(tails, -loss)
        tails[place : place + 1] = [-loss]
        lengths.append(place + 1)
    return lengths
