"""Lay out the MLflow page of a study: which trials it lists, how it groups them and which charts it draws.

The MLflow page opens in a prepared state when its address names a *shared view*, an experiment tag holding
JSON. The format belongs to the page and is not documented, so it is known in this module only, and the
browser tests open the views. It follows ``ExperimentPageUIState.tsx`` and ``runs-charts.types.ts`` of MLflow
3.17.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeAlias
from urllib.parse import quote, urlencode

from analysis import layout

# The page fetches this many runs; "Load more" at the end of its list fetches as many again.
PAGE_RUNS = 100
COMPARISON = "comparison"
SEARCH = "search"
# Run tag: the colour in which the page draws a run that is not in a group.
RUN_COLOR = "mlflow.runColor"
REPORT_FILE = f"{layout.ARTIFACT_REPORT}/report.html"

_TAG_PREFIX = "mlflow.sharedViewState."
_UUID_NAMESPACE = uuid.UUID("6f1d5a54-5c55-5b0f-9a43-1f2f0b7f9d11")
_METRICS = (*layout.CURVES, *layout.FINALS)
# The colours that the page gives to groups, three bytes each, copied from its ``RUNS_COLOR_PALETTE``.
_PAGE_COLORS = bytes.fromhex(
    "a6630c c83243 b45091 8a63bf 434a93 137dae 04867d 308613 facb66 1f272d 445461 5f7281 8396a5 93320b be501e"
    "de7921 f2be88 115026 277c43 3ba65e 8ddda8 9e102c c82d4c e65b77 f792a6 0e538b 2272b4 4299e0 8acaff"
)
# As in the figures of the report: the control in ink, the others in the colours of Okabe and Ito (2008).
_INK = "#1f272d"
_PALETTE = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")

Json: TypeAlias = Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class SharedView:
    """Hold one prepared state of the MLflow page.

    Args:
        key: Name of the view in its address.
        title: What the view shows, for the text of a link.
        state: The state, in the format of the page.
    """

    key: str
    title: str
    state: Json

    @property
    def tag(self) -> str:
        """Name of the experiment tag that holds the view."""
        return f"{_TAG_PREFIX}{self.key}"

    @property
    def tag_value(self) -> str:
        """Value of the experiment tag that holds the view."""
        return json.dumps(self.state, sort_keys=True, separators=(",", ":"))


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


@dataclass(frozen=True, kw_only=True)
class _Section:
    name: str
    charts: Sequence[Json]
    columns: int = 2
    card_height: int = 360


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


def view_url(base_url: str, experiment_id: str, key: str) -> str:
    """Return the address of a view.

    Args:
        base_url: Address of the MLflow server.
        experiment_id: MLflow's id of the study.
        key: ``SharedView.key``.
    """
    query = urlencode({"workflowType": "machine_learning", "viewStateShareKey": key, "compareRunsMode": "CHART"})
    return f"{_experiment_url(base_url, experiment_id)}/runs?{query}"


def report_url(base_url: str, experiment_id: str, run_id: str) -> str:
    """Return the address of the report inside the MLflow page.

    Args:
        base_url: Address of the MLflow server.
        experiment_id: MLflow's id of the study.
        run_id: MLflow's id of the study run, which owns the report.
    """
    path = f"{_experiment_url(base_url, experiment_id)}/runs/{quote(run_id, safe='')}/artifacts/{REPORT_FILE}"
    return f"{path}?workflowType=machine_learning"


def _experiment_url(base_url: str, experiment_id: str) -> str:
    return f"{base_url.rstrip('/')}/#/experiments/{quote(experiment_id, safe='')}"


def _cell_key(key: str, cell: str) -> str:
    return f"{key}.{cell.replace('/', '.')}"


def _study_comparison_view(outline: StudyOutline) -> SharedView:
    """Lay out all cells at once: every trial by itself, in the colour of its arm.

    Groups would do worse here: the page would give an arm another colour at every budget.
    """
    trials = outline.confirm_trials_per_cell * len(outline.cells)
    sections = [
        _Section(
            name=_counted("All cells", trials, all_of_them="one point per trial"),
            charts=[
                _scatter(_param_axis(layout.PARAM_BUDGET), layout.FINAL_TEST),
                _scatter(_metric_axis(layout.FINAL_TRAIN_SECONDS), layout.FINAL_TEST),
            ],
            card_height=500,
        ),
        _Section(
            name="Curves by update: one line per trial",
            charts=[_line(layout.CURVE_TEST, points=False), _line(layout.CURVE_LR, points=False)],
            card_height=500,
        ),
    ]
    state = {**_state(COMPARISON, sections), **_confirm_trials(trials, where=[]), "groupBy": None}
    return SharedView(key=COMPARISON, title="Comparison, all cells", state=state)


def _cell_comparison_view(key: str, outline: StudyOutline, cell: str) -> SharedView:
    """Lay out one cell: one group per arm."""
    trials = outline.confirm_trials_per_cell
    sections = [
        _Section(
            name=_counted(cell, trials, all_of_them="mean over seeds"),
            charts=[_bar(layout.FINAL_TEST), _bar(layout.DIVERGED), _bar(layout.FINAL_TRAIN_SECONDS)],
            columns=3,
            card_height=300,
        ),
        _Section(
            name="Curves by update: mean and range over seeds",
            charts=[
                _line(layout.CURVE_TEST),
                _line(layout.CURVE_TRAIN_LOSS),
                _line(layout.CURVE_LR),
                _line(layout.CURVE_MOMENTUM),
            ],
        ),
    ]
    state = {
        **_state(key, sections),
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
        _Section(
            name=_counted(place, trials, all_of_them="one line per draw", part="best"),
            charts=[_parallel(axes, layout.FINAL_VALIDATION)],
            columns=1,
            card_height=500,
        ),
        _Section(
            name="Each setting alone: one point per draw",
            charts=[_scatter(_param_axis(param), layout.FINAL_VALIDATION) for param in outline.search_params],
        ),
    ]
    state = {
        **_state(key, sections),
        **_order_by(f"metrics.`{layout.FINAL_VALIDATION}`", ascending=False),
        "searchFilter": _filter("tune", [] if several else [(layout.CELL, cells[0])]),
        "groupBy": None,
        "selectedColumns": _columns(
            [layout.PARAM_ARM, layout.PARAM_BUDGET, *outline.search_params],
            [layout.FINAL_VALIDATION, layout.DIVERGED],
        ),
    }
    return SharedView(key=key, title="Search, all cells" if several else f"Search in {place}", state=state)


def _confirm_trials(trials: int, *, where: Sequence[tuple[str, str]]) -> Json:
    # Best first. But a page that does not hold all trials must hold the same seeds of every arm: the best
    # trials alone would flatter each arm.
    best_first = _order_by(f"metrics.`{layout.FINAL_TEST}`", ascending=False)
    by_seed = _order_by(f"params.`{layout.PARAM_SEED}`", ascending=True)
    return {
        **(best_first if trials <= PAGE_RUNS else by_seed),
        "searchFilter": _filter("confirm", where),
        "selectedColumns": _columns(
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
    pairs = combinations([_page_color(group_id) for group_id in group_ids], 2)
    return min((sum(abs(x - y) for x, y in zip(*pair, strict=True)) for pair in pairs), default=0)


def _page_color(group_id: str) -> bytes:
    """Return the red, green and blue that the page gives to a group: its ``getStableColorForRun``."""
    low = high = 0
    for character in group_id:
        low = (low + ord(character)) % 255
        high = (high + low) % 255
    start = 3 * ((low | high << 8) % (len(_PAGE_COLORS) // 3))
    return _PAGE_COLORS[start : start + 3]


def _state(key: str, sections: Sequence[_Section]) -> dict[str, object]:
    charts: list[Json] = []
    headers: list[Json] = []
    for section in sections:
        section_id = _uuid(key, section.name)
        headers.append(
            {
                "uuid": section_id,
                "name": section.name,
                "display": True,
                "isReordered": True,
                "isGenerated": False,
                "deleted": False,
                "columns": section.columns,
                "cardHeight": section.card_height,
            }
        )
        charts += [
            {**chart, "uuid": _uuid(section_id, str(place)), "metricSectionId": section_id}
            for place, chart in enumerate(section.charts)
        ]
    return {
        "compareRunSections": headers,
        "compareRunCharts": [*charts, *_suppressed(charts, str(headers[0]["uuid"]))],
        "isAccordionReordered": True,
        "runsHiddenMode": "SHOW_ALL",
        "useGroupedValuesInCharts": True,
        "hideEmptyCharts": True,
        "autoRefreshEnabled": True,
        "viewMaximized": False,
        "runListHidden": False,
    }


def _suppressed(charts: Sequence[Json], section_id: str) -> list[Json]:
    """Mark a chart of every other metric as deleted: the page adds one for each metric that has none."""
    drawn = {chart.get("metricKey") for chart in charts}
    return [
        {
            "type": "BAR",
            "metricKey": metric,
            "uuid": _uuid(section_id, metric),
            "metricSectionId": section_id,
            "isGenerated": True,
            "deleted": True,
        }
        for metric in _METRICS
        if metric not in drawn
    ]


def _bar(metric: str) -> Json:
    return {"type": "BAR", "metricKey": metric}


def _line(metric: str, *, points: bool | None = None) -> Json:
    return {
        "type": "LINE",
        "metricKey": metric,
        "selectedMetricKeys": [metric],
        "xAxisKey": "step",
        "xAxisScaleType": "linear",
        "scaleType": "linear",
        "lineSmoothness": 0,
        "displayPoints": points,
    }


def _scatter(x_axis: Json, metric: str) -> Json:
    return {"type": "SCATTER", "xaxis": x_axis, "yaxis": _metric_axis(metric)}


def _param_axis(param: str) -> Json:
    return {"key": param, "type": "PARAM"}


def _metric_axis(metric: str) -> Json:
    return {"key": metric, "type": "METRIC"}


def _parallel(params: Sequence[str], metric: str) -> Json:
    return {
        "type": "PARALLEL",
        "selectedParams": list(params),
        "selectedMetrics": [metric],
        "showAllRuns": True,
    }


def _filter(phase: str, where: Sequence[tuple[str, str]]) -> str:
    tags = [(layout.ROLE, layout.ROLE_TRIAL), (layout.PHASE, phase), *where]
    return " AND ".join(f"tags.`{name}` = '{value}'" for name, value in tags)


def _order_by(column: str, *, ascending: bool) -> Json:
    return {"orderByKey": column, "orderByAsc": ascending}


def _columns(params: Sequence[str], metrics: Sequence[str]) -> list[str]:
    return [*(f"params.`{param}`" for param in params), *(f"metrics.`{metric}`" for metric in metrics)]


def _counted(place: str, trials: int, *, all_of_them: str, part: str = "first") -> str:
    """Name a section, and say so when the page does not fetch all trials at once."""
    if trials <= PAGE_RUNS:
        return f"{place}: {all_of_them}"
    return f"{place}: {part} {PAGE_RUNS} of {trials} trials (Load more)"


def _uuid(*names: str) -> str:
    return str(uuid.uuid5(_UUID_NAMESPACE, "/".join(names)))
