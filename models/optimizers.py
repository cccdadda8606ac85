"""Optimizers by name: those of ``torch.optim``, what they take, and how one is built and steered.

One number steers what every optimizer calls its momentum: ``momentum`` itself where there is one (SGD, RMSprop), and
beta1 where there are ``betas`` (Adam and its kin). It comes from the arm's momentum policy, as the rate does from its
schedule.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from schedules.checks import complaint, unknown_option

#: These cannot take a network and a loss as they are, or do not follow a schedule.
_OTHER_KINDS = {
    "ASGD": "it takes a learning rate one update late, and lets it fall by a rule of its own",
    "LBFGS": "it evaluates the loss several times per update",
    "SparseAdam": "it takes sparse gradients only",
    "Muon": "it takes matrices only, and networks have biases",
    "Rprop": "it reads the learning rate at its first update only, and then has step sizes of its own",
}

OPTIMIZERS: Mapping[str, type[Optimizer]] = {
    name.lower(): entry
    for name, entry in sorted(vars(torch.optim).items())
    if isinstance(entry, type) and issubclass(entry, Optimizer) and entry is not Optimizer and name not in _OTHER_KINDS
}

#: Settled by the arm (rate, momentum, weight decay), by a field of its own (nesterov), or no matter of the study's.
_NOT_IN_SETTINGS = frozenset(
    {"params", "lr", "momentum", "betas", "weight_decay", "nesterov"}
    | {"foreach", "fused", "capturable", "differentiable", "maximize"}
)


def optimizer_setting_defaults(name: str) -> dict[str, Any]:
    """List the settings of an optimizer beyond rate, momentum and weight decay, with torch's defaults.

    Args:
        name: key of ``OPTIMIZERS``.

    Returns:
        Defaults by torch's own names; ``beta2`` is the second of the ``betas``.
    """
    parameters = inspect.signature(OPTIMIZERS[name]).parameters
    own = {key: parameter.default for key, parameter in parameters.items() if key not in _NOT_IN_SETTINGS}
    return own | ({"beta2": parameters["betas"].default[1]} if "betas" in parameters else {})


@lru_cache
def has_momentum(name: str) -> bool:
    """Tell whether an optimizer has a momentum or betas, so that the arm's momentum does anything."""
    return bool({"momentum", "betas"} & set(inspect.signature(OPTIMIZERS[name]).parameters))


def check_optimizer(name: str, settings: Mapping[str, Any], *, nesterov: bool = False) -> None:
    """Check that an optimizer can be built; one with settings of its own is, for a single number.

    Args:
        name: key of ``OPTIMIZERS``.
        settings: see ``optimizer_setting_defaults``.
        nesterov: Nesterov momentum instead of the classical one.

    Raises:
        ValueError: if the name or a setting is unknown, or torch refuses a value; one line per offender.
    """
    if name not in OPTIMIZERS:
        reasons = {other.lower(): why for other, why in _OTHER_KINDS.items()}
        why = f" ({name} is none of them: {reasons[name]}.)" if name in reasons else ""
        raise ValueError(unknown_option("optimizer", name, OPTIMIZERS) + why)
    kind, known = OPTIMIZERS[name], optimizer_setting_defaults(name)
    offences = [
        unknown_option("optimizer_settings", key, known, f"the settings of {name}")
        for key in settings
        if key not in known
    ]
    if nesterov and "nesterov" not in inspect.signature(kind).parameters:
        offences.append(complaint("nesterov", f"false: torch.optim.{kind.__name__} has no such form", nesterov))
    if offences:
        raise ValueError("\n".join(offences))
    if not settings:
        return  # torch's own defaults; to build one would import torch's compiler, which takes seconds
    try:
        _build(name, [nn.Parameter(torch.zeros(1))], settings, {"momentum": 0.9}, nesterov=nesterov, fused=True)
    except (ValueError, TypeError) as error:
        condition = f"what torch.optim.{kind.__name__} takes ({error})"
        raise ValueError(complaint("optimizer_settings", condition, dict(settings))) from error


def build_optimizer(  # noqa: PLR0913 - what torch's own constructors take, by name
    name: str,
    network: nn.Module,
    settings: Mapping[str, Any],
    *,
    momentum: float,
    weight_decay: float,
    nesterov: bool = False,
    decay_norm_and_bias: bool = True,
    fused: bool = True,
) -> Optimizer:
    """Build an optimizer of a network's parameters; rate and momentum are set before each update by ``steer``.

    Args:
        name: key of ``OPTIMIZERS``.
        network: what is trained.
        settings: see ``optimizer_setting_defaults``; what is missing has torch's default.
        momentum: momentum or beta1, in [0, 1).
        weight_decay: as the optimizer understands it: an L2 penalty for SGD and Adam, decoupled for AdamW; >= 0.
        nesterov: Nesterov momentum instead of the classical one.
        decay_norm_and_bias: whether parameters of one dimension or none, i.e. biases and the scales and shifts of
            norm layers, decay too.
        fused: use torch's fused form where there is one. Not behind a gradient scaler: that calls a fused form after
            an overflow too, and SGD then keeps uninitialised memory as its velocity if it was the first update.
    """
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    spared = [] if decay_norm_and_bias else [parameter for parameter in parameters if parameter.ndim <= 1]
    spared_ids = {id(parameter) for parameter in spared}
    groups: list[dict[str, Any]] = [
        {"params": [parameter for parameter in parameters if id(parameter) not in spared_ids]},
        {"params": spared, "weight_decay": 0.0},
    ]
    common = {"momentum": momentum, "weight_decay": weight_decay}
    kept = [group for group in groups if group["params"]]
    return _build(name, kept, settings, common, nesterov=nesterov, fused=fused)


def _build(
    name: str,
    parameters: list[Any],
    settings: Mapping[str, Any],
    common: Mapping[str, float],
    *,
    nesterov: bool,
    fused: bool,
) -> Optimizer:
    kind = OPTIMIZERS[name]
    known = inspect.signature(kind).parameters
    own = {**settings, **common, "lr": 1.0}
    if "betas" in known:
        own["betas"] = (common["momentum"], own.pop("beta2", known["betas"].default[1]))
    if nesterov:
        own["nesterov"] = True
    if fused and "fused" in known:  # the fastest of the three forms, by 4 % of an update for a small network on a CPU
        own["fused"] = True
    return kind(parameters, **{key: value for key, value in own.items() if key in known})


#: Where a momentum is 0 for a while, torch's SGD leaves the buffer as it was before, and RMSprop does not make one.
_AS_GOOD_AS_NONE = 1e-30


def steer(optimizer: Optimizer, rate: float, momentum: float) -> None:
    """Set the rate and the momentum, or beta1, of the next update."""
    for group in optimizer.param_groups:
        group["lr"] = rate
        if "betas" in group:
            group["betas"] = (momentum, group["betas"][1])
        elif "momentum" in group:
            group["momentum"] = momentum or (_AS_GOOD_AS_NONE if optimizer.defaults["momentum"] else 0.0)
