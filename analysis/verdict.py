"""Decide the verdict of a comparison. This is the one place where the rules stand.

1. Withheld. If a confirm run of either arm diverged or is missing, or a check failed for either of them, the
   verdict is *undecided* whatever the numbers say, and the reason is given.
2. Equivalent. If the ``1 - 2 alpha`` Welch interval of the difference lies inside the equivalence margin (two
   one-sided tests at alpha), the verdict is *equivalent*: also when the difference is significant, since it
   is then too small to matter. Such cases are marked.
3. Better, worse. If the Holm-adjusted permutation p is below alpha, the sign of the difference decides.
4. Undecided otherwise: neither a difference nor its absence has been shown.

Where seeds were added until a cell was decided (:func:`decide_sequentially`), rule 2 asks that the confidence
sequence lie inside the margin and rule 3 that it exclude zero, at alpha over the number of comparisons of the study.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

VerdictWord = Literal["better", "worse", "equivalent", "undecided"]


@dataclass(frozen=True, kw_only=True)
class Decision:
    """A verdict, and why where it is not plain from the numbers."""

    verdict: VerdictWord
    reason: str = ""
    withheld: bool = False
    significant_below_margin: bool = False


def decide(
    *,
    difference: float | None,
    p_adjusted: float | None,
    equivalent: bool,
    alpha: float,
    withheld: Sequence[str] = (),
) -> Decision:
    """Apply the rules of this module to one comparison.

    Args:
        difference: Mean of the arm minus mean of the control, or None.
        p_adjusted: Holm-adjusted p, or None where there are too few seeds to test.
        equivalent: Whether two one-sided tests place the difference inside the margin.
        alpha: Error rate over the comparisons of the study.
        withheld: Why no verdict may be given; empty for a clean comparison.
    """
    if withheld:
        return Decision(verdict="undecided", reason="; ".join(withheld), withheld=True)
    if difference is None or p_adjusted is None:
        return Decision(verdict="undecided", reason="at least two seeds per arm are needed", withheld=True)
    significant = p_adjusted < alpha
    if equivalent:
        reason = "the difference is significant but too small to matter" if significant else ""
        return Decision(verdict="equivalent", reason=reason, significant_below_margin=significant)
    if significant:
        return Decision(verdict="better" if difference > 0 else "worse")
    return Decision(verdict="undecided", reason="neither a difference nor equivalence is shown with these seeds")


def decide_sequentially(*, state: str, significant: bool, blocks: int, withheld: Sequence[str] = ()) -> Decision:
    """Apply the rules of this module to a comparison whose seeds were added until its cell was decided.

    Args:
        state: What the confidence sequence shows, a ``statistics.sequential.SequenceState``.
        significant: Whether the anytime-valid p is below alpha after correction.
        blocks: Seeds that the sequence rests on.
        withheld: Why no verdict may be given; empty for a clean comparison.
    """
    if withheld:
        return Decision(verdict="undecided", reason="; ".join(withheld), withheld=True)
    if blocks < 2:
        return Decision(verdict="undecided", reason="at least two seeds per arm are needed", withheld=True)
    if state == "equivalent":
        reason = "the difference is significant but too small to matter" if significant else ""
        return Decision(verdict="equivalent", reason=reason, significant_below_margin=significant)
    if state in {"better", "worse"}:
        return Decision(verdict="better" if state == "better" else "worse")
    if state == "contradictory":
        reason = "the intervals after each seed contradict each other"
        return Decision(verdict="undecided", reason=reason, withheld=True)
    return Decision(verdict="undecided", reason=f"neither a difference nor equivalence is shown after {blocks} seeds")
