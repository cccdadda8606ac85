"""Decide whether a cell needs another block of confirm seeds; a pure function of the accuracies so far.

A block is one seed in every arm and search of a cell. The protocol runs the planned blocks and then asks after each
further one, so that the answer is the same whenever and however often it is asked.

* The differences arm minus control, block by block, enter a confidence sequence at ``alpha`` over the number of
  comparisons of the study (Bonferroni): all of its statements hold together with probability ``1 - alpha``, wherever
  each cell stops.
* A comparison is settled when its interval excludes zero or lies inside the equivalence margin. It stays so.
* Only tuned arms are waited for, or all arms where none but the control is tuned: arms as published are run in every
  block and judged by the same sequence, but a study is not prolonged for them.
* An arm with a run that diverged is no longer waited for: its verdict is withheld. Without the control nothing is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.statistics.arrays import FloatArray
from analysis.statistics.sequential import confidence_sequence


@dataclass(frozen=True, kw_only=True)
class StoppingRule:
    """What was fixed about stopping before the first trial.

    Attributes:
        seeds: Blocks that are run in any case.
        max_seeds: Blocks after which a cell ends undecided.
        margin: Largest difference that does not matter.
        alpha: Error rate over all comparisons of the study, in (0, 1).
        num_comparisons: Comparisons of the study: arms other than the control, times cells.
    """

    seeds: int
    max_seeds: int
    margin: float
    alpha: float
    num_comparisons: int

    @property
    def alpha_each(self) -> float:
        """Error rate of one comparison."""
        return self.alpha / max(self.num_comparisons, 1)


def wants_another_block(
    accuracies: Mapping[str, Sequence[float | None]], control: str, waited_for: Sequence[str], rule: StoppingRule
) -> bool:
    """Say whether a cell whose blocks so far are complete needs one more.

    Args:
        accuracies: Final test accuracies by arm, one per block in the order of seeds, winners of several searches
            averaged; None for a run without one, such as a diverged run. All of one length.
        control: Name of the control.
        waited_for: Arms whose comparisons must be settled.
        rule: As fixed beforehand.
    """
    blocks = max(map(len, accuracies.values()), default=0)
    if blocks < rule.seeds:
        return True
    if blocks >= rule.max_seeds:
        return False
    pairs = [(accuracies.get(arm, ()), accuracies.get(control, ())) for arm in waited_for if arm != control]
    differences = [differences_before_divergence(arm, base) for arm, base in pairs]
    return any(values.size == blocks and not is_settled(values, rule) for values in differences)


def is_settled(differences: FloatArray, rule: StoppingRule) -> bool:
    """Say whether the differences of one comparison settle it, one way or another."""
    if differences.size < 2:
        return False
    states = confidence_sequence(differences, rule.alpha_each).states(rule.margin)
    return bool(states[-1] != "undecided")


def differences_before_divergence(arm: Sequence[float | None], control: Sequence[float | None]) -> FloatArray:
    """Return arm minus control block by block, up to the first block in which either has no value."""
    pairs = np.array([(a, c) for a, c in zip(arm, control, strict=False)], dtype=np.float64).reshape(-1, 2)
    differences = pairs[:, 0] - pairs[:, 1]
    gaps = np.flatnonzero(~np.isfinite(differences))
    return np.asarray(differences[: gaps[0]] if gaps.size else differences)
