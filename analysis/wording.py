"""Put numbers into words: one way to write each kind of number, in sentences, tables and figures alike."""

from __future__ import annotations

NOTHING = "–"


def number(value: float | None, digits: int = 6) -> str:
    """Write a plain number without a trailing ``.0`` or an exponent: ``5``, ``0.5``, ``20000``."""
    if value is None:
        return NOTHING
    return str(int(value)) if value == int(value) else f"{value:.{digits}f}".rstrip("0").rstrip(".")


def percent(value: float | None, decimals: int = 2) -> str:
    """Write an accuracy in percent, without the sign: ``86.12``."""
    return NOTHING if value is None else f"{100 * value:.{decimals}f}"


def points(value: float | None, decimals: int = 2) -> str:
    """Write a difference of accuracies in percentage points with its sign: ``+2.31``, ``−0.40``, ``0.00``."""
    if value is None:
        return NOTHING
    text = f"{100 * value:+.{decimals}f}"
    unsigned = text[1:]
    return unsigned if float(unsigned) == 0 else text.replace("-", "−")


def plus_minus(value: float | None, low: float | None, high: float | None) -> str:
    """Write an accuracy with the half-width of its interval, if any: ``86.12 ± 0.30``."""
    if value is None or low is None or high is None:
        return percent(value)
    return f"{percent(value)} ± {percent((high - low) / 2)}"


def points_with_interval(value: float | None, low: float | None, high: float | None) -> str:
    """Write a difference with its interval, if any: ``+2.31 (+1.50 to +3.12)``."""
    if value is None or low is None or high is None:
        return points(value)
    return f"{points(value)} ({points(low)} to {points(high)})"


def p_value(value: float | None) -> str:
    """Write a p-value to three decimals: ``0.012``, ``<0.001``."""
    if value is None:
        return NOTHING
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def confidence(alpha: float) -> str:
    """Write the confidence that belongs to an error rate: ``95 %``."""
    return f"{number(100 * (1 - alpha), 2)} %"


def setting(value: object) -> str:
    """Write a setting: numbers to four significant digits."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(setting(item) for item in value)
    return str(value)
