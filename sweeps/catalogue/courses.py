"""The rates and momenta of one training, update by update."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from models.settings import resolve

POLICY_SCHEDULE = "one_cycle"
# Policies that look at the rate itself, and not at its ratio to the peak, have something to show at this one.
POLICY_PEAK_LR = 0.1


@dataclass(frozen=True, kw_only=True)
class Course:
    """What a schedule and a momentum policy do over one training.

    Attributes:
        rates: learning rate of every update, shape ``(total_steps,)``.
        momenta: momentum of every update, shape ``(total_steps,)``.
        peak_lr: rate that the schedule's factors are parts of, > 0.
    """

    rates: Sequence[float]
    momenta: Sequence[float]
    peak_lr: float

    @property
    def total_steps(self) -> int:
        """Length of the training in updates."""
        return len(self.rates)

    def csv(self) -> str:
        """Return the course as a table with a line per update; numbers read back exactly."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["step", "lr", "momentum"])
        writer.writerows(zip(range(self.total_steps), self.rates, self.momenta, strict=True))
        return text.getvalue()

    def json(self) -> str:
        """Return the course as one object with a list each of rates and momenta."""
        return json.dumps({"peak_lr": self.peak_lr, "lr": list(self.rates), "momentum": list(self.momenta)}) + "\n"


def course(schedule: str, momentum_policy: str, settings: Mapping[str, Any], total_steps: int) -> Course:
    """Work out the rates and momenta of a training as the training loop would.

    Args:
        schedule: key of ``schedules.SCHEDULES``.
        momentum_policy: key of ``schedules.MOMENTUM``.
        settings: values by name, as in an arm of a study; ``peak_lr`` is 1 where it is missing.
        total_steps: length of the training in updates, >= 1.

    Raises:
        ValueError: if a name is unknown or a value out of range; one line per offender.
    """
    resolved = resolve(schedule, momentum_policy, {"peak_lr": 1.0, **settings}, total_steps)
    pairs = [resolved.at(step) for step in range(total_steps)]
    return Course(
        rates=tuple(rate for rate, _ in pairs),
        momenta=tuple(momentum for _, momentum in pairs),
        peak_lr=resolved.peak_lr,
    )


def policy_course(policy: str, settings: Mapping[str, Any], total_steps: int = 1000) -> Course:
    """Return the run along which a momentum policy is shown."""
    return course(POLICY_SCHEDULE, policy, {"peak_lr": POLICY_PEAK_LR, **settings}, total_steps)
