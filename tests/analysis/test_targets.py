import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.statistics import first_hit, median_with_misses, sustained_hit
from analysis.statistics.targets import first_hits, hit_times, sustained_hits


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


curves = st.lists(st.lists(st.sampled_from([0.1, 0.5, 0.8, math.nan]), max_size=5), max_size=6)


@given(curves)
def test_many_curves_at_once_agree_with_one_at_a_time(curves):
    offsets = np.cumsum([0, *map(len, curves)])
    flat = np.array([accuracy for curve in curves for accuracy in curve])
    for many, single in ((first_hits, first_hit), (sustained_hits, sustained_hit)):
        expected = [single(curve, 0.5) for curve in curves]
        positions = many(flat, offsets, 0.5).tolist()
        assert [None if at < 0 else at - start for at, start in zip(positions, offsets, strict=False)] == expected


def test_runs_of_one_seed_are_averaged():
    sample = hit_times([2, 4, 9], [True, True, False], seeds=[7, 7, 3])
    assert (sample.num_runs, sample.num_seeds, sample.hits) == (3, 2, 2)
    assert sample.mean_per_seed(sample.times).tolist() == [9, 3]


def test_a_sample_of_times_is_checked():
    with pytest.raises(ValueError, match="times must be finite"):
        hit_times([1, math.inf], [True, False])
    with pytest.raises(ValueError, match="times must not be negative; got -1"):
        hit_times([-1], [True])
    with pytest.raises(ValueError, match=r"reached must have the shape of times, \(2,\); got \(1,\)"):
        hit_times([1, 2], [True])


def test_a_miss_counts_as_later_than_any_hit_in_the_median():
    assert median_with_misses([3, 1, None]) == 3
    assert median_with_misses([1, 2, 3, None]) == 2.5
    assert median_with_misses([1, None, None]) is None
    assert median_with_misses([1, 2, None, None]) is None  # a middle run missed
    assert median_with_misses([]) is None
