import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.statistics.spreads import spread_ratio

samples = st.lists(st.floats(0, 1).map(lambda x: round(x, 3)), min_size=3, max_size=8).filter(lambda v: np.ptp(v) > 0)


def test_the_ratio_and_its_p_by_hand():
    # Deviations -1 0 1 and -2 0 2: variances 1 and 4. Fourth powers 2 and 32 over 6 values; squares 2 and 8.
    # k = (34 / 6) / (10 / 6)^2 = 2.04, and (n - 3) / (n - 1) = 0: 2 * 3 / 2.04 degrees of freedom.
    found = spread_ratio([4, 5, 6], [7, 9, 11])
    assert found.ratio == 0.5
    assert found.p == pytest.approx(2 * stats.f.cdf(0.25, 6 / 2.04, 6 / 2.04))


@given(samples, samples)
def test_exchanging_the_samples_inverts_the_ratio_and_keeps_p(first, second):
    one, other = spread_ratio(first, second), spread_ratio(second, first)
    assert one.ratio * other.ratio == pytest.approx(1)
    assert one.p == pytest.approx(other.p)


@given(samples, samples, st.floats(-5, 5), st.floats(1e-3, 1e3))
def test_moving_a_sample_or_changing_the_unit_changes_nothing(first, second, by, unit):
    one = spread_ratio(first, second)
    other = spread_ratio((np.array(first) + by) * unit, np.array(second) * unit)
    assert other.ratio == pytest.approx(one.ratio, rel=1e-6)
    assert other.p == pytest.approx(one.p, abs=1e-6)


def test_with_many_normal_values_it_is_the_f_test():
    values = stats.norm.ppf((np.arange(4000) + 0.5) / 4000)
    f = 1.05**2
    assert spread_ratio(1.05 * values, values).p == pytest.approx(2 * stats.f.sf(f, 3999, 3999), rel=0.05)


@pytest.mark.parametrize("others", [[0.5, 0.5, 0.5], [0.5, 0.6]])
def test_a_constant_sample_and_two_values_have_no_p(others):
    found = spread_ratio([0.1, 0.2, 0.4], others)
    assert math.isnan(found.ratio)
    assert math.isnan(found.p)


@pytest.mark.parametrize(("draw", "most"), [("normal", 0.06), ("laplace", 0.085), ("exponential", 0.15)])
def test_equal_spreads_are_seldom_called_unequal_though_tails_are_heavy(draw, most):
    generator = np.random.default_rng(0)
    pairs = getattr(generator, draw)(size=(1500, 2, 8))
    called = np.mean([spread_ratio(*pair).p < 0.05 for pair in pairs])
    plain = np.mean([abs(stats.f(7, 7).cdf(a.var() / b.var()) - 0.5) > 0.475 for a, b in pairs])
    assert called <= most
    assert draw == "normal" or called < 0.6 * plain
