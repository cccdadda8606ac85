"""Densely connected networks for small images: DenseNet-40-12, DenseNet-BC-100-12."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from models.networks.depths import Depth
from models.networks.images import image_shape, on_images
from models.networks.initialisation import initialise
from schedules.checks import Flag, Number, Rule, Whole, read_settings

_BLOCKS = 3


def densenet(
    input_shape: tuple[int, ...],
    num_classes: int,
    *,
    depth: int = 40,
    growth: int = 12,
    bottleneck: bool = False,
    dropout: float = 0.0,
) -> nn.Module:
    """Build a densely connected network of three blocks, in which each layer sees the outputs of all before it.

    A layer is batch normalisation, ReLU and a 3 x 3 convolution. Between blocks there are batch normalisation, ReLU, a
    1 x 1 convolution and 2 x 2 mean pooling. Convolutions have no bias and start as N(0, 2 / fan_out).

    Args:
        input_shape: ``(height, width)`` or ``(channels, height, width)``, at least 4 x 4.
        num_classes: number of classes.
        depth: layers with weights: 3 n + 4, or 6 n + 4 with bottlenecks.
        growth: channels that each layer adds, >= 1.
        bottleneck: the form BC: a 1 x 1 convolution to 4 ``growth`` channels comes before each 3 x 3 one, half of the
            channels go on to the next block, and the first convolution has 2 ``growth`` channels instead of 16.
        dropout: probability of dropping a number, after each convolution but the first, in [0, 1).

    Returns:
        A module from ``(n, *input_shape)`` to ``(n, num_classes)``.

    Raises:
        ValueError: if a setting breaks its range or the input is no image.

    Reference:
        Huang, Liu, van der Maaten, Weinberger (2017), "Densely Connected Convolutional Networks", as in
        ``models/densenet.lua`` of github.com/liuzhuang13/DenseNet; the 16 channels are those of
        ``Cifar/architectures/genDensenet40.prototxt`` of github.com/lnsmith54/hyperParam1.
    """
    rules: Mapping[str, Rule] = {
        "depth": Depth(6, 4, (100, 190, 250)) if bottleneck is True else Depth(3, 4, (40, 100)),
        "growth": Whole(1),
        "bottleneck": Flag(),
        "dropout": Number(0, 1, "[)"),
    }
    given = {"depth": depth, "growth": growth, "bottleneck": bottleneck, "dropout": dropout}
    layers_per_block = read_settings(given, rules)["depth"]
    channels, *_ = image_shape("densenet", input_shape, least=4)
    width = 2 * growth if bottleneck else 16
    parts: list[nn.Module] = [nn.Conv2d(channels, width, 3, padding=1, bias=False)]
    for block in range(_BLOCKS):
        for _ in range(layers_per_block):
            parts.append(_DenseLayer(nn.Sequential(*_layer(width, growth, bottleneck, dropout))))
            width += growth
        if block < _BLOCKS - 1:
            kept = width // 2 if bottleneck else width
            parts += [*_activated(width, nn.Conv2d(width, kept, 1, bias=False), dropout), nn.AvgPool2d(2)]
            width = kept
    parts += [nn.BatchNorm2d(width), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    classifier = nn.Linear(width, num_classes)
    nn.init.zeros_(classifier.bias)
    network = nn.Sequential(*parts, classifier)
    initialise(network, "he_fan_out", layers=nn.Conv2d)
    return on_images(input_shape, network)


class _DenseLayer(nn.Module):
    """The input, and beside it what the layer makes of it."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((x, self.layer(x)), dim=1)


def _layer(inputs: int, growth: int, bottleneck: bool, dropout: float) -> Iterator[nn.Module]:
    if bottleneck:
        yield from _activated(inputs, nn.Conv2d(inputs, 4 * growth, 1, bias=False), dropout)
        inputs = 4 * growth
    yield from _activated(inputs, nn.Conv2d(inputs, growth, 3, padding=1, bias=False), dropout)


def _activated(channels: int, convolution: nn.Module, dropout: float) -> Iterator[nn.Module]:
    yield nn.BatchNorm2d(channels)
    yield nn.ReLU(inplace=True)
    yield convolution
    if dropout:
        yield nn.Dropout(dropout)
