"""The Hessian-free estimate of the optimal rate, where the answer is known."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import pytest
import torch
from torch import Tensor

from models.diagnostics import Step, estimate_of_noise, estimate_rates, rates_from_snapshots
from models.training import Training


def descent(curvatures: Sequence[float], rates: Sequence[float], start: Sequence[float]) -> Iterator[Step]:
    """Plain gradient descent on ``sum(curvature * theta^2) / 2``; the parameters are changed in place."""
    theta, curvature = torch.tensor(start, dtype=torch.float64), torch.tensor(curvatures, dtype=torch.float64)
    for rate in rates:
        theta -= rate * curvature * theta
        yield Step(rate, 0.0, [theta])


@pytest.mark.parametrize("rates", [[0.1] * 6, [0.1, 0.3, 0.2, 0.05, 0.4, 0.1]], ids=["constant", "changing"])
def test_on_a_parabola_the_estimate_is_one_over_the_curvature_at_any_rates(rates: list[float]) -> None:
    estimates = list(rates_from_snapshots(descent([4.0], rates, [1.0])))
    assert [e.update for e in estimates] == [3, 4, 5, 6]
    assert [e.estimate for e in estimates] == pytest.approx([0.25] * 4)
    assert [e.rate for e in estimates] == rates[2:]


def test_on_a_bowl_large_steps_decide() -> None:
    """At equal sizes of theta: ``sum |curvature * theta| / sum |curvature^2 * theta|`` at the first snapshot."""
    rate, curvatures = 0.1, [1.0, 3.0]
    first = [1.0 - rate * c for c in curvatures]
    expected = sum(c * t for c, t in zip(curvatures, first, strict=True)) / sum(
        c * c * t for c, t in zip(curvatures, first, strict=True)
    )
    estimate = next(rates_from_snapshots(descent(curvatures, [rate] * 3, [1.0, 1.0])))
    assert estimate.estimate == pytest.approx(expected)


@pytest.mark.parametrize("spacing", [1, 2, 10])
def test_with_a_spacing_the_estimate_on_a_parabola_is_known(spacing: int) -> None:
    """``s * rate / (1 - (1 - rate * curvature)^s)``, which tends to one over the curvature for small rates."""
    rate, curvature = 0.02, 2.0
    [estimate] = rates_from_snapshots(descent([curvature], [rate] * 3 * spacing, [1.0]), spacing=spacing)
    assert estimate.update == 3 * spacing
    assert estimate.estimate == pytest.approx(spacing * rate / (1 - (1 - rate * curvature) ** spacing))


def test_at_one_rate_sums_and_moving_average_are_the_published_ones() -> None:
    torch.manual_seed(0)
    points = torch.randn(6, 4, dtype=torch.float64).cumsum(dim=0)
    rate, expected, average = 0.35, [], 0.1
    for before, middle, after in zip(points, points[1:], points[2:], strict=False):
        top, bottom = (middle - before).abs().sum(), (2 * middle - before - after).abs().sum()
        average = (1 - 0.1) * average + rate * 0.1 * float(top / bottom)
        expected.append(average)
    steps = (Step(rate, 0.0, [point]) for point in points)
    assert [e.average for e in rates_from_snapshots(steps, start=0.1)] == pytest.approx(expected)


def test_the_moving_average_starts_with_the_first_estimate_unless_told_otherwise() -> None:
    estimates = list(rates_from_snapshots(descent([1.0, 9.0], [0.1] * 4, [1.0, 1.0]), smoothing=0.5))
    assert estimates[0].average == estimates[0].estimate
    assert estimates[1].average == pytest.approx((estimates[0].estimate + estimates[1].estimate) / 2)


def test_where_nothing_moves_or_the_gradient_stays_there_is_no_estimate() -> None:
    still = (Step(0.1, 0.0, [torch.ones(2)]) for _ in range(4))
    assert list(rates_from_snapshots(still)) == []
    slope = (Step(0.5, 0.0, [torch.tensor([-0.5 * update])]) for update in range(4))
    assert list(rates_from_snapshots(slope)) == []
    at_rate_zero = (Step(0.0, 0.0, [torch.ones(2)]) for _ in range(4))
    assert list(rates_from_snapshots(at_rate_zero)) == []


def test_options_out_of_range_are_refused_at_once() -> None:
    with pytest.raises(ValueError, match=r"spacing must be a whole number >= 1.*\nsmoothing must be a number in \(0"):
        rates_from_snapshots([], spacing=0, smoothing=0.0)


@pytest.mark.parametrize(("momentum", "factor"), [(0.0, 1 / math.sqrt(2)), (0.5, 1.0), (0.9, math.sqrt(5))])
def test_noise_alone_gives_a_known_multiple_of_the_rate(momentum: float, factor: float) -> None:
    assert estimate_of_noise(0.3, momentum) == pytest.approx(0.3 * factor)


@pytest.mark.parametrize(
    ("momentum", "spacing", "nesterov"),
    [(0.0, 1, False), (0.9, 1, False), (0.0, 10, False), (0.9, 5, False), (0.9, 1, True), (0.8, 4, True)],
)
def test_in_a_training_on_noise_the_estimate_is_that_of_noise(momentum: float, spacing: int, nesterov: bool) -> None:
    def walk() -> Iterator[Step]:
        random = torch.Generator().manual_seed(1)
        theta = torch.nn.Parameter(torch.zeros(20_000))
        optimizer = torch.optim.SGD([theta], lr=0.2, momentum=momentum, nesterov=nesterov)
        for update in range(3 * spacing + 60):  # the velocity needs a while to settle
            theta.grad = torch.randn(20_000, generator=random)
            optimizer.step()
            if update >= 60:
                yield Step(0.2, momentum, [theta])

    expected = estimate_of_noise(0.2, momentum, spacing=spacing, nesterov=nesterov)
    [estimate] = rates_from_snapshots(walk(), spacing=spacing, nesterov=nesterov)
    assert estimate.estimate == pytest.approx(expected, rel=0.03)
    assert estimate.noise == pytest.approx(expected)


def test_a_training_is_estimated_along_the_way(make_training: Callable[..., Training]) -> None:
    training = make_training(updates=20, schedule="linear", settings={"peak_lr": 0.1, "momentum": 0.0}, evaluations=2)
    estimates = list(estimate_rates(training))
    assert [e.update for e in estimates] == list(range(3, 21))
    assert [e.rate for e in estimates] == pytest.approx([0.1 * (1 - update / 20) for update in range(2, 20)])
    assert all(0 < e.estimate < math.inf for e in estimates)
    assert [e.update for e in estimate_rates(training, spacing=4)] == [12, 16, 20]


def test_parameters_may_change_in_place_after_a_snapshot() -> None:
    parameter: Tensor = torch.zeros(1, dtype=torch.float64)

    def steps() -> Iterator[Step]:
        for position in (1.0, 0.5, 0.25):
            parameter.fill_(position)
            yield Step(0.5, 0.0, [parameter])
            parameter.fill_(100.0)

    [estimate] = rates_from_snapshots(steps())
    assert estimate.estimate == pytest.approx(1.0)  # theta halves at rate 0.5: curvature 1
