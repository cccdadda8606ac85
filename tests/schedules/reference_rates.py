"""What ``torch.optim.lr_scheduler`` sets, update by update, and what our schedules say."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch.optim import lr_scheduler

from schedules import Schedule

Build = Callable[[torch.optim.SGD], Any]


def torch_groups(build: Build, total_steps: int) -> list[dict[str, float]]:
    """Return learning rate and momentum of every update, peak rate 1."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0, momentum=0.9)
    scheduler = build(optimizer)
    groups = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the optimizer takes no steps here
        for step in range(total_steps):
            group = optimizer.param_groups[0]
            groups.append({"lr": float(group["lr"]), "momentum": group["momentum"]})
            if step < total_steps - 1:
                scheduler.step()
    return groups


def torch_rates(build: Build, total_steps: int) -> list[float]:
    """Return the learning rate of every update, peak rate 1."""
    return [group["lr"] for group in torch_groups(build, total_steps)]


def one_cycle_lr(total_steps: int, warmup_frac: float, **options: Any) -> Build:
    """Say how torch's ``OneCycleLR`` of peak rate 1 is built."""
    return lambda o: lr_scheduler.OneCycleLR(o, 1.0, total_steps, pct_start=warmup_frac, **options)


def factors(schedule: Schedule) -> list[float]:
    """Return the factor of every update."""
    return [schedule(step) for step in range(schedule.total_steps)]
