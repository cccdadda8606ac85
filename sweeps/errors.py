"""Errors meant for a person: what is wrong, where, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from schedules.checks import closest


class FairsweepError(Exception):
    """A failure that the command line shows as one message, without a traceback."""

    exit_code = 1


class InputError(FairsweepError):
    """Something the user gave cannot be used as it is."""

    exit_code = 2


@dataclass(frozen=True)
class Problem:
    """One mistake in a study file.

    Args:
        path: keys and indices from the top of the file to the mistake, e.g. ``("arms", "cosine", "search")``.
        message: condition, value and remedy.
    """

    path: tuple[str | int, ...]
    message: str

    @property
    def place(self) -> str:
        """Return the path as a person writes it, e.g. ``budgets.epochs[1]``."""
        text = ""
        for part in self.path:
            text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
        return text


class StudyError(InputError):
    """All mistakes found in one study file.

    Args:
        source: the file, or where else the study came from.
        problems: at least one mistake.
        lines: 1-based line of each path that stands in the file.
    """

    def __init__(
        self,
        source: str,
        problems: Sequence[Problem],
        lines: dict[tuple[str | int, ...], int] | None = None,
    ) -> None:
        self.source = source
        self.problems = tuple(problems)
        self._lines = lines or {}
        super().__init__("\n".join(self._line(problem) for problem in self.problems))

    def _line(self, problem: Problem) -> str:
        number = next(
            (
                self._lines[problem.path[:end]]
                for end in range(len(problem.path), 0, -1)
                if problem.path[:end] in self._lines
            ),
            None,
        )
        where = self.source if number is None else f"{self.source}:{number}"
        return ": ".join(part for part in (where, problem.place, problem.message) if part)


def name_options(options: Iterable[str]) -> str:
    """Write the options of a choice, e.g. ``one of: cosine, linear``."""
    return "one of: " + ", ".join(sorted(options))


def suggest(name: str, options: Iterable[str]) -> str:
    """Write `` Did you mean X?`` where an option looks like ``name``, else nothing; ends a message."""
    near = closest(name, options)
    return f" Did you mean {near}?" if near else ""
