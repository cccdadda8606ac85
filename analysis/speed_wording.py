"""Say how many times as fast an arm is: in the headline and in the sections on speed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from analysis import wording
from analysis.tables.rows.speedups import SkepticRow, SpeedUpRow


def how_fast(alpha: float, row: SpeedUpRow | SkepticRow, than: str = "") -> str:
    """Say how many times as fast, with the interval or the bound: ``1.3 times as fast (95 % interval 1.1 to 1.5)``.

    Args:
        alpha: One minus the confidence of the interval.
        row: The ratio.
        than: What follows the word ``times``, such as `` as fast as piecewise``.
    """
    low, high, confidence = (
        wording.times(row.ci_low),
        wording.times(row.ci_high),
        wording.confidence(alpha),
    )
    if row.ratio is not None:
        interval = {
            "closed": f"{confidence} interval {low} to {high}",
            "open_above": f"{confidence} interval from {low}, open above",
            "open_below": f"{confidence} interval to {high}, open below",
            "open": "the budgets put no bound on it",
            "none": "without an interval",
        }[row.interval]
        return f"{wording.times(row.ratio)} times{than} ({interval})"
    if row.interval in {"open", "none"}:
        beyond = f"the estimate lies {row.beyond} every ratio that the budgets can show, without an interval"
        why = "the budgets put no bound on it" if row.interval == "open" else beyond
        return f"an unknown number of times{than} ({why})"
    return f"{f'more than {low}' if row.interval == 'open_above' else f'less than {high}'} times{than}"


def about_one(row: SpeedUpRow | SkepticRow) -> Literal["above", "below", "around", ""]:
    """Say on which side of 1 the interval of a ratio lies, or that it holds 1; nothing without an interval."""
    if row.interval in {"open", "none"}:
        return ""
    if row.ci_low is not None and row.ci_low > 1:
        return "above"
    return "below" if row.ci_high is not None and row.ci_high < 1 else "around"


def excludes(ratios: Sequence[float]) -> str:
    """Write ratios as a list: ``1, 2 and 8``."""
    texts = [wording.number(ratio) for ratio in ratios]
    return " and ".join([*([", ".join(texts[:-1])] if texts[:-1] else []), *texts[-1:]])
