"""Judge an observed share against what a statistic promises."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from scipy import stats

Promise = Literal["covers", "at least", "at most", "predicted", "shown", "mean"]
Word = Literal["pass", "edge", "low", "high", "unclear"]

CONFIDENCE = 0.99


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What the share of simulations with a certain outcome is promised to be.

    * ``covers``: ``level`` within ``tolerance``, i.e. 93 to 97 % for a nominal 95 %;
    * ``at least``: no less than ``level``, for bands and sequences that promise a bound;
    * ``at most``: no more than ``level``, for error rates;
    * ``predicted``: ``level`` within ``tolerance``, for a power that was computed beforehand;
    * ``shown``: nothing, the share is only shown; ``mean``: nothing, and outcomes are numbers whose mean is shown.
    """

    promise: Promise = "covers"
    level: float = 0.95
    tolerance: float = 0.02

    @property
    def judged(self) -> bool:
        """Whether anything is promised."""
        return self.promise not in {"shown", "mean"}

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and the largest share that keeps the promise."""
        if self.promise == "at least":
            return self.level, 1.0
        if self.promise == "at most":
            return 0.0, self.level
        return max(self.level - self.tolerance, 0.0), min(self.level + self.tolerance, 1.0)


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """An observed share, its Clopper-Pearson interval, and what follows for the claim.

    * ``pass``: the share is within the bounds of the claim;
    * ``edge``: it is outside, but its Clopper-Pearson interval reaches the bounds;
    * ``low``, ``high``: the whole Clopper-Pearson interval lies below or above the bounds;
    * ``unclear``: the Clopper-Pearson interval reaches beyond the bounds on both sides, so that there were too few
      simulations to tell.
    """

    word: Word
    share: float
    low: float
    high: float


def clopper_pearson(hits: float, trials: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the exact binomial interval of a share; the whole unit interval without trials.

    References:
        Clopper and Pearson (1934), The use of confidence or fiducial limits illustrated in the case of the
        binomial.
    """
    tail = (1 - confidence) / 2
    low = float(stats.beta.ppf(tail, hits, trials - hits + 1)) if hits else 0.0
    high = float(stats.beta.isf(tail, hits + 1, trials - hits)) if hits < trials else 1.0
    return low, high


def judge(claim: Claim, hits: float, trials: int) -> Judgement:
    """Judge ``hits`` of ``trials`` against a claim; unclear without trials, a pass where nothing is promised."""
    if trials == 0:
        return Judgement(word="unclear", share=math.nan, low=0.0, high=1.0)
    if not claim.judged:
        return Judgement(word="pass", share=hits / trials, low=math.nan, high=math.nan)
    low, high = clopper_pearson(hits, trials)
    least, most = claim.bounds
    word: Word = "pass" if least <= hits / trials <= most else "edge"
    if high < least:
        word = "low"
    elif low > most:
        word = "high"
    elif low < least and high > most:
        word = "unclear"
    return Judgement(word=word, share=hits / trials, low=low, high=high)
