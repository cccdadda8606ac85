"""Successive halving within one arm's search, at budgets of their own (Jamieson and Talwalkar, 2016, section 3).

Every rung is a complete training with the schedule stretched to that rung's budget. Nothing is stopped on the way: a
schedule that looks bad until its last third would lose to one that does not. Draws are compared with draws of the
same arm at the same budget only.
"""

from __future__ import annotations

from dataclasses import dataclass

from analysis.halving import rung_sizes
from models.workload import Budget
from sweeps.spec import Tuning


@dataclass(frozen=True, kw_only=True)
class Rung:
    """One step of a ladder of budgets.

    Args:
        number: from 0 for the shortest; None at the full budget.
        budget: length of its trainings.
        draws: how many draws of a search are trained at it.
    """

    number: int | None
    budget: Budget
    draws: int


def ladder(tuning: Tuning, budget: Budget) -> tuple[Rung, ...]:
    """Return the rungs of every search at `budget`, shortest first; one rung where nothing is halved.

    Rung k of r has ``budget // factor ** (r - 1 - k)`` and takes on the best ``ceil(draws / factor ** k)`` draws.
    """
    halving = tuning.halving
    if halving is None:
        return (Rung(number=None, budget=budget, draws=tuning.draws),)
    top = halving.rungs - 1
    return tuple(
        Rung(
            number=None if number == top else number,
            budget=Budget(unit=budget.unit, amount=budget.amount // halving.factor ** (top - number)),
            draws=draws,
        )
        for number, draws in enumerate(rung_sizes(tuning.draws, halving.factor, halving.rungs))
    )
