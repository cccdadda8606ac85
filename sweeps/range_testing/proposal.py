"""From suggestions to the range of peak rates that a study searches, and that range into its file."""

from __future__ import annotations

import math
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from sweeps.errors import InputError
from sweeps.loading import load_study
from sweeps.range_testing.running import RangeResult
from sweeps.space import LogUniform

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

    It begins at the lowest suggestion (median over seeds) of any rule, and ends where the loss diverged, or where the
    accuracy fell below half of its best for good. It spans a factor of 30 at least, and both ends are widened to 1, 2
    or 5 times a power of ten.

    Returns:
        The range; None where no rule suggests anything.
    """
    lows = [min(result.medians.values()) for result in results if result.medians]
    highs = [_highest_useful(result) for result in results if result.medians]
    if not lows:
        return None
    high = max(highs)
    return Range(_tidy_down(min(*lows, high / _LEAST_RATIO)), _tidy_up(high))


def _highest_useful(result: RangeResult) -> float:
    """Return the median over seeds of the rate from which on nothing was learned, at least the highest suggestion."""
    ends = []
    for curve in result.curves:
        enough = max(curve.accuracies, default=0.0) / 2
        learned = [accuracy >= enough for accuracy in curve.accuracies]
        end = result.test.high if curve.diverged_at is None else curve.diverged_at
        if learned and not learned[-1]:
            end = max(rate for rate, good in zip(curve.evaluated_rates, learned, strict=True) if good)
        ends.append(end)
    return max(statistics.median(ends), *result.medians.values())


def _tidy_up(rate: float) -> float:
    exponent = math.floor(math.log10(rate))
    return float(f"{next(step for step in _STEPS if step * 10.0**exponent >= rate * (1 - 1e-9)):g}e{exponent}")


def _tidy_down(rate: float) -> float:
    exponent = math.floor(math.log10(rate))
    return float(f"{next(s for s in reversed(_STEPS) if s * 10.0**exponent <= rate * (1 + 1e-9)):g}e{exponent}")


def with_range(text: str, wanted: Range) -> str:
    """Return the text of a study file with this range of peak rates; all else stays as it is, letter by letter.

    Args:
        text: the study file.
        wanted: the range.

    Raises:
        InputError: the file has no ``search.peak_lr`` of one line that could be replaced.
    """
    dimension = _value(_value(yaml.compose(text, yaml.SafeLoader), "search"), "peak_lr")
    pair = dimension.value[0] if isinstance(dimension, yaml.MappingNode) and len(dimension.value) == 1 else None
    if pair is None or not isinstance(pair[1], yaml.SequenceNode) or not pair[1].flow_style:
        raise InputError(
            "--write needs a line such as `peak_lr: {log: [0.01, 1.0]}` below `search` to replace, and the file has "
            f"none. Write it yourself: `peak_lr: {wanted}`; search, given, replaces the default as a whole."
        )
    kind, bounds = pair
    before, between, after = (
        text[: kind.start_mark.index],
        text[kind.end_mark.index : bounds.start_mark.index],
        text[bounds.end_mark.index :],
    )
    return f"{before}log{between}[{wanted.low:g}, {wanted.high:g}]{after}"


def _value(node: yaml.Node | None, key: str) -> yaml.Node | None:
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return next((value for name, value in pairs if name.value == key), None)


def write_range(path: Path, wanted: Range, overrides: Sequence[str] = ()) -> None:
    """Write the range into a study file, whole or not at all.

    Args:
        path: the study file.
        wanted: the range.
        overrides: ``key=value`` pairs with which the file is read.

    Raises:
        InputError: the file has no such line, cannot be written, or would not be the study that was meant.
    """
    text = with_range(path.read_text(encoding="utf-8"), wanted)
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".fairsweep-") as folder:
            beside = Path(folder) / path.name
            beside.write_text(text, encoding="utf-8")
            if load_study(str(beside), overrides).search.get("peak_lr") != LogUniform(wanted.low, wanted.high):
                raise InputError("--write would have no effect: --set replaces search.peak_lr; leave one of them out.")
            beside.chmod(path.stat().st_mode)
            beside.replace(path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}.") from error
