import math

import numpy as np
import pytest
from scipy import stats

from analysis.statistics import holm, minimum_attainable_p, permutation_test


def test_completely_separated_samples_give_the_least_p_by_counting():
    # 3 against 3: 20 relabellings, of which the observed one and its mirror image are the most extreme.
    result = permutation_test([4, 5, 6], [1, 2, 3])
    assert (result.p, result.exact, result.minimum_p) == (2 / 20, True, 2 / 20)


def test_p_counts_every_relabelling_at_least_as_extreme_by_hand():
    # {1, 2} against {3, 4}: |t| of the six choices is largest for {1,2} and {3,4}.
    assert permutation_test([1, 2], [3, 4]).p == 2 / 6
    # {1, 4} against {2, 3}: no difference at all, so everything is as extreme.
    assert permutation_test([1, 4], [2, 3]).p == 1


@pytest.mark.parametrize("sizes", [(5, 5), (4, 7), (8, 8)])
def test_exact_p_agrees_with_scipy(sizes):
    generator = np.random.default_rng(3)
    first, second = generator.normal(0.3, 1, sizes[0]), generator.normal(0, 2, sizes[1])
    expected = stats.permutation_test(
        (first, second),
        lambda a, b, axis: np.abs(stats.ttest_ind(a, b, axis=axis, equal_var=False).statistic),
        n_resamples=np.inf,
        alternative="greater",
    )
    assert permutation_test(first, second).p == pytest.approx(expected.pvalue, abs=1e-12)


def test_drawn_relabellings_come_close_to_the_exact_p_and_are_the_same_every_time():
    generator = np.random.default_rng(5)
    first, second = generator.normal(0.7, 1, 12), generator.normal(0, 1, 12)
    drawn = permutation_test(first, second)
    assert not drawn.exact
    assert drawn.p == pytest.approx(stats.ttest_ind(first, second, equal_var=False).pvalue, abs=0.02)
    assert permutation_test(first, second) == drawn
    assert permutation_test(first, second, seed=1).p != drawn.p


def test_equal_values_everywhere_give_p_one():
    assert permutation_test([0.9] * 5, [0.9] * 5).p == 1


def test_two_constant_samples_that_differ_give_the_least_p():
    # Accuracies that are no binary fractions: rounding must not hide that both samples are constant.
    assert permutation_test([0.83] * 5, [0.84] * 5).p == 2 / math.comb(10, 5)


def test_ties_count_as_extreme():
    assert permutation_test([1, 1, 2], [1, 2, 2]).p == 1


def test_shift_and_scale_do_not_matter():
    first, second = np.array([0.81, 0.83, 0.86, 0.9]), np.array([0.8, 0.82, 0.79, 0.84])
    assert permutation_test(first, second).p == permutation_test(100 * first + 3, 100 * second + 3).p


@pytest.mark.parametrize("sizes", [(0, 5), (1, 1), (1, 9)])
def test_fewer_than_two_seeds_give_no_p(sizes):
    result = permutation_test(np.ones(sizes[0]), np.zeros(sizes[1]))
    assert math.isnan(result.p)
    assert math.isnan(result.minimum_p)


def test_least_attainable_p_by_counting():
    assert minimum_attainable_p(5, 5) == 2 / 252
    assert minimum_attainable_p(2, 3) == 1 / 10
    assert minimum_attainable_p(20, 20) == 1e-5


def error_rate(test, sizes, draws=1000):
    """Share of rejections at 0.05 when the means are equal and the first sample is three times as variable."""
    generator = np.random.default_rng(11)
    samples = ((generator.normal(0, 3, sizes[0]), generator.normal(0, 1, sizes[1])) for _ in range(draws))
    return np.mean([test(first, second) <= 0.05 for first, second in samples])


@pytest.mark.parametrize("num_seeds", [5, 6])
def test_the_error_rate_stays_near_alpha_when_one_arm_is_three_times_as_variable(num_seeds):
    assert error_rate(lambda a, b: permutation_test(a, b).p, (num_seeds, num_seeds)) < 0.075


def test_studentising_repairs_most_of_what_unequal_sizes_and_variances_break():
    def bare(first, second):
        statistic = lambda a, b, axis: np.abs(a.mean(axis=axis) - b.mean(axis=axis))  # noqa: E731
        result = stats.permutation_test((first, second), statistic, n_resamples=np.inf, alternative="greater")
        return result.pvalue

    assert error_rate(bare, (4, 8), 300) > 0.15
    assert error_rate(lambda a, b: permutation_test(a, b).p, (4, 8), 300) < 0.12


def test_holm_by_hand():
    # Sorted .01 .02 .04 times 3, 2, 1 = .03 .04 .04, made monotone.
    np.testing.assert_allclose(holm([0.04, 0.01, 0.02]), [0.04, 0.03, 0.04])
    np.testing.assert_allclose(holm([0.5, 0.6]), [1.0, 1.0])


def test_a_comparison_that_could_not_be_tested_still_counts_in_the_family():
    np.testing.assert_allclose(holm([0.01, np.nan]), [0.02, np.nan])


def test_holm_of_nothing_is_nothing():
    assert holm([]).size == 0


def test_holm_refuses_what_is_no_probability():
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        holm([0.5, 1.2])
