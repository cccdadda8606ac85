import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.statistics.best_of import (
    best_of_quantile,
    best_of_weights,
    drawn_best_of,
    expected_best_of,
    expected_normal_maximum,
    ranked_draws,
)

draws = st.lists(st.floats(0, 1), min_size=1, max_size=8)


def test_the_best_two_of_three_by_hand():
    # {1,2} -> 2, {1,3} -> 3, {2,3} -> 3
    assert best_of_weights(3, 2) == pytest.approx([0, 1 / 3, 2 / 3])
    assert expected_best_of([3, 1, 2], 2) == pytest.approx(8 / 3)


def test_one_draw_is_the_mean_and_all_draws_are_the_maximum():
    assert expected_best_of([0.2, 0.4, 0.9], 1) == pytest.approx(0.5)
    assert expected_best_of([0.2, 0.4, 0.9], 3) == 0.9


@given(draws, st.data())
def test_the_expectation_agrees_with_every_way_to_choose(values, data):
    chosen = data.draw(st.integers(1, len(values)))
    best = [max(subset) for subset in combinations(values, chosen)]
    assert expected_best_of(values, chosen) == pytest.approx(np.mean(best))


@given(draws, st.data())
def test_a_quantile_agrees_with_every_way_to_choose(values, data):
    chosen = data.draw(st.integers(1, len(values)))
    quantile = data.draw(st.sampled_from([0.0, 0.05, 0.5, 0.9, 1.0]))
    best = [max(subset) for subset in combinations(values, chosen)]
    assert best_of_quantile(values, chosen, quantile) == np.quantile(best, quantile, method="inverted_cdf")


@given(st.integers(1, 60), st.data())
def test_weights_are_a_distribution_and_exact(num_draws, data):
    chosen = data.draw(st.integers(1, num_draws))
    weights = best_of_weights(num_draws, chosen)
    expected = [math.comb(i - 1, chosen - 1) / math.comb(num_draws, chosen) for i in range(1, num_draws + 1)]
    assert weights.sum() == pytest.approx(1)
    assert weights == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("chosen", [1, 2, 300, 65_535, 65_536])
def test_weights_stay_finite_for_very_many_draws(chosen):
    weights = best_of_weights(65_536, chosen)
    assert weights[-1] == pytest.approx(chosen / 65_536, rel=1e-6)
    assert weights.sum() == pytest.approx(1)


@given(draws, st.data())
def test_more_draws_never_make_the_best_worse(values, data):
    chosen = data.draw(st.integers(1, len(values)))
    if chosen > 1:
        assert expected_best_of(values, chosen) >= expected_best_of(values, chosen - 1) - 1e-12


def test_a_diverged_draw_is_the_worst_of_all():
    assert ranked_draws([0.5, math.nan, 0.1]).tolist() == [-math.inf, 0.1, 0.5]
    assert expected_best_of([math.nan, 0.1, 0.5], 2) == pytest.approx((0.1 + 0.5 + 0.5) / 3)


def test_where_every_chosen_draw_may_have_diverged_there_is_no_expectation_but_there_are_quantiles():
    values = [math.nan, math.nan, 0.5]
    assert math.isnan(expected_best_of(values, 2))
    assert best_of_quantile(values, 2, 0.3) == -math.inf
    assert best_of_quantile(values, 2, 0.5) == 0.5


def test_drawing_inverts_the_distribution():
    uniforms = (np.arange(3000) + 0.5) / 3000
    found, counts = np.unique(drawn_best_of([1.0, 2.0, 3.0], 2, uniforms), return_counts=True)
    assert found.tolist() == [2, 3]
    assert counts.tolist() == [1000, 2000]


@pytest.mark.parametrize(
    ("size", "expected"),
    # Harter (1961), table 1.
    [(2, 0.56419), (3, 0.84628), (5, 1.16296), (10, 1.53875), (20, 1.86748), (100, 2.50759)],
)
def test_the_expected_maximum_of_normal_numbers_is_as_tabulated(size, expected):
    assert expected_normal_maximum(size) == pytest.approx(expected, abs=1e-5)


def test_the_maximum_of_one_normal_number_is_zero_and_of_very_many_still_finite():
    assert expected_normal_maximum(1) == pytest.approx(0, abs=1e-12)
    assert 4.2 < expected_normal_maximum(65_536) < 4.4


def test_parameters_out_of_range_are_named():
    with pytest.raises(ValueError, match="chosen must be from 1 to the 3 draws; got 4"):
        expected_best_of([1, 2, 3], 4)
    with pytest.raises(ValueError, match="chosen must be"):
        best_of_weights(3, 0)
    with pytest.raises(ValueError, match="at least one draw"):
        ranked_draws([])
    with pytest.raises(ValueError, match="finite, or NaN"):
        ranked_draws([1, math.inf])
    with pytest.raises(ValueError, match="quantile must be"):
        best_of_quantile([1, 2], 1, 1.5)
    with pytest.raises(ValueError, match="size must be at least 1"):
        expected_normal_maximum(0)
