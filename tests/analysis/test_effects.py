import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.weightstats import DescrStatsW

from analysis.statistics import error_ratio, hedges_g, probability_of_improvement, welch_difference
from analysis.statistics.noncentral import noncentrality

accuracies = st.lists(st.floats(0, 1).map(lambda x: round(x, 4)), min_size=2, max_size=12)
MEASURES = (hedges_g, probability_of_improvement, error_ratio)


def with_moments(mean, sd, n):
    values = np.linspace(-1, 1, n)
    return mean + sd * values / values.std(ddof=1)


def test_g_of_three_against_three_by_hand():
    # Difference 2, s^2 = (1 + 4) / 2, and J(4) = Gamma(2) / (sqrt(2) Gamma(1.5)) = sqrt(2 / pi).
    g = hedges_g([3, 4, 5], [0, 2, 4])
    assert g.value == pytest.approx(math.sqrt(2 / math.pi) * 2 / math.sqrt(2.5))


def test_g_of_the_example_of_borenstein_and_others():
    # Introduction to Meta-Analysis (2009), chapter 4: d = 0.5970, J = 0.9923, g = 0.5924.
    assert hedges_g(with_moments(103, 5.5, 50), with_moments(100, 4.5, 50)).value == pytest.approx(0.5924, abs=5e-5)


def test_the_interval_of_g_holds_the_noncentralities_that_leave_a_tail_each():
    first, second = [0.91, 0.93, 0.92, 0.95], [0.90, 0.91, 0.92, 0.89]
    welch, g = welch_difference(first, second), hedges_g(first, second)
    scale = math.sqrt((np.var(first, ddof=1) + np.var(second, ddof=1)) / 2) / welch.standard_error
    t = welch.difference / welch.standard_error
    tails = [stats.nct.cdf(t, welch.degrees_of_freedom, end * scale) for end in (g.low, g.high)]
    assert tails == pytest.approx([0.975, 0.025], abs=1e-5)


@given(accuracies, accuracies)
def test_the_interval_of_g_excludes_0_exactly_where_the_welch_interval_does(first, second):
    g, (low, high) = hedges_g(first, second), welch_difference(first, second).interval()
    if math.isnan(g.low) or min(abs(low), abs(high)) < 1e-6:
        return
    assert (g.low > 0, g.high < 0) == (low > 0, high < 0)


@pytest.mark.parametrize("statistic", [-2e6, -700.0, 499.0, 501.0, 1e4, 1e9])
def test_noncentralities_of_extreme_statistics_are_found_and_rise_with_the_statistic(statistic):
    ends = [noncentrality(statistic, 8.0, tail) for tail in (0.975, 0.5, 0.025)]
    assert ends == sorted(ends)
    # Of t = (z + noncentrality) / sqrt(chi2 / df) only the chi-squared part is left: its median is 7.344.
    assert ends[1] == pytest.approx(statistic * math.sqrt(7.344121 / 8), rel=1e-4)


def test_probability_of_improvement_counts_pairs_and_half_of_the_ties_by_hand():
    # 3 beats 1 and 2; 2 beats 1 and ties with 2.
    assert probability_of_improvement([3, 2], [1, 2]).value == 3.5 / 4


def test_probability_of_improvement_of_samples_that_do_not_overlap_has_a_width():
    better = probability_of_improvement([0.94, 0.95, 0.96], [0.91, 0.92, 0.93])
    assert (better.value, better.high) == (1, 1)
    assert 0.2 < better.low < 0.5
    worse = probability_of_improvement([0.91, 0.92, 0.93], [0.94, 0.95, 0.96])
    assert (worse.low, worse.high) == pytest.approx((0, 1 - better.low))


def test_probability_of_improvement_with_the_normal_quantile_is_newcombes_method_5_in_singlecasees():
    # R, SingleCaseES: NAP(A_data = c(20, 20, 26, 25, 22, 23), B_data = c(28, 25, 24, 27, 30, 30, 29))
    # gives 0.9166667, 95 % CI 0.5973406 to 0.9860176, as in the package's vignette.
    as_normal = 2 * stats.t.cdf(stats.norm.ppf(0.975), 11) - 1
    effect = probability_of_improvement([28, 25, 24, 27, 30, 30, 29], [20, 20, 26, 25, 22, 23], as_normal)
    assert (effect.value, effect.low, effect.high) == pytest.approx((0.9166667, 0.5973406, 0.9860176), abs=2e-4)


@given(accuracies, accuracies)
def test_probability_of_improvement_is_the_mann_whitney_statistic_and_lies_in_its_interval(first, second):
    effect = probability_of_improvement(first, second)
    expected = stats.mannwhitneyu(first, second).statistic / (len(first) * len(second))
    assert effect.value == pytest.approx(expected)
    assert 0 <= effect.low <= effect.value <= effect.high <= 1
    assert effect.high - effect.low > 0.1


def test_ties_survive_the_rounding_of_means_over_searches():
    assert 0.1 + 0.2 != 0.3
    assert probability_of_improvement([0.1 + 0.2, 0.5], [0.3, 0.5]).value == (0.5 + 0 + 1 + 0.5) / 4


def test_error_ratio_by_hand():
    # Errors 0.10 and 0.20 on average.
    assert error_ratio([0.89, 0.91], [0.79, 0.81]).value == pytest.approx(0.5)


def test_the_ends_of_the_error_ratio_are_where_a_welch_test_stops_rejecting():
    first, second = np.array([0.92, 0.93, 0.95, 0.94]), np.array([0.90, 0.88, 0.91, 0.89, 0.9])
    effect = error_ratio(first, second)
    df = welch_difference(first, 1 - effect.value * (1 - second)).degrees_of_freedom
    for end in (effect.low, effect.high):
        error = math.sqrt(first.var(ddof=1) / 4 + end**2 * second.var(ddof=1) / 5)
        t = ((1 - first).mean() - end * (1 - second).mean()) / error
        assert abs(t) == pytest.approx(stats.t.ppf(0.975, df))


def test_an_error_ratio_to_a_constant_control_is_a_t_interval_of_the_error():
    low, high = DescrStatsW([0.08, 0.10, 0.12]).tconfint_mean()
    effect = error_ratio([0.92, 0.90, 0.88], [0.75, 0.75])
    assert (effect.low, effect.high) == pytest.approx((low / 0.25, high / 0.25))


def test_a_control_that_may_never_err_leaves_the_error_ratio_open_above():
    effect = error_ratio([0.90, 0.91, 0.89], [0.9, 1.0, 1.0])
    assert math.isfinite(effect.value)
    assert effect.high == math.inf
    assert 0 < effect.low < effect.value
    assert error_ratio([0.90, 1.0, 1.0], [0.9, 1.0, 1.0]).low == 0


def test_a_control_that_never_errs_has_no_error_ratio():
    assert math.isnan(error_ratio([0.9, 0.8], [1.0, 1.0]).value)


def test_an_accuracy_in_percent_has_no_error_ratio():
    with pytest.raises(ValueError, match=r"fractions in \[0, 1\]"):
        error_ratio([91, 92], [0.9, 0.9])


@pytest.mark.parametrize("measure", MEASURES)
def test_without_values_there_is_no_effect(measure):
    effect = measure([], [0.5, 0.6])
    assert all(math.isnan(value) for value in (effect.value, effect.low, effect.high))


@pytest.mark.parametrize("measure", MEASURES)
def test_one_seed_gives_no_interval(measure):
    effect = measure([0.9], [0.5, 0.6])
    assert math.isnan(effect.low)
    assert math.isnan(effect.high)


def test_two_constant_samples_have_no_g_but_an_order():
    assert math.isnan(hedges_g([0.9] * 5, [0.8] * 5).value)
    assert probability_of_improvement([0.9] * 5, [0.8] * 5).value == 1
    assert probability_of_improvement([0.9] * 5, [0.9] * 5).value == 0.5
    assert error_ratio([0.9] * 5, [0.8] * 5).low == pytest.approx(0.5)


@pytest.mark.parametrize("measure", MEASURES)
def test_what_is_not_finite_or_out_of_range_is_named(measure):
    with pytest.raises(ValueError, match="finite"):
        measure([0.5, math.nan], [0.5, 0.6])
    with pytest.raises(ValueError, match="confidence must be"):
        measure([0.5, 0.4], [0.5, 0.6], 95)


def coverage(measure, truth, *, sd, difference, num_seeds, draws=1000):
    generator = np.random.default_rng(num_seeds)
    effects = [
        measure(generator.normal(0.8 + difference, sd[0], num_seeds), generator.normal(0.8, sd[1], num_seeds))
        for _ in range(draws)
    ]
    return np.mean([effect.low <= truth <= effect.high for effect in effects])


@pytest.mark.parametrize("num_seeds", [3, 10])
@pytest.mark.parametrize("sd", [(0.01, 0.01), (0.01, 0.03)])
def test_a_95_percent_interval_covers_about_95_percent_of_the_time(sd, num_seeds):
    spread = math.hypot(*sd)
    case = {"sd": sd, "num_seeds": num_seeds, "difference": 0.02}
    assert coverage(hedges_g, 0.02 / spread * math.sqrt(2), **case) == pytest.approx(0.95, abs=0.025)
    assert coverage(error_ratio, 0.18 / 0.2, **case) == pytest.approx(0.95, abs=0.025)
    assert coverage(probability_of_improvement, stats.norm.cdf(0.02 / spread), **case) > 0.93
