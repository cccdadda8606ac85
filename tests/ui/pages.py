"""What a user must see on the MLflow pages of a study; every check fails with what was seen instead."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Browser, Page

from analysis import layout

WAIT_SECONDS = 20.0
CELL_BARS = (layout.FINAL_TEST, layout.DIVERGED, layout.FINAL_TRAIN_SECONDS)
CELL_CURVES = (layout.CURVE_TEST, layout.CURVE_TRAIN_LOSS, layout.CURVE_LR, layout.CURVE_MOMENTUM)
STUDY_SCATTERS = tuple(f"{x} vs. {layout.FINAL_TEST}" for x in (layout.PARAM_BUDGET, layout.FINAL_TRAIN_SECONDS))
STUDY_CURVES = (layout.CURVE_TEST, layout.CURVE_LR)
PARALLEL = "Parallel Coordinates"

# Each card of the page: its title, its text (legend included) and what is drawn in it, counted in the drawing.
_READ_CHARTS = """
() => [...document.querySelectorAll('[data-testid="experiment-view-compare-runs-card"]')].map(card => {
  const count = selector => card.querySelectorAll(selector).length;
  const lines = [...card.querySelectorAll('.js-plotly-plot')].flatMap(plot => plot.data)
    .filter(trace => trace.metricKey && trace.y.length > 1).map(trace => trace.uuid);
  const painted = [...card.querySelectorAll('.parcoords canvas')].some(canvas =>
    canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(value => value > 0));
  return {
    title: card.querySelector('h4').title,
    text: card.innerText,
    lines: Math.min(new Set(lines).size, count('.scatterlayer path.js-line')),
    points: count('.scatterlayer .points path'),
    bars: count('.barlayer .point path'),
    axes: [...card.querySelectorAll('.parcoords .label')].map(label => label.textContent),
    painted,
  };
})
"""


@dataclass(frozen=True, kw_only=True)
class Chart:
    title: str
    text: str
    lines: int
    points: int
    bars: int
    axes: list[str]
    painted: bool


def new_page(browser: Browser) -> Page:
    """Open a tab high enough to hold a whole view: the page draws only the charts that are in sight."""
    page = browser.new_page(viewport={"width": 1400, "height": 2000}, locale="en-US")
    page.add_init_script("localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true')")
    return page


def check_study_comparison(page: Page, url: str, *, arms: Sequence[str], trials: int) -> None:
    """Check the view of all cells: every confirm trial is a point and a curve, named after its arm."""
    expected = {*STUDY_SCATTERS, *STUDY_CURVES}
    _open(page, url)
    charts = _charts_when(
        page,
        lambda seen: (
            seen.keys() == expected
            and all(seen[title].points == trials for title in STUDY_SCATTERS)
            and all(seen[title].lines == trials for title in STUDY_CURVES)
        ),
    )
    assert set(charts) == expected, sorted(charts)
    assert {title: charts[title].points for title in STUDY_SCATTERS} == dict.fromkeys(STUDY_SCATTERS, trials)
    assert {title: charts[title].lines for title in STUDY_CURVES} == dict.fromkeys(STUDY_CURVES, trials)
    for title in expected:
        assert _named_in(charts[title].text, arms) == list(arms), title
    page.get_by_text(f"{trials} matching runs").wait_for(timeout=WAIT_SECONDS * 1000)


def check_cell_comparison(page: Page, url: str, *, arms: Sequence[str]) -> None:
    """Check the view of one cell: every arm is a group, a bar and a mean curve, and is named in every legend."""
    expected = {*CELL_BARS, *CELL_CURVES}
    _open(page, url)
    charts = _charts_when(
        page,
        lambda seen: (
            seen.keys() == expected
            and all(seen[title].bars == len(arms) for title in CELL_BARS)
            and all(seen[title].lines == len(arms) for title in CELL_CURVES)
        ),
    )
    assert set(charts) == expected, sorted(charts)
    assert {title: charts[title].bars for title in CELL_BARS} == dict.fromkeys(CELL_BARS, len(arms))
    assert {title: charts[title].lines for title in CELL_CURVES} == dict.fromkeys(CELL_CURVES, len(arms))
    for title in expected:
        assert _named_in(charts[title].text, arms) == list(arms), title
    groups = page.get_by_text("Group: ").all_inner_texts()
    assert _named_in("\n".join(groups), arms) == list(arms)


def check_search(page: Page, url: str, *, axes: Sequence[str], scattered: Sequence[str], draws: int) -> None:
    """Check a view of the search: parallel coordinates, and a point per finished draw for every setting.

    Args:
        page: The tab.
        url: Address of the view.
        axes: Params on the axes of the parallel coordinates, in order.
        scattered: Params with a scatter chart of their own.
        draws: Tune trials that finished, at most the hundred that the page fetches.
    """
    scatters = [f"{param} vs. {layout.FINAL_VALIDATION}" for param in scattered]
    expected = {PARALLEL, *scatters}
    _open(page, url)
    charts = _charts_when(
        page,
        lambda seen: (
            seen.keys() == expected
            and all(seen[title].points == draws for title in scatters)
            and seen[PARALLEL].painted
        ),
    )
    assert set(charts) == expected, sorted(charts)
    assert {title: charts[title].points for title in scatters} == dict.fromkeys(scatters, draws)
    shown = charts[PARALLEL].axes
    assert shown[:-1] == list(axes), shown
    # The page shortens long names where there are many axes.
    assert shown[-1].startswith("final/"), shown
    assert charts[PARALLEL].painted


def check_table(page: Page, url: str, *, columns: Sequence[str]) -> None:
    """Check that the list of runs has these columns."""
    _open(page, url)
    for column in columns:
        header = page.locator(f"[data-testid='sort-header-{column}']")
        header.wait_for(timeout=WAIT_SECONDS * 1000)


def check_report(page: Page, url: str, *, text: str) -> None:
    """Check that the report is drawn inside the artifact page."""
    _open(page, url)
    page.frame_locator("iframe").get_by_text(text).first.wait_for(timeout=WAIT_SECONDS * 1000)


def _open(page: Page, url: str) -> None:
    # The views differ after the '#' only, which alone would not load the page anew.
    page.goto("about:blank")
    page.goto(url)


def _charts_when(page: Page, complete: Callable[[dict[str, Chart]], bool]) -> dict[str, Chart]:
    """Return the charts by title once they are complete, or what there is when the time is over."""

    def read() -> dict[str, Chart]:
        found: list[dict[str, Any]] = page.evaluate(_READ_CHARTS)
        return {chart["title"]: Chart(**chart) for chart in found}

    deadline = time.monotonic() + WAIT_SECONDS
    while not complete(charts := read()) and time.monotonic() < deadline:
        page.wait_for_timeout(200)
    return charts


def _named_in(text: str, arms: Sequence[str]) -> list[str]:
    return [arm for arm in arms if re.search(rf"(?<!\w){re.escape(arm)}(?!\w)", text)]
