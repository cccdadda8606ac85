import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.statistics.ranks import (
    average_ranks,
    block_ranks,
    critical_difference,
    friedman_test,
    indistinguishable_groups,
)

# Demsar (2006), Statistical comparisons of classifiers over multiple data sets, Table 6: AUC of C4.5, C4.5+m, C4.5+cf
# and C4.5+m+cf on 14 data sets. On the last but one the two printed as 0.975 are ranked 2 and 3 in the table.
DEMSAR = np.array(
    [
        [0.763, 0.768, 0.771, 0.798],
        [0.599, 0.591, 0.590, 0.569],
        [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657],
        [0.882, 0.888, 0.886, 0.898],
        [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685],
        [0.583, 0.583, 0.563, 0.625],
        [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000],
        [0.940, 0.962, 0.965, 0.962],
        [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.975, 0.9749],
        [0.957, 0.978, 0.946, 0.970],
    ]
)

tables = st.integers(2, 6).flatmap(
    lambda arms: st.lists(st.lists(st.integers(0, 4).map(float), min_size=arms, max_size=arms), min_size=2, max_size=8)
)


def test_the_greatest_value_has_rank_1_and_equal_values_share_their_mean_rank():
    assert block_ranks([[0.7, 0.9, 0.8], [0.5, 0.5, 0.4]]).tolist() == [[3, 1, 2], [1.5, 1.5, 3]]


def test_minus_infinity_ranks_last():
    assert block_ranks([[-math.inf, 0.1, -math.inf]]).tolist() == [[2.5, 1, 2.5]]


def test_average_ranks_of_demsar_are_as_published():
    assert average_ranks(DEMSAR) == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=5e-4)


def test_friedman_and_iman_davenport_of_demsar_are_as_published():
    test = friedman_test(DEMSAR)
    assert test.chi2 == pytest.approx(9.28, abs=5e-3)
    assert test.f == pytest.approx(3.69, abs=5e-3)
    assert (test.num_blocks, test.num_arms) == (14, 4)


def test_the_correction_for_ties_agrees_with_scipy_and_raises_the_statistic():
    test = friedman_test(DEMSAR)
    expected = stats.friedmanchisquare(*DEMSAR.T)
    assert test.chi2_tied == pytest.approx(expected.statistic)
    assert test.p == pytest.approx(expected.pvalue)
    assert test.chi2_tied > test.chi2


@pytest.mark.parametrize(("alpha", "published"), [(0.05, 1.25), (0.1, 1.12)])
def test_critical_differences_of_demsar_are_as_published(alpha, published):
    assert critical_difference(4, 14, alpha) == pytest.approx(published, abs=5e-3)


@pytest.mark.parametrize(
    ("num_arms", "alpha", "q"),
    [(2, 0.05, 1.960), (3, 0.05, 2.343), (4, 0.05, 2.569), (10, 0.05, 3.164), (2, 0.1, 1.645), (10, 0.1, 2.920)],
)
def test_critical_values_of_nemenyi_are_as_in_demsar_table_5(num_arms, alpha, q):
    num_blocks = 6
    unit = math.sqrt(num_arms * (num_arms + 1) / (6 * num_blocks))
    assert critical_difference(num_arms, num_blocks, alpha) / unit == pytest.approx(q, abs=1e-3)


def test_demsar_tells_the_worst_from_the_best_at_10_percent_only():
    ranks = average_ranks(DEMSAR)
    assert indistinguishable_groups(ranks, critical_difference(4, 14, 0.05)) == ((3, 1, 2, 0),)
    # At 10 % the difference of 1.179 between C4.5+m+cf and C4.5 is larger than 1.12, and 1.143 to C4.5+m too.
    assert indistinguishable_groups(ranks, critical_difference(4, 14, 0.1)) == ((3, 1, 2), (2, 0))


def test_a_friedman_statistic_by_hand():
    # Ranks 4/3, 5/3 and 3, with a mean of 2; 12 * 3 / (3 * 4) = 3.
    test = friedman_test([[3, 2, 1], [3, 2, 1], [2, 3, 1]])
    assert test.chi2 == pytest.approx(3 * ((4 / 3 - 2) ** 2 + (5 / 3 - 2) ** 2 + 1))
    assert test.f == pytest.approx(2 * test.chi2 / (6 - test.chi2))


def test_blocks_that_all_agree_have_the_exact_chance_of_that_for_a_p_value(recwarn):
    test = friedman_test([[3, 2, 1]] * 4)
    assert test.chi2 == pytest.approx(8)
    assert math.isinf(test.f_tied)
    assert test.f_p == pytest.approx(1 / 6**3)
    assert not recwarn.list


def test_agreeing_blocks_with_a_tie_have_fewer_arrangements():
    # Two equal values and one below: three arrangements.
    assert friedman_test([[2, 2, 1]] * 4).f_p == pytest.approx(1 / 3**3)


def test_equal_values_everywhere_give_no_test_and_no_warning(recwarn):
    test = friedman_test(np.full((7, 3), 0.9))
    assert all(math.isnan(value) for value in (test.chi2, test.chi2_tied, test.p, test.f, test.f_tied, test.f_p))
    assert average_ranks(np.full((7, 3), 0.9)).tolist() == [2, 2, 2]
    assert not recwarn.list


@pytest.mark.parametrize("values", [np.zeros((0, 3)), [[1, 2]], [[1], [2]]])
def test_one_block_one_arm_or_none_give_no_test(values):
    assert math.isnan(friedman_test(values).p)


def test_no_blocks_give_no_average_rank():
    assert np.isnan(average_ranks(np.zeros((0, 2)))).all()


@given(tables)
def test_average_ranks_have_a_fixed_sum(values):
    arms = len(values[0])
    assert average_ranks(values).sum() == pytest.approx(arms * (arms + 1) / 2)


@given(tables)
def test_the_statistic_agrees_with_scipy_for_three_arms_and_more(values):
    table = np.array(values)
    if table.shape[1] < 3 or all(np.ptp(block) == 0 for block in table):
        return
    test = friedman_test(table)
    assert test.chi2_tied == pytest.approx(stats.friedmanchisquare(*table.T).statistic, abs=1e-9)
    assert 0 <= test.f_p <= 1


@given(tables)
def test_ranks_depend_on_the_order_of_values_alone(values):
    assert friedman_test(np.exp(values)) == friedman_test(values) or math.isnan(friedman_test(values).p)


def test_the_order_of_arms_does_not_change_the_test():
    assert friedman_test(DEMSAR[:, ::-1]).chi2_tied == pytest.approx(friedman_test(DEMSAR).chi2_tied)


@given(st.lists(st.floats(1, 10), min_size=1, max_size=10), st.floats(0.1, 5))
def test_groups_hold_exactly_the_pairs_within_the_critical_difference(ranks, difference):
    gaps = np.abs(np.subtract.outer(ranks, ranks))
    if (np.abs(gaps - difference) < 1e-6).any():
        return
    groups = indistinguishable_groups(ranks, difference)
    together = np.eye(len(ranks), dtype=bool)
    for group in groups:
        together[np.ix_(group, group)] = True
    assert (together == (gaps <= difference)).all()
    assert not any(set(a) < set(b) for a in groups for b in groups)


def test_arms_that_are_all_told_apart_form_no_group():
    assert indistinguishable_groups([1, 2, 3], 0.5) == ()
    assert indistinguishable_groups([], 0.5) == ()


def test_the_iman_davenport_test_rejects_equal_arms_as_often_as_it_says():
    draw = np.random.default_rng(0)
    rejected = np.mean([friedman_test(draw.normal(size=(8, 4))).f_p < 0.05 for _ in range(1000)])
    assert rejected == pytest.approx(0.05, abs=0.02)  # three standard errors of 1000 draws


def test_arguments_out_of_range_are_named():
    with pytest.raises(ValueError, match="two axes"):
        average_ranks([1, 2])
    with pytest.raises(ValueError, match="NaN"):
        block_ranks([[math.nan, 1]])
    with pytest.raises(ValueError, match="num_arms must be at least 2; got 1"):
        critical_difference(1, 6)
    with pytest.raises(ValueError, match="num_blocks must be at least 1; got 0"):
        critical_difference(2, 0)
    with pytest.raises(ValueError, match="alpha must be"):
        critical_difference(2, 6, alpha=5)
    with pytest.raises(ValueError, match="ranks must be finite"):
        indistinguishable_groups([math.nan], 1)
