"""Successive halving within one search: how many draws each rung takes, and which (Jamieson and Talwalkar, 2016).

Shared by the protocol, which runs the rungs, and by the record, which must know which trainings count: draws that are
added to a study later may push others off a rung.
"""

from __future__ import annotations

from collections.abc import Mapping


def rung_sizes(draws: int, factor: int, rungs: int) -> tuple[int, ...]:
    """Return how many draws each rung takes, shortest budget first: ``ceil(draws / factor ** rung)``."""
    return tuple(-(-draws // factor**rung) for rung in range(rungs))


def ranked(validation: Mapping[int, float | None]) -> tuple[int, ...]:
    """Return the draws that have a validation metric, best first, then first drawn first.

    Args:
        validation: final validation metric by draw; None where it diverged or has none.
    """
    scored = sorted((-value, draw) for draw, value in validation.items() if value is not None)
    return tuple(draw for _, draw in scored)


def promoted(validation: Mapping[int, float | None], places: int) -> tuple[int, ...]:
    """Return the draws of a rung that go on to the next, which has `places` of them.

    Where fewer have a validation metric, others fill up in the order of draws, so that every arm spends the same.
    """
    best = ranked(validation)
    return (best + tuple(sorted(set(validation) - set(best))))[:places]
