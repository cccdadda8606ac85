"""Whether any arm can be found better or worse with the seeds and comparisons of a study; said before and after it."""

from __future__ import annotations

from analysis.statistics import minimum_attainable_p
from analysis.statistics.power import fewest_seeds_to_reject
from analysis.statistics.sequential import fewest_blocks


def too_few_seeds(seeds: int, comparisons: int, alpha: float, *, sequential: bool, least_p: float | None = None) -> str:
    """Say so where no difference, however large, could be significant; else nothing.

    Planned seeds: the least p of the permutation test, ``2 / C(2n, n)``, must be below ``alpha / comparisons``, where
    Holm's procedure starts. Seeds until decided: n must reach the first block at which the sequence excludes anything.

    Args:
        seeds: fresh seeds per arm, at most.
        comparisons: all comparisons of the study.
        alpha: error rate over all of them, in (0, 1).
        sequential: seeds are added until a cell is decided.
        least_p: the least p that the seeds at hand allow, where there are results; by default that of `seeds`.
    """
    if not comparisons:
        return ""
    strictest = alpha / comparisons
    if sequential:
        needed = fewest_blocks(strictest)
        possible = seeds >= needed
    else:
        needed = fewest_seeds_to_reject(strictest)
        possible = (minimum_attainable_p(seeds, seeds) if least_p is None else least_p) < strictest
    if possible:
        return ""
    corrected = f" after the correction for {comparisons} comparisons" if comparisons > 1 else ""
    fewer = ", or fewer comparisons" if comparisons > 1 else ""
    return (
        f"With {seeds} {'seed' if seeds == 1 else 'seeds'} per arm no arm can be found better or worse{corrected}, "
        f"however large the difference: that takes at least {needed} seeds per arm{fewer}."
    )
