"""The residual networks of torchvision, with a first layer for small images."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from models.networks.depths import ListedDepth
from models.networks.images import image_shape, on_images
from models.networks.initialisation import initialise
from schedules.checks import Flag, OneOf, Rule, read_settings

_RULES: Mapping[str, Rule] = {
    "depth": ListedDepth((18, 34, 50, 101, 152)),
    "stem": OneOf(("small", "imagenet")),
    "zero_init_residual": Flag(),
}


def resnet(
    input_shape: tuple[int, ...],
    num_classes: int,
    *,
    depth: int = 18,
    stem: str = "small",
    zero_init_residual: bool = False,
) -> nn.Module:
    """Build ResNet-18, 34, 50, 101 or 152: four stages of 64 to 512 channels (times 4 from depth 50 on).

    Args:
        input_shape: ``(height, width)`` or ``(channels, height, width)``, at least 8 x 8 (32 x 32 with the stem
            ``imagenet``).
        num_classes: number of classes.
        depth: 18, 34, 50, 101 or 152.
        stem: ``small``: a 3 x 3 convolution with stride 1 and no pooling, so that the first stage sees every pixel.
            ``imagenet``: a 7 x 7 convolution with stride 2 and max pooling with stride 2.
        zero_init_residual: start each block as the identity: the scale of its last batch normalisation is 0.

    Returns:
        A module from ``(n, *input_shape)`` to ``(n, num_classes)``.

    Raises:
        ValueError: if a setting breaks its range or the input is no such image.

    Reference:
        ``torchvision.models.resnet``, after He, Zhang, Ren, Sun (2016), "Deep Residual Learning for Image Recognition";
        ``models/resnet.py`` of github.com/kuangliu/pytorch-cifar for the small stem.
    """
    from torchvision.models import get_model  # noqa: PLC0415 (takes a second that others need not pay)

    read_settings({"depth": depth, "stem": stem, "zero_init_residual": zero_init_residual}, _RULES)
    channels, *_ = image_shape("resnet", input_shape, least=8 if stem == "small" else 32)
    network = get_model(f"resnet{depth}", weights=None, num_classes=num_classes, zero_init_residual=zero_init_residual)
    if stem == "small":
        network.conv1 = nn.Conv2d(channels, 64, 3, padding=1, bias=False)
        network.maxpool = nn.Identity()
    elif channels != network.conv1.in_channels:
        network.conv1 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
    initialise(network.conv1, "he_fan_out")
    return on_images(input_shape, network)
