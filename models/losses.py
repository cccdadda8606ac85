"""Losses by name, and the user's own by ``package.module:function``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial

from torch import Tensor
from torch.nn import functional

from models.importing import is_function_name, load_function
from schedules.checks import unknown_option

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
