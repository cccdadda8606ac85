import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.statistics.permutation import permutation_test
from analysis.statistics.relabelling import score_test

scores = st.lists(st.integers(-5, 5), min_size=2, max_size=7)


def test_completely_separated_scores_give_the_least_p_by_counting():
    # 3 against 3: 20 relabellings, of which the observed one and its mirror image are the most extreme.
    test = score_test([4, 5, 6], [1, 2, 3])
    assert (test.p, test.minimum_p, test.exact) == (2 / 20, 2 / 20, True)


def test_unequal_sizes_by_counting():
    # Choosing 2 of 1, 2, 3, 4, 10 (mean 4): the sum is 14 for (4, 10), 8 expected; only it is 6 or more away.
    assert score_test([4, 10], [1, 2, 3]).p == 1 / 10
    assert score_test([4, 10], [1, 2, 3]).minimum_p == 1 / 10


@given(scores, scores)
def test_the_count_is_that_of_listing_all_relabellings(first, second):
    pooled = np.array([*first, *second], dtype=float)
    centred = pooled - pooled.mean()
    sums = np.array([centred[list(chosen)].sum() for chosen in combinations(range(pooled.size), len(first))])
    expected = np.mean(np.abs(sums) >= abs(sums[0]) - 1e-9)
    assert score_test(first, second).p == pytest.approx(expected)


@given(st.integers(2, 6).flatmap(lambda n: st.tuples(*[st.lists(st.integers(-5, 5), min_size=n, max_size=n)] * 2)))
def test_with_as_many_seeds_in_both_it_is_the_permutation_test_of_welchs_t(both):
    assert score_test(*both).p == pytest.approx(permutation_test(*both).p)


def test_ranks_of_sixteen_against_sixteen_agree_with_the_exact_test_of_wilcoxon():
    ranks = np.arange(32)
    first = ranks[np.r_[0:10, 12, 15, 17, 20, 22, 28]]
    second = np.setdiff1d(ranks, first)
    expected = stats.mannwhitneyu(first, second, method="exact").pvalue
    assert score_test(first, second).p == pytest.approx(expected, rel=1e-12)
    assert score_test(first, second).exact


def test_many_seeds_are_drawn_and_give_the_same_p_every_time():
    generator = np.random.default_rng(4)
    first, second = generator.normal(0.4, 1, 25), generator.normal(0, 1, 25)
    drawn = score_test(first, second)
    assert not drawn.exact
    assert drawn.p == pytest.approx(stats.ttest_ind(first, second).pvalue, abs=0.01)
    assert score_test(first, second) == drawn
    assert score_test(first, second, seed=1).p != drawn.p
    assert score_test(first + 9, second).p == drawn.minimum_p == 1 / 10_000


def test_equal_scores_give_p_one_and_one_seed_gives_none():
    assert score_test([0.3] * 4, [0.3] * 4).p == 1
    assert math.isnan(score_test([1.0], [2.0, 3.0]).p)
    assert math.isnan(score_test([], []).p)
