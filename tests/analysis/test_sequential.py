import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import integrate, optimize, stats

from analysis.statistics.sequential import confidence_sequence, fewest_blocks, log_e_values, settled_after

ACCURACIES = arrays(np.float64, st.integers(2, 30), elements=st.integers(-200, 200).map(lambda i: i / 1000))


def normal(delta: float, *, blocks: int = 60, studies: int = 4000) -> np.ndarray:
    return delta + np.random.default_rng(0).normal(size=(studies, blocks))


def test_two_differences_by_hand():
    # mean 2, sd sqrt 2, t = 2 / (sqrt 2 / sqrt 2) = 2, and E = 3^(-1/2) (1 + 4) / (1 + 4/3)
    assert log_e_values([1, 3])[1] == pytest.approx(math.log(5 / (7 / 3) / math.sqrt(3)))


def test_e_is_the_likelihood_ratio_of_t_under_a_normal_prior_on_the_effect():
    # The density of t averaged over the prior, by quadrature with scipy's noncentral t, over its central density.
    values = np.array([0.3, 1.1, -0.2, 0.9, 0.6])
    t = math.sqrt(5) * values.mean() / values.std(ddof=1)
    averaged, _ = integrate.quad(lambda d: stats.nct.pdf(t, 4, math.sqrt(5) * d) * stats.norm.pdf(d), -8, 8)
    assert log_e_values(values)[-1] == pytest.approx(math.log(averaged / stats.t.pdf(t, 4)), abs=1e-6)


def test_the_interval_ends_where_e_reaches_one_over_alpha():
    values = np.random.default_rng(1).normal(0.4, 1, size=25)
    ends = [
        optimize.brentq(lambda m, n=n: log_e_values(values[:n], null=m)[-1] - math.log(20), values[:n].mean(), 50)
        for n in range(5, 26)
    ]
    assert confidence_sequence(values, 0.05).high[4:] == pytest.approx(np.minimum.accumulate(ends))


def test_e_under_no_difference_reaches_twenty_in_two_and_a_half_percent_of_studies():
    reached = (log_e_values(normal(0, studies=8000)) >= math.log(20)).any(axis=1).mean()
    assert reached == pytest.approx(0.025, abs=0.006)


@pytest.mark.parametrize(
    ("delta", "median", "power"),
    [(0.5, 36, 0.25), (0.8, 16, 0.66), (1, 12, 0.87), (1.5, 8, 1), (2, 7, 1), (3, 6, 1)],
)
def test_known_median_stops_and_power_by_twenty_seeds(delta, median, power):
    reached = log_e_values(normal(delta)) >= math.log(20)
    stops = np.where(reached.any(axis=1), reached.argmax(axis=1) + 1, 999)
    assert np.median(stops) == pytest.approx(median, abs=1)
    assert (stops <= 20).mean() == pytest.approx(power, abs=0.03)


def test_the_intervals_hold_the_truth_at_every_block_at_once():
    sequence = confidence_sequence(normal(0.7), 0.05)
    assert ((sequence.low <= 0.7) & (sequence.high >= 0.7)).all(axis=1).mean() >= 0.95


@settings(max_examples=60)
@given(ACCURACIES, st.sampled_from([0.5, 0.05, 0.05 / 16]))
def test_p_is_below_alpha_exactly_where_the_interval_excludes_zero(values, alpha):
    sequence = confidence_sequence(values, alpha)
    near = np.isclose(sequence.p, alpha, rtol=1e-9)
    excluded = (sequence.low > 0) | (sequence.high < 0)
    assert ((sequence.p < alpha) == excluded)[~near].all()


@settings(max_examples=60)
@given(ACCURACIES)
def test_intervals_only_narrow_and_p_only_falls(values):
    sequence = confidence_sequence(values, 0.05)
    assert (sequence.low[1:] >= sequence.low[:-1]).all()
    assert (sequence.high[1:] <= sequence.high[:-1]).all()
    assert (np.diff(sequence.p) <= 0).all()


@settings(max_examples=60)
@given(ACCURACIES, st.floats(0.01, 100))
def test_a_change_of_unit_scales_the_interval_and_a_swap_of_arms_mirrors_it(values, unit):
    plain, scaled, swapped = (confidence_sequence(v, 0.05) for v in (values, unit * values, -values))
    assert scaled.low == pytest.approx(unit * plain.low)
    assert swapped.low == pytest.approx(-plain.high)
    assert swapped.p == pytest.approx(plain.p)


@pytest.mark.parametrize("value", [0.0, 0.1, -0.3])
def test_equal_differences_decide_nothing_however_many(value):
    sequence = confidence_sequence([value] * 50, 0.05)
    assert (sequence.p == 1).all()
    assert set(sequence.states(0.01)) == {"undecided"}


def test_no_block_and_one_block_decide_nothing():
    assert confidence_sequence([], 0.05).p.size == 0
    assert confidence_sequence([0.4], 0.05).states(0.01).tolist() == ["undecided"]


def test_the_fewest_blocks_are_those_after_which_the_interval_is_first_bounded():
    for alpha in (0.05, 0.05 / 16, 0.01):
        bounded = np.isfinite(confidence_sequence(normal(0, studies=1)[0], alpha).high)
        assert fewest_blocks(alpha) == bounded.argmax() + 1
    assert fewest_blocks(0.05) == 5


def test_equivalence_is_shown_inside_the_margin_even_where_zero_is_excluded():
    values = 0.002 + 0.0005 * np.random.default_rng(0).normal(size=30)
    assert confidence_sequence(values, 0.05).states(0.005)[-1] == "equivalent"
    assert confidence_sequence(values, 0.05).states(0.001)[-1] == "better"
    assert confidence_sequence(-values, 0.05).states(0.001)[-1] == "worse"
    assert settled_after(values, 0.001, 0.05) == (confidence_sequence(values, 0.05).low > 0).argmax() + 1


def test_differences_that_change_their_mind_contradict_themselves():
    steps = np.random.default_rng(0).normal(0, 0.1, size=400)
    steps[:20] += 3
    steps[20:] -= 3
    assert confidence_sequence(steps, 0.05).states(0.1)[-1] == "contradictory"


@pytest.mark.parametrize("bad", [[0.1, math.nan], [math.inf, 0]])
def test_values_that_are_not_finite_are_refused(bad):
    with pytest.raises(ValueError, match="differences must be finite"):
        confidence_sequence(bad, 0.05)
