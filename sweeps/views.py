"""Lay out the MLflow pages of a study: which trials they list, how they group them and which charts they draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from analysis import layout
from sweeps.mlflow_page import (
    PAGE_RUNS,
    Json,
    Section,
    SharedView,
    bar,
    columns,
    group_color,
    line,
    metric_axis,
    order_by,
    page_state,
    parallel,
    param_axis,
    scatter,
)

COMPARISON = "comparison"
SEARCH = "search"
# As in the figures of the report: the control in ink, the others in the colours of Okabe and Ito (2008).
_INK = "#1f272d"
_PALETTE = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")


@dataclass(frozen=True, kw_only=True)
class StudyOutline:
    """Hold what the views need to know of a study.

    Args:
        arms: Names of the arms.
        cells: Budget of each cell, as in the param ``layout.PARAM_BUDGET``, by the name of the cell, as in
            the tag ``layout.CELL``.
        search_params: Params that every arm searched over, such as ``("peak_lr", "weight_decay")``.
        confirm_trials_per_cell: Planned confirm trials of one cell, all arms together.
        tune_trials_per_cell: Planned tune trials of one cell, all arms together.
    """

    arms: Sequence[str]
    cells: Mapping[str, str]
    search_params: Sequence[str]
    confirm_trials_per_cell: int
    tune_trials_per_cell: int

    def __post_init__(self) -> None:
        """Refuse an outline that no view can show."""
        if not self.arms or not self.cells:
            raise ValueError(f"arms and cells must not be empty; got {self.arms!r} and {dict(self.cells)!r}.")


def study_views(outline: StudyOutline) -> tuple[SharedView, ...]:
    """Lay out the views of a study: the comparison and the search, then both again for each cell.

    A study of one cell has two views only, since its cell is the whole study.

    Args:
        outline: The study.

    Returns:
        The views, in the order in which to offer them; no two share a key.
    """
    if len(outline.cells) == 1:
        (cell,) = outline.cells
        return _cell_comparison_view(COMPARISON, outline, cell), _search_view(SEARCH, outline, [cell])
    views = [_study_comparison_view(outline), _search_view(SEARCH, outline, list(outline.cells))]
    for cell in outline.cells:
        views.append(_cell_comparison_view(_cell_key(COMPARISON, cell), outline, cell))
        views.append(_search_view(_cell_key(SEARCH, cell), outline, [cell]))
    return tuple(views)


def arm_colors(arms: Sequence[str], control: str) -> dict[str, str]:
    """Choose the colour of every arm, for the tag ``RUN_COLOR`` of its trials.

    Args:
        arms: Names of the arms, in the order of the study.
        control: Name of the control.

    Returns:
        Colour of each arm, such as ``"#D55E00"``.
    """
    return {arm: _INK if arm == control else _PALETTE[(place - 1) % len(_PALETTE)] for place, arm in enumerate(arms)}


def _cell_key(key: str, cell: str) -> str:
    return f"{key}.{cell.replace('/', '.')}"


def _study_comparison_view(outline: StudyOutline) -> SharedView:
    """Lay out all cells at once: every trial by itself, in the colour of its arm.

    Groups would do worse here: the page would give an arm another colour at every budget.
    """
    trials = outline.confirm_trials_per_cell * len(outline.cells)
    sections = [
        Section(
            name=_counted("All cells", trials, all_of_them="one point per trial"),
            charts=[
                scatter(param_axis(layout.PARAM_BUDGET), layout.FINAL_TEST),
                scatter(metric_axis(layout.FINAL_TRAIN_SECONDS), layout.FINAL_TEST),
            ],
            card_height=500,
        ),
        Section(
            name="Curves by update: one line per trial",
            charts=[line(layout.CURVE_TEST, points=False), line(layout.CURVE_LR, points=False)],
            card_height=500,
        ),
    ]
    state = {**page_state(COMPARISON, sections), **_confirm_trials(trials, where=[]), "groupBy": None}
    return SharedView(key=COMPARISON, title="Comparison, all cells", state=state)


def _cell_comparison_view(key: str, outline: StudyOutline, cell: str) -> SharedView:
    """Lay out one cell: one group per arm."""
    trials = outline.confirm_trials_per_cell
    sections = [
        Section(
            name=_counted(cell, trials, all_of_them="mean over seeds"),
            charts=[bar(layout.FINAL_TEST), bar(layout.DIVERGED), bar(layout.FINAL_TRAIN_SECONDS)],
            columns=3,
            card_height=300,
        ),
        Section(
            name="Curves by update: mean and range over seeds",
            charts=[
                line(layout.CURVE_TEST),
                line(layout.CURVE_TRAIN_LOSS),
                line(layout.CURVE_LR),
                line(layout.CURVE_MOMENTUM),
            ],
        ),
    ]
    state = {
        **page_state(key, sections),
        **_confirm_trials(trials, where=[(layout.CELL, cell)]),
        **_grouping_by_arm(outline.arms, budget=outline.cells[cell]),
    }
    return SharedView(key=key, title=f"Comparison in {cell}", state=state)


def _search_view(key: str, outline: StudyOutline, cells: Sequence[str]) -> SharedView:
    """Lay out the draws of the search, one line or point each, best first."""
    several = len(cells) > 1
    place = "All cells" if several else cells[0]
    trials = outline.tune_trials_per_cell * len(cells)
    axes = [layout.PARAM_ARM, *([layout.PARAM_BUDGET] if several else []), *outline.search_params]
    sections = [
        Section(
            name=_counted(place, trials, all_of_them="one line per draw", part="best"),
            charts=[parallel(axes, layout.FINAL_VALIDATION)],
            columns=1,
            card_height=500,
        ),
        Section(
            name="Each setting alone: one point per draw",
            charts=[scatter(param_axis(param), layout.FINAL_VALIDATION) for param in outline.search_params],
        ),
    ]
    state = {
        **page_state(key, sections),
        **order_by(f"metrics.`{layout.FINAL_VALIDATION}`", ascending=False),
        "searchFilter": _filter("tune", [] if several else [(layout.CELL, cells[0])]),
        "groupBy": None,
        "selectedColumns": columns(
            [layout.PARAM_ARM, layout.PARAM_BUDGET, *outline.search_params],
            [layout.FINAL_VALIDATION, layout.DIVERGED],
        ),
    }
    return SharedView(key=key, title="Search, all cells" if several else f"Search in {place}", state=state)


def _confirm_trials(trials: int, *, where: Sequence[tuple[str, str]]) -> Json:
    # Best first. But a page that does not hold all trials must hold the same seeds of every arm: the best
    # trials alone would flatter each arm.
    best_first = order_by(f"metrics.`{layout.FINAL_TEST}`", ascending=False)
    by_seed = order_by(f"params.`{layout.PARAM_SEED}`", ascending=True)
    return {
        **(best_first if trials <= PAGE_RUNS else by_seed),
        "searchFilter": _filter("confirm", where),
        "selectedColumns": columns(
            [layout.PARAM_ARM, layout.PARAM_BUDGET, layout.PARAM_SEED], [layout.FINAL_TEST, layout.DIVERGED]
        ),
    }


def _grouping_by_arm(arms: Sequence[str], *, budget: str) -> Json:
    """Group the trials of one cell by arm, the groups folded.

    The page colours a group by a hash of its id, and lets nobody choose. So this chooses among three ids
    that say the same: the one whose colours are the easiest to tell apart.
    """
    arm_param = [("param", layout.PARAM_ARM)]
    ways = (arm_param, [("tag", layout.ARM)], [*arm_param, ("param", layout.PARAM_BUDGET)])

    def group_ids(keys: Sequence[tuple[str, str]]) -> list[str]:
        values = {layout.PARAM_BUDGET: budget}
        return [",".join(f"{mode}.{name}.{values.get(name, arm)}" for mode, name in keys) for arm in arms]

    best = max(ways, key=lambda keys: _smallest_color_distance(group_ids(keys)))
    return {
        "groupBy": {
            "aggregateFunction": "average",
            "groupByKeys": [{"mode": mode, "groupByData": name} for mode, name in best],
        },
        "groupsExpanded": dict.fromkeys(group_ids(best), False),
    }


def _smallest_color_distance(group_ids: Sequence[str]) -> int:
    pairs = combinations([group_color(group_id) for group_id in group_ids], 2)
    return min((sum(abs(x - y) for x, y in zip(*pair, strict=True)) for pair in pairs), default=0)


def _filter(phase: str, where: Sequence[tuple[str, str]]) -> str:
    tags = [(layout.ROLE, layout.ROLE_TRIAL), (layout.PHASE, phase), *where]
    return " AND ".join(f"tags.`{name}` = '{value}'" for name, value in tags)


def _counted(place: str, trials: int, *, all_of_them: str, part: str = "first") -> str:
    """Name a section, and say so when the page does not fetch all trials at once."""
    if trials <= PAGE_RUNS:
        return f"{place}: {all_of_them}"
    return f"{place}: {part} {PAGE_RUNS} of {trials} trials (Load more)"
