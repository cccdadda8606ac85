"""Momentum policies worked out by hand, and over runs of the schedules."""

from __future__ import annotations

import pytest

from schedules import (
    MOMENTUM,
    SCHEDULES,
    ConstantMomentum,
    CriticalDamping,
    CycledMomentum,
    MomentumPolicy,
    OneCycle,
    setting_defaults,
)


@pytest.mark.parametrize(
    ("policy", "factors", "peak_lr", "expected"),
    [
        (ConstantMomentum(momentum=0.8), (0, 0.3, 1), 0.1, (0.8, 0.8, 0.8)),
        (CycledMomentum(), (0, 0.5, 1), 3.0, (0.95, 0.9, 0.85)),  # 0.95 to 0.85 of fast.ai and of hyperParam1
        (CycledMomentum(momentum_drop=0.15), (0, 0.5, 1), 0.1, (0.95, 0.875, 0.8)),  # 0.95 to 0.8 of hyperParam1
        # 1 - 2 sqrt(lr): a rate of 0.0025 leaves 0.9, one of 0.01 leaves 0.8, one of 0.25 and above nothing
        (CriticalDamping(), (0.0025, 0.01, 0.04, 0.25, 1), 1.0, (0.9, 0.8, 0.6, 0, 0)),
        (CriticalDamping(), (0, 0.25, 1), 0.01, (0.999, 0.9, 0.8)),
        (CriticalDamping(momentum=0.95, momentum_floor=0.5), (0, 0.04, 0.25, 1), 0.25, (0.95, 0.8, 0.5, 0.5)),
    ],
    ids=repr,
)
def test_momentum_by_hand(
    policy: MomentumPolicy, factors: tuple[float, ...], peak_lr: float, expected: tuple[float, ...]
) -> None:
    assert [policy(factor, peak_lr) for factor in factors] == pytest.approx(list(expected))


def test_cycled_momentum_is_lowest_where_the_rate_is_highest() -> None:
    schedule, momentum = OneCycle(total_steps=50), CycledMomentum()
    steps = range(50)
    assert min(steps, key=lambda step: momentum(schedule(step), 0.1)) == max(steps, key=schedule)


@pytest.mark.parametrize("lr", [1e-6, 1e-4, 1e-2, 0.2])
def test_a_little_more_than_critical_damping_makes_a_quadratic_swing(lr: float) -> None:
    """On ``w**2 / 2``, ``v = mu v - lr w; w += v`` has the roots of ``z**2 - (1 + mu - lr) z + mu``.

    They turn complex, and ``w`` swings about 0, above ``mu = (1 - sqrt(lr))**2 = 1 - 2 sqrt(lr) + lr``.
    """

    def swings(mu: float) -> bool:
        return (1 + mu - lr) ** 2 < 4 * mu

    critical = CriticalDamping(momentum=0.9999)(1.0, lr)
    assert not swings(critical)
    assert swings(critical + 1.001 * lr)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("peak_lr", [1e-4, 0.1, 3.0])
def test_every_policy_goes_with_every_schedule_and_serves_as_beta1_of_adam(name: str, peak_lr: float) -> None:
    schedule = SCHEDULES[name](total_steps=40)
    for kind in MOMENTUM.values():
        assert all(0.0 <= kind()(schedule(step), peak_lr) < 1.0 for step in range(40))


def test_the_momentum_cannot_drop_below_zero_nor_its_floor_lie_above_it() -> None:
    with pytest.raises(ValueError, match=r"momentum_drop must be at most momentum \(0\.5\); got 0\.6\."):
        CycledMomentum(momentum=0.5, momentum_drop=0.6)
    with pytest.raises(ValueError, match=r"momentum_floor must be at most momentum \(0\.5\); got 0\.6\."):
        CriticalDamping(momentum=0.5, momentum_floor=0.6)


@pytest.mark.parametrize("peak_lr", [0.0, -1.0, float("nan"), float("inf")])
def test_critical_damping_needs_a_rate(peak_lr: float) -> None:
    with pytest.raises(ValueError, match=r"peak_lr must be a finite number > 0; got .* Give the rate at factor 1\."):
        CriticalDamping()(0.5, peak_lr)


def test_the_settings_of_policies_and_their_defaults() -> None:
    assert {name: setting_defaults(kind) for name, kind in MOMENTUM.items()} == {
        "constant": {"momentum": 0.9},
        "cycled": {"momentum": 0.95, "momentum_drop": 0.1},
        "critical_damping": {"momentum": 0.999, "momentum_floor": 0.0},
    }
