import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.statistics.survival import expected_running_time, kaplan_meier, numbers_at_risk, rank_test
from analysis.statistics.targets import hit_times

# Weeks in remission, + where it lasted: Freireich et al. (1963), as in Cox (1972), table 1.
MERCAPTOPURINE = "6 6 6 6+ 7 9+ 10 10+ 11+ 13 16 17+ 19+ 20+ 22 23 25+ 32+ 32+ 34+ 35+"
PLACEBO = "1 1 2 2 3 4 4 5 5 8 8 8 8 11 11 12 12 15 17 22 23"

runs = st.lists(st.tuples(st.integers(1, 6), st.booleans()), min_size=2, max_size=8)


def read(text, **seeds):
    """Return a sample written as times, with a + where the target was not reached."""
    words = text.split()
    return hit_times([float(word.rstrip("+")) for word in words], [not word.endswith("+") for word in words], **seeds)


def sample_of(pairs):
    return hit_times([time for time, _ in pairs], [reached for _, reached in pairs])


def test_kaplan_meier_by_hand():
    # 4 at risk and one hit: 3/4. One censored at 2. Then 2 at risk and one hit: 3/8.
    curve = kaplan_meier(read("1 2+ 3 4+"))
    assert curve.times.tolist() == [0, 1, 2, 3, 4]
    assert curve.at_risk.tolist() == [4, 4, 3, 2, 1]
    assert curve.hits.tolist() == [0, 1, 0, 1, 0]
    assert curve.waiting.tolist() == [1, 0.75, 0.75, 0.375, 0.375]
    assert curve.median() == 3


def test_the_band_of_four_runs_as_published():
    # Fay and Brittain, Beta Product Confidence Procedure Confidence Intervals and Discrete Data, section 1: 2.5 and
    # 97.5 % quantiles of Beta(4 - j, j + 1) and Beta(4 - j + 1, j) after the j-th of four hits.
    curve = kaplan_meier(read("3 7 8 14"))
    np.testing.assert_allclose(curve.low, [0.397635364, 0.194120450, 0.067585986, 0.006309463, 0], atol=5e-10)
    np.testing.assert_allclose(curve.high, [1, 0.9936905, 0.9324140, 0.8058796, 0.6023646], atol=5e-8)


def test_the_band_by_hand_where_a_run_ceased_to_be_watched():
    # Hits at 1 of 3 and at 3 of 1: W = Beta(3, 1) Beta(1, 1), whose mean is 3/8 and whose mean square is 3/5 1/3.
    curve = kaplan_meier(read("1 2+ 3"))
    mean, square = 3 / 8, 1 / 5
    total = (mean - square) / (square - mean**2)
    assert curve.high[3] == pytest.approx(stats.beta(mean * total, (1 - mean) * total).ppf(0.975))
    # Between 1 and 2 two runs are left, from 2 on one: W Beta(2, 1) and W Beta(1, 1) with W = Beta(3, 1).
    assert curve.low[1] == pytest.approx(stats.beta(2, 2).ppf(0.025))
    mean, square = 3 / 4 / 2, 3 / 5 / 3
    total = (mean - square) / (square - mean**2)
    assert curve.low[2] == pytest.approx(stats.beta(mean * total, (1 - mean) * total).ppf(0.025))


def test_remission_of_leukaemia_as_published():
    curve = kaplan_meier(read(MERCAPTOPURINE))
    published = {6: 0.857, 7: 0.807, 10: 0.753, 13: 0.690, 16: 0.627, 22: 0.538, 23: 0.448}
    np.testing.assert_allclose(curve.waiting_at(list(published)), list(published.values()), atol=5e-4)
    assert curve.waiting_at([0, 5.9, 35]).tolist() == [1, 1, curve.waiting[-1]]
    assert curve.median() == 23
    assert kaplan_meier(read(PLACEBO)).median() == 8
    assert numbers_at_risk(read(MERCAPTOPURINE), [0, 6, 10, 23]).tolist() == [21, 21, 15, 6]


@given(runs)
def test_the_estimate_agrees_with_scipy(pairs):
    sample = sample_of(pairs)
    expected = stats.ecdf(stats.CensoredData(sample.times[sample.reached], right=sample.times[~sample.reached])).sf
    np.testing.assert_allclose(kaplan_meier(sample).waiting[1:], expected.probabilities)


def test_the_band_is_near_that_of_products_of_beta_variables_that_are_drawn():
    curve = kaplan_meier(read(MERCAPTOPURINE))
    generator, product, size = np.random.default_rng(0), 1.0, 200_000
    left = [*curve.at_risk[1:], 1]
    for at_risk, hits, remain, low, high in zip(curve.at_risk, curve.hits, left, curve.low, curve.high, strict=True):
        product = product * (generator.beta(at_risk - hits + 1, hits, size) if hits else 1.0)
        # The product is not quite a beta variable, least so where few are left.
        near = 0.006 if remain > 5 else 0.02
        assert high == pytest.approx(np.quantile(product, 0.975), abs=near)
        assert low == pytest.approx(np.quantile(product * generator.beta(remain, 1, size), 0.025), abs=near)


@given(runs)
def test_the_band_holds_the_curve_and_stays_in_bounds(pairs):
    curve = kaplan_meier(sample_of(pairs))
    assert (curve.low >= 0).all()
    assert (curve.low <= curve.waiting).all()
    assert (curve.waiting <= curve.high).all()
    assert (curve.high <= 1).all()
    assert (curve.low < curve.high).all()


@given(runs.map(lambda pairs: [(time if reached else 7, reached) for time, reached in pairs]))
def test_without_early_censoring_the_curve_is_the_share_of_runs_by_counting(pairs):
    sample = sample_of(pairs)
    at = np.arange(8)
    counted = [np.mean([not (reached and time <= t) for time, reached in pairs]) for t in at]
    np.testing.assert_allclose(kaplan_meier(sample).waiting_at(at), counted)


@given(st.lists(st.tuples(st.integers(1, 6), st.booleans()), min_size=1, max_size=12), st.floats(0.5, 0.99))
def test_without_early_censoring_the_band_is_the_exact_binomial_interval_throughout(pairs, confidence):
    curve = kaplan_meier(sample_of([(time if reached else 7, reached) for time, reached in pairs]), confidence)
    for time, low, high in zip(curve.times, curve.low, curve.high, strict=True):
        waiting = sum(not reached or at > time for at, reached in pairs)
        exact = stats.binomtest(waiting, len(pairs)).proportion_ci(confidence)
        assert (low, high) == pytest.approx((exact.low, exact.high), abs=1e-9)


def test_where_all_or_none_are_done_the_band_is_the_exact_binomial_bound():
    # Clopper and Pearson with n = 5 and none: upper end 1 - 0.025^(1/5) = 0.5218.
    everybody, nobody = kaplan_meier(read("3 3 3 3 3")), kaplan_meier(read("3+ 3+ 3+ 3+ 3+"))
    assert (everybody.waiting[1], everybody.low[1]) == (0, 0)
    assert everybody.high[1] == pytest.approx(1 - 0.025**0.2)
    assert nobody.waiting.tolist() == nobody.high.tolist() == [1, 1]
    assert nobody.low == pytest.approx([0.025**0.2] * 2)
    assert nobody.median() is None


def test_copies_that_share_a_seed_widen_nothing_and_narrow_nothing():
    alone = kaplan_meier(read("1 2 3 4+"))
    doubled = kaplan_meier(read("1 1 2 2 3 3 4+ 4+", seeds=[0, 0, 1, 1, 2, 2, 3, 3]))
    np.testing.assert_allclose(doubled.waiting, alone.waiting)
    # Two copies of a run count as one.
    np.testing.assert_allclose(doubled.low, alone.low)
    np.testing.assert_allclose(doubled.high, alone.high)


def test_a_hit_at_update_0_leaves_no_time_to_wait():
    curve = kaplan_meier(read("0 3"))
    assert curve.times.tolist() == [0, 3]
    assert curve.waiting.tolist() == [0.5, 0]


def test_no_runs_have_no_curve():
    with pytest.raises(ValueError, match="sample must have a run"):
        kaplan_meier(read(""))


@pytest.mark.parametrize("num_runs", [3, 5, 10, 20])
def test_a_pointwise_95_percent_band_covers_at_least_95_percent_also_where_runs_cease_to_be_watched(num_runs):
    generator = np.random.default_rng(num_runs)
    shares = np.array([0.75, 0.5, 0.25])
    covered = np.zeros(3)
    for times, watched in zip(*generator.exponential([[[1.0]], [[2.0]]], size=(2, 2000, num_runs)), strict=True):
        curve = kaplan_meier(hit_times(np.minimum(times, watched), times <= watched))
        steps = np.searchsorted(curve.times, -np.log(shares), side="right") - 1
        # Beyond the last time nothing is known, so that the lower end is 0 there.
        low = np.where(steps == curve.times.size - 1, 0, curve.low[steps])
        covered += (low <= shares) & (shares <= curve.high[steps])
    assert (covered / 2000 >= 0.94).all()


def test_the_cost_of_a_hit_as_defined():
    # One success after 1 evaluation, failures of 2, 4, 2, 6 and 100: (1 + 114) / 1.
    assert expected_running_time(read("1 2+ 4+ 2+ 6+ 100+")) == 115
    assert expected_running_time(read("10 20")) == 15


def test_a_hit_that_never_comes_has_no_cost_rather_than_a_large_one():
    assert expected_running_time(read("10+ 10+")) is None
    assert expected_running_time(read("")) is None


def test_log_rank_by_hand():
    # Hits at 1 (treatment, 2 of 4 at risk), 2 (control, 1 of 3): expected 1/2 + 1/3; observed 1.
    # Variance 2*2*1*3/(16*3) + 1*2*1*2/(9*2) = 1/4 + 2/9.
    test = rank_test(read("1 3+"), read("2 3+"))
    assert test.excess == pytest.approx(1 - 5 / 6)
    assert test.chi2 == pytest.approx((1 / 6) ** 2 / (1 / 4 + 2 / 9))


def test_log_rank_and_gehan_of_the_leukaemia_trial_as_published():
    treatment, control = read(PLACEBO), read(MERCAPTOPURINE)
    log_rank, gehan = rank_test(treatment, control), rank_test(treatment, control, "Gehan")
    assert log_rank.chi2 == pytest.approx(16.793, abs=5e-4)
    assert log_rank.p_asymptotic == pytest.approx(4.169e-5, abs=5e-9)
    assert gehan.chi2 == pytest.approx(13.457852, abs=5e-7)
    assert log_rank.excess > 0
    assert not log_rank.exact
    assert log_rank.p < 2e-4


@given(runs, runs)
def test_log_rank_agrees_with_scipy(first, second):
    treatment, control = sample_of(first), sample_of(second)
    found = rank_test(treatment, control)
    if math.isnan(found.chi2):
        return
    censored = [stats.CensoredData(s.times[s.reached], right=s.times[~s.reached]) for s in (treatment, control)]
    expected = stats.logrank(*censored)
    assert math.copysign(math.sqrt(found.chi2), found.excess) == pytest.approx(expected.statistic, abs=1e-7)
    assert found.p_asymptotic == pytest.approx(expected.pvalue)


@given(runs, runs)
def test_gehan_is_the_count_of_pairs_in_which_one_run_was_surely_sooner(first, second):
    def sooner(one, other):
        return one[1] and (one[0] < other[0] or (one[0] == other[0] and not other[1]))

    won = sum(sooner(one, other) for one in first for other in second)
    lost = sum(sooner(other, one) for one in first for other in second)
    assert rank_test(sample_of(first), sample_of(second), "Gehan").excess == pytest.approx(won - lost)


@pytest.mark.parametrize("kind", ["log-rank", "Gehan"])
def test_the_permutation_p_counts_relabellings_with_an_excess_as_large(kind):
    pairs = [(1, True), (2, True), (4, True), (5, True), (9, False), (3, True), (6, True), (9, False)]

    def test_of(chosen):
        rest = [pairs[i] for i in range(8) if i not in chosen]
        return rank_test(sample_of([pairs[i] for i in chosen]), sample_of(rest), kind)

    observed = test_of((0, 1, 2, 3))
    extreme = [abs(test_of(c).excess) >= abs(observed.excess) - 1e-9 for c in combinations(range(8), 4)]
    assert observed.exact
    assert observed.p == np.mean(extreme)


@pytest.mark.parametrize("kind", ["log-rank", "Gehan"])
@given(runs, runs)
def test_exchanging_the_samples_changes_the_sign_alone(kind, first, second):
    one = rank_test(sample_of(first), sample_of(second), kind)
    other = rank_test(sample_of(second), sample_of(first), kind)
    assert one.excess == pytest.approx(-other.excess)
    np.testing.assert_allclose([one.chi2, one.p], [other.chi2, other.p], atol=1e-12)


@given(runs, runs)
def test_only_the_order_of_times_matters(first, second):
    stretched = ([(time**3 + 1, reached) for time, reached in pairs] for pairs in (first, second))
    one, other = rank_test(sample_of(first), sample_of(second)), rank_test(*map(sample_of, stretched))
    np.testing.assert_allclose([one.excess, one.p], [other.excess, other.p], atol=1e-12)


def test_nobody_at_the_target_gives_no_p():
    test = rank_test(read("9+ 9+ 9+"), read("9+ 9+ 9+"))
    assert (test.excess, math.isnan(test.chi2), math.isnan(test.p)) == (0, True, True)
    assert math.isnan(rank_test(read(""), read("1 2")).p)


def test_everybody_at_the_target_at_once_gives_p_one():
    test = rank_test(read("2 2 2"), read("2 2 2"))
    assert test.p == 1
    assert math.isnan(test.chi2)


def test_one_seed_gives_no_p():
    assert math.isnan(rank_test(read("2"), read("3 4")).p)


def test_runs_that_share_a_seed_are_relabelled_together():
    # Copies of every run tell nothing new: p stays what it was with one run per seed, while chi2 doubles or so.
    first, second = read("1 2 3 5"), read("4 6 9+ 9+")
    copied = [read(f"{text} {text}", seeds=[0, 1, 2, 3] * 2) for text in ("1 2 3 5", "4 6 9+ 9+")]
    assert rank_test(*copied).p == rank_test(first, second).p == pytest.approx(4 / 70)
    assert rank_test(*copied).p_asymptotic < rank_test(first, second).p_asymptotic


def test_an_unknown_kind_is_named():
    with pytest.raises(ValueError, match="kind must be one of log-rank, Gehan; got 'Peto'"):
        rank_test(read("1"), read("2"), "Peto")


def test_the_error_rate_of_the_permutation_test_is_at_most_alpha_where_chi2_is_too_bold():
    generator = np.random.default_rng(3)
    p = np.empty((2000, 2))
    for i, times in enumerate(np.ceil(4 * generator.exponential(size=(2000, 8)))):
        samples = [hit_times(np.minimum(half, 9), half <= 9) for half in (times[:4], times[4:])]
        test = rank_test(*samples)
        p[i] = test.p, test.p_asymptotic
    exact, asymptotic = np.nanmean(p <= 0.05, axis=0)
    assert exact <= 0.05
    assert asymptotic > 0.06
