"""Phrase what is wrong with a table: every offence at once, with the rows where it stands."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

ROWS_NAMED = 4


class TableError(ValueError):
    """A table cannot be read as results.

    Args:
        source: Name of the table.
        problems: At least one sentence.
    """

    def __init__(self, source: str, problems: Sequence[str]) -> None:
        self.source = source
        self.problems = tuple(problems)
        super().__init__("\n".join(f"{source}: {problem}" for problem in self.problems))


def offence(condition: str, got: Iterable[tuple[object, object]], remedy: str = "") -> list[str]:
    """Return one sentence for all rows that break one condition, or none if no row does.

    Args:
        condition: Such as ``test must be a number``.
        got: What stands there, and the number of its row.
        remedy: Sentence that says what to do.
    """
    found = list(got)
    if not found:
        return []
    shown = ", ".join(f"{shown_value(value)} in row {row}" for value, row in found[:ROWS_NAMED])
    more = f" and {len(found) - ROWS_NAMED} more" if len(found) > ROWS_NAMED else ""
    return [f"{condition}; got {shown}{more}.{f' {remedy}' if remedy else ''}"]


def shown_value(value: object) -> str:
    """Write a value of a table for a message: short, and nothing as ``nothing``."""
    text = str(value)
    if not text.strip() or text in {"nan", "None"}:
        return "nothing"
    return text if len(text) <= 40 else f"{text[:39]}…"


def did_you_mean(name: str, options: Iterable[str], cutoff: float = 0.7) -> str:
    """Write `` Did you mean X?`` where an option looks like ``name``, else nothing; ends a message."""
    close = difflib.get_close_matches(name.casefold(), list(options), n=1, cutoff=cutoff)
    return f" Did you mean {close[0]}?" if close else ""
