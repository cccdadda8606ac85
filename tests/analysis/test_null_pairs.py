import math
from itertools import combinations

import numpy as np
import pytest

from analysis.statistics import permutation_test, welch_difference
from analysis.statistics.null_pairs import null_pairs, sequential_null_pairs
from analysis.statistics.sequential import confidence_sequence

VALUES = 0.8 + 0.004 * np.random.default_rng(3).normal(size=9)


def halves(values):
    """Yield every split once, by the plain definition."""
    size, half = len(values), len(values) // 2
    for members in combinations(range(size), half):
        if size % 2 or size - 1 not in members:
            yield values[list(members)], np.delete(values, members)


@pytest.mark.parametrize("size", [4, 6, 7, 8, 9])
def test_every_split_goes_through_the_same_tests_as_two_arms(size):
    values = VALUES[:size]
    pairs = list(halves(values))
    p = np.array([permutation_test(*pair).p for pair in pairs])
    equivalent = [welch_difference(*pair).is_equivalent(0.006, 0.05) for pair in pairs]
    found = null_pairs(values, alpha=0.2, margin=0.006, num_comparisons=2)
    assert found.splits == len(pairs)
    assert found.smallest_p == pytest.approx(p.min())
    assert found.false_positive_rate == pytest.approx((p < 0.2).mean())
    assert found.corrected_rate == pytest.approx((2 * p < 0.2).mean())
    assert null_pairs(values, alpha=0.05, margin=0.006).equivalent_rate == pytest.approx(np.mean(equivalent))


def test_the_rate_of_the_permutation_test_is_at_most_alpha_by_construction():
    for seed in range(20):
        values = np.random.default_rng(seed).standard_cauchy(size=10)
        assert null_pairs(values, alpha=0.05, margin=1).false_positive_rate <= 0.05


def test_steps_of_p_keep_few_seeds_below_alpha():
    assert null_pairs(VALUES[:6], alpha=0.05, margin=1).false_positive_rate == 0  # the least p is 1 in 10


def test_every_split_goes_through_the_same_e_process_as_two_arms():
    values = VALUES[:8]
    sequences = [confidence_sequence(a - b, 0.05 / 3) for a, b in halves(values)]
    found = sequential_null_pairs(values, alpha=0.3, margin=0.02, num_comparisons=18)
    assert found.smallest_p == pytest.approx(min(s.p[-1] for s in sequences))
    assert found.false_positive_rate == pytest.approx(np.mean([s.p[-1] < 0.3 for s in sequences]))
    assert found.equivalent_rate == pytest.approx(np.mean([s.states(0.02)[-1] == "equivalent" for s in sequences]))


def test_many_seeds_are_split_at_random_the_same_way_each_time():
    values = np.random.default_rng(0).normal(size=40)
    first, again = (null_pairs(values, alpha=0.05, margin=0.1) for _ in range(2))
    assert first == again
    assert not first.exhaustive
    assert first.false_positive_rate <= 0.05


@pytest.mark.parametrize("test", [null_pairs, sequential_null_pairs])
def test_equal_values_are_never_told_apart(test):
    found = test([0.8] * 8, alpha=0.05, margin=0.01)
    assert (found.false_positive_rate, found.smallest_p) == (0, 1)


@pytest.mark.parametrize("test", [null_pairs, sequential_null_pairs])
def test_fewer_than_four_seeds_cannot_be_split(test):
    assert test([0.8, 0.9, 0.7], alpha=0.05, margin=0.01) is None
    with pytest.raises(ValueError, match="finite"):
        test([0.8, math.nan, 0.7, 0.6], alpha=0.05, margin=0.01)
