import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.statistics import welch_difference
from analysis.statistics.budget_curves import curve_through, interpolate
from analysis.statistics.frontier import contrast, ratios_of_curves, speed_up
from tests.analysis.planted import CURVES, planted_samples

BUDGETS = (2, 5, 10, 20)
accuracies = st.lists(st.floats(0, 1).map(lambda x: round(x, 3)), min_size=2, max_size=5)


def exact(levels, spread=0.001):
    """Three seeds around each level, with a standard deviation of ``spread``."""
    return [[level - spread, level, level + spread] for level in levels]


def test_an_arm_that_is_where_the_control_is_one_budget_later_is_twice_as_fast():
    # The arm at 10 is where the control is at 20, and so on: no interpolation is needed.
    levels = [0.5, 0.6, 0.66, 0.70, 0.72]
    result = speed_up([1, 2, 4, 8], exact(levels[1:]), exact(levels[:-1]))
    assert result.ratio == pytest.approx(2)
    assert result.p_values[1] == pytest.approx(1)
    assert result.low < 2 < result.high
    assert (result.least, result.most) == (1 / 8, 8)


def test_exchanging_the_arms_inverts_the_ratio():
    arm, control = planted_samples(2.0, np.random.default_rng(0), budgets=BUDGETS)
    there, back = speed_up(BUDGETS, arm, control), speed_up(BUDGETS, control, arm)
    assert there.ratio == pytest.approx(1 / back.ratio)
    assert (there.low, there.high) == pytest.approx((1 / back.high, 1 / back.low))
    assert there.p_values[0] == pytest.approx(back.p_values[0])


@given(accuracies, accuracies, accuracies, accuracies)
@settings(deadline=None)
def test_at_a_ratio_of_one_the_test_is_the_welch_test_of_the_difference(first, second, third, fourth):
    welch = welch_difference(second, fourth)
    if welch.standard_error == 0:
        return
    arm = curve_through(np.array([5.0, 20.0]), [first, second], 1, "arm")
    control = curve_through(np.array([5.0, 20.0]), [third, fourth], 1, "control")
    result = contrast(arm, control, np.zeros(1))
    assert result.differences[0] == pytest.approx(welch.difference)
    assert result.standard_errors[0] == pytest.approx(welch.standard_error)
    assert result.degrees_of_freedom[0] == pytest.approx(welch.degrees_of_freedom)


@given(st.lists(accuracies, min_size=4, max_size=4), st.lists(accuracies, min_size=4, max_size=4))
@settings(deadline=None)
def test_where_the_ratio_leads_to_a_budget_the_test_is_the_welch_test_between_budgets(arms, controls):
    welch = welch_difference(arms[1], controls[3])
    if welch.standard_error == 0:
        return
    budgets = np.array(BUDGETS, dtype=np.float64)
    arm, control = (curve_through(budgets, samples, 3, "x") for samples in (arms, controls))
    result = contrast(arm, control, np.log([4.0]))
    assert result.differences[0] == pytest.approx(welch.difference)
    assert result.standard_errors[0] == pytest.approx(welch.standard_error)
    assert result.allowances[0] == pytest.approx(0, abs=1e-12)


@given(st.lists(accuracies, min_size=4, max_size=4), st.lists(accuracies, min_size=4, max_size=4))
@settings(deadline=None)
def test_the_estimate_lies_in_the_interval_whatever_the_accuracies(arms, controls):
    result = speed_up(BUDGETS, arms, controls)
    if math.isnan(result.low):
        return
    assert result.low <= result.high
    inside = min(max(result.ratio, result.least), result.most)
    assert result.low * (1 - 1e-6) <= inside <= result.high * (1 + 1e-6)


@pytest.mark.parametrize("name", ["power law", "steep power law"])
@pytest.mark.parametrize("truth", [0.5, 1.0, 1.3, 2.0, 8.0])
def test_a_planted_ratio_is_recovered(name, truth):
    arm, control = planted_samples(
        truth, np.random.default_rng(1), budgets=BUDGETS, seeds=10, noise=0.0005, curve=CURVES[name]
    )
    result = speed_up(BUDGETS, arm, control)
    assert result.ratio == pytest.approx(truth, rel=0.1)
    assert result.low <= truth <= result.high


@pytest.mark.parametrize(
    ("truth", "seeds", "curve"),
    [(1.0, 3, "power law"), (1.3, 5, "logistic"), (2.0, 10, "power law"), (8.0, 5, "power law")],
)
def test_a_95_percent_interval_holds_the_planted_ratio_95_percent_of_the_time(truth, seeds, curve):
    generator = np.random.default_rng(seeds)
    hits = 0
    for _ in range(400):
        arm, control = planted_samples(truth, generator, budgets=BUDGETS, seeds=seeds, noise=0.003, curve=CURVES[curve])
        result = speed_up(BUDGETS, arm, control)
        hits += not result.excludes(truth)
    assert 0.95 - 0.033 <= hits / 400 <= 0.95 + 0.033  # three standard errors of 400


def test_a_ratio_beyond_the_budgets_gives_a_lower_bound_and_no_p_value_of_its_own():
    arm, control = planted_samples(30.0, np.random.default_rng(0), budgets=(5, 10, 20), noise=0.0005)
    result = speed_up((5, 10, 20), arm, control)
    assert result.ratio == math.inf
    assert (result.low, result.high) == (4, math.inf)
    assert math.isnan(result.p_values[2])
    assert result.p_values[0] < 0.001
    assert result.excludes(2)
    assert result.excludes(4)
    assert not result.excludes(8)
    slower = speed_up((5, 10, 20), control, arm)
    assert (slower.ratio, slower.low, slower.high) == (0, 0, 0.25)


def test_what_is_excluded_beyond_the_budgets_follows_from_what_is_excluded_within():
    arm, control = planted_samples(1.0, np.random.default_rng(0), budgets=(5, 10, 20), noise=0.0005)
    result = speed_up((5, 10, 20), arm, control)
    assert result.excludes(8)
    assert math.isnan(result.p_values[2])


def test_saturated_arms_give_a_wide_interval_and_not_a_wrong_one():
    generator = np.random.default_rng(2)
    arm, control = ([0.95 + 0.003 * generator.normal(size=5) for _ in BUDGETS] for _ in range(2))
    result = speed_up(BUDGETS, arm, control)
    assert (result.low, result.high) == (0, math.inf)
    assert not any(result.excludes(ratio) for ratio in (1, 2, 8))


def test_an_arm_ahead_on_a_plateau_is_faster_by_at_least_the_range_of_the_budgets():
    generator = np.random.default_rng(3)
    arm, control = ([level + 0.001 * generator.normal(size=5) for _ in BUDGETS] for level in (0.96, 0.95))
    result = speed_up(BUDGETS, arm, control)
    assert (result.ratio, result.low, result.high) == (math.inf, 10, math.inf)


def test_with_two_budgets_nothing_is_interpolated_so_the_interval_ends_at_ratios_of_budgets():
    result = speed_up([5, 20], exact([0.80, 0.90]), exact([0.75, 0.85]))
    assert (result.low, result.high) == (1, 4)
    assert result.excludes(1)
    assert result.excludes(4)
    assert 1 < result.ratio < 4
    assert math.isnan(result.p_values[1])


def test_a_curve_ends_at_an_empty_sample_and_is_not_bridged():
    arm, control = planted_samples(1.0, np.random.default_rng(0), budgets=BUDGETS)
    gap = [arm[0], [], arm[2], arm[3]]
    result = speed_up(BUDGETS, gap, control)
    assert (result.least, result.most) == (0.1, 2)
    shorter = speed_up(BUDGETS, [[], [], *arm[2:]], control)
    assert (result.ratio, result.low, result.high) == (shorter.ratio, shorter.low, shorter.high)


def test_a_shorter_anchor_has_a_shorter_range():
    arm, control = planted_samples(1.3, np.random.default_rng(0), budgets=BUDGETS)
    result = speed_up(BUDGETS, arm, control, anchor=5)
    assert (result.anchor, result.least, result.most) == (5, 0.4, 2.5)
    assert result.low <= 1.3 <= result.high


def test_the_shortest_budget_says_only_who_is_ahead():
    result = speed_up([5, 20], exact([0.8, 0.9]), exact([0.7, 0.9]), anchor=5)
    assert (result.least, result.most, result.low, result.high) == (1, 1, 1, math.inf)


def test_one_seed_gives_an_estimate_without_an_interval_and_no_p_value():
    arm, control = planted_samples(2.0, np.random.default_rng(0), seeds=1, noise=0.0)
    result = speed_up((2, 5, 10, 20, 40), arm, control)
    assert result.ratio == pytest.approx(2, rel=0.05)
    assert math.isnan(result.low)
    assert result.excludes(8) is None
    assert all(math.isnan(p) for p in result.p_values)


def test_a_single_seed_at_one_budget_leaves_ratios_near_it_open():
    arm, control = planted_samples(1.0, np.random.default_rng(0), budgets=BUDGETS)
    result = speed_up(BUDGETS, [arm[0][:1], *arm[1:]], control)
    full = speed_up(BUDGETS, arm, control)
    assert result.low == pytest.approx(full.low)
    assert 0 < result.low < 1 < result.high < math.inf


def test_seeds_without_spread_give_no_interval_and_never_a_star():
    result = speed_up(BUDGETS, [[0.9] * 3] * 4, [[0.8] * 3] * 4)
    assert math.isnan(result.low)
    assert all(math.isnan(p) for p in result.p_values)


def test_equal_and_constant_arms_are_as_fast_as_each_other_as_far_as_one_can_tell():
    assert speed_up(BUDGETS, [[0.9] * 3] * 4, [[0.9] * 3] * 4).ratio == 1


def test_budget_saved_at_equal_accuracy_by_hand():
    result = speed_up([5, 20], exact([0.8, 0.9]), exact([0.7, 0.9]))
    assert result.budget_saved(4) == 15
    assert result.budget_saved(1) == 0
    assert result.budget_saved(0.25) == -15


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_the_curve_runs_through_the_means(means):
    logs = np.log(2.0) * np.arange(len(means))
    assert interpolate(logs, np.array(means)[:, np.newaxis], logs)[:, 0] == pytest.approx(means)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=6))
def test_the_curve_rises_between_rising_means(means):
    logs = np.cumsum(np.linspace(0.5, 1.5, len(means)))
    curve = interpolate(logs, np.sort(means)[:, np.newaxis], np.linspace(logs[0], logs[-1], 200))[:, 0]
    assert (np.diff(curve) >= -1e-9).all()


def test_a_power_law_is_interpolated_to_within_a_tenth_of_straight_lines():
    budgets = np.array(BUDGETS, dtype=np.float64)
    at = np.linspace(np.log(2), np.log(20), 300)
    truth = CURVES["power law"](np.exp(at))
    means = CURVES["power law"](budgets)
    curve = interpolate(np.log(budgets), means[:, np.newaxis], at)[:, 0]
    straight = np.interp(at, np.log(budgets), means)
    assert np.abs(curve - truth).max() < 0.1 * np.abs(straight - truth).max()


def test_many_curves_at_once_give_the_same_estimates_as_one_by_one():
    generator = np.random.default_rng(5)
    pairs = [planted_samples(truth, generator, budgets=BUDGETS) for truth in (0.2, 0.7, 1.0, 3.0, 30.0)]
    budgets = np.array(BUDGETS, dtype=np.float64)
    curves = []
    for side in (0, 1):
        through = curve_through(budgets, pairs[0][side], 3, "x")
        means = np.array([[np.mean(sample) for sample in pair[side]] for pair in pairs]).T
        curves.append(through.__class__(**{**vars(through), "means": means}))
    expected = [speed_up(BUDGETS, *pair).ratio for pair in pairs]
    assert ratios_of_curves(*curves) == pytest.approx(expected, rel=2e-3)


def test_parameters_out_of_range_are_named():
    with pytest.raises(ValueError, match="budgets must be positive and rising"):
        speed_up([5, 5], exact([0.8, 0.9]), exact([0.7, 0.9]))
    with pytest.raises(ValueError, match=r"anchor must be one of \[5.0, 20.0\]; got 7"):
        speed_up([5, 20], exact([0.8, 0.9]), exact([0.7, 0.9]), anchor=7)
    with pytest.raises(ValueError, match="arm_samples must have one sample per budget; got 1 for 2"):
        speed_up([5, 20], exact([0.8]), exact([0.7, 0.9]))
    with pytest.raises(ValueError, match="control_samples must have values at the anchor"):
        speed_up([5, 20], exact([0.8, 0.9]), [[0.7], []])
    with pytest.raises(ValueError, match="confidence must be"):
        speed_up([5, 20], exact([0.8, 0.9]), exact([0.7, 0.9]), confidence=95)
