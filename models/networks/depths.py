"""Depths that a family of networks comes in."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral


@dataclass(frozen=True)
class Depth:
    """A depth of ``layers_per_block * n + others`` layers for a whole n >= 1; settled as n.

    Args:
        layers_per_block: layers that each of n equal steps adds.
        others: layers that are always there.
        examples: depths that are in use, for the message.
    """

    layers_per_block: int
    others: int
    examples: tuple[int, ...]
    remedy: str = ""

    @property
    def condition(self) -> str:
        """Say the formula and depths in use."""
        listed = ", ".join(map(str, self.examples))
        return f"{self.layers_per_block} n + {self.others} for a whole number n >= 1, such as {listed}"

    def read(self, value: object) -> int:
        """Return n."""
        if isinstance(value, bool) or not isinstance(value, Integral):
            raise ValueError(self.condition)  # noqa: TRY004 (one kind of error for every offender)
        steps, rest = divmod(int(value) - self.others, self.layers_per_block)
        if rest or steps < 1:
            raise ValueError(self.condition)
        return steps


@dataclass(frozen=True)
class ListedDepth:
    """One of the depths that have been published."""

    depths: tuple[int, ...]
    remedy: str = ""

    @property
    def condition(self) -> str:
        """List the depths."""
        return f"one of {', '.join(map(str, self.depths))}"

    def read(self, value: object) -> int:
        """Return the depth."""
        if isinstance(value, bool) or not isinstance(value, Integral) or value not in self.depths:
            raise ValueError(self.condition)
        return int(value)
