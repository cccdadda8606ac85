import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import qmc

from analysis.statistics.response import near_optimal_region, running_median

NAN = math.nan
responses = st.lists(
    st.tuples(st.floats(0.001, 1), st.one_of(st.just(NAN), st.floats(0, 1).map(lambda x: round(x, 3)))),
    min_size=1,
    max_size=20,
)


def test_the_running_median_is_of_three_draws_at_least_and_of_fewer_at_the_ends():
    assert running_median(np.array([5.0, 1, 2, 9, 3, 4])).tolist() == [5, 2, 2, 3, 4, 4]


def test_the_running_median_of_60_draws_is_of_nine():
    # A sixth is ten, and the number is odd so that the draw stands in the middle.
    values = np.random.default_rng(0).random(60)
    assert running_median(values)[30] == np.median(values[26:35])


def test_the_region_is_where_the_running_median_is_near_its_highest():
    # Running medians: 0.5, 0.7, 0.88, 0.89, 0.88, 0.6, 0.6.
    found = near_optimal_region([1, 2, 3, 4, 5, 6, 7], [0.5, 0.7, 0.90, 0.88, 0.89, 0.6, 0.6], 0.02)
    assert (found.best, found.low, found.high) == (3, 3, 5)
    assert (found.near, found.share_near) == (3, pytest.approx(3 / 7))
    assert not found.open_low
    assert not found.open_high


def test_one_unlucky_draw_does_not_end_the_region():
    found = near_optimal_region(range(9), [0.5, 0.5, 0.9, 0.9, 0.4, 0.9, 0.9, 0.5, 0.5], 0.01)
    assert (found.low, found.high) == (2, 6)


def test_below_five_draws_every_draw_counts_by_itself():
    found = near_optimal_region([1, 2, 3, 4], [0.9, 0.9, NAN, 0.9], 0.01)
    assert (found.low, found.high, found.open_low, found.open_high) == (1, 2, True, False)
    assert found.share_near == 0.75


def test_diverged_draws_end_the_region():
    found = near_optimal_region(range(8), [0.5, 0.9, 0.9, 0.9, NAN, NAN, NAN, 0.9], 0.01)
    assert (found.low, found.high) == (1, 3)


def test_a_region_that_holds_the_outermost_draw_is_open():
    found = near_optimal_region([3, 1, 2], [0.9, 0.5, 0.9], 0.0)
    assert (found.low, found.high, found.open_low, found.open_high) == (2, 3, False, True)


def test_equal_accuracies_make_the_whole_range_near_optimal():
    found = near_optimal_region([3, 1, 2, 5, 4, 6], [0.9] * 6, 0.01)
    assert (found.low, found.high, found.open_low, found.open_high, found.share_near) == (1, 6, True, True, 1)


def test_one_draw_is_a_region_without_width():
    found = near_optimal_region([0.3], [0.9], 0.01)
    assert (found.low, found.high, found.open_low, found.open_high) == (0.3, 0.3, True, True)


def test_a_lone_success_among_diverged_draws_has_no_region():
    found = near_optimal_region(range(7), [NAN, NAN, NAN, 0.9, NAN, NAN, NAN], 0.01)
    assert (found.best, found.near, found.open_low, found.open_high) == (3, 1, False, False)
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_the_margin_itself_is_within_despite_rounding():
    assert near_optimal_region([1, 2], [0.3 - 0.1, 0.3], 0.1).near == 2


@pytest.mark.parametrize(("draws", "slope"), [(32, 0.03), (128, 0.03), (128, 0.01)])
def test_the_width_of_a_noisy_peak_is_found_within_a_third(draws, slope):
    # 0.87 - slope |x|^1.5 falls by 0.005 within (0.005 / slope)^(2/3) on either side.
    truth, widths = 2 * (0.005 / slope) ** (2 / 3), []
    for seed in range(40):
        generator = np.random.default_rng(seed)
        unit = qmc.Sobol(2, rng=generator).random(draws)
        values = 2 * unit[:, 0] - 1
        accuracies = 0.87 - slope * np.abs(values) ** 1.5 - 0.01 * unit[:, 1] + 0.002 * generator.normal(size=draws)
        found = near_optimal_region(values, accuracies, 0.005)
        widths.append(found.high - found.low)
    assert np.median(widths) == pytest.approx(truth, rel=1 / 3)


@pytest.mark.parametrize(("values", "accuracies"), [([], []), ([1, 2], [NAN, NAN]), ([NAN], [0.9])])
def test_without_an_accuracy_there_is_no_region(values, accuracies):
    assert near_optimal_region(values, accuracies, 0.01) is None


def test_arrays_of_different_lengths_and_a_negative_margin_are_refused():
    with pytest.raises(ValueError, match="one length"):
        near_optimal_region([1, 2], [0.5], 0.01)
    with pytest.raises(ValueError, match="margin must be at least 0"):
        near_optimal_region([1], [0.5], -0.01)


@given(responses, st.floats(0, 0.5))
def test_the_ends_of_the_region_are_draws_around_its_highest_median(response, margin):
    values, accuracies = (np.array(column) for column in zip(*response, strict=True))
    found = near_optimal_region(values, accuracies, margin)
    if found is None:
        assert np.isnan(accuracies).all()
        return
    assert 0 < found.near <= len(values)
    if math.isnan(found.low):
        return
    assert {found.low, found.high} <= set(values)
    assert found.low <= found.high
    assert found.open_low == (found.low == values.min())
    assert found.open_high == (found.high == values.max())


@given(responses, st.floats(0, 0.2), st.floats(0, 0.2))
def test_a_wider_margin_never_narrows_the_region(response, first, second):
    values, accuracies = zip(*response, strict=True)
    narrow, wide = (near_optimal_region(values, accuracies, m) for m in sorted((first, second)))
    if narrow is not None and not math.isnan(narrow.low):
        assert wide.low <= narrow.low <= narrow.high <= wide.high
        assert wide.near >= narrow.near
