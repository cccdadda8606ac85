"""From suggestions to the range of peak rates that a study searches."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from sweeps.range_testing.running import RangeResult

#: The ends of a range are so many times apart at least: what wins at the end of a training is not seen in a ramp.
_LEAST_RATIO = 30.0
_STEPS = (1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True)
class Range:
    """A range of peak rates, searched uniformly in the logarithm."""

    low: float
    high: float

    def __str__(self) -> str:
        """Write it as in a study file."""
        return f"{{log: [{self.low:g}, {self.high:g}]}}"


def proposed_range(results: Sequence[RangeResult]) -> Range | None:
    """Propose a range of peak rates that holds what every workload could want, since a study has one for all.

    It begins at the lowest suggestion (median over seeds) of any rule, and ends where rates are of no use any more
    (`RangeResult.ends_of_use`, median over seeds). It spans a factor of 30 at least, and both ends are widened to 1, 2
    or 5 times a power of ten.

    Returns:
        The range; None where a workload has learned nothing, or no rule suggests anything for it.
    """
    if not results or not all(result.has_learned and result.medians for result in results):
        return None
    high = max(_highest_useful(result) for result in results)
    low = min(rate for result in results for rate in result.medians.values())
    return Range(_tidy_down(min(low, high / _LEAST_RATIO)), _tidy_up(high))


def _highest_useful(result: RangeResult) -> float:
    """Return the median over seeds of the rate from which on nothing was learned, at least the highest suggestion."""
    return max(statistics.median(result.ends_of_use), *result.medians.values())


def ends_with_the_ramp(result: RangeResult) -> bool:
    """Tell whether rates were of use up to the end of the ramp, so that higher ones might be, too."""
    return _highest_useful(result) >= result.test.high


def _tidy_up(rate: float) -> float:
    exponent = math.floor(math.log10(rate))
    return float(f"{next(step for step in _STEPS if step * 10.0**exponent >= rate * (1 - 1e-9)):g}e{exponent}")


def _tidy_down(rate: float) -> float:
    exponent = math.floor(math.log10(rate))
    return float(f"{next(s for s in reversed(_STEPS) if s * 10.0**exponent <= rate * (1 + 1e-9)):g}e{exponent}")
