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


def counted(value: float, noun: str, digits: int = 6) -> str:
    """Write a number with its noun: ``1 point``, ``0.5 points``."""
    text = number(value, digits)
    return f"{text} {noun if text == '1' else f'{noun}s'}"


def margin(value: float) -> str:
    """Write the equivalence margin in percentage points: ``0.5 points``."""
    return counted(100 * value, "point", 4)


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


def times(value: float | None) -> str:
    """Write a ratio to three significant digits, two decimals at most: ``1.25``, ``0.81``, ``12.3``; ``4`` if whole."""
    if value is None:
        return NOTHING
    if value == int(value):
        return str(int(value))
    return f"{value:.{2 if value < 9.995 else 1 if value < 99.95 else 0}f}"


def times_with_interval(value: float | None, low: float | None, high: float | None, interval: str) -> str:
    """Write a ratio with its interval, of which ends may be open: ``1.25 (1.15 to 1.36)``, ``more than 4``.

    Args:
        value: The estimate, if any.
        low: Lower end, None where open.
        high: Upper end, None where open.
        interval: ``closed``, ``open_above``, ``open_below``, ``open`` or ``none``.
    """
    bounds = {
        "closed": f"{times(low)} to {times(high)}",
        "open_above": f"more than {times(low)}",
        "open_below": f"less than {times(high)}",
        "open": "no bound",
        "none": NOTHING,
    }[interval]
    if value is None or interval == "none":
        return bounds if value is None else times(value)
    return f"{times(value)} ({bounds})"


def p_value(value: float | None) -> str:
    """Write a p-value to three decimals: ``0.012``, ``<0.001``."""
    if value is None:
        return NOTHING
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def confidence(alpha: float) -> str:
    """Write the confidence that belongs to an error rate: ``95 %``."""
    return f"{number(100 * (1 - alpha), 2)} %"


def confirm_seeds(least: int, most: int) -> str:
    """Write on how many fresh seeds winners are confirmed: ``10 fresh seeds, the same for every arm``."""
    if most == least:
        return f"{least} fresh seeds, the same for every arm"
    return f"{least} fresh seeds, then one at a time until a cell is decided, {most} at most, the same for every arm"


def setting(value: object) -> str:
    """Write a setting: numbers to four significant digits."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(setting(item) for item in value)
    return str(value)
