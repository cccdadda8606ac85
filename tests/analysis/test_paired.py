import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.statistics import paired_difference, seed_correlation, shared_seeds

# Student (1908): additional hours of sleep of ten patients under two drugs.
SLEEP = (
    [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0],
    [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4],
)
pairs = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)).map(lambda p: tuple(np.round(p, 4))), min_size=4)


def test_a_paired_difference_by_hand():
    # Differences 1, 2, 3: mean 2, sd 1.
    paired = paired_difference([2, 4, 6], [1, 2, 3])
    assert (paired.difference, paired.degrees_of_freedom) == (2, 2)
    assert paired.standard_error == pytest.approx(1 / math.sqrt(3))


def test_the_sleep_data_give_what_r_prints():
    # R: t.test(extra ~ group, data = sleep, paired = TRUE) and with(sleep, cor(extra[1:10], extra[11:20])).
    paired = paired_difference(*SLEEP)
    assert paired.p == pytest.approx(0.002833, abs=5e-7)
    assert paired.interval() == pytest.approx((-2.4598858, -0.7001142), abs=5e-8)
    assert seed_correlation(*SLEEP).value == pytest.approx(0.7951702, abs=5e-8)


def test_the_interval_of_a_correlation_by_hand():
    # Covariance 1/2, sums of squares 1 and 3/4; with 4 pairs z is divided by sqrt(4 - 3).
    correlation = seed_correlation([0, 0, 1, 1], [0, 1, 1, 1])
    assert correlation.value == pytest.approx(1 / math.sqrt(3))
    assert math.atanh(correlation.low) == pytest.approx(math.atanh(1 / math.sqrt(3)) - 1.959964)
    assert math.atanh(correlation.high) == pytest.approx(math.atanh(1 / math.sqrt(3)) + 1.959964)


@given(pairs)
def test_pairing_changes_the_error_and_never_the_difference(values):
    first, second = map(np.array, zip(*values, strict=True))
    paired = paired_difference(first, second)
    assert paired.difference == pytest.approx(first.mean() - second.mean(), abs=1e-12)
    if np.ptp(first - second) > 1e-6:
        assert paired.p == pytest.approx(stats.ttest_rel(first, second).pvalue, abs=1e-9)


@given(pairs)
def test_the_correlation_is_symmetric_and_lies_in_its_interval(values):
    first, second = map(np.array, zip(*values, strict=True))
    forth, back = seed_correlation(first, second), seed_correlation(second, first)
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        assert math.isnan(forth.value)
        return
    assert forth.value == pytest.approx(back.value)
    assert -1 <= forth.low <= forth.value <= forth.high <= 1


def test_only_seeds_that_both_arms_have_are_paired():
    first, second = shared_seeds([0.1, 0.2, 0.3], [0, 2, 3], [0.9, 0.8, 0.7], [3, 1, 0])
    assert (first.tolist(), second.tolist()) == ([0.1, 0.3], [0.7, 0.9])


def test_arms_without_a_common_seed_cannot_be_paired():
    first, second = shared_seeds([0.1], [0], [0.9], [1])
    assert (first.size, second.size) == (0, 0)
    assert math.isnan(paired_difference(first, second).difference)


def test_a_seed_that_stands_twice_is_refused():
    with pytest.raises(ValueError, match="one value for each of its seeds"):
        shared_seeds([0.1, 0.2], [0, 0], [0.9], [1])


def test_samples_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="one value for each shared seed; got 2 and 1"):
        paired_difference([0.1, 0.2], [0.3])


def test_a_single_pair_has_a_difference_and_no_p():
    paired = paired_difference([0.9], [0.8])
    assert paired.difference == pytest.approx(0.1)
    assert math.isnan(paired.p)
    assert not paired.is_equivalent(1.0)


def test_equal_arms_have_p_one_and_a_constant_gap_has_none():
    same = [0.83, 0.84, 0.86]
    assert paired_difference(same, same).p == 1
    constant = paired_difference([0.83, 0.84, 0.86], [0.82, 0.83, 0.85])  # whose gaps differ in their last bits
    assert constant.standard_error == 0
    assert constant.interval() == pytest.approx((0.01, 0.01))
    assert math.isnan(constant.p)


def test_fewer_than_four_pairs_have_no_correlation():
    assert math.isnan(seed_correlation([1, 2, 3], [1, 2, 4]).value)


def test_seeds_used_twice_show_as_a_correlation_of_one():
    same = [0.83, 0.84, 0.86, 0.85]
    correlation = seed_correlation(same, same)
    assert (correlation.value, correlation.low, correlation.high) == (1, 1, 1)


def test_a_95_percent_interval_of_the_correlation_covers_95_percent_of_the_time():
    generator, hits = np.random.default_rng(3), 0
    for _ in range(1000):
        first, noise = generator.normal(size=(2, 10))
        correlation = seed_correlation(first, 0.6 * first + 0.8 * noise)
        hits += correlation.low <= 0.6 <= correlation.high
    assert hits / 1000 == pytest.approx(0.95, abs=0.02)
