"""Follow the comparisons of a study whose seeds were added until its cells were decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from analysis.rules import Place, Rules
from analysis.samples import Sample
from analysis.statistics.arrays import FloatArray
from analysis.statistics.sequential import ConfidenceSequence, confidence_sequence, settled_after
from analysis.stopping import StoppingRule


@dataclass(frozen=True, kw_only=True)
class Sequence:
    """One comparison, block by block.

    Attributes:
        differences: Arm minus control on the same seed, shape ``(num_blocks,)``: the seeds from the first on that both
            have, up to the first that either lacks. All complete blocks count, those after the decision too: the
            intervals hold together, so that these can only narrow them.
        running: Intervals and p after each block.
        state: What is shown after the last block.
        settled_after: Blocks after which the comparison was first settled; None if it is not.
    """

    differences: FloatArray
    running: ConfidenceSequence
    state: str
    settled_after: int | None

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return int(self.differences.size)


def stopping_rule(rules: Rules) -> StoppingRule:
    """Return the rule by which the protocol added seeds."""
    return StoppingRule(
        seeds=rules.confirm.seeds,
        max_seeds=rules.confirm.most_seeds,
        margin=rules.equivalence_margin,
        alpha=rules.alpha,
        num_comparisons=rules.num_comparisons,
    )


def follow(rules: Rules, arm: Sample, control: Sample) -> Sequence:
    """Return the sequence of one comparison."""
    differences = _differences(arm, control)
    alpha = stopping_rule(rules).alpha_each
    running = confidence_sequence(differences, alpha)
    states = running.states(rules.equivalence_margin)
    settled = int(settled_after(differences, rules.equivalence_margin, alpha)) if differences.size else 0
    return Sequence(
        differences=differences,
        running=running,
        state=str(states[-1]) if states.size else "undecided",
        settled_after=settled or None,
    )


def follow_all(rules: Rules, samples: Mapping[Place, Sample]) -> Mapping[Place, Sequence]:
    """Return the sequence of every comparison; none where the numbers of seeds were planned."""
    if not rules.confirm.is_sequential:
        return {}
    return {
        place: follow(rules, sample, samples[place._replace(arm=rules.control)])
        for place, sample in samples.items()
        if place.arm != rules.control
    }


def _differences(arm: Sample, control: Sample) -> FloatArray:
    of_arm, of_control = (dict(zip(s.seeds, s.values, strict=False)) for s in (arm, control))
    differences: list[float] = []
    while (block := len(differences)) in of_arm and block in of_control:
        differences.append(float(of_arm[block] - of_control[block]))
    return np.array(differences, dtype=np.float64)
