"""Settings that every network has, whoever wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from models.networks.ghost import with_ghosts
from models.networks.initialisation import INITIALISATIONS, initialise
from schedules.checks import Flag, Number, OneOf, Rule, Whole, complaint, read_settings

COMMON_SETTINGS: Mapping[str, Any] = {"bn_momentum": None, "bn_debias": False, "ghost_batch_size": None, "init": None}
"""Defaults by name; None or False leaves the network as its builder made it."""

_RULES: Mapping[str, Rule] = {
    "bn_momentum": Number(
        0, 1, "(]", "It is the weight of the new batch; Caffe's moving_average_fraction is 1 less it."
    ),
    "bn_debias": Flag(),
    "ghost_batch_size": Whole(2),
    "init": OneOf(tuple(INITIALISATIONS)),
}


def read_common(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Check the common settings among `settings` and return those that are given.

    Raises:
        ValueError: if one breaks its range; one line per offender.
    """
    given = {name: settings[name] for name in COMMON_SETTINGS if settings.get(name) is not None}
    return read_settings(given, {name: _RULES[name] for name in given})


def apply_common(network: nn.Module, common: Mapping[str, Any]) -> nn.Module:
    """Apply common settings to a network as it was built.

    Args:
        network: changed in place.
        common: as returned by `read_common`.

    Returns:
        The network.

    Raises:
        ValueError: if a setting is about batch normalisation and there is none.
    """
    normalised = has_batch_norm(network)
    offences = [
        complaint(name, "left out where the network has no batch normalisation", common[name])
        for name in ("bn_momentum", "bn_debias", "ghost_batch_size")
        if common.get(name) and not normalised
    ]
    if offences:
        raise ValueError("\n".join(offences))
    if "init" in common:
        initialise(network, common["init"])
    if "ghost_batch_size" in common or common.get("bn_debias"):
        network = with_ghosts(network, common.get("ghost_batch_size"), debias=common.get("bn_debias", False))
    if "bn_momentum" in common:
        set_bn_momentum(network, common["bn_momentum"])
    return network


def has_batch_norm(network: nn.Module) -> bool:
    """Return whether a network has batch normalisation."""
    return any(isinstance(module, _BatchNorm) for module in network.modules())


def set_bn_momentum(network: nn.Module, momentum: float) -> None:
    """Set the weight of the new batch in the running statistics of every batch normalisation.

    Each statistic s moves to ``(1 - momentum) s + momentum * (that of the batch)``, by more with ``bn_debias``.

    Args:
        network: changed in place.
        momentum: in (0, 1]; 0.05 is what Caffe calls a moving average fraction of 0.95.
    """
    for module in network.modules():
        if isinstance(module, _BatchNorm):
            module.momentum = momentum
