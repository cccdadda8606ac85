import dataclasses
import math

import numpy as np
import pytest

from analysis.figures.survival import draw_survival
from analysis.figures.target_grid import draw_target_grid
from analysis.record import ALL_PARTS, CURVES, EVALUATION_COLUMNS, SECONDS, UPDATES, typed
from analysis.rendering.sections.time_to_target import time_to_target, time_to_target_details
from analysis.report import build_report
from analysis.samples import collect_samples
from analysis.statistics.differences import welch_difference
from analysis.statistics.estimates import mean_estimate
from analysis.statistics.survival import rank_test
from analysis.statistics.targets import hit_times
from analysis.tables.rows.core import CheckRow, Finding
from analysis.tables.target_comparisons import target_comparison_rows
from analysis.tables.target_runs import collect_target_runs
from analysis.tables.time_to_target import survival_curve_rows, target_grid_rows, time_to_target_rows
from tests.analysis.synthetic_study import TWO_ARMS, at, changed, synthetic_record, without

MISS = [0.5] * 6


def hit_at(evaluation):
    """A curve that reaches 80 % at this evaluation of six and stays there."""
    return [0.5] * (evaluation - 1) + [0.85] * (7 - evaluation)


def record_with(*, seeds=None, targets=(0.8,), **curves):
    """One cell of 64 updates, evaluated every ten; the test accuracies of every run of the two arms are given."""
    planned = seeds or max(map(len, curves.values()))
    record = synthetic_record(arms=TWO_ARMS, budgets=(2,), draws=2, seeds=planned, targets=list(targets))
    rows = [
        {**run, "update": 10 * (i + 1), "epoch": 10 * (i + 1) / 32, "train_seconds": 0.1 * (i + 1), "test": accuracy}
        for arm, lines in curves.items()
        for run, line in zip(record.trials[at(2, arm)(record.trials)].to_dict("records"), lines, strict=False)
        for i, accuracy in enumerate(line)
    ]
    evaluations = typed([{k: row.get(k) for k in EVALUATION_COLUMNS} for row in rows], EVALUATION_COLUMNS)
    return dataclasses.replace(record, evaluations=evaluations)


def rows_of(record, builder=time_to_target_rows, *more):
    runs = collect_target_runs(record, collect_samples(record))
    return builder(record.rules, runs, *more)


def control_row(record):
    return next(row for row in rows_of(record) if row.arm == "piecewise")


def comparison(record, checks=()):
    (row,) = rows_of(record, target_comparison_rows, checks)
    return row


def test_hits_are_counted_and_medians_are_taken_over_all_runs():
    row = control_row(record_with(piecewise=[[0.5, 0.85], [0.82, 0.7], [0.5, 0.6]]))
    assert (row.n, row.hits, row.sustained_hits) == (3, 2, 1)
    assert (row.median_updates, row.median_epochs, row.median_seconds) == (20, 0.625, 0.2)


def test_a_miss_counts_as_the_whole_budget_in_the_restricted_mean():
    row = control_row(record_with(piecewise=[hit_at(2), hit_at(4), MISS]))
    expected = mean_estimate([20, 40, 64])
    assert row.horizon_updates == 64
    assert row.restricted_mean_updates == pytest.approx(expected.mean)
    assert (row.restricted_mean_low_updates, row.restricted_mean_high_updates) == (0, 64)  # cut: t reaches further
    assert expected.low < 0
    assert row.restricted_mean_epochs == pytest.approx(expected.mean / 32)
    assert row.updates_per_hit == (20 + 40 + 64) / 2


def test_the_hit_rate_has_its_wilson_interval():
    row = control_row(record_with(piecewise=[*[hit_at(3)] * 8, MISS, MISS]))
    assert row.hit_rate == 0.8
    assert (row.hit_rate_low, row.hit_rate_high) == pytest.approx((0.4902, 0.9433), abs=5e-5)


def test_the_resolution_is_the_gap_to_the_evaluation_before():
    row = control_row(record_with(piecewise=[hit_at(1), hit_at(2), hit_at(5)]))
    assert row.resolution == pytest.approx(0.5)  # of 1, 10/20 and 10/50


def test_nobody_at_the_target_gives_neither_a_median_nor_an_interval():
    record = record_with(piecewise=[MISS] * 3, one_cycle=[MISS] * 3)
    row = control_row(record)
    assert (row.hits, row.hit_rate, row.median_updates, row.median_seconds) == (0, 0, None, None)
    assert (row.restricted_mean_updates, row.restricted_mean_low_updates, row.times_vary) == (64, None, False)
    assert (row.updates_per_hit, row.resolution) == (None, None)
    compared = comparison(record)
    assert (compared.log_rank_p, compared.gehan_p, compared.difference_updates) == (None, None, None)
    assert (compared.finding, compared.withheld, compared.reason) == ("undecided", True, "nobody reaches the target")


def test_everybody_at_the_target_at_the_first_evaluation_is_no_difference_and_no_evidence():
    record = record_with(piecewise=[hit_at(1)] * 5, one_cycle=[hit_at(1)] * 5)
    row = control_row(record)
    assert (row.hits, row.sustained_hits, row.median_updates, row.resolution) == (5, 5, 10, 1)
    assert (row.restricted_mean_updates, row.times_vary) == (10, False)
    compared = comparison(record)
    assert (compared.difference_updates, compared.ci_low_updates, compared.log_rank_p) == (0, None, 1)
    assert (compared.finding, compared.withheld) == ("undecided", False)


def test_a_diverged_run_never_reaches_a_target_and_is_carried_to_the_end():
    record = record_with(piecewise=[hit_at(1), hit_at(1), hit_at(1)])
    diverged = changed(
        record, lambda t: at(2, "piecewise")(t) & (t["seed_index"] < 2), diverged=True, diverged_at_update=15
    )
    row = control_row(diverged)
    assert (row.n, row.missing, row.hits, row.median_updates) == (3, 0, 1, None)
    assert row.restricted_mean_updates == pytest.approx((10 + 64 + 64) / 3)


def test_a_run_that_crashed_before_its_first_evaluation_counts_if_it_diverged_and_is_missing_if_not():
    record = record_with(piecewise=[hit_at(1), hit_at(1)], seeds=3)
    assert (control_row(record).n, control_row(record).missing) == (2, 1)
    diverged = changed(record, lambda t: at(2, "piecewise")(t) & (t["seed_index"] == 2), diverged=True)
    assert (control_row(diverged).n, control_row(diverged).missing) == (3, 0)


def test_a_failed_run_is_not_counted_but_said():
    record = record_with(piecewise=[hit_at(1), hit_at(2), MISS])
    row = control_row(
        changed(record, lambda t: at(2, "piecewise")(t) & (t["seed_index"] == 2), outcome="failed", test=np.nan)
    )
    assert (row.n, row.planned, row.missing, row.hits) == (2, 3, 1, 2)


def test_a_point_without_a_test_accuracy_is_no_evaluation():
    row = control_row(record_with(piecewise=[[math.nan, math.nan, 0.85, math.nan], [math.nan] * 4]))
    assert (row.n, row.missing, row.hits, row.sustained_hits) == (1, 1, 1, 1)
    assert row.resolution == 1  # nothing was known before the third point


def test_one_seed_has_a_time_and_no_interval():
    record = record_with(piecewise=[hit_at(2)], one_cycle=[hit_at(3)])
    row = control_row(record)
    assert (row.median_updates, row.restricted_mean_updates, row.restricted_mean_low_updates) == (20, 20, None)
    compared = comparison(record)
    assert (compared.difference_updates, compared.ci_low_updates, compared.log_rank_p) == (10, None, None)
    assert (compared.withheld, compared.reason) == (True, "at least two seeds per arm are needed")


def test_winners_of_replicated_searches_share_seeds_and_are_averaged_per_seed():
    record = synthetic_record(arms=TWO_ARMS, budgets=(2,), draws=2, seeds=4, searches=3, targets=[0.8])
    row = control_row(record)
    assert (row.n, row.seeds) == (12, 4)
    runs = record.trials[at(2, "piecewise")(record.trials)]
    times = []
    for _, own in runs.groupby("seed_index"):
        reached = [record.evaluations[record.evaluations["run_id"].eq(i)] for i in own["run_id"]]
        times.append(np.mean([points.loc[points["test"] >= 0.8, "update"].min() for points in reached]))
    expected = mean_estimate(times)
    assert row.restricted_mean_updates == pytest.approx(expected.mean)
    assert row.restricted_mean_low_updates == pytest.approx(expected.low)
    assert row.hit_rate_low == pytest.approx(4 / (4 + 1.959964**2))  # Wilson's for 4 of 4, not for 12 of 12
    curve = rows_of(record, survival_curve_rows)[0]
    assert (curve.n, curve.seeds) == (12, 4)
    assert curve.low[-1] == pytest.approx(0.025 ** (1 / 4))


def test_times_are_compared_with_the_control_by_hand_made_curves():
    record = record_with(piecewise=[hit_at(i) for i in (4, 5, 6)] + [MISS], one_cycle=[hit_at(i) for i in (1, 2, 2, 3)])
    row = comparison(record)
    control, arm = [40, 50, 60, 64], [10, 20, 20, 30]
    expected = welch_difference(arm, control)
    assert row.difference_updates == pytest.approx(expected.difference)
    assert (row.ci_low_updates, row.ci_high_updates) == pytest.approx(expected.interval())
    assert row.log_rank_p == row.log_rank_p_adjusted == pytest.approx(2 / 70)
    assert row.gehan_p == pytest.approx(2 / 70)
    assert row.log_rank_p_seconds == row.log_rank_p
    assert (row.p_exact, row.p_minimum) == (True, 2 / 70)
    assert (row.hits, row.hits_control, row.hit_rate_difference) == (4, 3, 0.25)
    assert (row.finding, row.withheld) == ("sooner", False)


def test_the_rank_tests_are_those_of_the_times():
    record = record_with(
        piecewise=[hit_at(i) for i in (1, 3, 3, 5)] + [MISS], one_cycle=[hit_at(i) for i in (2, 2, 4, 6)] + [MISS]
    )
    times = [hit_times([*t, 64], [True] * 4 + [False]) for t in ([20, 20, 40, 60], [10, 30, 30, 50])]
    row = comparison(record)
    assert row.log_rank_p == rank_test(*times).p
    assert row.gehan_p == rank_test(*times, "Gehan").p


def test_holm_runs_over_all_cells_arms_and_targets_of_the_study():
    record = synthetic_record(targets=[0.8, 0.9])
    rows = rows_of(record, target_comparison_rows, ())
    assert len(rows) == 4 * 4 * 2
    for name in ("log_rank", "gehan"):
        least = min((row for row in rows if getattr(row, f"{name}_p")), key=lambda row: getattr(row, f"{name}_p"))
        assert getattr(least, f"{name}_p_adjusted") == pytest.approx(32 * getattr(least, f"{name}_p"))


def failed_check(name):
    finding = Finding(workload=None, budget=2, arm="one_cycle", evidence="it was not fair", run_ids=())
    return CheckRow(
        name=name, title="", status="fail", evidence=finding.evidence, remedy="", findings=(finding,), run_ids=()
    )


def test_a_failed_check_withholds_the_finding_but_divergence_does_not():
    record = record_with(piecewise=[MISS] * 5, one_cycle=[hit_at(1)] * 5)
    row = comparison(record, [failed_check("planned_trials")])
    assert (row.finding, row.withheld, row.reason) == ("undecided", True, "it was not fair")
    assert row.log_rank_p == pytest.approx(2 / 252)
    assert comparison(record, [failed_check("no_divergence")]).finding == "sooner"


def test_an_arm_without_runs_is_said_to_have_none():
    record = without(record_with(piecewise=[hit_at(1)] * 3, one_cycle=[MISS] * 3), at(2, "one_cycle"))
    row = next(row for row in rows_of(record) if row.arm == "one_cycle")
    assert (row.n, row.missing, row.hit_rate, row.restricted_mean_updates) == (0, 3, None, None)
    assert comparison(record).reason == "there are no runs to compare"
    assert [row.arm for row in rows_of(record, survival_curve_rows)] == ["piecewise"]


def test_a_cell_without_any_run_counts_them_as_missing():
    rows = rows_of(record_with(piecewise=[[]] * 3))
    assert [(row.arm, row.n, row.missing, row.hits, row.horizon_updates) for row in rows] == [
        ("piecewise", 0, 3, 0, None),
        ("one_cycle", 0, 3, 0, None),
    ]
    assert comparison(record_with(piecewise=[[]] * 3)).reason == "there are no runs to compare"


def test_a_survival_curve_starts_at_0_and_steps_where_runs_hit():
    row = rows_of(record_with(piecewise=[hit_at(2), hit_at(2), hit_at(5), MISS]), survival_curve_rows)[0]
    assert row.updates == (0, 20, 50, 64)
    assert row.at_target == (0, 0.5, 0.75, 0.75)
    assert row.at_risk == (4, 4, 2, 1)
    assert row.low[0] == 0
    assert row.high[0] == pytest.approx(1 - 0.025**0.25)
    assert all(low <= share <= high for low, share, high in zip(row.low, row.at_target, row.high, strict=True))


def test_the_grid_of_targets_follows_its_rule_and_counts_hits():
    record = record_with(piecewise=[[0.2, 0.4, 0.5, 0.6, 0.7, 0.8]] * 2, one_cycle=[[0.1] * 5 + [0.9]] * 2)
    control, arm = rows_of(record, target_grid_rows)
    # Three quarters of 64 updates are 48: the last evaluation is the fourth, 0.6 and 0.1. 0.8 is a target.
    assert control.accuracies == arm.accuracies
    np.testing.assert_allclose(control.accuracies, sorted([*np.linspace(0.1, 0.9, 26), 0.8]))
    for row, final in ((control, 0.8), (arm, 0.9)):
        assert row.hits == tuple(2 * (accuracy <= final) for accuracy in row.accuracies)
    assert (control.median_updates[0], control.median_updates[-1]) == (10, None)
    assert (control.restricted_mean_updates[0], control.restricted_mean_updates[-1]) == (10, 64)


def test_flat_curves_have_no_grid():
    assert rows_of(record_with(piecewise=[[0.5] * 6], one_cycle=[[0.5] * 6]), target_grid_rows) == ()


def test_a_record_without_curves_has_nothing_to_say():
    record = dataclasses.replace(record_with(piecewise=[hit_at(1)]), recorded=ALL_PARTS - {CURVES})
    for builder in (time_to_target_rows, survival_curve_rows, target_grid_rows):
        assert rows_of(record, builder) == ()
    assert rows_of(record, target_comparison_rows, ()) == ()


def test_without_recorded_updates_the_last_evaluation_is_the_end_and_without_seconds_there_are_none():
    record = record_with(piecewise=[hit_at(2), MISS], one_cycle=[hit_at(3), hit_at(1)])
    evaluations = record.evaluations.assign(train_seconds=np.nan, epoch=np.nan)
    record = dataclasses.replace(record, evaluations=evaluations, recorded=ALL_PARTS - {UPDATES, SECONDS})
    record.trials["total_updates"] = record.trials["total_updates"].astype("Int64").mask(record.trials["budget"] > 0)
    row = control_row(record)
    assert (row.horizon_updates, row.restricted_mean_updates) == (60, 40)
    assert (row.median_updates, row.median_epochs, row.median_seconds) == (None, None, None)
    assert row.restricted_mean_epochs is None
    arm = next(row for row in rows_of(record) if row.arm == "one_cycle")
    assert (arm.median_updates, arm.median_epochs, arm.median_seconds) == (20, None, None)
    assert comparison(record).log_rank_p_seconds is None


def test_times_are_those_of_the_curves_whatever_the_order_of_runs():
    record = synthetic_record()
    shuffled = dataclasses.replace(
        record, evaluations=record.evaluations.iloc[::-1].sort_values("update", kind="stable")
    )
    assert rows_of(record) == rows_of(shuffled)


def test_the_sentences_give_counts_shares_and_medians():
    record = record_with(piecewise=[hit_at(4)] * 10, one_cycle=[hit_at(2)] * 8 + [MISS] * 2)
    section = time_to_target(build_report(record))
    assert section.sentences == (
        "one_cycle is not shown to reach 80 % sooner or later than piecewise (undecided at 1). At 2 epochs it does in "
        "8 of 10 runs (Wilson 49 to 94 %), at a median of 20 updates; piecewise in 10 of 10 at 40.",
        "18 of 18 hits last to the end of the training. A time is known to the gap between two evaluations, 38 % of "
        "the time at the median.",
    )
    sooner = record_with(piecewise=[hit_at(4)] * 4 + [MISS] * 6, one_cycle=[hit_at(2)] * 10)
    assert time_to_target(build_report(sooner)).sentences[0] == (
        "one_cycle reaches 80 % sooner than piecewise at 1 of 1 budget and later at 0. At 2 epochs it does in 10 of 10 "
        "runs (Wilson 72 to 100 %), at a median of 20 updates; piecewise in 4 of 10, so that its median run misses it."
    )


def test_the_tables_say_what_the_rows_say():
    report = build_report(record_with(piecewise=[hit_at(4)] * 5, one_cycle=[hit_at(2)] * 4 + [hit_at(3)]))
    hits, compared = time_to_target(report).tables
    assert hits.rows[1] == ("2", "one_cycle", "80", "5 of 5", "57 to 100", "5 of 5", "20", "0.62", "0.2")
    assert compared.rows[0][:7] == ("2", "one_cycle", "80", "sooner", "−18 (−23.6 to −12.4)", "0.008", "0.008")
    (means,) = time_to_target_details(report).tables
    assert means.rows[0] == ("2", "piecewise", "80", "40 (no spread)", "1.25", "64", "40", "25")
    assert means.rows[1][3] == "22 (16.4 to 27.6)"


def test_a_target_that_nobody_reaches_is_said_and_not_drawn():
    report = build_report(record_with(piecewise=[MISS] * 3, one_cycle=[MISS] * 3))
    assert time_to_target(report).sentences == ("No run of one_cycle or piecewise reaches 80 % at any budget.",)
    assert all(table.rows == () for table in time_to_target(report).tables)
    assert draw_survival(report) == ()
    assert draw_target_grid(report) == ()


def test_figures_name_the_targets_and_say_who_reaches_them():
    report = build_report(record_with(piecewise=[hit_at(4)] * 3, one_cycle=[hit_at(2), MISS, MISS], targets=(0.8, 0.9)))
    (survival,) = draw_survival(report)
    assert "80 %: piecewise 3 of 3, one_cycle 1 of 3. No run reaches 90 %." in survival.alt
    assert "share of runs that have reached 80 %" in survival.svg
    (grid,) = draw_target_grid(report)
    assert "from 61.7 to 85.0 %" in grid.alt
