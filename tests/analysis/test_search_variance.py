import math
import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from statsmodels.stats.anova import anova_lm

from analysis.statistics.search_variance import search_variance

# Rows are searches, columns are seeds. By hand: the means of the searches are 2 and 5, those of the seeds 2, 3.5, 5;
# MS_search = 3 * 4.5 = 13.5, MS_seed = 2 * 2.25 = 4.5, MS_rest = 4 * 0.25 / 2 = 0.5.
BY_HAND = np.array([[1.0, 2.0, 3.0], [3.0, 5.0, 7.0]])

layouts = st.tuples(st.integers(2, 5), st.integers(2, 6)).flatmap(
    lambda shape: arrays(float, shape, elements=st.floats(0, 1).map(lambda x: round(x, 4)))
)


def anova(runs):
    searches, seeds = np.indices(runs.shape)
    table = pd.DataFrame({"y": runs.ravel(), "search": searches.ravel(), "seed": seeds.ravel()})
    found = anova_lm(smf.ols("y ~ C(search) + C(seed)", table).fit())
    squares = found["sum_sq"] / found["df"]
    return squares["C(search)"], squares["C(seed)"], squares["Residual"], found.loc["C(search)", "PR(>F)"]


def test_the_components_of_a_small_layout_by_hand():
    found = search_variance(BY_HAND)
    assert (found.num_searches, found.num_seeds, found.mean) == (2, 3, 3.5)
    assert found.search.sd == pytest.approx(math.sqrt((13.5 - 0.5) / 3))
    assert found.shared_seed_sd == pytest.approx(math.sqrt((4.5 - 0.5) / 2))
    assert found.seed.sd == pytest.approx(math.sqrt(2 + 0.5))


def test_the_interval_of_the_mean_by_hand():
    # var_search / 2 + var_seed / 3 + var_rest / 6 = (13.5 + 4.5 - 0.5) / 6; Satterthwaite: 17.5^2 over the sum of
    # MS^2 / df with df 1, 2 and 2.
    found = search_variance(BY_HAND)
    freedom = 17.5**2 / (13.5**2 / 1 + 4.5**2 / 2 + 0.5**2 / 2)
    assert found.degrees_of_freedom == pytest.approx(freedom)
    half_width = stats.t.ppf(0.975, freedom) * math.sqrt(17.5 / 6)
    assert (found.low, found.high) == pytest.approx((3.5 - half_width, 3.5 + half_width))


@settings(max_examples=25)
@given(layouts)
def test_the_components_are_those_of_the_analysis_of_variance_of_statsmodels(runs):
    if np.ptp(runs) < 1e-3:
        return
    found = search_variance(runs)
    searches, seeds = runs.shape
    of_search, of_seed, rest, _ = anova(runs)
    assert found.search.sd**2 == pytest.approx(max(of_search - rest, 0) / seeds, abs=1e-9)
    assert found.shared_seed_sd**2 == pytest.approx(max(of_seed - rest, 0) / searches, abs=1e-9)
    assert found.seed.sd**2 == pytest.approx((of_seed + (searches - 1) * rest) / searches, abs=1e-9)


@pytest.mark.parametrize("seed", range(12))
def test_the_lower_end_for_searches_leaves_0_exactly_where_the_f_test_rejects(seed):
    generator = np.random.default_rng(seed)
    runs = generator.normal(size=(4, 6)) + 0.7 * generator.normal(size=(4, 1))
    p = anova(runs)[3]
    assert (search_variance(runs, 0.9).search.low > 0) == (p < 0.05)


def test_no_variance_between_searches_is_a_deviation_of_0_with_an_upper_end():
    # Every search has the same mean: MS_search = 0 < MS_rest.
    found = search_variance([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
    assert found.search.sd == found.search.low == 0
    assert found.search.high > 0
    assert found.shared_seed_sd == 0


def test_a_seed_effect_that_is_common_to_all_searches_is_not_taken_for_a_narrow_interval():
    # All searches agree on every seed, so that searches add nothing: what is left is the interval over three seeds.
    runs = np.tile([0.80, 0.82, 0.87], (3, 1))
    found = search_variance(runs)
    low, high = stats.t.interval(0.95, 2, runs[0].mean(), stats.sem(runs[0]))
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.search.high < 1e-9
    assert found.seed.sd == pytest.approx(runs[0].std(ddof=1))


def test_searches_that_differ_while_seeds_do_not_give_the_interval_over_searches():
    runs = np.tile(np.array([[0.80], [0.82], [0.87]]), (1, 5))
    found = search_variance(runs)
    assert (found.low, found.high) == pytest.approx(stats.t.interval(0.95, 2, 0.83, stats.sem([0.80, 0.82, 0.87])))
    assert found.search.sd == pytest.approx(np.std([0.80, 0.82, 0.87], ddof=1))
    assert found.seed.sd == 0


@pytest.mark.parametrize(("searches", "seeds"), [(2, 5), (3, 10), (5, 5)])
@pytest.mark.parametrize("of_search", [0.0, 1.0])
def test_intervals_hold_the_truth_about_as_often_as_they_say(searches, seeds, of_search):
    generator, repeats = np.random.default_rng(searches), 400
    mean = search = seed = 0
    for _ in range(repeats):
        runs = of_search * generator.normal(size=(searches, 1)) + 0.5 * generator.normal(size=(1, seeds))
        found = search_variance(runs + generator.normal(size=(searches, seeds)))
        mean += found.low <= 0 <= found.high
        search += found.search.low <= of_search <= found.search.high
        seed += found.seed.low <= math.sqrt(1.25) <= found.seed.high
    for hits in (mean, search, seed):
        assert stats.binomtest(int(hits), repeats, 0.95).proportion_ci(0.999).high > 0.95


def test_equal_runs_have_no_spread_at_all():
    found = search_variance(np.full((3, 4), 0.1))
    assert (found.mean, found.low, found.high) == (0.1, 0.1, 0.1)
    assert (found.search.sd, found.search.high, found.seed.sd, found.seed.high) == (0, 0, 0, 0)


@pytest.mark.parametrize("shape", [(1, 5), (5, 1), (1, 1)])
def test_one_search_or_one_seed_leaves_the_spread_unknown(shape):
    found = search_variance(np.full(shape, 0.5))
    assert found.mean == 0.5
    unknown = (found.low, found.high, found.search.sd, found.search.high, found.seed.sd, found.shared_seed_sd)
    assert all(math.isnan(value) for value in unknown)


def test_without_runs_there_is_no_mean():
    assert math.isnan(search_variance(np.empty((0, 0))).mean)


@settings(max_examples=50)
@given(layouts)
def test_ends_stand_in_order_and_nothing_leaks_a_warning(runs):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = search_variance(runs)
    assert found.low <= found.mean <= found.high
    for deviation in (found.search, found.seed):
        assert 0 <= deviation.low <= deviation.sd <= deviation.high


@settings(max_examples=50)
@given(layouts)
def test_scaling_the_runs_scales_every_deviation(runs):
    first, second = search_variance(runs), search_variance(4 * runs)
    for name in ("search", "seed"):
        one, other = getattr(first, name), getattr(second, name)
        assert (other.sd, other.low, other.high) == pytest.approx((4 * one.sd, 4 * one.low, 4 * one.high), abs=1e-7)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="searches and seeds"):
        search_variance([0.5, 0.6])
    with pytest.raises(ValueError, match="finite"):
        search_variance([[0.5, math.nan], [0.5, 0.6]])
    with pytest.raises(ValueError, match="confidence must be"):
        search_variance(BY_HAND, 1.0)
