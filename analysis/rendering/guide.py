"""Explain to the reader what the verdict means."""

from __future__ import annotations

from analysis import wording
from analysis.tables.contents import Design


def reading_guide(design: Design) -> tuple[str, ...]:
    """Return one remark per line on how the numbers came about and what they do not say."""
    confidence, alpha = wording.confidence(design.alpha), wording.number(design.alpha)
    margin = wording.number(100 * design.equivalence_margin, 4)
    if design.confirm_until == "decided":
        interval_lines = _sequential_lines(design)
    else:
        interval_lines = (
            f"± and error bars are {confidence} Student t intervals of the mean over seeds; differences have "
            "Welch intervals. They cover the seeds, not the search: another search might find other winners.",
            "p comes from permuting the Welch t statistic between the arm and the control, two-sided, and is "
            "adjusted by Holm's procedure over all comparisons of the study. Intervals are not adjusted: each "
            "holds for its own comparison, so one may exclude zero where the verdict is undecided.",
            f"equivalent: the {wording.confidence(2 * design.alpha)} interval of the difference lies within "
            f"±{margin} points, the margin fixed beforehand. This holds for significant differences too: they "
            "are too small to matter.",
        )
    return (
        "Every tuned arm had the same number of draws in every cell. Winners were chosen on validation "
        f"accuracy alone and re-run on {wording.confirm_seeds(design.confirm_seeds, design.max_seeds)}. The test "
        "split is read only there. Accuracy means test accuracy after the last update, never the best along the way.",
        *interval_lines,
        f"better, worse: not equivalent, and the adjusted p is below {alpha}.",
        "undecided: neither has been shown. This is not evidence of equality; more seeds may decide.",
        "A verdict is withheld (undecided, with the reason) where a confirm run diverged or is missing, "
        "where tuning budgets differ, or where any other check fails.",
        "Time to target is the first evaluation at or above the target. A run that never gets there is a "
        "miss and counts as later than any other in the median; a dash means that the median run missed. "
        "Sustained counts the runs that stayed there to the end.",
    )


def _sequential_lines(design: Design) -> tuple[str, ...]:
    confidence, margin = wording.confidence(design.alpha), wording.number(100 * design.equivalence_margin, 4)
    return (
        f"± and error bars are {confidence} Student t intervals of the mean over seeds, which do not allow for the "
        "looks on the way. They cover the seeds, not the search: another search might find other winners.",
        "Seeds were added until a cell was decided. So that looking after every seed does not inflate errors, "
        "differences on the same seed enter a t e-process: the interval of a difference is a confidence sequence, and "
        "p is valid wherever the sequence stops. Both are corrected for all comparisons of the study (Bonferroni), "
        "and both rest on near-normal differences.",
        f"equivalent: the confidence sequence of the difference lies within ±{margin} points, the margin fixed "
        "beforehand. This holds for significant differences too: they are too small to matter.",
    )
