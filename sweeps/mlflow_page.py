"""The state of an MLflow page in its own format, and the addresses of its pages.

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
from typing import TypeAlias
from urllib.parse import quote, urlencode

from analysis import layout

# The page fetches this many runs; "Load more" at the end of its list fetches as many again.
PAGE_RUNS = 100
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
class Section:
    """Hold charts under one heading.

    Args:
        name: The heading.
        charts: In the order in which they are shown.
        columns: Number of charts side by side.
        card_height: Height of a chart, in pixels.
    """

    name: str
    charts: Sequence[Json]
    columns: int = 2
    card_height: int = 360


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


def group_color(group_id: str) -> bytes:
    """Return the red, green and blue that the page gives to a group: its ``getStableColorForRun``."""
    low = high = 0
    for character in group_id:
        low = (low + ord(character)) % 255
        high = (high + low) % 255
    start = 3 * ((low | high << 8) % (len(_PAGE_COLORS) // 3))
    return _PAGE_COLORS[start : start + 3]


def page_state(key: str, sections: Sequence[Section]) -> dict[str, object]:
    """Return the state of a page that shows these sections, and no chart that the page would add by itself.

    Args:
        key: Name of the view.
        sections: At least one.
    """
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


def bar(metric: str) -> Json:
    """Return a bar chart of a metric, one bar per run or group."""
    return {"type": "BAR", "metricKey": metric}


def line(metric: str, *, points: bool | None = None) -> Json:
    """Return the curves of a metric by step; `points` shows their points, None leaves that to the page."""
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


def scatter(x_axis: Json, metric: str) -> Json:
    """Return a chart of a metric over something else, one point per run."""
    return {"type": "SCATTER", "xaxis": x_axis, "yaxis": metric_axis(metric)}


def param_axis(param: str) -> Json:
    """Return an axis that shows a param."""
    return {"key": param, "type": "PARAM"}


def metric_axis(metric: str) -> Json:
    """Return an axis that shows a metric."""
    return {"key": metric, "type": "METRIC"}


def parallel(params: Sequence[str], metric: str) -> Json:
    """Return parallel coordinates: one line per run, through its params to a metric."""
    return {
        "type": "PARALLEL",
        "selectedParams": list(params),
        "selectedMetrics": [metric],
        "showAllRuns": True,
    }


def order_by(column: str, *, ascending: bool) -> Json:
    """Return in which order the runs are listed."""
    return {"orderByKey": column, "orderByAsc": ascending}


def columns(params: Sequence[str], metrics: Sequence[str]) -> list[str]:
    """Return the columns of the list of runs."""
    return [*(f"params.`{param}`" for param in params), *(f"metrics.`{metric}`" for metric in metrics)]


def _uuid(*names: str) -> str:
    return str(uuid.uuid5(_UUID_NAMESPACE, "/".join(names)))
