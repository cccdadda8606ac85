"""What to say of a study of which every trial diverged."""

from __future__ import annotations

import pandas as pd

from analysis.record import SETTING_PREFIX, StudyRecord

_PEAK_LR = f"{SETTING_PREFIX}peak_lr"
#: The proposal begins so far below the lowest rate that was tried, and ends at half of it.
_DECADES = 1000


def all_diverged(record: StudyRecord) -> str:
    """Say so where every trial of a study diverged, with lower learning rates to try; else nothing."""
    trials = record.trials
    if trials.empty or not trials["diverged"].all():
        return ""
    rates = pd.to_numeric(trials[_PEAK_LR], errors="coerce").dropna() if _PEAK_LR in trials else pd.Series(dtype=float)
    if rates.empty or rates.min() <= 0:
        tried, lower = "", "lower learning rates"
    else:
        lowest = float(rates.min())
        tried = f", also at the lowest peak_lr, {lowest:.2g}"
        lower = f"lower, such as search: {{peak_lr: {{log: [{lowest / _DECADES:.1g}, {lowest / 2:.1g}]}}}}"
    return (
        f"All {len(trials)} trials diverged{tried}: there is nothing to compare. Search {lower}, in a study of another "
        "name (study: ...). If all diverge there too, look at the data and the network."
    )
