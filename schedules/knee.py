"""Explore at the peak rate, then exploit on a straight line to 0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from schedules import phases
from schedules.checks import Number, Rule, fields_only, settle
from schedules.protocol import SearchSpace, search_space

_RULES: Mapping[str, Rule] = {
    "total_steps": phases.TOTAL_STEPS,
    "explore_frac": Number(0, 1, remedy="Give the part of the run at the peak rate, such as 0.5."),
}


@dataclass(frozen=True, kw_only=True)
class Knee:
    """Hold the peak rate for the explore phase, then decay it linearly to 0.

    With ``explore = floor(explore_frac * total_steps + 0.5)``: 1 up to step ``explore``, then
    ``1 - (step - explore) / (total_steps - explore)``. The end would be reached at step ``total_steps``, one
    past the last, so no update is spent at rate 0. It is ``warmup_stable_decay`` with a linear cooldown, said
    from the other end and with the default of its authors.

    Args:
        total_steps: length of the run in updates, >= 1.
        explore_frac: part of the run at the peak rate, in [0, 1]; 0 is a straight line down.

    Raises:
        ValueError: if a field breaks its range; the message lists every offender.

    Reference:
        Iyer et al., "Wide-minima Density Hypothesis and the Explore-Exploit Learning Rate Schedule" (2020,
        arXiv 2003.03977), as ``KneeLRScheduler`` in ``knee_lr_schedule.py`` of the authors'
        ``nikhil-iyer-97/wide-minima-density-hypothesis``; that rounds phases down, and divides by zero without
        a warm-up. Its README finds that half of the run is good enough for exploring.
    """

    total_steps: int
    explore_frac: float = 0.5

    default_search: ClassVar[SearchSpace] = search_space(explore_frac={"float": [0.1, 0.9]})

    __getstate__ = fields_only

    def __post_init__(self) -> None:
        settle(self, _RULES)

    def __call__(self, step: int) -> float:
        """Return the factor for ``step`` in ``[0, total_steps)``; raise ``IndexError`` outside."""
        step = phases.checked_step(step, self.total_steps)
        return self._path(step)

    @cached_property
    def _path(self) -> phases.Path:
        explore = phases.steps_of(self.explore_frac, self.total_steps)
        return phases.path_through([(0, 1.0), (explore, 1.0), (self.total_steps, 0.0)], self.total_steps)
