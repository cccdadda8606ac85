"""The learning-rate range test: one training whose rate only rises, and what its loss and accuracy do meanwhile."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace

import torch

from models.diagnostics.ramp import RAMP_SHAPES, Ramp, RampShape
from models.settings import Resolved, resolve
from models.training import Progress, Training, train_with_pauses
from schedules.checks import Number, OneOf, Rule, complaint, settle

_RULES: Mapping[str, Rule] = {
    "shape": OneOf(RAMP_SHAPES),
    "low": Number(0, remedy="Give the rate of the first update, such as 1e-5."),
    "high": Number(0, brackets="()", remedy="Give the rate of the last update, such as 10."),
    "smoothing_frac": Number(0, 0.5, "[)", "Give the part of the ramp over which losses are averaged, such as 0.05."),
    "stop_factor": Number(1, brackets="()", remedy="Give how far above its lowest the loss may rise, such as 4."),
}


@dataclass(frozen=True, kw_only=True)
class RangeTest:
    """All that one range test needs.

    Args:
        training: what is trained, for how long, and how often it is evaluated. Its schedule and ``peak_lr`` make room
            for the ramp; its momentum policy stays, and takes the ramp's end for the peak.
        shape: ``linear`` or ``exponential``.
        low: rate of the first update, >= 0; above 0 if exponential.
        high: rate of the last update, above ``low``.
        smoothing_frac: part of the ramp over which losses are averaged, in [0, 0.5); 0 for none.
        stop_factor: the test ends when the smoothed loss exceeds its lowest value so many times, > 1.

    Raises:
        ValueError: if a field breaks its range.
    """

    training: Training
    shape: RampShape = "exponential"
    low: float = 1e-5
    high: float = 10.0
    smoothing_frac: float = 0.05
    stop_factor: float = 4.0

    def __post_init__(self) -> None:
        settle(self, _RULES)
        if self.low >= self.high:
            raise ValueError(complaint("low", f"below high, which is {self.high:g}", self.low))
        if self.shape == "exponential" and self.low == 0:
            raise ValueError(complaint("low", "above 0 where the ramp is exponential", self.low, "Take 1e-5, say."))

    @property
    def num_updates(self) -> int:
        """Length of the ramp in updates."""
        workload = self.training.workload
        return self.training.budget.total_updates(workload.num_train, workload.batch_size)

    @property
    def window(self) -> int:
        """Number of updates over which losses are averaged; odd, so that it has a middle."""
        return 2 * math.floor(self.smoothing_frac * self.num_updates / 2) + 1

    def resolved(self) -> Resolved:
        """Return what is trained under: the settings of the training, with the ramp for its schedule.

        Raises:
            ValueError: if a setting is unknown or out of range; one line per offender.
        """
        settings = {**self.training.settings, "peak_lr": self.high}
        arm = resolve(self.training.schedule, self.training.momentum_policy, settings, self.num_updates)
        ramp = Ramp(total_steps=self.num_updates, initial_factor=self.low / self.high, shape=self.shape)
        return replace(arm, schedule=ramp)


@dataclass(frozen=True, kw_only=True)
class RangeCurve:
    """What one range test has seen.

    Args:
        seed: seed of the training.
        rates: rate of each update done, shape ``(num_updates,)``.
        losses: loss of each batch before its update, finite, shape ``(num_updates,)``.
        window: number of losses that are averaged, odd.
        evaluated_updates: updates done at each evaluation, shape ``(num_evaluations,)``.
        accuracies: accuracy on the validation part, in [0, 1], shape ``(num_evaluations,)``.
        diverged_at: rate at which the loss diverged; None if the ramp came to its end.
    """

    seed: int
    rates: tuple[float, ...]
    losses: tuple[float, ...]
    window: int
    evaluated_updates: tuple[int, ...]
    accuracies: tuple[float, ...]
    diverged_at: float | None

    @property
    def evaluated_rates(self) -> tuple[float, ...]:
        """Rate of the last update before each evaluation, shape ``(num_evaluations,)``."""
        return tuple(self.rates[update - 1] for update in self.evaluated_updates)

    @property
    def smoothed_rates(self) -> tuple[float, ...]:
        """Rates in the middle of each window, shape ``(num_updates - window + 1,)``."""
        half = self.window // 2
        return self.rates[half : len(self.rates) - half]

    @property
    def smoothed_losses(self) -> tuple[float, ...]:
        """Moving average of the losses, shape ``(num_updates - window + 1,)``.

        It belongs to the middle of its window, so that it does not trail behind. The exponential average of fast.ai
        (``AvgSmoothLoss``, weight 0.98) does: at the end of 100 updates by 34 of them, over eight decades a factor of
        500 in the rate.
        """
        return moving_average(self.losses, self.window)


def moving_average(values: Sequence[float], window: int) -> tuple[float, ...]:
    """Average every ``window`` values in a row.

    Args:
        values: shape ``(n,)``.
        window: >= 1.

    Returns:
        Shape ``(max(n - window + 1, 0),)``.
    """
    return tuple(math.fsum(values[i : i + window]) / window for i in range(len(values) - window + 1))


def run_range_test(test: RangeTest, device: torch.device | str = "cpu") -> RangeCurve:
    """Train once while the rate rises, until the ramp ends or the loss diverges.

    The test ends when the loss is not finite, or the mean of the last ``window`` losses exceeds ``stop_factor`` times
    the lowest such mean. It reads training and validation part, never the test part.

    Args:
        test: what to do.
        device: where to do it.

    Returns:
        Losses by update and accuracies by evaluation, up to where it ended.

    Raises:
        ValueError: if a setting is unknown, missing or out of range; one line per offender.
        DataError: if the data set's files are not there.

    Reference:
        Smith, "Cyclical Learning Rates for Training Neural Networks" (arXiv 1506.01186), section 3.3; the end at four
        times the lowest loss is that of fast.ai's ``LRFinder``.
    """
    resolved = test.resolved()
    training = replace(test.training, read_test=False, settings={**test.training.settings, "peak_lr": test.high})
    watch = _Watch(window=test.window, stop_factor=test.stop_factor)
    evaluated: list[Progress] = []
    with closing(train_with_pauses(training, device, resolved=resolved)) as steps:
        for step in steps:
            if isinstance(step, Progress):
                watch.diverged_step = step.update - 1 if step.diverged else None
                evaluated += [] if step.diverged else [step]
            elif step.update > watch.updates and not watch.goes_on(step.loss):
                break
    rates = [resolved.at(update)[0] for update in range(watch.updates)]
    return RangeCurve(
        seed=training.seed,
        rates=tuple(rates[: len(watch.losses)]),
        losses=tuple(watch.losses),
        window=test.window,
        evaluated_updates=tuple(progress.update for progress in evaluated),
        accuracies=tuple(progress.validation for progress in evaluated),
        diverged_at=rates[watch.diverged_step] if watch.diverged_step is not None else None,
    )


@dataclass(kw_only=True)
class _Watch:
    """Keep the losses, and notice when they diverge."""

    window: int
    stop_factor: float
    updates: int = 0
    losses: list[float] = field(default_factory=list)
    lowest: float = math.inf
    diverged_step: int | None = None

    def goes_on(self, loss: float) -> bool:
        """Take the loss of the next update, and return False where the test ends."""
        self.updates += 1
        if not math.isfinite(loss):
            self.diverged_step = self.updates - 1
            return False
        self.losses.append(loss)
        if self.updates < self.window:
            return True
        [average] = moving_average(self.losses[-self.window :], self.window)
        self.lowest = min(self.lowest, average)
        if average > self.stop_factor * self.lowest:
            self.diverged_step = self.updates - 1 - self.window // 2
        return self.diverged_step is None
