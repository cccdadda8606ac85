"""Define the rows of the threats to validity: the control against itself, and seeds added until decided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class NullPairsRow:
    """The control of one cell against itself: its confirm seeds split in two and compared like two arms."""

    workload: str
    budget: int | float
    arm: str
    """The control."""
    n: int
    """Its confirm runs with a final accuracy."""
    splits: int
    """Splits that were compared; they overlap. 0 where there are too few seeds."""
    exhaustive: bool
    """Whether these are all splits."""
    false_positive_rate: float | None
    """Share of splits with an unadjusted p below alpha."""
    corrected_rate: float | None
    """Share of splits with p times the number of comparisons of the study below alpha."""
    equivalent_rate: float | None
    """Share of splits found equivalent: whether half as many seeds could show it."""
    smallest_p: float | None
    """Least unadjusted p of any split."""
    run_ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class SequenceRow:
    """One comparison of a study whose seeds were added until its cells were decided."""

    workload: str
    budget: int | float
    arm: str
    control: str
    blocks: int
    """Seeds that both arms have, from the first on; all of them count."""
    settled_after: int | None
    """Seeds after which the comparison was first settled; None if it is not."""
    state: Literal["better", "worse", "equivalent", "undecided", "contradictory"]
    """What the sequence shows, before any check withholds it."""
    difference: float | None
    """Mean of arm minus control on the same seed."""
    ci_low: float | None
    """Lower end of the confidence sequence at confidence 1 - alpha over all comparisons; None while it is open."""
    ci_high: float | None
    p: float | None
    """Anytime-valid p of no difference: 1 over the largest value of the e-process so far."""
    p_adjusted: float | None
    """The same times the number of comparisons, at most 1."""
    running_low: tuple[float | None, ...]
    """Lower end after each seed."""
    running_high: tuple[float | None, ...]
    run_ids: tuple[str, ...]
