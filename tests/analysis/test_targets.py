import math

from analysis.record import EVALUATION_COLUMNS, typed
from analysis.statistics import first_hit, median_with_misses, sustained_hit
from analysis.tables.time_to_target import time_to_target_rows
from tests.analysis.synthetic_study import TWO_ARMS, at, changed, synthetic_record


def test_the_first_hit_is_the_first_evaluation_at_or_above_the_target():
    assert first_hit([0.1, 0.8, 0.7, 0.9], 0.8) == 1


def test_the_sustained_hit_is_where_the_curve_stops_falling_back():
    assert sustained_hit([0.1, 0.8, 0.7, 0.9], 0.8) == 3
    assert sustained_hit([0.9, 0.9], 0.8) == 0
    assert sustained_hit([0.9, 0.7], 0.8) is None


def test_nan_is_below_every_target_and_breaks_what_was_sustained():
    assert first_hit([math.nan, 0.9], 0.0) == 1
    assert sustained_hit([0.9, math.nan], 0.8) is None


def test_no_evaluations_hit_nothing():
    assert first_hit([], 0.5) is None
    assert sustained_hit([], 0.5) is None


def test_a_miss_counts_as_later_than_any_hit_in_the_median():
    assert median_with_misses([3, 1, None]) == 3
    assert median_with_misses([1, 2, 3, None]) == 2.5
    assert median_with_misses([1, None, None]) is None
    assert median_with_misses([1, 2, None, None]) is None  # a middle run missed
    assert median_with_misses([]) is None


def _record_with_curves(curves):
    """One cell, two arms, as many seeds as curves; the control gets the curves, one evaluation per ten updates."""
    record = synthetic_record(arms=TWO_ARMS, budgets=(2,), draws=2, seeds=len(curves))
    runs = record.trials[at(2, "piecewise")(record.trials)]
    rows = [
        {**run, "update": 10 * (i + 1), "epoch": (i + 1) / 2, "train_seconds": 0.1 * (i + 1), "test": accuracy}
        for run, curve in zip(runs.to_dict("records"), curves, strict=True)
        for i, accuracy in enumerate(curve)
    ]
    evaluations = typed([{k: row.get(k) for k in EVALUATION_COLUMNS} for row in rows], EVALUATION_COLUMNS)
    object.__setattr__(record, "evaluations", evaluations)
    return record


def test_a_table_row_counts_hits_and_takes_medians_over_all_runs():
    record = _record_with_curves([[0.5, 0.85], [0.82, 0.7], [0.5, 0.6]])
    row = time_to_target_rows(record)[0]
    assert (row.arm, row.target, row.n, row.hits, row.sustained_hits) == ("piecewise", 0.8, 3, 2, 1)
    assert (row.median_updates, row.median_epochs, row.median_seconds) == (20, 1.0, 0.2)


def test_nobody_at_the_target_gives_no_median_rather_than_a_large_one():
    row = time_to_target_rows(_record_with_curves([[0.5], [0.6]]))[0]
    assert (row.hits, row.median_updates, row.median_seconds) == (0, None, None)


def test_everybody_at_the_target_at_once_gives_the_first_evaluation():
    row = time_to_target_rows(_record_with_curves([[0.9], [0.9]]))[0]
    assert (row.hits, row.sustained_hits, row.median_updates) == (2, 2, 10)


def test_a_diverged_run_never_reaches_a_target_wherever_it_was_before():
    record = _record_with_curves([[0.9], [0.9], [0.9]])
    record = changed(record, lambda t: at(2, "piecewise")(t) & (t["seed_index"] < 2), diverged=True)
    row = time_to_target_rows(record)[0]
    assert (row.n, row.hits, row.median_updates) == (3, 1, None)
