"""Networks by name, and how one is built from a seed.

A builder takes ``(input_shape, num_classes, *, settings...)`` and returns an ``nn.Module`` that maps examples of shape
``(n, *input_shape)`` to logits of shape ``(n, num_classes)``. To add one, write its file and add its line to the table.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from models.importing import explains_itself, first_line, is_function_name
from models.networks.cifar_resnet import cifar_resnet
from models.networks.conv1d import conv1d
from models.networks.densenet import densenet
from models.networks.lenet import lenet
from models.networks.libraries import LIBRARIES, Builder, is_outside, outside_builder
from models.networks.mlp import mlp
from models.networks.options import COMMON_SETTINGS, apply_common, has_batch_norm, read_common, set_bn_momentum
from models.networks.preact_resnet import preact_resnet
from models.networks.resnet import resnet
from models.networks.wide_resnet import wide_resnet
from schedules.checks import complaint, unknown_option

__all__ = [
    "LIBRARIES",
    "NETWORKS",
    "NetworkFacts",
    "build_network",
    "check_network",
    "check_network_name",
    "network_setting_defaults",
    "set_bn_momentum",
]

NETWORKS: Mapping[str, Builder] = {
    "cifar_resnet": cifar_resnet,
    "conv1d": conv1d,
    "densenet": densenet,
    "lenet": lenet,
    "mlp": mlp,
    "preact_resnet": preact_resnet,
    "resnet": resnet,
    "wide_resnet": wide_resnet,
}

_BY_PLACE = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_BY_KEYWORD = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_ELSEWHERE = "torchvision:NAME, timm:NAME, package.module:function"


def check_network_name(name: str) -> None:
    """Check that a name is in the table or has the form of a network from elsewhere; nothing is imported.

    Raises:
        ValueError: if it is neither.
    """
    if name not in NETWORKS and not is_outside(name):
        raise ValueError(unknown_option("network", name, [*NETWORKS, _ELSEWHERE]))


def network_setting_defaults(name: str) -> dict[str, Any]:
    """List the settings of a network of the table with their defaults: its own, then those that every network has."""
    parameters = inspect.signature(NETWORKS[name]).parameters.values()
    own = {p.name: p.default for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}
    return {**own, **COMMON_SETTINGS}


@dataclass(frozen=True, kw_only=True)
class NetworkFacts:
    """What is known of a network that was built for a moment.

    Args:
        num_parameters: numbers that are learned.
        has_batch_norm: whether it has batch normalisation.
    """

    num_parameters: int
    has_batch_norm: bool


def check_network(
    name: str, input_shape: tuple[int, ...], num_classes: int, settings: Mapping[str, Any], *, rows_at_once: int = 2
) -> NetworkFacts:
    """Build a network without memory or random numbers; pass two examples through it if it is from elsewhere.

    Where examples are computed one at a time, pass one through it too: batch normalisation may need more.

    Args:
        name: key of ``NETWORKS``, or the name of a network from elsewhere, which is imported.
        input_shape: shape of one example.
        num_classes: number of classes.
        settings: keyword arguments of the builder, and settings that every network has.
        rows_at_once: examples that are computed at a time.

    Returns:
        What became known of it.

    Raises:
        ValueError: if a setting is unknown or out of range, or the network does not fit the examples, or has nothing
            to learn.
    """
    if name in NETWORKS:
        _check_setting_names(name, settings)
        with torch.device("meta"):
            network = _build(name, input_shape, num_classes, settings)
    else:
        network = _checked_outside(name, input_shape, num_classes, settings)
    if rows_at_once == 1:
        _check_alone(network, input_shape)
    return _facts(network)


def _checked_outside(
    name: str, input_shape: tuple[int, ...], num_classes: int, settings: Mapping[str, Any]
) -> nn.Module:
    read_common(settings)
    _check_setting_names(name, settings)
    network, logits = _outside_trial_run(name, input_shape, num_classes, settings)
    got = f"logits of shape {list(logits.shape)}" if isinstance(logits, Tensor) else f"a {type(logits).__name__}"
    if got != f"logits of shape [2, {num_classes}]":
        condition = f"one that makes logits of shape [2, {num_classes}] of two examples of shape {list(input_shape)}"
        raise ValueError(complaint("network", condition, name, f"It makes {got}."))
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise ValueError(complaint("network", "one with parameters that are trained", name, "It has none."))
    return network


def _check_alone(network: nn.Module, input_shape: tuple[int, ...]) -> None:
    device = next(network.parameters()).device
    try:
        with torch.random.fork_rng(devices=[]), torch.device(device), torch.no_grad():
            network(torch.zeros(1, *input_shape))
    except Exception as error:
        remedy = f"It raised {first_line(error)}"
        raise ValueError(complaint("batch_size or micro_batch", "at least 2 for this network", 1, remedy)) from error


def build_network(
    name: str, input_shape: tuple[int, ...], num_classes: int, settings: Mapping[str, Any], seed: int
) -> nn.Module:
    """Build a network whose initial weights depend on the seed only.

    The initialisers inside torch's layers draw from the global CPU generator; it is seeded here and put
    back after.

    Args:
        name: key of ``NETWORKS``, or the name of a network from elsewhere, which is imported.
        input_shape: shape of one example.
        num_classes: number of classes.
        settings: keyword arguments of the builder, and settings that every network has.
        seed: seed of the initialisation stream.

    Returns:
        The network, on the CPU.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return _build(name, input_shape, num_classes, settings)


def _build(name: str, input_shape: tuple[int, ...], num_classes: int, settings: Mapping[str, Any]) -> nn.Module:
    common = read_common(settings)
    own = {key: value for key, value in settings.items() if key not in COMMON_SETTINGS}
    builder = NETWORKS[name] if name in NETWORKS else outside_builder(name)
    network: object = builder(input_shape, num_classes, **own)
    if not isinstance(network, nn.Module):
        remedy = f"It returned {network!r}."
        raise ValueError(complaint("network", "a function that returns a torch.nn.Module", name, remedy))  # noqa: TRY004
    return apply_common(network, common)


def _facts(network: nn.Module) -> NetworkFacts:
    num_parameters = sum(parameter.numel() for parameter in network.parameters())
    return NetworkFacts(num_parameters=num_parameters, has_batch_norm=has_batch_norm(network))


def _check_setting_names(name: str, settings: Mapping[str, Any]) -> None:
    known = network_setting_defaults(name) if name in NETWORKS else _own_setting_names(name)
    if known is None:
        return
    if unknown := [key for key in settings if key not in known]:
        of = f"the settings of {name}"
        raise ValueError("\n".join(unknown_option("network_settings", key, known, of) for key in unknown))


def _own_setting_names(name: str) -> list[str] | None:
    """Return the settings that a network of the user takes; None if it takes any, or does not say."""
    if not is_function_name(name):
        return None
    try:
        signature = inspect.signature(outside_builder(name), follow_wrapped=False)
    except (TypeError, ValueError) as error:  # some of those that are written in C do not say
        if explains_itself(error):
            raise
        return None
    parameters = list(signature.parameters.values())
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters):
        return None
    given = [parameter for parameter in parameters if parameter.kind in _BY_PLACE][:2]  # input_shape, num_classes
    own = [p.name for p in parameters if p not in given and p.kind in _BY_KEYWORD]
    return [*own, *COMMON_SETTINGS]


def _outside_trial_run(
    name: str, input_shape: tuple[int, ...], num_classes: int, settings: Mapping[str, Any]
) -> tuple[nn.Module, object]:
    """Return a network from elsewhere, and what it makes of two examples.

    One that needs numbers to be built or to run, which tensors without memory do not have, is tried on the CPU.
    """
    raised: Exception
    for device in ("meta", "cpu"):
        try:
            with torch.random.fork_rng(devices=[]), torch.device(device), torch.no_grad():
                network = _build(name, input_shape, num_classes, settings)
                return network, network(torch.zeros(2, *input_shape))
        except Exception as error:  # it may raise anything
            if explains_itself(error):
                raise
            raised = error
            if "meta" not in str(error).lower():  # torch's name for tensors without memory
                break
    condition = "one that can be built with its settings and takes the data set's examples"
    raise ValueError(complaint("network", condition, name, f"It raised {first_line(raised)}")) from raised
