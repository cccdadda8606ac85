"""What tables may hold that records of this project never do, and what their report must not make of it."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis import TableError, TableOptions, build_report, read_table
from analysis.core_yaml import read_core
from analysis.report import report_json

ARMS = ("cos", "one")


def bundled():
    return sorted((Path(__file__).parents[2] / "sweeps" / "studies").glob("*.yaml"))


def table(seeds=5, **columns):
    """Return three draws and some confirm runs of two arms at 30 epochs."""
    noise = np.random.default_rng(0)
    rows = []
    for arm in ARMS:
        rows += [{"arm": arm, "phase": "tune", "draw": draw, "validation": 0.8 + 0.01 * draw} for draw in range(3)]
        rows += [
            {"arm": arm, "phase": "confirm", "seed": seed, "test": 0.9 + noise.normal(0, 0.01)} for seed in range(seeds)
        ]
    return pd.DataFrame(rows).assign(budget=30, budget_unit="epochs").assign(**columns)


def reported(frame, rules=None, **choices):
    return build_report(read_table(frame, options=TableOptions(control="cos", rules=rules, **choices)))


def of_confirmed(value):
    return lambda frame: [value if phase == "confirm" else None for phase in frame["phase"]]


@pytest.mark.parametrize("unit", [{}, {"budget": 30}, {"budget": 30, "budget_unit": "epochs"}], ids=str)
def test_a_run_that_misses_is_watched_to_the_last_evaluation_whatever_budgets_count(unit):
    """Not to the number of the budget, which may lie before every hit."""
    runs = pd.DataFrame(
        [{"arm": arm, "seed": seed, "test": 0.95 if arm == "cos" else 0.7} for arm in ARMS for seed in range(5)]
    )
    curves = pd.DataFrame(
        [
            {"arm": arm, "seed": seed, "update": update, "test": 0.95 if arm == "cos" and update >= 900 else 0.7}
            for arm in ARMS
            for seed in range(5)
            for update in range(100, 1001, 100)
        ]
    )
    record = read_table(runs.assign(**unit), curves, options=TableOptions(control="cos", targets=(0.9,)))
    report = build_report(record)
    (row,) = report.target_comparisons
    assert row.log_rank_p == pytest.approx(2 / math.comb(10, 5))
    assert {entry.horizon_updates for entry in report.time_to_target} == {1000}


def test_a_gap_to_the_control_as_published_is_not_taken_from_the_survivors_of_diverged_runs():
    frame = table()
    extra = frame[(frame["arm"] == "cos") & (frame["phase"] == "confirm")].assign(arm="published", test=0.85)
    rules = {"arms": {"published": {"schedule": "cos", "as_published": True}, "cos": {"schedule": "cos"}}}
    whole = reported(pd.concat([frame, extra], ignore_index=True), rules)
    assert "with the control as published instead of tuned" in whole.headline
    diverged = extra.assign(diverged=[False, True, True, True, True])
    diverged.loc[diverged["diverged"], "test"] = None
    report = reported(pd.concat([frame.assign(diverged=False), diverged], ignore_index=True), rules)
    assert "as published" not in report.headline
    assert {(row.difference, row.ci_low, row.ci_high) for row in report.published_gaps} == {(None, None, None)}


def test_of_draws_that_are_equally_good_the_one_that_was_confirmed_is_the_winner():
    frame = table()
    frame["validation"] = frame["validation"].where(frame["validation"].isna(), 0.8)
    report = reported(frame.assign(winner=of_confirmed(2)))
    assert {row.n for row in report.arms} == {5}
    assert not any(row.superseded for row in report.ledger)


def test_confirm_runs_of_a_worse_draw_do_not_count_and_one_that_there_is_not_is_refused():
    report = reported(table().assign(winner=of_confirmed(1)))
    assert {row.n for row in report.arms} == {0}
    with pytest.raises(TableError, match=r"winner must be a draw of its search; got 3"):
        reported(table().assign(winner=of_confirmed(3)))


@pytest.mark.parametrize(
    "value",
    [math.inf, "1e999", "[NaN]", pd.Timestamp("2020-01-01")],
    ids=["inf", "1e999", "list", "time"],
)
def test_settings_that_json_cannot_hold_are_texts(value):
    assert report_json(reported(table().assign(**{"setting.clip": value})))


def test_settings_may_be_arrays():
    frame = table()
    frame["setting.steps"] = [np.array([1, 2])] * len(frame)
    assert {tuple(row.settings["steps"]) for row in reported(frame).winners} == {(1, 2)}


def test_seeds_may_be_written_with_an_exponent():
    frame = table()
    frame["seed"] = [None if pd.isna(seed) else f"{1000 * (seed + 1):.0e}" for seed in frame["seed"]]
    record = read_table(frame, options=TableOptions(control="cos"))
    assert set(record.trials["seed"].dropna()) == {1000, 2000, 3000, 4000, 5000}


def test_counts_that_floating_point_cannot_hold_are_refused():
    with pytest.raises(TableError, match="updates must be a whole number from 0 on"):
        reported(table(updates=2.0**64))


def test_confirm_runs_of_a_search_without_draws_leave_the_ratio_to_fewer_draws_out():
    frame = pd.concat([table(budget=budget) for budget in (10, 30)], ignore_index=True)
    frame["search"] = [0 if phase == "tune" else 1 for phase in frame["phase"]]
    reasons = {row.reason for row in reported(frame).skeptic}
    assert any("fewer draws are not shown" in reason for reason in reasons)


@pytest.mark.parametrize(
    ("rules", "problem"),
    [
        ({"budgets": {"epochs": ["thirty"]}}, "budgets must be numbers greater than 0; got 'thirty'."),
        ({"budgets": {"epochs": [math.inf]}}, "budgets must be numbers greater than 0; got inf."),
        ({"published": 3}, "published must name arms, which are cos, one; got 3."),
        ({"tuning": {"halving": {"factor": 0, "rungs": 3}}}, "tuning.halving.factor: Input should be greater than"),
        ({"confirm": {"seeds": 10**30}}, "confirm.seeds must be from 0 to 1,000,000; got 1000"),
        ({"search": {"peak_lr": {"log": None}}}, "search.peak_lr must be a range or a choice, such as {log: [0.001"),
        ({"search": {"peak_lr": {"log": [0, 1]}}}, "search.peak_lr must be a range or a choice"),
        ({"arms": {"one": {"search": {"x": 5}}}}, "arms.one.search.x must be a range or a choice"),
        ({"arms": {"cos": {"reference_accuracy": 90.0}}}, "arms.cos.reference_accuracy must be a fraction between"),
        (
            {"arms": {"cos": {"reference_accuracy": 0.9}}, "workloads": ["table", "other"]},
            "arms.cos.reference_accuracy must belong to the one workload of the table; it has 2.",
        ),
        ({"question": "half \ud800"}, "the rules must be text that UTF-8 can write"),
    ],
)
def test_rules_that_no_study_has_are_refused(rules, problem):
    with pytest.raises(TableError) as refused:
        reported(table(), rules)
    assert problem in str(refused.value)


@pytest.mark.parametrize("rules", [{"budgets": {"epochs": 30}}, {"published": "one"}, {"targets": 0.9}], ids=str)
def test_one_of_a_list_may_be_written_without_brackets(rules):
    found = read_table(table(), options=TableOptions(control="cos", rules=rules)).rules
    assert found.budgets.amounts == (30,)
    assert found.arms["one"].as_published == ("published" in rules)
    assert found.targets == ((0.9,) if "targets" in rules else ())


@pytest.mark.parametrize("name", bundled(), ids=lambda path: path.stem)
def test_every_study_file_serves_as_rules(name):
    study = read_core(name.read_text(encoding="utf-8"))
    arm = next(iter(study["arms"]))
    unit, amounts = next(iter(study["budgets"].items()))
    workload = study["workloads"][0]["name"]
    frame = pd.DataFrame([{"arm": arm, "workload": workload, "budget": amounts[0], "test": 0.9}])
    record = read_table(frame, options=TableOptions(rules=name, budget_unit=unit))
    assert set(record.rules.arms) == set(study["arms"])
    assert record.rules.search == (study.get("search") or {})


def test_workloads_may_be_a_mapping_and_names_a_set():
    record = read_table(
        table(workload="a"), options=TableOptions(control="cos", rules={"workloads": {"a": {}, "b": {}}})
    )
    assert [workload.name for workload in record.rules.workloads] == ["a", "b"]
    assert reported(table(), {"published": {"one"}})


def test_an_accuracy_that_one_run_cannot_be_held_against_is_not_said_to_be_reached():
    report = reported(table(seeds=1), {"arms": {"cos": {"reference_accuracy": 0.99}}})
    (row,) = (row for row in report.checks if row.name == "control_reaches_reference")
    assert (row.status, row.evidence) == (
        "warn",
        "not recorded: two accuracies of every such arm at the longest budget",
    )


def test_points_of_a_loss_between_evaluations_hide_neither_their_distance_nor_the_last_of_them():
    runs = table(seeds=2).query("phase == 'confirm'").assign(test=0.95).drop(columns=["draw", "validation"])
    points = [
        {"arm": arm, "seed": seed, "update": update, "test": 0.8 + 0.1 * (update > 100) if update % 100 == 0 else None}
        for arm in ARMS
        for seed in range(2)
        for update in range(10, 211, 10)
    ]
    options = TableOptions(control="cos", targets=(0.9,))
    rows = {
        row.name: row.status for row in build_report(read_table(runs, pd.DataFrame(points), options=options)).checks
    }
    assert rows["evaluations_dense_enough"] == "warn"
    assert rows["final_is_last"] == "warn"


def test_a_target_that_only_a_diverged_run_reached_is_reached_by_none():
    runs = table(seeds=2).query("phase == 'confirm'").drop(columns=["draw", "validation"]).assign(diverged=False)
    runs.loc[runs["seed"] == 1, ["test", "diverged"]] = [None, True]
    points = [
        {"arm": arm, "seed": seed, "update": update, "test": 0.99 if seed else 0.9}
        for arm in ARMS
        for seed in range(2)
        for update in (100, 200)
    ]
    options = TableOptions(control="cos", targets=(0.95,))
    report = build_report(read_table(runs, pd.DataFrame(points), options=options))
    (row,) = (row for row in report.checks if row.name == "targets_informative")
    assert "ever reaches 95 %" in row.evidence


def test_a_workload_without_a_run_at_a_budget_has_not_missed_its_target():
    noise = np.random.default_rng(1)
    runs, points = [], []
    for workload, budget in (("a", 10), ("b", 20)):
        for arm in ARMS:
            for seed in range(3):
                own = {"workload": workload, "budget": budget, "arm": arm, "seed": seed}
                runs.append({**own, "budget_unit": "epochs", "test": 0.95 + noise.normal(0, 0.001)})
                points += [{**own, "update": update, "test": 0.9 + update / 10_000} for update in (100, 200, 300, 500)]
    options = TableOptions(control="cos", targets=(0.91,))
    report = build_report(read_table(pd.DataFrame(runs), pd.DataFrame(points), options=options))
    assert {(row.entered, row.not_run) for row in report.geometric_speed_ups} == {(1, 1)}


def test_replicated_searches_are_counted_in_runs_beside_what_was_planned():
    from analysis.rendering.text_tables import spread_table

    frame = table(search=0)
    both = pd.concat([frame, frame.assign(search=1)], ignore_index=True)
    report = reported(both, {"confirm": {"seeds": 5}, "tuning": {"searches": 2, "draws": 3}})
    column = spread_table(report).columns.index("runs")
    assert {row[column] for row in spread_table(report).rows} == {"10 of 10"}
