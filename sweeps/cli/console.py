"""The two streams of the command line, and small ways of writing on them."""

from __future__ import annotations

from rich.console import Console

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def at_least_and_most(least: int, most: int) -> str:
    """Write a number that may grow, such as ``24–60``; ``24`` where it cannot."""
    return f"{least}–{most}" if most > least else str(least)


def counted(number: int, what: str) -> str:
    """Write a number of things, e.g. ``1 trial``, ``2 trials``."""
    return f"{number} {what}{'s' * (number != 1)}"


def duration(hours: float) -> str:
    """Write a length of time for people, e.g. ``3 h 20 min``, ``4 min``, ``20 s``."""
    seconds = hours * 3600
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    whole_minutes = round(seconds / 60)
    return f"{whole_minutes // 60} h {whole_minutes % 60:02d} min"


def amount(number: float) -> str:
    """Write a large number for people, e.g. ``12.3 k``."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(number) >= size:
            return f"{number / (1e3 if letter == 'k' else size):.1f} {letter}"
    return f"{number:,.0f}"
