"""A training run to some point, and what it says of itself."""

from __future__ import annotations

import dataclasses

import torch
from torch import nn

from models.training import Pause, Progress, Training, train, train_with_pauses


def run(training: Training) -> list[Progress]:
    """Train and leave out the only part that may differ between equal trainings."""
    return [dataclasses.replace(progress, train_seconds=0.0) for progress in train(training)]


def losses(training: Training) -> list[float]:
    return [progress.train_loss for progress in train(training)]


def after(training: Training, updates: int) -> Pause:
    """Train for so many updates and return the pause after them."""
    steps = (step for step in train_with_pauses(training) if isinstance(step, Pause))
    return next(pause for pause in steps if pause.update == updates)


def weights(network: nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])
