"""The thin residual networks for small images: ResNet-20, 32, 44, 56, 110."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from torch import Tensor, nn
from torch.nn import functional

from models.networks.depths import Depth
from models.networks.images import image_shape, on_images
from models.networks.initialisation import initialise
from schedules.checks import Flag, Number, OneOf, Rule, read_settings

_WIDTHS = (16, 32, 64)
_RULES: Mapping[str, Rule] = {
    "depth": Depth(6, 2, (20, 32, 44, 56, 110)),
    "shortcut": OneOf(("zero_pad", "projection", "pool")),
    "dropout": Number(0, 1, "[)"),
    "zero_init_residual": Flag(),
}


def cifar_resnet(
    input_shape: tuple[int, ...],
    num_classes: int,
    *,
    depth: int = 20,
    shortcut: str = "zero_pad",
    dropout: float = 0.0,
    zero_init_residual: bool = False,
) -> nn.Module:
    """Build a residual network of three stages with 16, 32 and 64 channels.

    A 3 x 3 convolution; n blocks of two 3 x 3 convolutions per stage, the second and third stage beginning with stride
    2; the mean over the image; a linear layer. Convolutions have no bias and start as N(0, 2 / fan_in).

    Args:
        input_shape: ``(height, width)`` or ``(channels, height, width)``, at least 4 x 4; with
            sides that are multiples of 4 for the shortcut ``pool``.
        num_classes: number of classes.
        depth: layers with weights, 6 n + 2.
        shortcut: how a block's input reaches its sum where the stage changes. ``zero_pad``: every second pixel, with
            zeros for the new channels. ``projection``: a 1 x 1 convolution with batch normalisation. ``pool``: the mean
            over 3 x 3 pixels with stride 2; the first block of a stage keeps the old number of channels, and zeros for
            the new ones follow it; the linear layer starts uniform with variance 1 / fan_in.
        dropout: probability of dropping a number, after each batch normalisation of a block, in [0, 1).
        zero_init_residual: start each block as the identity: the scale of its last batch normalisation is 0.

    Returns:
        A module from ``(n, *input_shape)`` to ``(n, num_classes)``.

    Raises:
        ValueError: if a setting breaks its range or the input is no image.

    Reference:
        He, Zhang, Ren, Sun (2016), "Deep Residual Learning for Image Recognition", as in ``resnet.py`` of
        github.com/akamaster/pytorch_resnet_cifar10 (``zero_pad``, and ``projection`` as its option B);
        ``architectures/Resnet56Cifar.prototxt`` and ``Resnet56Dropout.prototxt`` of
        github.com/lnsmith54/super-convergence (``pool`` and the place of dropout; convolutions have a bias there, which
        batch normalisation cancels); ``torchvision.models.resnet``, after Goyal and others (2017)
        (``zero_init_residual``).
    """
    settings = {"depth": depth, "shortcut": shortcut, "dropout": dropout, "zero_init_residual": zero_init_residual}
    blocks_per_stage = read_settings(settings, _RULES)["depth"]
    channels, *_ = image_shape("cifar_resnet", input_shape, least=4, multiple_of=4 if shortcut == "pool" else 1)
    network = nn.Sequential(
        nn.Conv2d(channels, _WIDTHS[0], 3, padding=1, bias=False),
        nn.BatchNorm2d(_WIDTHS[0]),
        nn.ReLU(inplace=True),
        *_stages(blocks_per_stage, shortcut, dropout),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(_WIDTHS[-1], num_classes),
    )
    initialise(network, "he_fan_in", layers=nn.Conv2d)
    if shortcut == "pool":
        initialise(network, "lecun", layers=nn.Linear)
    if zero_init_residual:
        _start_as_identity(network)
    return on_images(input_shape, network)


class _EverySecondPixel(nn.Module):
    """Half the height and width, and zeros for new channels on both sides."""

    def __init__(self, new_channels: int) -> None:
        super().__init__()
        self.new_channels = new_channels

    def forward(self, x: Tensor) -> Tensor:
        before = self.new_channels // 2
        # Not x[:, :, ::2, ::2], whose gradient loses the layout channels_last, which costs 10 % of an update.
        pixels = functional.avg_pool2d(x, kernel_size=1, stride=2)
        return functional.pad(pixels, (0, 0, 0, 0, before, self.new_channels - before))


def _zero_pad(inputs: int, outputs: int) -> nn.Module:
    return _EverySecondPixel(outputs - inputs)


def _projection(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride=2, bias=False), nn.BatchNorm2d(outputs))


_SHORTCUTS: Mapping[str, Callable[[int, int], nn.Module]] = {"zero_pad": _zero_pad, "projection": _projection}


def _stages(blocks: int, shortcut: str, dropout: float) -> Iterator[nn.Module]:
    from torchvision.models.resnet import BasicBlock  # noqa: PLC0415 (takes a second that others need not pay)

    def norm(channels: int) -> nn.Module:
        plain = nn.BatchNorm2d(channels)
        return nn.Sequential(plain, nn.Dropout(dropout)) if dropout else plain

    inputs = _WIDTHS[0]
    for width in _WIDTHS:
        if width == inputs:
            yield BasicBlock(inputs, width, norm_layer=norm)
        elif shortcut == "pool":
            pool = nn.AvgPool2d(3, stride=2, ceil_mode=True)
            yield BasicBlock(inputs, inputs, stride=2, downsample=pool, norm_layer=norm)
            yield nn.ZeroPad3d((0, 0, 0, 0, 0, width - inputs))
        else:
            change = _SHORTCUTS[shortcut](inputs, width)
            yield BasicBlock(inputs, width, stride=2, downsample=change, norm_layer=norm)
        yield from (BasicBlock(width, width, norm_layer=norm) for _ in range(blocks - 1))
        inputs = width


def _start_as_identity(network: nn.Module) -> None:
    for name, module in network.named_modules():
        if name.endswith(("bn2", "bn2.0")) and isinstance(module, nn.BatchNorm2d):
            nn.init.zeros_(module.weight)
