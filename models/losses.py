"""Losses by name, and the user's own by ``package.module:function``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from models.importing import first_line, is_function_name, load_function
from schedules.checks import complaint, unknown_option

Loss = Callable[[Tensor, Tensor], Tensor]
"""From logits ``(n, num_classes)`` and classes ``(n,)`` to the mean loss of these examples, a number."""

LOSSES: Mapping[str, Callable[..., Tensor]] = {"cross_entropy": functional.cross_entropy}


def check_loss_name(name: str) -> None:
    """Check that a name is in the table or has the form of a function of the user's; nothing is imported.

    Raises:
        ValueError: if it is neither.
    """
    if name not in LOSSES and not is_function_name(name):
        raise ValueError(unknown_option("loss", name, [*LOSSES, "package.module:function"]))


def find_loss(name: str) -> Callable[..., Tensor]:
    """Return the function that a name stands for.

    Args:
        name: key of ``LOSSES``, or ``package.module:function``.

    Raises:
        ValueError: if there is no such function.
    """
    check_loss_name(name)
    return LOSSES[name] if name in LOSSES else load_function("loss", name)


def takes_label_smoothing(name: str) -> bool:
    """Tell whether a loss has a keyword argument ``label_smoothing``; if not, that setting does nothing."""
    return "label_smoothing" in inspect.signature(find_loss(name)).parameters


def build_loss(name: str, label_smoothing: float) -> Loss:
    """Return the loss of a training.

    Args:
        name: see ``find_loss``.
        label_smoothing: part of the label that is spread over all classes, in [0, 1).
    """
    function = find_loss(name)
    return partial(function, label_smoothing=label_smoothing) if takes_label_smoothing(name) else function


def check_loss(name: str, num_classes: int) -> None:
    """Try a loss on two examples, with its gradient.

    Args:
        name: see ``find_loss``.
        num_classes: number of classes.

    Raises:
        ValueError: if there is no such function, or it does not return a number with a gradient.
    """
    loss = build_loss(name, 0.0)
    logits, y = torch.zeros(2, num_classes, requires_grad=True), torch.arange(2) % num_classes
    unequal = torch.linspace(-1, 1, 2 * num_classes).view(
        2, num_classes
    )  # where all are equal, a loss may have no value
    try:
        with torch.random.fork_rng(devices=[]):
            value = loss(logits, y)
            offence = _offence(value) or _not_finite(value, loss(unequal, y))
    except Exception as error:  # noqa: BLE001 (it may raise anything)
        offence = f"It raised {first_line(error)}"
    if offence:
        condition = (
            f"one that makes a number to minimise of logits of shape [2, {num_classes}] and classes of shape [2]"
        )
        raise ValueError(complaint("loss", condition, name, offence))


def _not_finite(*values: Tensor) -> str:
    if any(torch.isfinite(value) for value in values):
        return ""
    return f"It returns {values[-1].item()} for small logits: every training would diverge."


def _offence(loss: object) -> str:
    """Say what is wrong with what a loss returned, and try its gradient."""
    if not isinstance(loss, Tensor):
        return f"It returns a {type(loss).__name__} rather than a tensor, which has no gradient."
    if loss.ndim:
        return f"It returns a tensor of shape {list(loss.shape)}: take the mean over the examples."
    if not loss.requires_grad:
        return "What it returns has no gradient: compute it from the logits with functions of torch that have one."
    torch.autograd.backward(loss)
    return ""
