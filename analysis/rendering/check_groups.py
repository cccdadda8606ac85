"""Sort the checks of a report by what became of them, and say so on its first screen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from analysis.tables.contents import Report
from analysis.tables.rows import CheckRow

Outcome = Literal["fail", "warn", "unknown", "pass"]
OUTCOMES: tuple[Outcome, ...] = ("fail", "warn", "unknown", "pass")
MOST_WARNINGS = 3


@dataclass(frozen=True, kw_only=True)
class Alert:
    """What the first screen says of the checks: a sentence, what was seen, and whether verdicts are withheld."""

    sentence: str
    evidence: tuple[str, ...] = ()
    severe: bool = False


def outcome_of(check: CheckRow) -> Outcome:
    """Tell a warning from a check that could not be made, for want of a part of the record; those found nothing."""
    return "unknown" if check.status == "warn" and not check.findings else check.status


def counted(checks: Sequence[CheckRow]) -> str:
    """Count the checks by outcome, the worst first: ``2 gave a warning, 11 could not be made, 11 passed``."""
    words = {"fail": "failed", "warn": "gave a warning", "unknown": "could not be made", "pass": "passed"}
    outcomes = [outcome_of(check) for check in checks]
    return ", ".join(f"{outcomes.count(kind)} {words[kind]}" for kind in OUTCOMES if kind in outcomes)


def alerts(report: Report) -> tuple[Alert, ...]:
    """Return what the first screen says: what failed, what warns, and how much could not be checked."""
    by_outcome = {kind: [check for check in report.checks if outcome_of(check) == kind] for kind in OUTCOMES}
    failed, warned, unknown = (by_outcome[kind] for kind in ("fail", "warn", "unknown"))
    found: list[Alert] = []
    if failed:
        does = "check fails and withholds" if len(failed) == 1 else "checks fail and withhold"
        sentence = f"{len(failed)} {does} verdicts:"
        found.append(Alert(sentence=sentence, evidence=tuple(check.evidence for check in failed), severe=True))
    if warned:
        shown = tuple(check.evidence for check in warned[:MOST_WARNINGS])
        rest = len(warned) - len(shown)
        more = (f"{rest} more, under Threats to validity",) if rest else ()
        sentence = f"{len(warned)} {'check warns' if len(warned) == 1 else 'checks warn'}:"
        found.append(Alert(sentence=sentence, evidence=(*shown, *more)))
    if unknown:
        found.append(Alert(sentence=_not_made(len(unknown))))
    return tuple(found)


def lines(checks: Sequence[CheckRow]) -> list[tuple[Outcome, str]]:
    """Return what a terminal shows of the checks: a line per failure and warning, and how many could not be made."""
    outcomes = [(outcome_of(check), check.evidence) for check in checks]
    told = list(dict.fromkeys(line for line in outcomes if line[0] in {"fail", "warn"}))
    unknown = sum(kind == "unknown" for kind, _ in outcomes)
    return [*told, ("unknown", _not_made(unknown))] if unknown else told


def _not_made(count: int) -> str:
    if count == 1:
        return "1 check could not be made: what it needs is not recorded. Threats to validity says what to add."
    return (
        f"{count} checks could not be made: what they need is not recorded. Threats to validity lists them, and what "
        "to add."
    )
