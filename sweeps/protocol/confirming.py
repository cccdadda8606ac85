"""Decide whether a cell needs one more seed in every arm, where seeds are added until it is decided."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sweeps.protocol.values import Cell, Outcome, confirm_key, tuned_arms
from sweeps.spec import Study

#: Arm, search and winning draw of what a cell confirms.
Contender = tuple[str, int, int | None]


def wants_more_seeds(
    study: Study, cell: Cell, contenders: Iterable[Contender], blocks: int, outcomes: Mapping[str, Outcome]
) -> bool:
    """Tell whether a cell with `blocks` seeds in every arm is to get one more."""
    if study.confirm.until == "planned":
        return False
    # Brings scipy, which commands that only read a study file should not wait for.
    from analysis.stopping import StoppingRule, wants_another_block  # noqa: PLC0415

    rule = StoppingRule(
        seeds=study.confirm.seeds,
        max_seeds=study.confirm.max_seeds,
        margin=study.equivalence_margin,
        alpha=study.alpha,
        num_comparisons=study.num_comparisons,
    )
    others = [name for name in study.arms if name != study.control]
    tuned = [name for name in others if name in tuned_arms(study)]
    accuracies = _test_accuracies(cell, contenders, blocks, outcomes)
    return wants_another_block(accuracies, study.control, tuned or others, rule)


def _test_accuracies(
    cell: Cell, contenders: Iterable[Contender], blocks: int, outcomes: Mapping[str, Outcome]
) -> dict[str, list[float | None]]:
    """Return the final test metric per arm and block; over several winners their mean, None if one has none."""
    winners: dict[str, list[tuple[int, int | None]]] = {}
    for arm, search, winner in contenders:
        winners.setdefault(arm, []).append((search, winner))

    def mean_of(arm: str, index: int) -> float | None:
        keys = (confirm_key(cell, arm, search, winner, index) for search, winner in winners[arm])
        values = [outcomes[key].test for key in keys]
        known = [value for value in values if value is not None]
        return sum(known) / len(known) if len(known) == len(values) else None

    return {arm: [mean_of(arm, index) for index in range(blocks)] for arm in winners}
