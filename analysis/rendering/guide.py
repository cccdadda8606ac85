"""Explain to the reader what the verdict means."""

from __future__ import annotations

from analysis import wording
from analysis.record import CURVES, RULES, TUNING
from analysis.tables.contents import Design


def reading_guide(design: Design) -> tuple[str, ...]:
    """Return one remark per line on how the numbers came about and what they do not say."""
    confidence, alpha = wording.confidence(design.alpha), wording.number(design.alpha)
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
            f"{_margin(design)}. This holds for significant differences too: they are too small to matter.",
        )
    return (
        *_protocol_lines(design),
        *interval_lines,
        f"better, worse: not equivalent, and the adjusted p is below {alpha}.",
        "undecided: neither has been shown. This is not evidence of equality; more seeds may decide.",
        "A verdict is withheld (undecided, with the reason) where a confirm run diverged or is missing, "
        "where tuning budgets differ, or where any other check fails.",
        *_target_lines(design),
    )


def _protocol_lines(design: Design) -> tuple[str, ...]:
    """Say how the runs came about, as far as that is recorded."""
    accuracy = "Accuracy means test accuracy after the last update, never the best along the way."
    if TUNING not in design.recorded or RULES not in design.recorded:
        return (
            "The runs come from a table. How the arms were tuned, on what their settings were chosen and when the "
            "rules were fixed is known only as far as the checks say. Accuracy should be test accuracy after the last "
            "update: the best along the way is chosen on what it is measured on.",
        )
    return (
        "Every tuned arm had the same number of draws in every cell. Winners were chosen on validation "
        f"accuracy alone and re-run on {wording.confirm_seeds(design.confirm_seeds, design.max_seeds)}. The test "
        f"split is read only there. {accuracy}",
    )


def _target_lines(design: Design) -> tuple[str, ...]:
    if CURVES not in design.recorded or not design.targets:
        return ()
    return (
        "Time to target is the first evaluation at or above the target. A run that never gets there is a "
        "miss and counts as later than any other in the median; a dash means that the median run missed. "
        "Sustained counts the runs that stayed there to the end.",
    )


def _margin(design: Design) -> str:
    fixed = "the margin fixed beforehand" if RULES in design.recorded else "the margin given with this report"
    return f"±{wording.margin(design.equivalence_margin)}, {fixed}"


def _sequential_lines(design: Design) -> tuple[str, ...]:
    confidence = wording.confidence(design.alpha)
    return (
        f"± and error bars are {confidence} Student t intervals of the mean over seeds, which do not allow for the "
        "looks on the way. They cover the seeds, not the search: another search might find other winners.",
        "Seeds were added until a cell was decided. So that looking after every seed does not inflate errors, "
        "differences on the same seed enter a t e-process: the interval of a difference is a confidence sequence, and "
        "p is valid wherever the sequence stops. Both are corrected for all comparisons of the study (Bonferroni), "
        "and both rest on near-normal differences.",
        f"equivalent: the confidence sequence of the difference lies within {_margin(design)}. "
        "This holds for significant differences too: they are too small to matter.",
    )
