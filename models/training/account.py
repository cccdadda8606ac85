"""What a training has done so far."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

import torch
from torch import Tensor

from models.training.values import Progress

_UPDATES_PER_READING = 16


@dataclass(kw_only=True)
class Account:
    """What a training has done so far.

    Reading a loss waits until the device has done all that is queued. On a CPU each is read at once; a GPU would stand
    idle in between, so there several are read together, and what ran after one that is not finite counts as not done.

    Args:
        device_type: ``cpu``, ``cuda`` ...
        done: updates.
        train_seconds: time in updates.
        evaluation_seconds: time in evaluations.
        overflows: updates left out because scaled gradients overflowed.
        losses: of the updates since the last evaluation.
        curve: progress.
    """

    device_type: str
    done: int = 0
    train_seconds: float = 0.0
    evaluation_seconds: float = 0.0
    overflows: int = 0
    losses: list[float] = field(default_factory=list)
    curve: list[Progress] = field(default_factory=list)
    _unread: list[tuple[Tensor, bool]] = field(default_factory=list)

    @property
    def has_diverged(self) -> bool:
        """Whether the last loss that has been read is not finite."""
        return bool(self.losses) and not math.isfinite(self.losses[-1])

    def note(self, loss: Tensor, overflowed: bool, started_at: float) -> None:
        """Take note of an update that began at this reading of ``time.perf_counter``."""
        self.done += 1
        self.overflows += overflowed
        if self.device_type == "cpu":
            self.losses.append(loss.item())
        else:
            self._unread.append((loss, overflowed))
            if len(self._unread) == _UPDATES_PER_READING:
                self._read()
        self.train_seconds += time.perf_counter() - started_at

    def settle(self) -> None:
        """Wait for the device, and read what has not been read."""
        if self._unread:
            started_at = time.perf_counter()
            self._read()
            self.train_seconds += time.perf_counter() - started_at

    def _read(self) -> None:
        losses = torch.stack([loss for loss, _ in self._unread]).tolist()
        good = next((index for index, loss in enumerate(losses) if not math.isfinite(loss)), len(losses) - 1) + 1
        self.losses += losses[:good]
        self.done -= len(losses) - good
        self.overflows -= sum(overflowed for _, overflowed in self._unread[good:])
        self._unread.clear()
