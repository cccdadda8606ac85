import math
import time
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opda.nonparametric import EmpiricalDistribution
from scipy import stats

from analysis.statistics.tuning_curves import (
    Crossing,
    TuningCurve,
    crossings,
    distribution_band,
    draws_within,
    probability_within,
    tuning_curve,
)

NAN = math.nan
# The example in the README of opda 0.8.0.
README_DRAWS = [
    0.8420, 0.9292, 0.8172, 0.8264, 0.8851, 0.8765, 0.8824, 0.9221, 0.9456, 0.7533, 0.8141, 0.9061, 0.8986, 0.8287,
    0.8645, 0.8495, 0.8134, 0.8456, 0.9034, 0.7861, 0.8336, 0.9036, 0.7796, 0.9449, 0.8216, 0.7520, 0.9089, 0.7890,
    0.9198, 0.9428, 0.8140, 0.7734,
]  # fmt: skip

draws = st.lists(st.one_of(st.just(NAN), st.floats(0, 1).map(lambda x: round(x, 3))), min_size=1, max_size=14)


def curve(median, low=None, high=None):
    median = np.array(median, dtype=float)
    return TuningCurve(
        median=median,
        low=np.full(median.shape, -np.inf) if low is None else np.array(low, dtype=float),
        high=np.full(median.shape, np.inf) if high is None else np.array(high, dtype=float),
    )


def test_the_median_best_of_n_is_the_quantile_of_order_one_half_to_one_over_n():
    # 0.5, 0.707, 0.794, 0.841 of four draws: the 2nd, 3rd, 4th and 4th in order.
    assert tuning_curve([0.4, 0.1, 0.3, 0.2]).median.tolist() == [0.2, 0.3, 0.4, 0.4]


def test_the_median_best_of_as_many_draws_as_there_are_is_the_best():
    for size in (1, 2, 3, 7, 16, 33):
        assert tuning_curve(np.arange(size) / 100).median[-1] == (size - 1) / 100


def test_two_draws_are_bounded_by_hand():
    # Beta(1, 2) and Beta(2, 1) are densest at 0 and 1: the bounds are [0, 1 - x] and [x, 1], and both hold with
    # probability 1 - 2 x^2 = 0.95.
    x = math.sqrt(0.025)
    low, high = distribution_band(2, 0.95)
    assert low == pytest.approx([0, x])
    assert high == pytest.approx([1 - x, 1])


def test_one_draw_bounds_nothing_beyond_its_own_rank():
    low, high = distribution_band(1, 0.9)
    assert (low[0], high[0]) == pytest.approx((0.05, 0.95))


def test_the_probability_of_one_bounded_draw_is_the_width_of_its_bounds():
    assert probability_within(np.array([0.2]), np.array([0.7])) == pytest.approx(0.5)


def test_the_probability_of_two_bounded_draws_by_hand():
    # Not both above 0.5 (the smaller is below it) and not both below 0.25 (the larger is above it).
    low, high = np.array([0.0, 0.25]), np.array([0.5, 1.0])
    assert probability_within(low, high) == pytest.approx(1 - 0.25 - 0.0625)


def test_a_one_sided_bound_gives_the_distribution_of_the_kolmogorov_smirnov_statistic():
    size, distance = 10, 0.3
    ranks = np.arange(1, size + 1)
    low, high = np.clip(ranks / size - distance, 0, 1), np.clip((ranks - 1) / size + distance, 0, 1)
    assert probability_within(low, high) == pytest.approx(stats.kstwo.cdf(distance, size), rel=1e-9)
    assert probability_within(low, np.ones(size)) == pytest.approx(stats.ksone.cdf(distance, size), rel=1e-9)


@pytest.mark.parametrize("size", [2, 3, 16, 64])
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.99])
def test_the_band_holds_with_exactly_its_confidence(size, confidence):
    assert probability_within(*distribution_band(size, confidence)) == pytest.approx(confidence, abs=1e-9)


def test_the_readme_example_of_opda_is_reproduced():
    found = tuning_curve(README_DRAWS, num_points=5, confidence=0.8)
    assert found.median.tolist() == [0.8456, 0.9034, 0.9089, 0.9198, 0.9221]
    assert found.low.tolist() == [0.8172, 0.8456, 0.8824, 0.8851, 0.9034]
    assert found.high.tolist() == [0.9034, 0.9292, 0.9449, 0.9456, 0.9456]


@pytest.mark.parametrize("size", [2, 5, 9])
def test_the_curve_agrees_with_the_simulated_bands_of_opda(size):
    values = np.random.default_rng(size).random(size)
    # Half of opda's bands come from 100 000 simulated samples; these sizes and seeds are not at a step of the curve.
    low, point, high = EmpiricalDistribution.confidence_bands(values, 0.9, generator=np.random.default_rng(1), n_jobs=1)
    points = np.arange(1, 2 * size + 1)
    found = tuning_curve(values, num_points=2 * size, confidence=0.9)
    assert found.median.tolist() == point.quantile_tuning_curve(points).tolist()
    assert found.low.tolist() == high.quantile_tuning_curve(points).tolist()
    assert found.high.tolist() == low.quantile_tuning_curve(points).tolist()


def test_bands_cover_the_whole_curve_at_least_as_often_as_they_say():
    generator, covered, repeats, size = np.random.default_rng(0), 0, 400, 12
    truth = 0.5 ** (1 / np.arange(1, size + 1))  # of uniform draws
    for _ in range(repeats):
        found = tuning_curve(generator.random(size), confidence=0.8)
        covered += bool(((found.low <= truth) & (truth <= found.high)).all())
    assert stats.binomtest(covered, repeats, 0.8).proportion_ci(0.999).high > 0.8


def test_a_band_of_512_draws_takes_less_than_a_second():
    distribution_band.cache_clear()
    start = time.process_time()
    distribution_band(512, 0.95)
    assert time.process_time() - start < 1


@settings(max_examples=60)
@given(draws)
def test_curves_rise_and_lie_within_their_bands(values):
    found = tuning_curve(values, num_points=20)
    assert (found.low <= found.median).all()
    assert (found.median <= found.high).all()
    for line in (found.low, found.median, found.high):
        assert (line[1:] >= line[:-1]).all()


@settings(max_examples=60)
@given(draws, st.randoms())
def test_the_order_of_draws_does_not_matter(values, random):
    shuffled = random.sample(values, len(values))
    assert np.array_equal(tuning_curve(values).median, tuning_curve(shuffled).median)


def test_diverged_draws_are_worse_than_any_other_and_count():
    found = tuning_curve([NAN, 0.5, NAN, 0.6])
    assert found.median.tolist() == [-math.inf, 0.5, 0.6, 0.6]


def test_where_all_draws_diverged_the_curve_never_leaves_the_ground():
    assert (tuning_curve([NAN] * 5).median == -math.inf).all()


def test_without_draws_there_is_no_curve():
    found = tuning_curve([], num_points=5)
    assert found.median.size == found.low.size == found.high.size == 0
    assert draws_within(found.median, 0.1) is None


def test_one_draw_gives_a_point_without_bounds():
    found = tuning_curve([0.7])
    assert (found.median.tolist(), found.low.tolist(), found.high.tolist()) == ([0.7], [-math.inf], [math.inf])


def test_nothing_leaks_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for values in ([0.5] * 8, [NAN] * 8, [0.5, NAN, 0.5, 0.1], list(np.linspace(0, 1, 100))):
            tuning_curve(values, confidence=0.999)


def test_an_infinite_accuracy_is_refused():
    with pytest.raises(ValueError, match="accuracies must be"):
        tuning_curve([0.5, math.inf])


@pytest.mark.parametrize("confidence", [0, 1, 1.5])
def test_an_impossible_confidence_is_refused(confidence):
    with pytest.raises(ValueError, match="confidence must be"):
        tuning_curve([0.5, 0.6], confidence=confidence)


def test_draws_within_the_margin_of_what_all_draws_reach():
    assert draws_within([0.80, 0.84, 0.846, 0.85], 0.005) == 3
    assert draws_within([0.80, 0.84, 0.846, 0.85], 0.0) == 4
    assert draws_within([0.85, 0.85], 0.005) == 1


def test_the_margin_itself_is_within_despite_rounding():
    assert draws_within([0.3 - 0.1, 0.3], 0.1) == 1


def test_no_number_of_draws_is_enough_where_half_of_all_searches_only_diverge():
    assert draws_within(tuning_curve([NAN, NAN]).median, 0.1) is None


def test_a_curve_that_starts_behind_and_ends_ahead_crosses_once():
    assert crossings(curve([0.1, 0.3, 0.5]), curve([0.2, 0.3, 0.4])) == (
        Crossing(draws=3, overtakes=True, shown=False),
    )


def test_the_other_curve_crosses_at_the_same_place_the_other_way():
    first, second = curve([0.1, 0.3, 0.5, 0.5]), curve([0.2, 0.3, 0.4, 0.6])
    assert [(c.draws, c.overtakes) for c in crossings(first, second)] == [(3, True), (4, False)]
    assert [(c.draws, c.overtakes) for c in crossings(second, first)] == [(3, False), (4, True)]


def test_a_tie_alone_is_no_crossing():
    assert crossings(curve([0.3, 0.3, 0.5]), curve([0.2, 0.3, 0.4])) == ()
    assert crossings(curve([0.3]), curve([0.3])) == ()


def test_a_crossing_is_shown_only_where_bands_separate_on_both_sides_of_it():
    behind, ahead = ([0.1, 0.6], [0.1, 0.55], [0.2, 0.7]), ([0.4, 0.4], [0.3, 0.3], [0.5, 0.5])
    assert crossings(curve(*behind), curve(*ahead)) == (Crossing(draws=2, overtakes=True, shown=True),)
    wide_before = ([0.4, 0.4], [0.15, 0.3], [0.5, 0.5])
    assert not crossings(curve(*behind), curve(*wide_before))[0].shown
    wide_after = ([0.4, 0.4], [0.3, 0.3], [0.5, 0.6])
    assert not crossings(curve(*behind), curve(*wide_after))[0].shown


def test_a_curve_that_leaves_the_ground_first_is_ahead_of_one_that_only_diverges():
    found = crossings(curve([-math.inf, 0.2]), curve([0.1, 0.1]))
    assert [(c.draws, c.overtakes) for c in found] == [(2, True)]
