"""Initial weights of convolutions and linear layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from torch import nn

_LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)

INITIALISATIONS: Mapping[str, Callable[..., object]] = {
    "he_fan_in": partial(nn.init.kaiming_normal_, mode="fan_in", nonlinearity="relu"),
    "he_fan_out": partial(nn.init.kaiming_normal_, mode="fan_out", nonlinearity="relu"),
    "xavier": nn.init.xavier_uniform_,
    "lecun": partial(nn.init.kaiming_uniform_, mode="fan_in", nonlinearity="linear"),
    "orthogonal": nn.init.orthogonal_,
}


def initialise(network: nn.Module, name: str, layers: type[nn.Module] | tuple[type[nn.Module], ...] = _LAYERS) -> None:
    """Draw new weights for convolutions and linear layers, and set their biases to 0.

    ``he_fan_in`` is N(0, 2 / fan_in), ``he_fan_out`` N(0, 2 / fan_out), ``xavier`` uniform with variance
    2 / (fan_in + fan_out), ``lecun`` uniform with variance 1 / fan_in, ``orthogonal`` a random orthogonal matrix.

    Args:
        network: changed in place.
        name: key of ``INITIALISATIONS``.
        layers: which layers.

    Reference:
        ``torch.nn.init``, after He and others (2015), Glorot and Bengio (2010), and Saxe and others (2013).
        ``include/caffe/filler.hpp`` of github.com/BVLC/caffe calls ``he_fan_in`` msra, and its xavier is ``lecun``.
    """
    for module in network.modules():
        if isinstance(module, layers):
            for kind, parameter in module.named_parameters(recurse=False):
                (nn.init.zeros_ if kind == "bias" else INITIALISATIONS[name])(parameter)
