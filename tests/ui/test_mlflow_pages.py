"""The MLflow pages of a study, looked at in a browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from sweeps.mlflow_page import report_url, view_url
from sweeps.server import Server
from sweeps.views import study_views
from tests.ui import pages
from tests.ui.study import ARMS, CELLS, OUTLINE, REPORT_TEXT, SEARCH_PARAMS, RecordedStudy

pytestmark = pytest.mark.browser
STUDY_COMPARISON, STUDY_SEARCH, CELL_COMPARISON, CELL_SEARCH = (view.key for view in study_views(OUTLINE)[:4])


def test_the_comparison_of_all_cells_shows_every_confirm_trial(
    page: Page, server: Server, recorded_study: RecordedStudy
) -> None:
    url = view_url(server.url, recorded_study.experiment_id, STUDY_COMPARISON)
    pages.check_study_comparison(page, url, arms=ARMS, trials=recorded_study.confirm_trials)


def test_the_comparison_of_a_cell_shows_a_mean_curve_of_every_arm(
    page: Page, server: Server, recorded_study: RecordedStudy
) -> None:
    url = view_url(server.url, recorded_study.experiment_id, CELL_COMPARISON)
    pages.check_cell_comparison(page, url, arms=ARMS)
    assert page.get_by_text(f"{CELLS[0]}: mean over seeds").is_visible()


def test_the_search_of_all_cells_shows_every_finished_draw(
    page: Page, server: Server, recorded_study: RecordedStudy
) -> None:
    url = view_url(server.url, recorded_study.experiment_id, STUDY_SEARCH)
    axes = ["arm", "budget", *SEARCH_PARAMS]
    pages.check_search(page, url, axes=axes, scattered=SEARCH_PARAMS, draws=recorded_study.finished_draws)


def test_the_search_of_a_cell_shows_its_finished_draws(
    page: Page, server: Server, recorded_study: RecordedStudy
) -> None:
    url = view_url(server.url, recorded_study.experiment_id, CELL_SEARCH)
    draws = recorded_study.finished_draws // len(CELLS)
    pages.check_search(page, url, axes=["arm", *SEARCH_PARAMS], scattered=SEARCH_PARAMS, draws=draws)


def test_the_table_of_a_comparison_has_the_columns_that_identify_a_trial(
    page: Page, server: Server, recorded_study: RecordedStudy
) -> None:
    charts = view_url(server.url, recorded_study.experiment_id, STUDY_COMPARISON)
    table = charts.replace("&compareRunsMode=CHART", "")
    pages.check_table(page, table, columns=["arm", "budget", "seed", "final/test_accuracy", "final/diverged"])


def test_the_report_opens_inside_the_page_of_the_study_run(
    page: Page, server: Server, recorded_study: RecordedStudy
) -> None:
    url = report_url(server.url, recorded_study.experiment_id, recorded_study.study_run_id)
    pages.check_report(page, url, text=REPORT_TEXT)
