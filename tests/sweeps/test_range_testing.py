"""Range tests of a study: what is tested, what is proposed, and the command."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from models.diagnostics import RAMP_SHAPES, RULES, RangeCurve
from sweeps.cli.range_test import range_test
from sweeps.errors import InputError
from sweeps.loading import load_study
from sweeps.places import Places
from sweeps.range_testing import (
    CurvatureOptions,
    Range,
    RangeOptions,
    RangeResult,
    planned_tests,
    proposed_range,
    range_files,
    run_tests,
    with_curvature,
    with_range,
    write_range,
)
from sweeps.range_testing.figures import over_seeds
from sweeps.recording import connect, recorded_studies
from sweeps.recording.range_tests import record_range_tests
from tests.commands import fairsweep, write_study
from tests.sweeps.studies import tiny_data, tiny_study

RATES = tuple(10.0 ** (i / 10) for i in range(-30, 11))  # 0.001 to 10, ten per decade


def falling_curve(seed: int = 0, **changes: Any) -> RangeCurve:
    """A loss that falls to 0.1 and rises again; the accuracy is best at 0.1 and gone at 1."""
    fields: dict[str, Any] = {
        "seed": seed,
        "rates": RATES,
        "losses": tuple(1 + math.log10(rate / 0.1) ** 2 for rate in RATES),
        "window": 1,
        "evaluated_updates": (11, 21, 26, 31, 41),
        "accuracies": (0.5, 0.9, 0.6, 0.1, 0.1),
        "diverged_at": None,
    }
    return RangeCurve(**(fields | changes))


@pytest.fixture
def result() -> RangeResult:
    study = tiny_study()
    [tests] = planned_tests(study, RangeOptions(updates=41, seeds=2, low=0.001, high=10.0)).values()
    return RangeResult(workload="digits-mlp", arm="cosine", test=tests[0], curves=(falling_curve(), falling_curve(1)))


def test_what_the_study_searches_is_put_in_the_middle_of_its_range() -> None:
    [tests] = planned_tests(tiny_study(), RangeOptions()).values()
    settings = tests[0].training.settings
    assert settings["weight_decay"] == pytest.approx(math.sqrt(1e-5 * 1e-2), rel=1e-4)
    assert settings["momentum"] == pytest.approx(0.89)
    [tests] = planned_tests(tiny_study(), RangeOptions(settings={"weight_decay": 0.5})).values()
    assert tests[0].training.settings["weight_decay"] == 0.5


def test_settings_that_do_not_go_with_the_workload_are_the_users_mistake() -> None:
    study = tiny_study(workloads=[{**tiny_data()["workloads"][0], "nesterov": True}])
    tests = planned_tests(study, RangeOptions(settings={"momentum": 0.0}, seeds=1))
    with pytest.raises(InputError, match="digits-mlp: momentum must be > 0 where nesterov is on"):
        run_tests(study, "cosine", tests, print)


def test_seeds_are_even_so_that_no_confirm_seed_is_spent() -> None:
    [tests] = planned_tests(tiny_study(), RangeOptions(seeds=8)).values()
    seeds = [test.training.seed for test in tests]
    assert len(set(seeds)) == 8
    assert all(seed % 2 == 0 for seed in seeds)
    assert all(not test.training.read_test for test in tests)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (RangeOptions(arm="cosin"), "--arm must be one of: cosine, one_cycle, published; got 'cosin'"),
        (RangeOptions(workload="mnist"), "--workload must be one of: digits-mlp; got 'mnist'"),
        (RangeOptions(settings={"decay": 1.0}), "--setting must name one of: .*; got 'decay'"),
        (RangeOptions(settings={"weight_decay": -1.0}), "weight_decay must be a finite number >= 0; got -1.0"),
        (RangeOptions(settings={"peak_lr": 0.0}), "peak_lr must be a finite number > 0; got 0.0"),
        (RangeOptions(low=1.0, high=0.1), "low must be below high, which is 0.1; got 1.0"),
    ],
)
def test_what_cannot_be_tested_is_refused_before_anything_trains(options: RangeOptions, message: str) -> None:
    with pytest.raises(InputError, match=message):
        planned_tests(tiny_study(), options)


def test_the_proposal_goes_from_the_lowest_suggestion_to_where_nothing_is_learned(result: RangeResult) -> None:
    # The accuracy is above half of its best up to update 26, a rate of 0.316, widened to 0.5; a thirtieth of 0.316 is
    # 0.0105, and the longest fall, of 21 losses from 0.001 to 0.1, has its middle at 0.01.
    assert result.medians == pytest.approx({"accuracy_peak": 0.1, "steepest_descent": 0.001, "valley": 0.01})
    assert proposed_range([result]) == Range(0.001, 0.5)


def test_the_proposal_ends_where_the_loss_diverged_and_spans_a_factor_of_thirty(result: RangeResult) -> None:
    steep = tuple(1.0 + (0.0 if rate > 0.19 else 1.0) for rate in RATES)  # all of the fall at 0.2
    diverged = replace(
        result, curves=(falling_curve(losses=steep, diverged_at=0.5, accuracies=(0.5, 0.9, 0.9, 0.9, 0.9)),)
    )
    proposed = proposed_range([diverged])
    assert proposed == Range(0.01, 0.5)
    assert proposed_range([diverged, result]) == Range(0.001, 0.5)


def test_without_suggestions_there_is_no_proposal(result: RangeResult) -> None:
    rising = falling_curve(losses=tuple(range(len(RATES))), evaluated_updates=(), accuracies=())
    assert proposed_range([replace(result, curves=(rising,))]) is None


def test_a_rule_that_suggests_for_few_seeds_has_no_median(result: RangeResult) -> None:
    one_diverged = replace(result, curves=(falling_curve(diverged_at=3.0), falling_curve(1), falling_curve(2)))
    assert one_diverged.suggestions["fraction_of_divergence"] == (1.0, None, None)
    assert "fraction_of_divergence" not in one_diverged.medians


STUDY = """\
search:  # shared
  peak_lr: {float: [0.003, 1.0]}   # of every arm
  momentum: {float: [0.8, 0.98]}
"""


def test_the_range_is_written_and_nothing_else_changes() -> None:
    expected = STUDY.replace("{float: [0.003, 1.0]}", "{log: [0.01, 2]}")
    assert with_range(STUDY, Range(0.01, 2.0)) == expected
    block = "search:\n  peak_lr:\n    log: [1, 2]  # so\n  momentum: {float: [0.8, 0.9]}\n"
    assert with_range(block, Range(0.01, 2.0)) == block.replace("[1, 2]", "[0.01, 2]")


@pytest.mark.parametrize("text", ["arms: {}\n", "search:\n  peak_lr:\n    log:\n    - 1\n    - 2\n", "search: 3\n"])
def test_a_file_without_a_line_to_replace_is_refused_with_the_line_to_write(text: str) -> None:
    with pytest.raises(InputError, match=r"Write it yourself: `peak_lr: \{log: \[0.01, 2\]\}`"):
        with_range(text, Range(0.01, 2.0))


def test_a_written_file_is_the_same_study_with_another_range(tmp_path: Path) -> None:
    path = write_study(tmp_path)
    with pytest.raises(InputError, match="--write needs a line"):
        write_range(path, Range(0.01, 2.0))
    path.write_text(path.read_text() + STUDY, encoding="utf-8")
    before = load_study(str(path))
    write_range(path, Range(0.01, 2.0))
    after = load_study(str(path))
    assert after.model_copy(update={"search": before.search}) == before
    assert str(after.search["peak_lr"]) == "LogUniform(low=0.01, high=2.0)"
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_seeds_are_summarised_only_as_far_as_all_of_them_go() -> None:
    lines = [((1.0, 2.0, 3.0), (5.0, 6.0, 7.0)), ((1.0, 2.0), (1.0, 8.0))]
    assert over_seeds(lines, (min, max)) == ((1.0, 2.0), [1.0, 6.0], [5.0, 8.0])


def test_the_files_are_a_page_pictures_and_strict_json(result: RangeResult) -> None:
    files = range_files("tiny", [result], proposed_range([result]))
    assert sorted(files) == ["range-test-digits-mlp.png", "range-test.html", "range-test.json"]
    page = files["range-test.html"].decode()
    assert "search peak_lr: {log: [0.001, 0.5]}" in page
    assert "<svg" in page
    assert "http" not in page
    numbers = json.loads(files["range-test.json"], parse_constant=pytest.fail)
    assert numbers["proposed_peak_lr"] == {"low": 0.001, "high": 0.5}
    assert len(numbers["tests"][0]["curves"]) == 2


def test_a_test_that_diverges_at_once_has_a_page_that_says_so(result: RangeResult) -> None:
    at_once = falling_curve(rates=(), losses=(), evaluated_updates=(), accuracies=(), diverged_at=0.001)
    page = range_files("tiny", [replace(result, curves=(at_once,))], None)["range-test.html"].decode()
    assert "the loss diverged at 0.001 (median) for 1 of 1 seeds" in page


def test_the_estimate_is_refused_where_its_assumption_is_broken(result: RangeResult) -> None:
    workload = result.test.training.workload.model_copy(update={"optimizer": "adamw"})
    adam = replace(result, test=replace(result.test, training=replace(result.test.training, workload=workload)))
    with pytest.raises(InputError, match="--curvature must be left out for digits-mlp: it assumes sgd; got adamw"):
        with_curvature(tiny_study(), adam, CurvatureOptions(), print)


def test_range_tests_are_recorded_apart_from_the_study(result: RangeResult, tmp_path: Path) -> None:
    places = Places.from_environment({"FAIRSWEEP_HOME": str(tmp_path)})
    page = tmp_path / "range-test.html"
    page.write_text("page")
    diverged = replace(result, curves=(falling_curve(diverged_at=3.0), falling_curve(1)))
    for _ in range(2):  # a second test of the same study joins the first
        experiment = record_range_tests(
            places, "tiny", [diverged], Range(0.01, 2.0), {page.name: page}, {"python": "3"}
        )
    client = connect(places)
    assert recorded_studies(client) == []
    runs = client.search_runs([experiment], order_by=["attributes.start_time"])
    assert [run.info.status for run in runs] == ["FINISHED"] * 6
    parents = [run for run in runs if run.data.tags["fairsweep.role"] == "range_test"]
    assert len(parents) == 2
    assert parents[0].data.params["proposed_peak_lr"] == "{log: [0.01, 2]}"
    assert parents[0].data.metrics["suggested/accuracy_peak"] == pytest.approx(0.1)
    assert {file.path for file in client.list_artifacts(parents[0].info.run_id)} == {page.name, "environment.json"}
    seeds = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parents[0].info.run_id]
    assert sorted(run.data.metrics["diverged"] for run in seeds) == [0.0, 1.0]
    points = client.get_metric_history(seeds[0].info.run_id, "range/lr")
    assert [point.step for point in points[:3]] == [1, 2, 3]
    assert [point.value for point in points] == pytest.approx(RATES)


def test_the_command_tests_draws_records_and_writes(tmp_path: Path) -> None:
    path = write_study(tmp_path, search={"peak_lr": {"log": [0.3, 0.4]}, "momentum": {"float": [0.8, 0.9]}})
    path.write_text(path.read_text().replace("    log:\n    - 0.3\n    - 0.4\n", "    log: [0.3, 0.4]\n"))
    arguments = ["--updates", "60", "--seeds", "2", "--evaluations", "6", "--curvature", "--write"]
    done = fairsweep(tmp_path, "range-test", str(path), *arguments)
    assert done.returncode == 0, done.stderr
    assert "accuracy peak" in done.stdout
    assert "Wrote peak_lr: {log: [" in done.stdout
    assert all(len(line) <= 80 for line in done.stdout.splitlines() if "tiny" not in line)
    assert "log: [0.3, 0.4]" not in path.read_text()
    folder = tmp_path / "range-tests" / "tiny"
    assert {"range-test.html", "curvature-digits-mlp.png"} <= {file.name for file in folder.iterdir()}


def test_the_command_does_not_write_into_what_comes_with_fairsweep() -> None:
    with pytest.raises(InputError, match="--write needs a file of yours; quickstart comes with fairsweep"):
        range_test("quickstart", write=True)


def test_the_page_about_range_tests_has_a_row_for_every_rule_and_shape() -> None:
    page = (Path(__file__).parents[2] / "docs" / "range-test.md").read_text(encoding="utf-8")
    rows = {line.split("`")[1] for line in page.splitlines() if line.startswith("| `")}
    assert rows == {*RULES, *RAMP_SHAPES}
