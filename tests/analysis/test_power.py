import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestIndPower

from analysis.statistics import (
    detectable_in_standard_errors,
    equivalence_power,
    fewest_seeds_to_reject,
    minimum_detectable_difference,
    pairs_for_improvement,
    seeds_for_equivalence,
    seeds_to_detect,
    welch_difference,
)


# Found by simulation: 80 % power, two-sided 0.05, and Bonferroni over 3.
@pytest.mark.parametrize(
    ("num_seeds", "alone", "of_three"),
    [(5, 2.02, 2.51), (8, 1.51, 1.81), (10, 1.32, 1.57), (15, 1.06, 1.25), (20, 0.91, 1.06), (30, 0.74, 0.86)],
)
def test_the_minimum_detectable_difference_in_standard_deviations(num_seeds, alone, of_three):
    assert minimum_detectable_difference(num_seeds, num_seeds) == pytest.approx(alone, abs=0.006)
    assert minimum_detectable_difference(num_seeds, num_seeds, 0.05 / 3) == pytest.approx(of_three, abs=0.006)


@pytest.mark.parametrize("sizes", [(3, 3), (5, 12), (40, 40)])
@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_a_detectable_difference_has_the_power_that_statsmodels_gives_it(sizes, alpha):
    difference = minimum_detectable_difference(*sizes, alpha, 0.9)
    power = TTestIndPower().power(difference, sizes[0], alpha, ratio=sizes[1] / sizes[0])
    assert power == pytest.approx(0.9, abs=1e-4)


def test_with_many_degrees_of_freedom_the_difference_is_the_sum_of_two_normal_quantiles():
    assert detectable_in_standard_errors(1e6, 0.05, 0.8) == pytest.approx(1.959964 + 0.841621, abs=1e-4)


def test_a_detectable_difference_is_found_four_times_in_five():
    generator = np.random.default_rng(5)
    difference, found = minimum_detectable_difference(8, 8), 0
    for _ in range(1000):
        low, high = welch_difference(generator.normal(difference, 1, 8), generator.normal(0, 1, 8)).interval()
        found += not low <= 0 <= high
    assert found / 1000 == pytest.approx(0.8, abs=0.04)


def test_one_seed_can_detect_nothing():
    assert math.isnan(minimum_detectable_difference(1, 10))


@pytest.mark.parametrize("difference", [0.1, 0.5, 1.0, 1.5])
def test_the_seeds_to_detect_are_the_fewest_that_do(difference):
    n = seeds_to_detect(difference)
    assert minimum_detectable_difference(n, n) <= difference < minimum_detectable_difference(n - 1, n - 1)


def test_the_seeds_to_detect_one_standard_deviation_as_in_cohens_tables():
    # Cohen (1988), table 2.4.1, two-sided 0.05 and power 0.80: d = 0.20 0.50 0.80 1.00 take 393 64 26 17.
    assert [seeds_to_detect(d) for d in (0.2, 0.5, 0.8, 1.0)] == [394, 64, 26, 17]


def test_however_large_the_difference_the_permutation_test_needs_some_seeds():
    assert fewest_seeds_to_reject(0.05) == 4  # 2 / 70 < 0.05 < 2 / 20
    assert fewest_seeds_to_reject(0.05 / 3) == 5  # 2 / 252 < 0.0167 < 2 / 70
    assert seeds_to_detect(100.0) == 4
    assert seeds_to_detect(100.0, 0.05 / 16) == 6


def test_a_hopeless_or_unknown_difference_has_no_number_of_seeds():
    assert seeds_to_detect(1e-6) is None
    assert seeds_to_detect(math.nan) is None
    assert seeds_for_equivalence(1e-6) is None
    assert seeds_for_equivalence(math.nan) is None


@pytest.mark.parametrize(("margin", "num_seeds"), [(1.0, 10), (1.0, 20), (1.9, 5), (0.5, 10)])
def test_the_power_of_an_equivalence_test_is_what_is_observed(margin, num_seeds):
    generator = np.random.default_rng(num_seeds)
    draws = generator.normal(size=(2000, 2, num_seeds))
    found = np.mean([welch_difference(*pair).is_equivalent(margin) for pair in draws])
    # Welch's degrees of freedom are estimated, which costs a little power with few seeds.
    assert found == pytest.approx(equivalence_power(margin, num_seeds), abs=0.035)


def test_the_power_of_an_equivalence_test_where_one_side_rarely_fails_is_that_of_two_noncentral_t_tests():
    df, critical = 58, stats.t.isf(0.05, 58)
    miss = stats.nct.cdf(critical, df, math.sqrt(15))
    assert equivalence_power(1.0, 30) == pytest.approx(1 - 2 * miss, abs=1e-5)


def test_the_seeds_for_equivalence_are_the_fewest_that_do():
    n = seeds_for_equivalence(0.8)
    assert equivalence_power(0.8, n - 1) < 0.8 <= equivalence_power(0.8, n)


def test_power_grows_with_seeds_and_margin():
    by_seeds = [equivalence_power(1.0, n) for n in (2, 5, 10, 20, 200)]
    by_margin = [equivalence_power(margin, 10) for margin in (0.1, 0.5, 1.0, 2.0, 100.0)]
    assert by_seeds == sorted(by_seeds)
    assert by_margin == sorted(by_margin)
    assert by_margin[0] < 0.01
    assert by_margin[-1] == pytest.approx(1)


def test_beating_the_other_arm_three_times_in_four_takes_29_pairs():
    # Bouthillier et al. (2021), appendix C.3.
    assert pairs_for_improvement(0.75, alpha=0.05, power=0.95) == 29


def test_parameters_out_of_range_are_named():
    with pytest.raises(ValueError, match=r"alpha must be in \(0, 1\); got 0"):
        minimum_detectable_difference(5, 5, 0.0)
    with pytest.raises(ValueError, match=r"power must be in \(0, 1\); got 80"):
        seeds_to_detect(1.0, power=80)
    with pytest.raises(ValueError, match="difference must be positive"):
        seeds_to_detect(0.0)
    with pytest.raises(ValueError, match="probability must be"):
        pairs_for_improvement(0.5)
