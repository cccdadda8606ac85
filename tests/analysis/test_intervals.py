import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.weightstats import ttost_ind

from analysis.statistics import mean_estimate, welch_difference
from analysis.statistics.estimates import mean_estimates

accuracies = st.lists(st.floats(0, 1).map(lambda x: round(x, 4)), min_size=2, max_size=12)


def test_mean_sd_and_interval_of_three_values_by_hand():
    estimate = mean_estimate([1.0, 2.0, 3.0])
    half_width = 4.302652729911275 / math.sqrt(3)  # t(0.975, 2) from tables, sd = 1
    assert (estimate.n, estimate.mean, estimate.sd) == (3, 2.0, 1.0)
    assert estimate.low == pytest.approx(2 - half_width)
    assert estimate.high == pytest.approx(2 + half_width)


@given(st.lists(accuracies | st.sampled_from([[], [0.8], [0.1] * 3]), min_size=1, max_size=4))
def test_the_means_of_many_groups_are_those_of_each(samples):
    groups = np.repeat(np.arange(len(samples)), [len(sample) for sample in samples])
    found = mean_estimates(np.concatenate([np.array(sample) for sample in samples]), groups, len(samples), 0.9)
    expected = [mean_estimate(sample, 0.9) for sample in samples]
    assert found.n.tolist() == [estimate.n for estimate in expected]
    for name in ("mean", "low", "high"):
        wanted = [getattr(estimate, name) for estimate in expected]
        np.testing.assert_allclose(getattr(found, name), wanted, rtol=0, atol=1e-12)


def test_a_single_value_has_a_mean_but_neither_sd_nor_interval():
    estimate = mean_estimate([0.8])
    assert estimate.mean == 0.8
    assert all(math.isnan(value) for value in (estimate.sd, estimate.low, estimate.high))


def test_no_values_give_no_mean():
    assert math.isnan(mean_estimate([]).mean)


def test_equal_values_give_a_spread_of_exactly_zero():
    estimate = mean_estimate([0.1] * 10)
    assert (estimate.mean, estimate.sd, estimate.low, estimate.high) == (0.1, 0.0, 0.1, 0.1)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_value_that_is_not_finite_is_refused_rather_than_averaged(bad):
    with pytest.raises(ValueError, match="finite"):
        mean_estimate([0.5, bad])
    with pytest.raises(ValueError, match="finite"):
        welch_difference([0.5, bad], [0.5, 0.6])


def test_the_published_modded_nanogpt_record_is_significant_as_published():
    # Track 1, record of 2025-01-04: 80 seeds, mean 3.2791, sd 0.0019 against 3.28, published p = 6.72e-5 (one-sided;
    # from unrounded numbers), here from mean and sd as printed.
    values = np.linspace(-1, 1, 80)
    values = 3.2791 + 0.0019 * values / values.std(ddof=1)
    estimate = mean_estimate(values)
    t = (estimate.mean - 3.28) / (estimate.sd / math.sqrt(estimate.n))
    assert stats.t.cdf(t, 79) == pytest.approx(6.72e-5, rel=0.6)


def test_welch_difference_of_unequal_samples_by_hand():
    # s1^2 = 1, n1 = 3; s2^2 = 4, n2 = 3: se^2 = 5/3 and df = (5/3)^2 / ((1/9 + 16/9) / 2) = 50/17.
    welch = welch_difference([1, 2, 3], [2, 4, 6])
    assert welch.difference == -2
    assert welch.standard_error == pytest.approx(math.sqrt(5 / 3))
    assert welch.degrees_of_freedom == pytest.approx(50 / 17)


@given(accuracies, accuracies)
def test_welch_interval_agrees_with_scipy(first, second):
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return
    expected = stats.ttest_ind(first, second, equal_var=False).confidence_interval(0.95)
    assert welch_difference(first, second).interval(0.95) == pytest.approx(tuple(expected), abs=1e-9)


@given(accuracies, accuracies)
def test_exchanging_the_samples_mirrors_the_interval(first, second):
    low, high = welch_difference(first, second).interval()
    assert welch_difference(second, first).interval() == pytest.approx((-high, -low))


@given(accuracies, accuracies, st.floats(0.001, 0.5))
def test_equivalence_by_interval_agrees_with_two_one_sided_tests_of_statsmodels(first, second, margin):
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return
    welch = welch_difference(first, second)
    p = ttost_ind(np.array(first), np.array(second), -margin, margin, usevar="unequal")[0]
    assert welch.equivalence_p(margin) == pytest.approx(p, abs=1e-9)
    if abs(p - 0.05) > 1e-6:
        assert welch.is_equivalent(margin, 0.05) == (p < 0.05)


def test_two_constant_samples_have_a_difference_without_width():
    welch = welch_difference([0.9] * 3, [0.8] * 3)
    low, high = welch.interval()
    assert low == high == pytest.approx(0.1)
    assert not welch.is_equivalent(0.11)  # against which spread over seeds, nobody knows
    assert not welch.is_equivalent(0.05)
    assert math.isnan(welch.equivalence_p(0.11))


def test_one_seed_gives_a_difference_that_is_never_called_equivalent():
    welch = welch_difference([0.9], [0.9, 0.9])
    assert welch.difference == 0
    assert math.isnan(welch.interval()[0])
    assert not welch.is_equivalent(0.5)


@pytest.mark.parametrize("num_seeds", [3, 5, 10])
def test_a_95_percent_t_interval_covers_the_mean_95_percent_of_the_time(num_seeds):
    draws = np.random.default_rng(num_seeds).normal(0.9, 0.01, size=(2000, num_seeds))
    estimates = [mean_estimate(values) for values in draws]
    coverage = np.mean([estimate.low <= 0.9 <= estimate.high for estimate in estimates])
    assert coverage == pytest.approx(0.95, abs=0.015)  # three standard errors of 2000 draws


@pytest.mark.parametrize(
    ("sd", "num_seeds"), [((0.01, 0.01), (5, 5)), ((0.03, 0.01), (5, 10)), ((0.01, 0.03), (10, 10))]
)
def test_a_95_percent_welch_interval_covers_the_difference_95_percent_of_the_time(sd, num_seeds):
    generator = np.random.default_rng(7)
    hits = 0
    for _ in range(2000):
        low, high = welch_difference(
            generator.normal(0.5, sd[0], num_seeds[0]), generator.normal(0.4, sd[1], num_seeds[1])
        ).interval()
        hits += low <= 0.1 <= high
    assert hits / 2000 == pytest.approx(0.95, abs=0.015)


def test_parameters_out_of_range_are_named():
    with pytest.raises(ValueError, match="confidence must be"):
        mean_estimate([1, 2], confidence=95)
    with pytest.raises(ValueError, match="margin must be positive; got 0"):
        welch_difference([1, 2], [1, 2]).is_equivalent(0)
    with pytest.raises(ValueError, match="alpha must be"):
        welch_difference([1, 2], [1, 2]).is_equivalent(0.1, alpha=0.5)
    with pytest.raises(ValueError, match="one axis"):
        mean_estimate([[1, 2]])
