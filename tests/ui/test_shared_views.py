from __future__ import annotations

import dataclasses
import json
import re

import pytest

from sweeps.mlflow_page import PAGE_RUNS, report_url, view_url
from sweeps.views import StudyOutline, arm_colors, study_views
from tests.ui.study import OUTLINE

LARGEST_EXPERIMENT_TAG = 20_000
ONE_CELL = dataclasses.replace(OUTLINE, cells={"mnist1d-conv/epochs-5": "5"})
MANY_CELLS = StudyOutline(
    arms=[f"arm_with_a_rather_long_name_{i}" for i in range(12)],
    cells={f"cifar10-resnet56/epochs-{budget}": str(budget) for budget in (5, 10, 25, 50, 100, 200, 400, 800)},
    search_params=["peak_lr", "weight_decay", "momentum", "warmup_frac", "label_smoothing", "div_factor"],
    confirm_trials_per_cell=240,
    tune_trials_per_cell=240,
)


def sections_of(state: dict[str, object]) -> list[dict[str, object]]:
    sections = state["compareRunSections"]
    assert isinstance(sections, list)
    return sections


def test_a_study_of_one_cell_has_one_comparison_and_one_search() -> None:
    assert [view.key for view in study_views(ONE_CELL)] == ["comparison", "search"]


def test_a_study_of_several_cells_has_a_comparison_and_a_search_of_each() -> None:
    assert [view.key for view in study_views(OUTLINE)] == [
        "comparison",
        "search",
        "comparison.mnist1d-conv.epochs-5",
        "search.mnist1d-conv.epochs-5",
        "comparison.mnist1d-conv.epochs-20",
        "search.mnist1d-conv.epochs-20",
    ]


def test_the_same_study_gives_the_same_tags() -> None:
    first, second = study_views(OUTLINE), study_views(OUTLINE)
    assert [(view.tag, view.tag_value) for view in first] == [(view.tag, view.tag_value) for view in second]


@pytest.mark.parametrize("outline", [ONE_CELL, OUTLINE, MANY_CELLS], ids=["one cell", "two", "eight"])
def test_every_view_fits_into_an_experiment_tag(outline: StudyOutline) -> None:
    for view in study_views(outline):
        assert re.fullmatch(r"mlflow\.sharedViewState\.[\w.-]+", view.tag)
        assert len(view.tag_value) < LARGEST_EXPERIMENT_TAG


def test_no_two_charts_or_sections_share_an_id() -> None:
    ids = re.findall(r'"uuid":"([^"]+)"', "".join(view.tag_value for view in study_views(MANY_CELLS)))
    assert len(ids) == len(set(ids))


def test_a_page_that_cannot_hold_all_trials_says_so_and_holds_the_same_seeds_of_every_arm() -> None:
    full = dataclasses.replace(ONE_CELL, confirm_trials_per_cell=PAGE_RUNS)
    too_many = dataclasses.replace(ONE_CELL, confirm_trials_per_cell=PAGE_RUNS + 1)
    full_state, state = (json.loads(study_views(outline)[0].tag_value) for outline in (full, too_many))
    assert full_state["orderByKey"] == "metrics.`final/test_accuracy`"
    assert sections_of(full_state)[0]["name"] == "mnist1d-conv/epochs-5: mean over seeds"
    assert state["orderByKey"] == "params.`seed`"
    assert sections_of(state)[0]["name"] == "mnist1d-conv/epochs-5: first 100 of 101 trials (Load more)"


def test_the_control_is_drawn_in_ink_and_the_first_six_others_in_a_colour_each() -> None:
    colors = arm_colors(["piecewise", "cosine", "linear", "a", "b", "c", "d"], control="piecewise")
    assert colors["piecewise"] == "#1f272d"
    assert len(set(colors.values())) == 7


@pytest.mark.parametrize("outline", [{"arms": []}, {"cells": {}}], ids=["no arm", "no cell"])
def test_an_outline_without_arms_or_cells_is_refused(outline: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must not be empty"):
        dataclasses.replace(OUTLINE, **outline)


def test_addresses_name_the_study_and_never_its_bare_page() -> None:
    assert view_url("http://127.0.0.1:5000/", "7", "search") == (
        "http://127.0.0.1:5000/#/experiments/7/runs"
        "?workflowType=machine_learning&viewStateShareKey=search&compareRunsMode=CHART"
    )
    assert report_url("http://127.0.0.1:5000", "7", "ab12") == (
        "http://127.0.0.1:5000/#/experiments/7/runs/ab12/artifacts/report/report.html?workflowType=machine_learning"
    )
