import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.meta_analysis import combine_effects

from analysis.statistics import MeanDifference, welch_difference
from analysis.statistics.combination import change_of_differences, combine_differences, difference_of_summaries

samples = st.lists(st.floats(0, 1).map(lambda x: round(x, 4)), min_size=2, max_size=8).filter(lambda v: np.ptp(v) > 0)


def estimate(difference, error, df=1e9):
    return MeanDifference(difference=difference, standard_error=error, degrees_of_freedom=df)


def summary(values):
    return float(np.mean(values)), float(np.std(values, ddof=1)), len(values)


@given(samples, samples)
def test_means_and_sds_give_the_same_difference_as_the_samples_themselves(treatment, control):
    expected = welch_difference(treatment, control)
    actual = difference_of_summaries(summary(treatment), summary(control))
    assert actual.difference == pytest.approx(expected.difference)
    assert actual.standard_error == pytest.approx(expected.standard_error)
    assert actual.degrees_of_freedom == pytest.approx(expected.degrees_of_freedom)


@pytest.mark.parametrize(("mean", "sd", "n"), [(0.9, math.nan, 1), (math.nan, math.nan, 0)])
def test_one_value_or_none_gives_no_standard_error(mean, sd, n):
    assert math.isnan(difference_of_summaries((mean, sd, n), (0.8, 0.1, 5)).standard_error)


def test_the_change_of_two_differences_by_hand():
    # se^2 = 3^2 + 4^2 and df = 25^2 / (9^2 / 4 + 16^2 / 8) = 625 / 52.25.
    change = change_of_differences(estimate(1, 3, df=4), estimate(3, 4, df=8))
    assert (change.difference, change.standard_error) == (2, 5)
    assert change.degrees_of_freedom == pytest.approx(625 / 52.25)


@given(samples, samples, samples, samples)
def test_the_degrees_of_freedom_of_a_change_are_satterthwaites_over_all_four_samples(a, b, c, d):
    change = change_of_differences(welch_difference(a, b), welch_difference(c, d))
    variances = [np.var(values, ddof=1) / len(values) for values in (a, b, c, d)]
    spread = sum(v**2 / (len(values) - 1) for v, values in zip(variances, (a, b, c, d), strict=True))
    assert change.standard_error**2 == pytest.approx(sum(variances))
    assert change.degrees_of_freedom == pytest.approx(sum(variances) ** 2 / spread)


def test_a_study_without_spread_adds_nothing_to_the_error_of_the_change():
    change = change_of_differences(estimate(1, 0.0, math.inf), estimate(3, 2, 5))
    assert (change.standard_error, change.degrees_of_freedom) == (2, pytest.approx(5))
    assert change_of_differences(estimate(1, 0.0), estimate(1, 0.0)).interval() == (0, 0)


def test_a_change_without_a_standard_error_has_no_interval():
    assert math.isnan(change_of_differences(estimate(1, math.nan), estimate(3, 2)).interval()[0])


def test_two_differences_of_one_precision_combine_to_their_mean():
    combined = combine_differences([estimate(1, 2), estimate(3, 2)])
    assert combined.common.difference == pytest.approx(2)
    assert combined.common.standard_error == pytest.approx(2 / math.sqrt(2))
    assert combined.q == pytest.approx(2 * (1 / 2) ** 2)


@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(0.01, 1)), min_size=2, max_size=5))
def test_with_known_variances_the_combination_agrees_with_statsmodels(studies):
    effects, errors = (np.array(column) for column in zip(*studies, strict=True))
    if np.ptp(effects) < 1e-3:
        return  # statsmodels divides by Q
    combined = combine_differences([estimate(e, s) for e, s in studies])
    expected = combine_effects(effects, errors**2)
    assert combined.common.difference == pytest.approx(expected.mean_effect_fe, abs=1e-9)
    assert combined.common.standard_error == pytest.approx(expected.sd_eff_w_fe, rel=1e-6)
    assert combined.q == pytest.approx(expected.q, abs=1e-9)
    assert combined.i_squared == pytest.approx(max(0, expected.i2), abs=1e-9)


def test_q_of_two_studies_is_the_squared_change_over_its_error():
    first, second = estimate(1, 3), estimate(6, 4)
    combined = combine_differences([first, second])
    assert combined.q == pytest.approx(1)
    assert combined.q_p == pytest.approx(2 * stats.norm.sf(1))


def test_weights_that_are_estimated_widen_the_interval():
    few = combine_differences([estimate(0, 1, df=4), estimate(0, 1, df=4)])
    # u = 1/2 for both: var = (1 + 4 * 2 * (1/4) / 4) / 2 and df = 1 / (2 * (1/4) / 4).
    assert few.common.standard_error**2 == pytest.approx(1.5 / 2)
    assert few.common.degrees_of_freedom == pytest.approx(8)


@pytest.mark.parametrize("errors", [(), (1.0, math.nan), (1.0, 0.0)])
def test_nothing_is_combined_without_a_positive_standard_error_of_each(errors):
    combined = combine_differences([estimate(1, error) for error in errors])
    assert all(math.isnan(v) for v in (combined.common.difference, combined.q, combined.q_p, combined.i_squared))


def test_one_study_is_its_own_combination_without_heterogeneity():
    combined = combine_differences([estimate(0.5, 0.1, df=6)])
    assert combined.common == estimate(0.5, pytest.approx(0.1), df=pytest.approx(6))
    assert combined.i_squared == 0
    assert math.isnan(combined.q_p)


@pytest.mark.parametrize("num_seeds", [3, 5, 10])
@pytest.mark.parametrize("sds", [(1, 1, 1, 1), (1, 1, 3, 3)])
def test_intervals_of_change_and_combination_cover_the_truth_95_percent_of_the_time(num_seeds, sds):
    generator = np.random.default_rng([num_seeds, *sds])
    covered = np.zeros(2)
    for _ in range(1000):
        a, b, c, d = (generator.normal(0, sd, num_seeds) for sd in sds)
        studies = welch_difference(a, b), welch_difference(c, d)
        for index, found in enumerate((change_of_differences(*studies), combine_differences(studies).common)):
            low, high = found.interval()
            covered[index] += low <= 0 <= high
    assert covered / 1000 == pytest.approx([0.95, 0.95], abs=0.025)  # three and a half standard errors
