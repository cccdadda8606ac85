"""Range tests of a study: what is tested, what is proposed, and the command."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from random import Random
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
    check_curvature,
    check_writable,
    headline,
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
    # The accuracy is at or above 0.5, half-way from chance to its best, up to update 26, a rate of 0.316, widened to
    # 0.5; a thirtieth of 0.316 is 0.0105, and the longest fall, of 21 losses from 0.001 to 0.1, has its middle at 0.01.
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


def test_near_chance_half_way_is_counted_from_chance(result: RangeResult) -> None:
    # Chance is 0.1, and half of the best is 0.09: the accuracy never falls below that, yet it is gone after 0.18.
    weak = falling_curve(accuracies=(0.1, 0.18, 0.1, 0.1, 0.1))
    assert replace(result, curves=(weak,)).ends_of_use == pytest.approx((0.1,))


def test_an_upper_end_that_is_that_of_the_ramp_is_called_so(result: RangeResult) -> None:
    to_the_end = replace(result, curves=(falling_curve(accuracies=(0.5, 0.6, 0.7, 0.8, 0.9)),))
    assert headline(to_the_end).endswith("; the upper end is that of the ramp: raise --high to see more.")
    page = range_files("tiny", [to_the_end], proposed_range([to_the_end]))["range-test.html"].decode()
    assert "the upper end is that of the ramp" in page
    assert "of the ramp" not in headline(result)


def noisy(level: float) -> tuple[float, ...]:
    random = Random(1)
    return tuple(level + random.gauss(0, 0.05) for _ in RATES)


@pytest.mark.parametrize(
    ("changes", "remedy"),
    [
        ({"losses": noisy(2.3), "accuracies": (0.12, 0.12, 0.13, 0.12, 0.11)}, "raise --high, or raise --updates"),
        (
            {"losses": (2.3, *noisy(1e6)[1:]), "accuracies": (0.1, 0.2, 0.3, 0.1, 0.2)},
            "lower --low, or raise --updates",
        ),
        (
            {"losses": (2.3,), "rates": RATES[:1], "evaluated_updates": (), "accuracies": (), "diverged_at": 0.001},
            "lower --low, or raise --updates",
        ),
    ],
    ids=["rates that do nothing", "rates that blow it up", "diverged at once"],
)
def test_where_nothing_was_learned_nothing_is_proposed(
    result: RangeResult, changes: dict[str, Any], remedy: str
) -> None:
    nothing = replace(result, curves=(falling_curve(**changes),))
    assert proposed_range([nothing]) is None
    assert proposed_range([result, nothing]) is None
    assert headline(nothing).endswith(f"nothing was learned beyond noise, so that no rate can be proposed: {remedy}.")


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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("arms: {}\n", "needs peak_lr below search as a list in brackets"),
        ("search:\n  peak_lr:\n    log:\n    - 1\n    - 2\n", "needs peak_lr below search as a list in brackets"),
        ("search: 3\n", "needs peak_lr below search as a list in brackets"),
        ("search:\n  peak_lr: {log: [1,  # low\n    2]}\n", "needs the list of search.peak_lr on one line"),
        ("search:\n  peak_lr: &r {log: [1, 2]}\n  clip_norm: *r\n", "would change more than search.peak_lr"),
        (
            "arms:\n  a: {search: {b: &r {log: [1, 2]}}}\nsearch: {peak_lr: *r}\n",
            "would change more than search.peak_lr",
        ),
    ],
)
def test_a_file_without_a_line_to_replace_is_refused_with_the_line_to_write(text: str, message: str) -> None:
    with pytest.raises(InputError, match=rf"{message}.* Write a line such as `peak_lr: \{{log: \[0.01, 2\]\}}` there"):
        with_range(text, Range(0.01, 2.0))


def study_with_a_range(folder: Path) -> Path:
    path = write_study(folder)
    path.write_text(path.read_text() + STUDY, encoding="utf-8")
    return path


def test_a_written_file_is_the_same_study_with_another_range(tmp_path: Path) -> None:
    path = write_study(tmp_path)
    with pytest.raises(InputError, match="--write needs peak_lr"):
        write_range(path, Range(0.01, 2.0))
    path = study_with_a_range(tmp_path)
    before = load_study(str(path))
    write_range(path, Range(0.01, 2.0))
    after = load_study(str(path))
    assert after.model_copy(update={"search": before.search}) == before
    assert str(after.search["peak_lr"]) == "LogUniform(low=0.01, high=2.0)"
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_ends_of_lines_stay_what_they_are(tmp_path: Path) -> None:
    path = study_with_a_range(tmp_path)
    windows = path.read_bytes().replace(b"\n", b"\r\n")
    path.write_bytes(windows)
    write_range(path, Range(0.01, 2.0))
    assert path.read_bytes() == windows.replace(b"{float: [0.003, 1.0]}", b"{log: [0.01, 2]}")


def test_a_link_stays_a_link_and_what_it_points_to_is_written(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    path = study_with_a_range(tmp_path / "real")
    link = tmp_path / "link.yaml"
    link.symlink_to(path)
    write_range(link, Range(0.01, 2.0))
    assert link.is_symlink()
    assert "{log: [0.01, 2]}" in path.read_text()


def test_whether_a_range_can_be_written_is_seen_without_writing(tmp_path: Path) -> None:
    path = study_with_a_range(tmp_path)
    before = path.read_bytes()
    check_writable(path)
    assert path.read_bytes() == before
    with pytest.raises(InputError, match=r"--set replaces search.peak_lr"):
        check_writable(path, ["search.peak_lr={log: [1, 2]}"])
    with pytest.raises(InputError, match=r"--write needs a file that can be written; got .*gone.yaml"):
        check_writable(tmp_path / "gone.yaml")


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


def test_the_estimate_is_refused_where_its_assumption_is_broken() -> None:
    adam = tiny_study(workloads=[{**tiny_data()["workloads"][0], "optimizer": "adamw"}])
    with pytest.raises(InputError, match="--curvature must be left out for digits-mlp: it assumes sgd; got adamw"):
        check_curvature(planned_tests(adam, RangeOptions()), CurvatureOptions())


def test_a_spacing_must_leave_room_for_three_snapshots() -> None:
    tests = planned_tests(tiny_study(), RangeOptions(updates=20, seeds=1))
    check_curvature(tests, CurvatureOptions(spacing=6))
    with pytest.raises(InputError, match=r"--spacing must be at most 6, a third of --updates 20, .*; got 7"):
        check_curvature(tests, CurvatureOptions(spacing=7))


def test_without_a_rate_to_train_at_the_range_test_is_kept_as_it_is(result: RangeResult) -> None:
    nothing = replace(result, curves=(falling_curve(losses=noisy(2.3), accuracies=(0.1,) * 5),))
    assert with_curvature(tiny_study(), nothing, CurvatureOptions(), print) is nothing


def test_a_machine_without_a_gpu_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(InputError, match=r"trials use a GPU, and torch finds none. Give --set resources.gpu=0"):
        planned_tests(tiny_study(resources={"gpu": 0.5}), RangeOptions())


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


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"spacing": 3}, "--spacing"),
        ({"smoothing": 0.5}, "--smoothing"),
        ({"setting": ["peak_lr=1"]}, "--setting peak_lr"),
    ],
)
def test_options_of_the_estimate_are_refused_without_it(options: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=f"{named} has no effect without --curvature: give it, too, or leave it out"):
        range_test("quickstart", **options)


@pytest.fixture
def nothing_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        pytest.fail("trained")

    monkeypatch.setattr("sweeps.range_testing.running.run_range_test", fail)


@pytest.mark.usefixtures("nothing_trains")
def test_what_cannot_be_written_is_refused_before_anything_trains(tmp_path: Path) -> None:
    path = write_study(tmp_path)
    with pytest.raises(InputError, match="--write needs peak_lr"):
        range_test(str(path), write=True, folder=tmp_path / "out")
    with pytest.raises(InputError, match=r"--out must be a folder that can be written; got .*tiny.yaml.* Give another"):
        range_test(str(path), folder=path)


def test_a_range_test_that_proposes_nothing_to_write_is_kept(tmp_path: Path) -> None:
    path = study_with_a_range(tmp_path)
    before = path.read_bytes()
    far_too_low = ["--low", "1e-12", "--high", "1e-9", "--updates", "20", "--seeds", "1"]
    done = fairsweep(tmp_path, "range-test", str(path), *far_too_low, "--write")
    assert done.returncode == 2
    assert "nothing to --write" in done.stderr
    assert "raise --high" in " ".join(done.stdout.split())
    assert "Recorded:" in done.stdout
    assert (tmp_path / "range-tests" / "tiny" / "range-test.html").is_file()
    assert path.read_bytes() == before


def test_the_page_about_range_tests_has_a_row_for_every_rule_and_shape() -> None:
    page = (Path(__file__).parents[2] / "docs" / "range-test.md").read_text(encoding="utf-8")
    rows = {line.split("`")[1] for line in page.splitlines() if line.startswith("| `")}
    assert rows == {*RULES, *RAMP_SHAPES}
