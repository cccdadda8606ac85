"""Networks by name, and how one is built from a seed.

A builder takes ``(input_shape, num_classes, *, settings...)`` and returns an ``nn.Module`` that maps
examples of shape ``(n, *input_shape)`` to logits of shape ``(n, num_classes)``. To add one, write its file
and add its line to the table.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from models.networks.conv1d import conv1d
from models.networks.mlp import mlp
from schedules.checks import unknown_option

NETWORKS: Mapping[str, Callable[..., nn.Module]] = {
    "conv1d": conv1d,
    "mlp": mlp,
}


def network_setting_defaults(name: str) -> dict[str, Any]:
    """List the settings of a network, the keyword-only parameters of its builder, with their defaults."""
    parameters = inspect.signature(NETWORKS[name]).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}


def check_network(name: str, input_shape: tuple[int, ...], num_classes: int, settings: Mapping[str, Any]) -> None:
    """Build the network without memory or random numbers, to see whether it can be built.

    Args:
        name: key of ``NETWORKS``.
        input_shape: shape of one example.
        num_classes: number of classes.
        settings: keyword arguments of the builder.

    Raises:
        ValueError: if a setting is unknown or out of range, or the shape does not fit.
    """
    known = network_setting_defaults(name)
    offences = [
        unknown_option("network_settings", key, known, f"the settings of {name}")
        for key in settings
        if key not in known
    ]
    if offences:
        raise ValueError("\n".join(offences))
    with torch.device("meta"):
        NETWORKS[name](input_shape, num_classes, **settings)


def build_network(
    name: str, input_shape: tuple[int, ...], num_classes: int, settings: Mapping[str, Any], seed: int
) -> nn.Module:
    """Build a network whose initial weights depend on the seed only.

    The initialisers inside torch's layers draw from the global CPU generator; it is seeded here and put
    back after.

    Args:
        name: key of ``NETWORKS``.
        input_shape: shape of one example.
        num_classes: number of classes.
        settings: keyword arguments of the builder.
        seed: seed of the initialisation stream.

    Returns:
        The network, on the CPU.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return NETWORKS[name](input_shape, num_classes, **settings)
