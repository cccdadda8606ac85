"""Tell which trials a study that was extended has left without effect."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from analysis.halving import promoted
from analysis.rules import Rules

_SEARCH = ["workload", "budget", "arm", "search"]


def superseded_keys(draws: pd.DataFrame, confirmed: pd.DataFrame, rules: Rules) -> frozenset[str]:
    """Return the keys of the trials that count no longer.

    These are confirm runs of a former winner, once a draw that was added later has outdone it, and trainings of draws
    that were pushed off a rung of successive halving. Where a table does not say whose winner a run confirms, or on
    which rung a draw is, everything counts. Of draws that are equally good the one that was confirmed is the winner,
    of several the first.

    Args:
        draws: tuning trials that did not fail, each once, with the columns of ``TRIAL_COLUMNS``.
        confirmed: confirm runs, likewise.
        rules: the rules as they are now.
    """
    pushed_off = frozenset(_pushed_off(draws, rules))
    of_winners = confirmed[confirmed["winner"].notna()]
    if of_winners.empty:
        return pushed_off
    candidates = draws[draws["rung"].isna() & ~draws["diverged"] & draws["validation"].notna()]
    candidates = candidates[~candidates["trial_key"].isin(pushed_off)]
    best = candidates[candidates["validation"] == candidates.groupby(_SEARCH)["validation"].transform("max")]
    best = best.merge(of_winners[[*_SEARCH, "winner"]].drop_duplicates(), how="left", indicator="confirmed",
                      left_on=[*_SEARCH, "draw"], right_on=[*_SEARCH, "winner"])  # fmt: skip
    best = best.sort_values(["confirmed", "draw"], ascending=[False, True]).drop_duplicates(_SEARCH)
    holders = best[[*_SEARCH, "draw"]].rename(columns={"draw": "holder"})
    known = of_winners[[*_SEARCH, "trial_key", "winner"]].merge(holders, on=_SEARCH)
    return pushed_off | frozenset(known.loc[known["winner"] != known["holder"], "trial_key"])


def _pushed_off(draws: pd.DataFrame, rules: Rules) -> Iterator[str]:
    """Yield the keys of the trainings of draws that have no place on their rung."""
    if rules.tuning.halving is not None:
        for _, search in draws.groupby(_SEARCH, sort=False, dropna=False):
            yield from _without_place(search, rules.tuning.rung_draws)


def _without_place(search: pd.DataFrame, places: tuple[int, ...]) -> Iterator[str]:
    """Yield the keys of the trainings of one search whose draws were not promoted so far, from the lowest rung up."""
    rungs = search["rung"].fillna(len(places) - 1).to_numpy(np.int64)
    validation = search["validation"].where(~search["diverged"])
    known = [None if pd.isna(value) else float(value) for value in validation]
    trials = list(zip(rungs.tolist(), search["draw"].tolist(), known, search["trial_key"], strict=True))
    entrants = set(search["draw"])
    for rung, going_on in enumerate((*places[1:], 0)):
        ended: dict[int, float | None] = {}
        for own, draw, value, key in trials:
            if own == rung and draw in entrants:
                ended[draw] = value
            elif own == rung:
                yield key
        entrants = set(promoted(ended, going_on))
