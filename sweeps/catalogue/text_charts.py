"""Draw numbers with block elements, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

_BLOCKS = " ▁▂▃▄▅▆▇█"
_EIGHTHS = len(_BLOCKS) - 1


def sparkline(values: Sequence[float], width: int, low: float, high: float) -> str:
    """Draw values in one line; it is never as high as the line, so that lines below each other stay apart.

    Args:
        values: at least one, evenly spaced.
        width: characters of the line, >= 1.
        low: value of the lowest block; a value there is still drawn, as a base line.
        high: value of the highest block, >= low; where both are equal every column is half as high.
    """
    columns = _sampled(values, width)
    return "".join(_BLOCKS[1 + round((_EIGHTHS - 2) * _part(value, low, high))] for value in columns)


def text_chart(values: Sequence[float], width: int, height: int, low: float, high: float) -> list[str]:
    """Draw values as columns that stand on a base line.

    Args:
        values: at least one, evenly spaced.
        width: characters of a line, >= 1.
        height: lines, >= 1.
        low: value at the foot.
        high: value at the top, >= low; where both are equal every column is half as high.

    Returns:
        ``height`` lines from top to bottom, each of ``width`` characters.
    """
    levels = [_level(value, height, low, high) for value in _sampled(values, width)]
    return [
        "".join(_BLOCKS[min(max(level - _EIGHTHS * row, 0), _EIGHTHS)] for level in levels)
        for row in reversed(range(height))
    ]


def _level(value: float, height: int, low: float, high: float) -> int:
    """Return the height of a column in eighths of a line, at least one."""
    return max(1, round(_EIGHTHS * height * _part(value, low, high)))


def _part(value: float, low: float, high: float) -> float:
    return (value - low) / (high - low) if high > low else 0.5


def _sampled(values: Sequence[float], width: int) -> list[float]:
    last = max(1, width - 1)
    return [values[round(column * (len(values) - 1) / last)] for column in range(width)]
