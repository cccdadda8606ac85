"""Straight lines through given points: any shape that is drawn with a ruler."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from schedules import phases
from schedules.checks import Number, Rule, Several, complaint, fields_only, settle
from schedules.protocol import SearchSpace, search_space

_RULES: Mapping[str, Rule] = {
    "total_steps": phases.TOTAL_STEPS,
    "knot_fracs": Several(
        Number(0, 1),
        "increasing fractions in [0, 1]",
        increasing=True,
        remedy="List the parts of the run at which the knots are, such as [0, 0.2, 1].",
    ),
    "knot_factors": Several(
        Number(0, 1),
        "factors in [0, 1]",
        remedy="List the factors at the knots, such as [0.2, 1, 0].",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Knots:
    """Move on straight lines from knot to knot.

    A knot at fraction ``f`` falls on step ``floor(f * total_steps + 0.5)``, so that one at 1 is one past the last
    update; a knot of factor 1 that falls there is moved onto the last update. Before the first knot and after the
    last the factor stays. Where knots fall together, the highest counts; on the last update the last one, if none
    there is 1.

    Args:
        total_steps: length of the run in updates, >= 1.
        knot_fracs: parts of the run at which the knots are, in [0, 1], increasing.
        knot_factors: factors at the knots, in [0, 1], as many; the largest must be 1.

    Raises:
        ValueError: if a field breaks its range; the message lists every offender.

    Reference:
        ``triangle`` of ``airbench94.py`` in Jordan's ``KellerJordan/cifar10-airbench``, whose knots are the defaults:
        0.2 of the peak rate, the peak at 23 % of the run, 0.07 at its end. ``PiecewiseLinear`` of Page's
        ``davidcpage/cifar10-fast`` is ``knot_fracs=(0, 5 / 24, 1), knot_factors=(0, 1, 0)``.
    """

    total_steps: int
    knot_fracs: tuple[float, ...] = (0.0, 0.23, 1.0)
    knot_factors: tuple[float, ...] = (0.2, 1.0, 0.07)

    default_search: ClassVar[SearchSpace] = search_space(
        knot_fracs={"choice": [[0, 0.1, 1], [0, 0.23, 1], [0, 0.4, 1]]},
        knot_factors={"choice": [[0.2, 1, 0], [0.2, 1, 0.07]]},
    )

    __getstate__ = fields_only

    def __post_init__(self) -> None:
        settle(self, _RULES)
        if len(self.knot_factors) != len(self.knot_fracs):
            condition = f"as many as knot_fracs ({len(self.knot_fracs)})"
            raise ValueError(complaint("knot_factors", condition, self.knot_factors, "Give one factor for each knot."))
        if max(self.knot_factors) != 1.0:
            remedy = "Divide all of them by the largest: the rate there is peak_lr."
            raise ValueError(complaint("knot_factors", "factors of which the largest is 1", self.knot_factors, remedy))

    @cached_property
    def _path(self) -> phases.Path:
        steps = (phases.steps_of(frac, self.total_steps) for frac in self.knot_fracs)
        points = [(0, self.knot_factors[0]), *zip(steps, self.knot_factors, strict=True)]
        return phases.path_through(points, self.total_steps)

    def __call__(self, step: int) -> float:
        """Return the factor for ``step`` in ``[0, total_steps)``; raise ``IndexError`` outside."""
        return self._path(phases.checked_step(step, self.total_steps))
