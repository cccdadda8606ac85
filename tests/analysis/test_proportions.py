import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import confint_proportions_2indep

from analysis.statistics.proportions import share_difference, wilson_share

counts = st.integers(1, 40).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def test_wilson_by_hand():
    # The ends solve (p - 1/2)^2 = z^2 p (1 - p) / n with n = 4: centre 1/2, half-width z / (2 sqrt(n + z^2)).
    z = 1.959963984540054
    found = wilson_share(2, 4)
    assert found.share == 0.5
    assert (found.low, found.high) == pytest.approx(
        (0.5 - z / 2 / math.sqrt(4 + z * z), 0.5 + z / 2 / math.sqrt(4 + z * z))
    )


def test_published_single_shares():
    # Newcombe (1998), Two-sided confidence intervals for the single proportion, table I, method 3.
    assert (wilson_share(81, 263).low, wilson_share(81, 263).high) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert (wilson_share(15, 148).low, wilson_share(15, 148).high) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert (wilson_share(0, 20).low, wilson_share(0, 20).high) == pytest.approx((0, 0.1611), abs=5e-5)
    assert (wilson_share(1, 29).low, wilson_share(1, 29).high) == pytest.approx((0.0061, 0.1718), abs=5e-5)


def test_published_differences():
    # Newcombe (1998), Interval estimation for the difference, table II, method 10: examples a, c and g.
    for first, second, expected in (
        ((56, 70), (48, 80), (0.0524, 0.3339)),
        ((6, 7), (2, 7), (0.0582, 0.8062)),
        ((10, 10), (0, 10), (0.6075, 1.0)),
    ):
        found = share_difference(wilson_share(*first), wilson_share(*second))
        assert (found.low, found.high) == pytest.approx(expected, abs=5e-5)


@given(counts, counts)
def test_the_difference_agrees_with_statsmodels(first, second):
    expected = confint_proportions_2indep(*first, *second, method="newcomb", compare="diff")
    found = share_difference(wilson_share(*first), wilson_share(*second))
    assert (found.low, found.high) == pytest.approx(expected, abs=1e-9)


@given(counts)
def test_failures_mirror_successes_and_the_interval_holds_the_share(count):
    hits, n = count
    found, mirrored = wilson_share(hits, n), wilson_share(n - hits, n)
    assert (found.low, found.high) == pytest.approx((1 - mirrored.high, 1 - mirrored.low))
    assert 0 <= found.low <= found.share <= found.high <= 1
    assert found.low < found.high


def test_all_or_none_still_have_a_width():
    assert wilson_share(10, 10).low == pytest.approx(0.7225, abs=5e-5)
    assert wilson_share(10, 10).high == 1.0
    assert wilson_share(0, 10).low == 0.0


def test_runs_that_count_as_fewer_have_a_wider_interval():
    assert wilson_share(4.5, 5).low < wilson_share(9, 10).low
    assert wilson_share(4.5, 5).share == wilson_share(9, 10).share


def test_no_runs_have_no_share():
    nothing = wilson_share(0, 0)
    assert all(math.isnan(value) for value in (nothing.share, nothing.low, nothing.high))
    assert math.isnan(share_difference(nothing, wilson_share(1, 2)).low)


def test_what_is_no_share_is_refused():
    with pytest.raises(ValueError, match=r"successes must be in \[0, 5\]; got 6"):
        wilson_share(6, 5)
    with pytest.raises(ValueError, match="confidence must be"):
        wilson_share(1, 5, confidence=95)
