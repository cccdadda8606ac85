"""What is killed when in a round, drawn from its seed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

StrikeKind = Literal["kill driver", "stop driver", "kill worker", "kill node", "kill server"]
_KINDS: dict[StrikeKind, int] = {
    "kill driver": 3, "stop driver": 2, "kill worker": 4, "kill node": 2, "kill server": 2,
}  # fmt: skip
#: How long a server that was killed stays away.
_LONGEST_ABSENCE_SECONDS = 4.0
#: The part of a launch that is its start, until its first trial has ended.
_START = 0.25
#: Trials take some tenths of a second: a strike falls anywhere in them.
_LONGEST_DELAY_SECONDS = 0.4


@dataclass(frozen=True, order=True, kw_only=True)
class Moment:
    """A moment in a launch.

    Args:
        trials: number of trials that have ended in it.
        delay_seconds: time since then; since the start of the launch if it is none.
    """

    trials: int
    delay_seconds: float


@dataclass(frozen=True, kw_only=True)
class Strike:
    """One thing that is killed.

    Args:
        kind: what; a driver is the process of a launch, killed with SIGKILL or stopped with SIGTERM.
        at: when, from the start of the launch (0) to its end (1), see `Moment`.
        pick: which, where there are several, in [0, 1).
        away_seconds: for how long the server stays away.
    """

    kind: StrikeKind
    at: float
    pick: float
    away_seconds: float

    def moment(self, left: int, start_seconds: float) -> Moment:
        """Return the moment of the strike in a launch.

        Machines are fast and slow, alone and busy: after the start, trials are the clock.

        Args:
            left: trials that the launch has to run.
            start_seconds: how long it takes until the first of them has ended.
        """
        if self.at < _START:
            return Moment(trials=0, delay_seconds=self.at / _START * start_seconds)
        through = (self.at - _START) / (1 - _START) * left
        return Moment(trials=min(int(through) + 1, left), delay_seconds=through % 1 * _LONGEST_DELAY_SECONDS)

    def __str__(self) -> str:
        return f"{self.kind} at {self.at:.2f}"


def strikes_of(seed: int) -> tuple[tuple[Strike, ...], ...]:
    """Return the strikes of a round, for one to three launches."""
    numbers = random.Random(f"chaos {seed}")
    return tuple(_strikes_of_a_launch(numbers) for _ in range(numbers.choice((1, 1, 2, 3))))


def _strikes_of_a_launch(numbers: random.Random) -> tuple[Strike, ...]:
    kinds = numbers.choices(list(_KINDS), weights=list(_KINDS.values()), k=numbers.choice((1, 2, 2, 3)))
    strikes = [
        Strike(
            kind=kind,
            at=numbers.uniform(0.01, 1.0),
            pick=numbers.random(),
            away_seconds=numbers.uniform(0.2, _LONGEST_ABSENCE_SECONDS),
        )
        for kind in kinds
    ]
    return tuple(sorted(strikes, key=lambda strike: strike.at))
