"""The rate that a training's own steps call for: the simplified Hessian-free estimate of Smith and Topin."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from models.settings import resolve
from models.training import Progress, Training, train_with_pauses
from schedules.checks import Number, Rule, Whole, read_settings


class Step(NamedTuple):
    """One update: the rate and the momentum it was done with, and the parameters after it."""

    rate: float
    momentum: float
    parameters: Sequence[Tensor]


@dataclass(frozen=True, kw_only=True)
class RateEstimate:
    """The estimate after one update.

    Args:
        update: updates done.
        rate: mean rate of the updates since the snapshot before.
        estimate: the rate that these steps call for, > 0.
        average: moving average of the estimates so far.
        noise: what `estimate_of_noise` says: an estimate close to it knows nothing of the curvature.
    """

    update: int
    rate: float
    estimate: float
    average: float
    noise: float


@dataclass(frozen=True)
class _Snapshot:
    """Parameters, the rates that led there from the snapshot before, and the last momentum."""

    update: int
    parameters: tuple[Tensor, ...]
    total_rate: float
    mean_rate: float
    momentum: float


def rates_from_snapshots(
    steps: Iterable[Step],
    *,
    spacing: int = 1,
    smoothing: float = 0.1,
    start: float | None = None,
    nesterov: bool = False,
) -> Iterator[RateEstimate]:
    """Estimate the optimal rate from three snapshots of the parameters in a row.

    The secant of the gradient along the step is taken for the curvature:
    ``estimate = sum |theta_1 - theta_0| / sum |g_1 - g_0|`` over all parameters, where the gradients are read off the
    steps, ``g_i = (theta_i - theta_{i+1}) / R_i``, with ``R_i`` the sum of the rates between snapshots i and i + 1. At
    one constant rate and a spacing of 1 this is the published
    ``rate * sum |theta_1 - theta_0| / sum |2 theta_1 - theta_0 - theta_2|``. The moving average is
    ``(1 - smoothing) * average + smoothing * estimate``.

    **Read it with care.** It assumes plain SGD: momentum makes steps in a row alike, which makes the second difference
    small and the estimate too large; weight decay adds a curvature of its own. Batches differ, and where the noise
    outweighs the gradient the estimate is a multiple of the rate that was used, whatever the curvature
    (`estimate_of_noise`). The sums of absolute values let large layers decide.

    It differs from the published code in three ways: rates that change are taken into account; R grows with the
    spacing, without which an estimate at spacing 10 would be about 10 times too small; and the moving statistics of
    batch normalisation, which Caffe keeps among the parameters, are left out.

    Args:
        steps: every update; its parameters may be changed in place afterwards.
        spacing: updates between snapshots, >= 1.
        smoothing: weight of a new estimate in the moving average, in (0, 1].
        start: value of the moving average before the first estimate, 0.1 in the published code; None to start it with
            the first estimate.
        nesterov: whether the momentum is Nesterov's; it tells only what noise alone would give.

    Returns:
        One estimate per snapshot from the third on. Left out are those where nothing moved, or where the gradient did
        not change.

    Raises:
        ValueError: if an option breaks its range; one line per offender.

    Reference:
        Sums and moving average: ``L2TermComputation3.py`` and ``L2TermComputation4.py`` of
        github.com/lnsmith54/super-convergence, the code to Smith and Topin, "Super-Convergence" (arXiv 1708.07120).
    """
    rules: dict[str, Rule] = {"spacing": Whole(1), "smoothing": Number(0, 1, "(]")}
    read_settings({"spacing": spacing, "smoothing": smoothing}, rules)
    noise = partial(estimate_of_noise, spacing=spacing, nesterov=nesterov)
    return _estimates(_snapshots(steps, spacing), noise, smoothing, start)


def _estimates(
    snapshots: Iterable[_Snapshot], noise: Callable[[float, float], float], smoothing: float, average: float | None
) -> Iterator[RateEstimate]:
    kept: deque[_Snapshot] = deque(maxlen=3)
    for snapshot in snapshots:
        kept.append(snapshot)
        estimate = _estimate(*kept) if len(kept) == 3 else None
        if estimate is None:
            continue
        average = estimate if average is None else (1 - smoothing) * average + smoothing * estimate
        rate = snapshot.mean_rate
        yield RateEstimate(
            update=snapshot.update,
            rate=rate,
            estimate=estimate,
            average=average,
            noise=noise(rate, snapshot.momentum),
        )


def _snapshots(steps: Iterable[Step], spacing: int) -> Iterator[_Snapshot]:
    rates: list[float] = []
    for update, step in enumerate(steps, start=1):
        rates.append(step.rate)
        if update % spacing == 0:
            copies, total_rate = tuple(p.detach().clone() for p in step.parameters), math.fsum(rates)
            yield _Snapshot(update, copies, total_rate, total_rate / spacing, step.momentum)
            rates.clear()


def _estimate(first: _Snapshot, second: _Snapshot, third: _Snapshot) -> float | None:
    """Return the estimate, or None where these three do not tell."""
    if second.total_rate == 0 or third.total_rate == 0:
        return None
    top = bottom = 0.0
    for before, middle, after in zip(first.parameters, second.parameters, third.parameters, strict=True):
        step = middle - before
        change = step / second.total_rate - (after - middle) / third.total_rate
        top += float(step.abs().sum(dtype=torch.float64))
        bottom += float(change.abs().sum(dtype=torch.float64))
    estimate = top / bottom if bottom > 0 else 0.0
    return estimate if 0 < estimate < math.inf else None


def estimate_of_noise(rate: float, momentum: float, *, spacing: int = 1, nesterov: bool = False) -> float:
    """Return what the estimate amounts to where gradients are nothing but noise.

    Steps of SGD are then ``v_t = momentum * v_{t-1} + noise``, or with Nesterov's momentum ``noise + momentum * v_t``.
    With D the sum of ``spacing`` steps in a row, D' that of the next, and r their correlation, the mean of ``|D|`` over
    that of ``|D - D'|`` is ``1 / sqrt(2 (1 - r))``, and the estimate ``spacing * rate / sqrt(2 (1 - r))``. At a spacing
    of 1 that is 0.71 times the rate without momentum; at a momentum of 0.9 it is 2.2 times, with Nesterov's 1.2 times.

    Args:
        rate: rate of every update, >= 0.
        momentum: momentum of every update, in [0, 1).
        spacing: updates between snapshots, >= 1.
        nesterov: Nesterov's momentum instead of the classical one.

    Returns:
        The estimate, for normal noise that is independent from update to update.
    """

    def covariance_of_steps(lag: int) -> float:  # in units of the variance of the noise
        if not nesterov:
            return momentum**lag / (1 - momentum**2)
        echo = momentum ** (lag + 4) / (1 - momentum**2)
        return (1 + momentum) * (momentum ** (lag + 1) if lag else 1 + momentum) + echo

    lags = range(1, spacing)
    variance = spacing * covariance_of_steps(0) + 2 * sum((spacing - lag) * covariance_of_steps(lag) for lag in lags)
    covariance = sum(min(lag, 2 * spacing - lag) * covariance_of_steps(lag) for lag in range(1, 2 * spacing))
    return spacing * rate / math.sqrt(2 * (1 - covariance / variance))


def estimate_rates(
    training: Training, device: torch.device | str = "cpu", *, spacing: int = 1, smoothing: float = 0.1
) -> Iterator[RateEstimate]:
    """Train, and estimate the optimal rate along the way; see `rates_from_snapshots` for what that is worth.

    Args:
        training: what to train, under its own schedule, with SGD.
        device: where.
        spacing: updates between snapshots, >= 1.
        smoothing: weight of a new estimate in the moving average, in (0, 1].

    Returns:
        An iterator that trains as it is consumed.

    Raises:
        ValueError: if a setting or an option breaks its range; one line per offender.
        DataError: if the data set's files are not there.
    """
    nesterov = training.workload.nesterov
    return rates_from_snapshots(_steps(training, device), spacing=spacing, smoothing=smoothing, nesterov=nesterov)


def _steps(training: Training, device: torch.device | str) -> Iterator[Step]:
    workload = training.workload
    total_updates = training.budget.total_updates(workload.num_train, workload.batch_size)
    resolved = resolve(training.schedule, training.momentum_policy, training.settings, total_updates)
    done = 0
    with closing(train_with_pauses(training, device)) as steps:
        for step in steps:
            if not isinstance(step, Progress) and step.update > done and math.isfinite(step.loss):
                done = step.update
                yield Step(*resolved.at(done - 1), tuple(step.network.parameters()))
