"""Wide residual networks for small images: WRN-16-4, WRN-28-10, and the WRN-32 of the follow-up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import nn

from models.networks.depths import Depth
from models.networks.images import image_shape, on_images
from models.networks.initialisation import initialise
from models.networks.residual import Residual
from schedules.checks import Number, OneOf, Rule, Whole, read_settings


def wide_resnet(
    input_shape: tuple[int, ...],
    num_classes: int,
    *,
    depth: int = 28,
    widen: int = 10,
    form: str = "preactivation",
    dropout: float = 0.0,
) -> nn.Module:
    """Build a wide residual network of three stages of blocks with two 3 x 3 convolutions.

    Args:
        input_shape: ``(height, width)`` or ``(channels, height, width)``, at least 4 x 4; with
            sides that are multiples of 4 for the form ``follow_up``.
        num_classes: number of classes.
        depth: layers with weights: 6 n + 4, or 6 n + 2 with the form ``follow_up``.
        widen: factor on the channels, >= 1.
        form: ``preactivation``: 16, 32 and 64 channels, each times ``widen``; batch normalisation and ReLU come before
            convolutions, and a 1 x 1 convolution changes the number of channels; convolutions start as
            N(0, 2 / fan_out). ``follow_up``: 16, 16 ``widen`` and 64 ``widen`` channels; normalisation follows
            convolutions, a 2 x 2 convolution with normalisation leads from stage to stage, and no ReLU follows a
            sum; all weights start as N(0, 2 / fan_in). WRN-32 is this with ``depth`` 32 and ``widen`` 4.
        dropout: probability of dropping a number, before the second convolution of a block, in [0, 1).

    Returns:
        A module from ``(n, *input_shape)`` to ``(n, num_classes)``.

    Raises:
        ValueError: if a setting breaks its range or the input is no image.

    Reference:
        Zagoruyko and Komodakis (2016), "Wide Residual Networks", and ``models/wide-resnet.lua`` of
        github.com/szagoruyko/wide-residual-networks (``preactivation``);
        ``Cifar/architectures/wide32cifar.prototxt`` of github.com/lnsmith54/hyperParam1 (``follow_up``).
    """
    rules: Mapping[str, Rule] = {
        "form": OneOf(tuple(_FORMS)),
        "depth": _FORMS.get(str(form), _PREACTIVATION).depths,
        "widen": Whole(1),
        "dropout": Number(0, 1, "[)"),
    }
    given = {"form": form, "depth": depth, "widen": widen, "dropout": dropout}
    blocks_per_stage = read_settings(given, rules)["depth"]
    channels, *_ = image_shape("wide_resnet", input_shape, least=4, multiple_of=_FORMS[form].sides)
    plan, layers, inputs = _FORMS[form], [], 16
    for stage, width in enumerate(plan.widths(widen)):
        for block in range(blocks_per_stage):
            layers.append(plan.block(inputs, width, 2 if stage and block == 0 else 1, dropout))
            inputs = width
    classifier = nn.Linear(inputs, num_classes)
    nn.init.zeros_(classifier.bias)
    network = nn.Sequential(
        nn.Conv2d(channels, 16, 3, padding=1, bias=False),
        *plan.begin(),
        *layers,
        *plan.end(inputs),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        classifier,
    )
    initialise(network, plan.init, plan.initialised)
    return on_images(input_shape, network)


@dataclass(frozen=True, kw_only=True)
class _Form:
    """What tells one published form from another.

    Args:
        depths: depths that it comes in.
        widths: channels of the stages by factor.
        block: builds a block from channels in, channels out, stride and dropout.
        begin: layers after the first convolution.
        end: layers before the mean over the image, by channels.
        init: how weights start.
        initialised: of which layers; others start as torch has it, with a bias of 0.
        sides: what height and width must be multiples of.
    """

    depths: Depth
    widths: Callable[[int], tuple[int, int, int]]
    block: Callable[[int, int, int, float], nn.Module]
    begin: Callable[[], tuple[nn.Module, ...]]
    end: Callable[[int], tuple[nn.Module, ...]]
    init: str
    initialised: tuple[type[nn.Module], ...]
    sides: int


def _preactivated_block(inputs: int, outputs: int, stride: int, dropout: float) -> nn.Module:
    first = (nn.BatchNorm2d(inputs), nn.ReLU(inplace=True))
    rest = (
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
        *((nn.Dropout(dropout),) if dropout else ()),
        nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
    )
    if inputs == outputs:
        return Residual(nn.Sequential(*first, *rest), nn.Identity())
    change = nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False)
    return nn.Sequential(*first, Residual(nn.Sequential(*rest), change))


def _plain_block(inputs: int, outputs: int, stride: int, dropout: float) -> nn.Module:
    branch = nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
        *((nn.Dropout(dropout),) if dropout else ()),
        nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
    )
    if inputs == outputs:
        return Residual(branch, nn.Identity())
    change = nn.Conv2d(inputs, outputs, 2, stride=2, bias=False)
    return Residual(branch, nn.Sequential(change, nn.BatchNorm2d(outputs)))


_PREACTIVATION = _Form(
    depths=Depth(6, 4, (16, 28, 40)),
    widths=lambda widen: (16 * widen, 32 * widen, 64 * widen),
    block=_preactivated_block,
    begin=tuple,
    end=lambda channels: (nn.BatchNorm2d(channels), nn.ReLU(inplace=True)),
    init="he_fan_out",
    initialised=(nn.Conv2d,),
    sides=1,
)
_FORMS: Mapping[str, _Form] = {
    "preactivation": _PREACTIVATION,
    "follow_up": _Form(
        depths=Depth(6, 2, (20, 32)),
        widths=lambda widen: (16, 16 * widen, 64 * widen),
        block=_plain_block,
        begin=lambda: (nn.BatchNorm2d(16), nn.ReLU(inplace=True)),
        end=lambda channels: (),  # noqa: ARG005 (nothing follows the last sum)
        init="he_fan_in",
        initialised=(nn.Conv2d, nn.Linear),
        sides=4,
    ),
}
