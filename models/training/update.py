"""One update: from a batch to the next weights."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from models.data.inputs import TrainingInputs
from models.losses import Loss
from models.optimizers import steer
from models.settings import Resolved
from models.training.forward import Forward
from models.training.process_state import ProcessState

#: Gradients that overflow even at this scale of fp16 are not finite themselves, or beyond all use.
_LEAST_SCALE = 2.0**-16


@dataclass(frozen=True, kw_only=True)
class Learner:
    """What the updates of one training work on, and how.

    Args:
        network: on the device, in the layout of the workload.
        optimizer: of the network's parameters.
        scaler: scales the loss of fp16; None in other precisions.
        inputs: yields batch after batch.
        forward: applies the network to a batch.
        loss: from logits and classes to the mean loss.
        rows_at_once: examples that are computed at a time; all of a batch, or equal parts.
        resolved: rate and momentum of each update.
        state: of torch, for the time of an update.
    """

    network: nn.Module
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler | None
    inputs: TrainingInputs
    forward: Forward
    loss: Loss
    rows_at_once: int
    resolved: Resolved
    state: ProcessState


def update(learner: Learner, index: int) -> tuple[Tensor, bool]:
    """Do the update with this index.

    Args:
        learner: what it works on.
        index: in ``[0, total_steps)``.

    Returns:
        The mean loss of the batch, a number on the device; and whether the update was left out because scaled
        gradients overflowed in fp16. NaN in place of the loss if they do so whatever the scale: the training has
        diverged, although its weights have been spared.
    """
    x, y = next(learner.inputs)
    for parameter in _parameters(learner.optimizer):
        parameter.grad = None  # all that `zero_grad` does, which takes 15 microseconds to tell a profiler of it
    with learner.state.at(index):
        loss = _whole(learner, x, y) if len(x) <= learner.rows_at_once else _in_parts(learner, x, y)
    steer(learner.optimizer, *learner.resolved.at(index))
    overflowed = _step(learner)
    if overflowed and learner.scaler is not None and learner.scaler.get_scale() < _LEAST_SCALE:
        return torch.full_like(loss, math.nan), overflowed
    return loss, overflowed


def _whole(learner: Learner, x: Tensor, y: Tensor) -> Tensor:
    loss = learner.loss(learner.forward(learner.network, x), y)
    _backward(learner, loss)
    return loss.detach()


def _in_parts(learner: Learner, x: Tensor, y: Tensor) -> Tensor:
    """Add up the gradients of equal parts of the batch; their mean loss is that of the batch."""
    parts = list(zip(torch.split(x, learner.rows_at_once), torch.split(y, learner.rows_at_once), strict=True))
    losses = []
    for x_part, y_part in parts:
        loss = learner.loss(learner.forward(learner.network, x_part), y_part) / len(parts)
        _backward(learner, loss)
        losses.append(loss.detach())
    return torch.stack(losses).sum()


def _backward(learner: Learner, loss: Tensor) -> None:
    torch.autograd.backward(loss if learner.scaler is None else learner.scaler.scale(loss))


def _step(learner: Learner) -> bool:
    optimizer, scaler, clip_norm = learner.optimizer, learner.scaler, learner.resolved.clip_norm
    if clip_norm:
        if scaler is not None:
            scaler.unscale_(optimizer)
        clip_grad_norm_(_parameters(optimizer), clip_norm)
    if scaler is None:
        optimizer.step()
        return False
    before = scaler.get_scale()
    scaler.step(optimizer)
    scaler.update()
    return scaler.get_scale() < before  # the scale is lowered after an overflow, and then only


def _parameters(optimizer: torch.optim.Optimizer) -> Iterable[Tensor]:
    return (parameter for group in optimizer.param_groups for parameter in group["params"])
