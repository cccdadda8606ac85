"""Turn a tidy table, one row per run, into the table of trials of a record."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.record import CONFIRM, DIVERGED, FAILED, FINISHED, SETTING_PREFIX, TRIAL_COLUMNS, TUNE
from analysis.rules import WHOLE_RUN_UNIT, Cell, Rules
from analysis.tidy.columns import Columns, demand, match_columns, setting
from analysis.tidy.files import RawTable
from analysis.tidy.problems import TableError, did_you_mean
from analysis.tidy.rules import Shape

MAX_ARMS = 50
# Where no budget is recorded: "at 1 training".
WHOLE_RUN = 1


@dataclass(frozen=True, kw_only=True)
class TidyTrials:
    """The trials of a table.

    Attributes:
        frame: Columns of ``TRIAL_COLUMNS`` and one per setting, in the order of the table.
        seeds_known: Whether every confirm run has a seed of its own name.
        notes: What was taken for granted, by subject.
    """

    frame: pd.DataFrame
    seeds_known: bool
    notes: dict[str, str]


def tidy_trials(raw: RawTable, *, percent: bool) -> TidyTrials:
    """Check and type every row of a table.

    Raises:
        TableError: With everything that is wrong.
    """
    columns = match_columns(raw, TRIAL_COLUMNS, (SETTING_PREFIX,))
    demand(columns, "arm", "the contender that the run belongs to")
    frame = _typed(columns, raw, percent=percent)
    if "phase" not in columns or (frame["phase"] == CONFIRM).any():
        demand(columns, "test", "the final accuracy")
    _check_rows(columns, frame)
    confirmed = frame["phase"] == CONFIRM
    seeds_known = bool(("seed" in columns or "seed_index" in columns) and frame.loc[confirmed, "seed"].notna().all())
    frame["seed_index"] = _indices(frame, seeds_known=seeds_known, given=columns.counts("seed_index"))
    frame["draw"] = _draws(frame)
    if "arm" in columns and not columns.flawed(
        ("arm", "workload", "budget", "phase", "search", "seed", "seed_index", "draw")
    ):
        _check_repeats(columns, frame)
    _check_winners(columns, frame)
    if columns.problems:
        raise TableError(raw.source, columns.problems)
    notes = {"columns_not_used": ", ".join(columns.unused)} if columns.unused else {}
    if "budget" not in columns:
        notes["budget"] = "not recorded: all runs are taken as one budget"
    frame["trial_key"] = [_key(row) for row in frame.to_dict("records")]
    order = [*TRIAL_COLUMNS, *(column for column in frame.columns if column not in TRIAL_COLUMNS)]
    return TidyTrials(frame=frame[order].astype(TRIAL_COLUMNS), seeds_known=seeds_known, notes=notes)


def _typed(columns: Columns, raw: RawTable, *, percent: bool) -> pd.DataFrame:
    """Return the columns of trials, each cell by itself right or noted as an offence."""
    budgets = columns.numbers("budget") if "budget" in columns else np.full(len(raw.rows), float(WHOLE_RUN))
    columns.refuse("budget must be greater than 0", ~(budgets > 0), columns.cells("budget"))
    updates, total_updates = columns.counts("updates"), columns.counts("total_updates")
    units = columns.texts("budget_unit", "" if "budget" in columns else WHOLE_RUN_UNIT)
    if "total_updates" not in columns and set(units) == {"updates"}:
        total_updates = budgets
    diverged_at = columns.counts("diverged_at_update")
    ends = [text.casefold() for text in columns.texts("outcome")]
    strange = [end not in {"", FINISHED, DIVERGED, FAILED} for end in ends]
    columns.refuse(f"outcome must be {FINISHED}, {DIVERGED} or {FAILED}", strange, ends)
    diverged = columns.flags("diverged") if "diverged" in columns else ~np.isnan(diverged_at)
    frame = pd.DataFrame(
        {
            "run_id": columns.texts("run_id") if "run_id" in columns else [f"row {row}" for row in raw.rows],
            "workload": columns.texts("workload", raw.source.partition(".")[0] or "table"),
            "budget": np.array([int(b) if b.is_integer() else b for b in budgets.tolist()], dtype=object),
            "budget_unit": units,
            "arm": columns.texts("arm"),
            "phase": _phases(columns),
            "search": np.nan_to_num(columns.counts("search")),
            "draw": columns.counts("draw"),
            "rung": columns.counts("rung"),
            "winner": columns.counts("winner"),
            "seed": _labels(columns),
            "outcome": ends,
            "diverged": diverged | np.array([end == DIVERGED for end in ends]),
            "diverged_at_update": diverged_at,
            "validation": columns.fractions("validation", percent=percent),
            "test": columns.fractions("test", percent=percent),
            "train_loss": columns.numbers("train_loss"),
            "updates": updates,
            "total_updates": total_updates,
            "train_seconds": columns.numbers("train_seconds"),
            "attempts": columns.counts("attempts"),
            "hardware": [text or None for text in columns.texts("hardware")],
            "data": [text or None for text in columns.texts("data")],
            "launch": [text or None for text in columns.texts("launch")],
        }
    )
    for column, name in columns.prefixed.items():
        frame[f"{SETTING_PREFIX}{name}"] = pd.Series([setting(cell) for cell in raw.frame[column]]).infer_objects()
    return frame


def _check_winners(columns: Columns, frame: pd.DataFrame) -> None:
    """Note confirm runs of a draw that their search does not have, where it is recorded."""
    place = ["workload", "budget", "arm", "search"]
    draws = set(frame.loc[frame["phase"] == TUNE, [*place, "draw"]].itertuples(index=False, name=None))
    searches = {key[:-1] for key in draws}
    named = [*frame[[*place, "winner"]].itertuples(index=False, name=None)]
    unknown = [
        phase == CONFIRM and not pd.isna(key[-1]) and key[:-1] in searches and key not in draws
        for key, phase in zip(named, frame["phase"], strict=True)
    ]
    remedy = "Draws are counted from 0 where no column says how."
    columns.refuse("winner must be a draw of its search", unknown, columns.cells("winner"), remedy)


def _phases(columns: Columns) -> list[str]:
    phases = [text.casefold() for text in columns.texts("phase", CONFIRM)]
    strange = [phase not in {TUNE, CONFIRM} for phase in phases]
    hint = did_you_mean(next((p for p in phases if p not in {TUNE, CONFIRM}), ""), (TUNE, CONFIRM), cutoff=0.5)
    columns.refuse(f"phase must be {TUNE} or {CONFIRM}", strange, phases, hint.strip())
    return phases


def _labels(columns: Columns) -> Sequence[object]:
    """Return the seeds, as whole numbers where all of them are; any other name will do too."""
    name = "seed" if "seed" in columns else "seed_index"
    cells = columns.cells(name)
    values = pd.to_numeric(cells, errors="coerce")
    present = cells.notna()
    if (values[present] == np.floor(values[present])).all() and (values[present].abs() < 2**53).all():
        return [int(value) if there else None for value, there in zip(values, present, strict=True)]
    return [str(cell).strip() if there else None for cell, there in zip(cells, present, strict=True)]


def _check_rows(columns: Columns, frame: pd.DataFrame) -> None:
    """Note what is wrong with rows as a whole."""
    columns.refuse("arm must be a name", (frame["arm"] == "") & ("arm" in columns), frame["arm"])
    kinds = frame["arm"].nunique()
    if kinds > MAX_ARMS:
        columns.problems.append(
            f"arm must have at most {MAX_ARMS} different values; got {kinds}. It names the contender, not the run."
        )
    ended = ~frame["diverged"] & (frame["outcome"] != FAILED)
    remedy = "A run that diverged says so in a column diverged (true); a run that is missing has no row."
    for name, phase in (("test", CONFIRM), ("validation", TUNE)):
        without = ended & columns.missing(name) & (frame["phase"] == phase)
        condition = f"{name} must be there for every {phase} run that did not diverge"
        columns.refuse(condition, without & (name in columns), columns.cells(name), remedy)
        if without.any() and name not in columns and name == "validation":
            demand(columns, name, f"by which the {TUNE} runs were compared")
    if "run_id" in columns:
        columns.refuse("run_id must be different in every row", frame["run_id"].duplicated(keep=False), frame["run_id"])
    if "seed" in columns:
        seedless = frame["seed"].isna() & (frame["phase"] == CONFIRM)
        columns.refuse("seed must be there for every confirm run, or for none", seedless, columns.cells("seed"))
    units = set(frame["budget_unit"])
    if len(units) > 1:
        columns.problems.append(f"budget_unit must be the same in every row; got {', '.join(sorted(units))}.")


def _indices(frame: pd.DataFrame, *, seeds_known: bool, given: np.ndarray[Any, Any]) -> list[float]:
    """Return the index of the seed of each confirm run: one number per seed of a cell, or else a count per arm."""
    if seeds_known and not np.isnan(given[(frame["phase"] == CONFIRM).to_numpy()]).any():
        return [float(index) for index in given]
    numbers: defaultdict[Hashable, dict[object, int]] = defaultdict(dict)
    indices = []
    for row, place in enumerate(zip(frame["workload"], frame["budget"], frame["arm"], frame["search"], strict=True)):
        if frame["phase"].iloc[row] != CONFIRM:
            indices.append(float("nan"))
            continue
        seeds = numbers[place[:2] if seeds_known else place]
        label = frame["seed"].iloc[row] if seeds_known else row
        indices.append(float(seeds.setdefault(label, len(seeds))))
    return indices


def _draws(frame: pd.DataFrame) -> pd.Series[Any]:
    """Return the draw of each tune run; counted within its search where the table does not say."""
    tuned = frame["phase"] == TUNE
    counted = frame.groupby(["workload", "budget", "arm", "phase", "search", "rung"], dropna=False).cumcount()
    known = frame["draw"] if not frame.loc[tuned, "draw"].isna().any() else counted
    return known.where(tuned)


def _check_repeats(columns: Columns, frame: pd.DataFrame) -> None:
    """Note runs that stand twice."""
    for phase, index, name, of in ((CONFIRM, "seed_index", "seed", "winner"), (TUNE, "draw", "draw", "rung")):
        own = (frame["phase"] == phase).to_numpy()
        keys = ["arm", "workload", "budget", "search", index, of]
        twice = np.zeros(len(frame), dtype=bool)
        twice[own] = frame.loc[own, keys].duplicated(keep=False).to_numpy()
        shown = [f"{arm} {name} {value}" for arm, value in zip(frame["arm"], frame[name], strict=True)]
        columns.refuse(
            f"every {phase} run must differ in arm, workload, budget, search or {name}",
            twice,
            shown,
            "Remove the copy, or tell searches apart by a column search.",
        )


def _key(row: dict[Hashable, Any]) -> str:
    cell = f"{row['workload']}/{row['budget_unit'] or 'budget'}-{row['budget']}"
    if row["phase"] == CONFIRM:
        index = f"{_part('draw', row['winner'])}seed-{row['seed_index']:.0f}"
    else:
        index = f"{_part('rung', row['rung'])}draw-{row['draw']:.0f}"
    return f"{cell}/{row['arm']}/{row['phase']}/search-{row['search']:.0f}/{index}"


def _part(name: str, number: float) -> str:
    return "" if np.isnan(number) else f"{name}-{number:.0f}/"


def in_order(frame: pd.DataFrame, rules: Rules) -> pd.DataFrame:
    """Return the trials by workload, budget, arm, phase and index as the rules order them."""
    arms = {name: position for position, name in enumerate(rules.ordered_arms)}
    workloads = {workload.name: position for position, workload in enumerate(rules.workloads)}
    keys = pd.DataFrame(
        {
            "workload": frame["workload"].map(workloads),
            "budget": frame["budget"].astype(float),
            "arm": frame["arm"].map(arms),
            "phase": (frame["phase"] == CONFIRM).astype(int),
            "search": frame["search"].astype(float),
            "index": frame["seed_index"].where(frame["phase"] == CONFIRM, frame["draw"]).astype(float),
        }
    )
    order = keys.sort_values(list(keys.columns), kind="stable").index
    return frame.loc[order].reset_index(drop=True)


def shape_of(frame: pd.DataFrame, source: str) -> Shape:
    """Return what the trials show of the design of their study."""
    confirmed, tuned = frame[frame["phase"] == CONFIRM], frame[frame["phase"] == TUNE]
    search = ["workload", "budget", "arm", "search"]
    units = set(frame["budget_unit"]) - {""}
    return Shape(
        source=source,
        arms=tuple(dict.fromkeys(frame["arm"])),
        cells=tuple(dict.fromkeys(Cell(*cell) for cell in zip(frame["workload"], frame["budget"], strict=True))),
        unit=units.pop() if units else "",
        draws=_most(tuned, [*search, "rung"], default=0),
        searches=int(frame["search"].max()) + 1,
        seeds=_most(confirmed, [*search, "winner"], default=1),
    )


def _most(frame: pd.DataFrame, names: list[str], default: int) -> int:
    """Return how many runs the largest group has."""
    return int(frame.groupby(names, dropna=False).size().max()) if len(frame) else default


def outcomes(frame: pd.DataFrame) -> list[str]:
    """Return how each run ended."""
    return [DIVERGED if diverged else FINISHED for diverged in frame["diverged"]]
