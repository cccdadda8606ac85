"""Pre-activation bottleneck residual networks for small images: bottleneck ResNet-56, ResNet-164, ResNeXt-56."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import nn

from models.networks.depths import Depth
from models.networks.images import image_shape, on_images
from models.networks.initialisation import initialise
from models.networks.residual import Residual
from schedules.checks import Number, Rule, Whole, complaint, read_settings

_OUTPUTS = (64, 128, 256)
_RULES: Mapping[str, Rule] = {
    "depth": Depth(9, 2, (29, 56, 110, 164)),
    "width": Whole(1),
    "groups": Whole(1),
    "dropout": Number(0, 1, "[)"),
}


def preact_resnet(
    input_shape: tuple[int, ...],
    num_classes: int,
    *,
    depth: int = 56,
    width: int = 16,
    groups: int = 1,
    dropout: float = 0.0,
) -> nn.Module:
    """Build a residual network of three stages of bottleneck blocks with 64, 128 and 256 channels.

    A block is batch normalisation, ReLU and convolution three times over: 1 x 1 to the inner channels (with stride 2 at
    the start of the second and third stage), 3 x 3, and 1 x 1 back; its input is added as it is, or through a 1 x 1
    convolution where the stage changes. Convolutions have no bias and start as N(0, 2 / fan_in), the linear
    layer uniform with variance 1 / fan_in.

    Args:
        input_shape: ``(height, width)`` or ``(channels, height, width)``, at least 4 x 4.
        num_classes: number of classes.
        depth: layers with weights, 9 n + 2.
        width: inner channels of the first stage, >= 1; the others have two and four times as many.
        groups: groups of the 3 x 3 convolutions, >= 1; they divide the width. ResNeXt-56 has a width of 32 and 32.
        dropout: probability of dropping a number, before the 3 x 3 convolution of a block, in [0, 1).

    Returns:
        A module from ``(n, *input_shape)`` to ``(n, num_classes)``.

    Raises:
        ValueError: if a setting breaks its range or the input is no image.

    Reference:
        ``architectures/bottleneckResnet56.prototxt`` and ``ResNeXt56.prototxt`` of
        github.com/lnsmith54/super-convergence, after He, Zhang, Ren, Sun (2016), "Identity Mappings in Deep Residual
        Networks"; batch normalisation does not scale and shift in those files, and convolutions have a bias.
    """
    settings = {"depth": depth, "width": width, "groups": groups, "dropout": dropout}
    blocks_per_stage = read_settings(settings, _RULES)["depth"]
    if width % groups:
        raise ValueError(complaint("groups", f"a divisor of the width {width}", groups))
    channels, *_ = image_shape("preact_resnet", input_shape, least=4)
    network = nn.Sequential(
        nn.Conv2d(channels, 16, 3, padding=1, bias=False),
        *_stages(blocks_per_stage, width, groups, dropout),
        nn.BatchNorm2d(_OUTPUTS[-1]),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(_OUTPUTS[-1], num_classes),
    )
    initialise(network, "he_fan_in", layers=nn.Conv2d)
    initialise(network, "lecun", layers=nn.Linear)
    return on_images(input_shape, network)


def _stages(blocks: int, width: int, groups: int, dropout: float) -> Iterator[nn.Module]:
    inputs = 16
    for stage, outputs in enumerate(_OUTPUTS):
        inner = width * 2**stage
        for block in range(blocks):
            stride = 2 if block == 0 and stage > 0 else 1
            branch = nn.Sequential(
                *_activated(inputs, nn.Conv2d(inputs, inner, 1, stride=stride, bias=False)),
                *_activated(inner, nn.Conv2d(inner, inner, 3, padding=1, groups=groups, bias=False), dropout),
                *_activated(inner, nn.Conv2d(inner, outputs, 1, bias=False)),
            )
            same = inputs == outputs
            yield Residual(branch, nn.Identity() if same else nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False))
            inputs = outputs


def _activated(channels: int, convolution: nn.Module, dropout: float = 0.0) -> Iterator[nn.Module]:
    yield nn.BatchNorm2d(channels)
    yield nn.ReLU(inplace=True)
    if dropout:
        yield nn.Dropout(dropout)
    yield convolution
