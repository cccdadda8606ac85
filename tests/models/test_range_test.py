"""The learning-rate range test: the ramp, the training under it, and the rules that read rates off it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.diagnostics import RULES, Ramp, RangeCurve, RangeTest, has_blown_up, has_learned, run_range_test
from models.diagnostics.range_test import moving_average
from models.diagnostics.rules import fraction_of_divergence, steepest_descent, valley
from models.training import Training, train

MakeTraining = Callable[..., Training]


def curve(losses: Sequence[float], rates: Sequence[float] = (), **changes: Any) -> RangeCurve:
    fields: dict[str, Any] = {
        "seed": 0,
        "rates": tuple(rates or [10.0**i for i in range(len(losses))]),
        "losses": tuple(losses),
        "window": 1,
        "evaluated_updates": (),
        "accuracies": (),
        "diverged_at": None,
    }
    return RangeCurve(**(fields | changes))


def test_a_linear_ramp_rises_by_equal_steps() -> None:
    ramp = Ramp(total_steps=5, initial_factor=0.2)
    assert [ramp(step) for step in range(5)] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])


def test_an_exponential_ramp_rises_by_equal_ratios() -> None:
    ramp = Ramp(total_steps=3, initial_factor=0.01, shape="exponential")
    assert [ramp(step) for step in range(3)] == pytest.approx([0.01, 0.1, 1.0])


@pytest.mark.parametrize("shape", ["linear", "exponential"])
def test_a_ramp_ends_at_exactly_one_and_is_not_extrapolated(shape: str) -> None:
    for total_steps in (1, 2, 7):
        ramp = Ramp(total_steps=total_steps, initial_factor=1e-6, shape=shape)
        assert ramp(total_steps - 1) == 1.0
        with pytest.raises(IndexError):
            ramp(total_steps)


def test_a_ramp_refuses_what_it_cannot_be() -> None:
    with pytest.raises(ValueError, match="initial_factor must be above 0"):
        Ramp(total_steps=3, shape="exponential")
    with pytest.raises(ValueError, match=r"initial_factor must be a number in \[0, 1\].*\nshape must be one of"):
        Ramp(total_steps=3, initial_factor=2.0, shape="cubic")


def test_a_moving_average_has_one_value_per_full_window() -> None:
    assert moving_average([1.0, 2.0, 6.0, 4.0], 3) == (3.0, 4.0)
    assert moving_average([1.0, 2.0], 3) == ()


def test_a_smoothed_loss_belongs_to_the_middle_of_its_window() -> None:
    bump = curve([2.0, 2.0, 2.0, 5.0, 2.0, 2.0, 2.0], window=3)
    highest = max(bump.smoothed_losses)
    of_highest = [r for r, loss in zip(bump.smoothed_rates, bump.smoothed_losses, strict=True) if loss == highest]
    assert of_highest == [1e2, 1e3, 1e4]  # around the bump, at 1e3


def test_a_range_test_refuses_what_makes_no_sense(make_training: MakeTraining) -> None:
    with pytest.raises(ValueError, match=r"low must be a finite number >= 0.*\n.*stop_factor must be"):
        RangeTest(training=make_training(), low=-1.0, stop_factor=1.0)
    with pytest.raises(ValueError, match="low must be below high"):
        RangeTest(training=make_training(), low=10.0, high=1.0)
    with pytest.raises(ValueError, match="low must be above 0"):
        RangeTest(training=make_training(), low=0.0)


def test_the_rates_of_a_range_test_go_from_low_to_high_whatever_the_schedule(make_training: MakeTraining) -> None:
    training = make_training(updates=30, schedule="cosine", evaluations=3)
    seen = run_range_test(RangeTest(training=training, shape="linear", low=0.01, high=0.05))
    assert seen.rates[0] == pytest.approx(0.01)
    assert seen.rates[-1] == pytest.approx(0.05)
    assert len(seen.losses) == len(seen.rates) == 30
    assert seen.evaluated_updates == (10, 20, 30)
    assert seen.evaluated_rates == tuple(seen.rates[update - 1] for update in (10, 20, 30))
    assert seen.diverged_at is None


def test_a_range_test_begins_as_an_ordinary_training_of_that_seed(make_training: MakeTraining) -> None:
    [progress] = train(make_training(updates=1, evaluations=1))
    seen = run_range_test(RangeTest(training=make_training(updates=5), low=0.01, high=0.02))
    assert seen.losses[0] == progress.train_loss  # before the first update no rate has had a say


def test_a_range_test_ends_when_the_loss_diverges(make_training: MakeTraining) -> None:
    training = make_training(updates=200)
    seen = run_range_test(RangeTest(training=training, low=1e-3, high=1e6))
    assert seen.diverged_at is not None
    assert 0.01 < seen.diverged_at < 1e6
    assert len(seen.losses) < 200
    assert all(math.isfinite(loss) for loss in seen.losses)


def test_equal_range_tests_are_equal_and_leave_no_trace(make_training: MakeTraining) -> None:
    test = RangeTest(training=make_training(updates=20))
    before = torch.random.get_rng_state()
    first = run_range_test(test)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert run_range_test(test) == first
    other = RangeTest(training=make_training(updates=20, seed=2))
    assert run_range_test(other).losses != first.losses


def test_the_accuracy_peak_is_the_lowest_rate_with_the_best_accuracy() -> None:
    seen = curve([1.0] * 5, evaluated_updates=(1, 2, 3, 5), accuracies=(0.1, 0.8, 0.8, 0.3))
    assert RULES["accuracy_peak"].suggest(seen) == 10.0
    assert RULES["accuracy_peak"].suggest(curve([1.0] * 5)) is None


def test_the_steepest_descent_is_where_the_loss_falls_fastest_per_decade() -> None:
    # Per decade of rate the loss falls by 0.5, 2 (1 over half a decade), and 1.2.
    assert steepest_descent(curve([4.0, 3.5, 2.5, 1.9], rates=[1e-3, 1e-2, 10**-1.5, 1e-1])) == pytest.approx(1e-2)


def test_the_steepest_descent_comes_before_the_lowest_loss() -> None:
    assert steepest_descent(curve([4.0, 3.0, 1.0, 90.0, 5.0])) == 10.0
    assert steepest_descent(curve([1.0, 2.0, 90.0, 5.0])) is None


def test_a_ramp_from_zero_has_a_steepest_descent_too() -> None:
    assert steepest_descent(curve([4.0, 3.0, 1.0], rates=[0.0, 0.1, 0.2])) == 0.1


def test_the_valley_is_half_way_down_the_longest_fall() -> None:
    # Falls of 2 and, from the third loss on, of 4 in a row.
    assert valley(curve([2.0, 3.0, 5.0, 4.0, 3.5, 1.0, 7.0, 6.0])) == 1e4
    assert valley(curve([1.0, 2.0, 3.0])) is None
    assert valley(curve([])) is None


def fastai_index(losses: Sequence[float]) -> int:
    """The place that fast.ai's ``valley`` suggests, by its formula: the longest falling subsequence in O(n^2)."""
    lengths = [1] * len(losses)
    for i in range(len(losses)):
        lengths[i] = 1 + max((lengths[j] for j in range(i) if losses[j] > losses[i]), default=0)
    end = lengths.index(max(lengths))
    third = lengths[end] / 3
    return end - lengths[end] + int(third) + int(third / 2)


@given(st.lists(st.integers(0, 50), min_size=2, max_size=60))
def test_the_valley_is_fastais_to_within_an_update_or_two(losses: list[int]) -> None:
    suggested = valley(curve([float(loss) for loss in losses], rates=[float(i) for i in range(len(losses))]))
    if suggested is not None:
        assert 0 <= suggested - fastai_index(losses) <= 2


def test_the_fraction_of_divergence_is_a_third_of_where_the_loss_diverged() -> None:
    assert fraction_of_divergence(curve([1.0], diverged_at=3.0)) == pytest.approx(1.0)
    assert fraction_of_divergence(curve([1.0])) is None


def learned(seen: RangeCurve) -> bool:
    return has_learned(seen, num_classes=10, num_validation=1000)


def test_a_fall_of_the_loss_counts_from_five_times_its_noise_on() -> None:
    # Changes of 0.1 from batch to batch: a standard deviation of 0.1 / (0.6745 * sqrt(2)) = 0.105, and five are 0.524.
    wave = [2.0, 2.1] * 10
    assert learned(curve([*wave, 1.47], rates=[1.0] * 21))
    assert not learned(curve([*wave, 1.48], rates=[1.0] * 21))
    assert not learned(curve([]))


def test_an_accuracy_counts_above_chance_and_the_first_one_where_the_loss_has_not_blown_up() -> None:
    # Five standard errors above a chance of 0.1 are 0.1 + 5 * sqrt(0.09 / 1000) = 0.147.
    losses = [2.0, 2.1] * 3
    assert learned(curve(losses, evaluated_updates=(1, 3), accuracies=(0.05, 0.15)))
    assert not learned(curve(losses, evaluated_updates=(1, 3), accuracies=(0.05, 0.147)))
    assert not learned(curve(losses, evaluated_updates=(1, 3), accuracies=(0.15, 0.16)))
    assert not learned(curve([2.0, 1e6, 1e6], evaluated_updates=(1, 3), accuracies=(0.05, 0.15)))


def test_a_loss_that_ends_above_its_beginning_has_blown_up() -> None:
    assert has_blown_up(curve([2.0, 9.0, 8.0]))
    assert has_blown_up(curve([2.0], diverged_at=0.1))
    assert not has_blown_up(curve([2.0, 1.9, 2.0]))
