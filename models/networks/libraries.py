"""Networks from elsewhere: torchvision's, timm's, and functions of the user."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from torch import nn

from models.importing import is_function_name, load_function
from models.networks.images import image_shape, on_images
from schedules.checks import complaint, near_miss

Builder = Callable[..., nn.Module]

#: Builders of torchvision whose networks return more than logits in training unless told not to.
_AUXILIARY = ("googlenet", "inception_v3")


def is_outside(name: str) -> bool:
    """Return whether a name has the form ``torchvision:NAME``, ``timm:NAME`` or ``package.module:function``."""
    library, _, rest = name.partition(":")
    return bool(rest) if library in LIBRARIES else is_function_name(name)


def outside_builder(name: str) -> Builder:
    """Return the builder of such a network; this imports what it names, and nothing else.

    Args:
        name: see `is_outside`.

    Returns:
        A function of input shape, number of classes and settings by keyword.

    Raises:
        ValueError: there is no such network.
    """
    library, _, rest = name.partition(":")
    return LIBRARIES[library](rest) if library in LIBRARIES else load_function("network", name)


def _torchvision(name: str) -> Builder:
    from torchvision import models  # noqa: PLC0415 (takes a second that others need not pay)

    known = models.list_models(module=models)  # those that classify images, not those that detect or segment
    if name not in known:
        raise ValueError(
            complaint("network", "a classifier of torchvision", f"torchvision:{name}", near_miss(name, known))
        )
    return partial(_torchvision_network, name)


def _torchvision_network(name: str, input_shape: tuple[int, ...], num_classes: int, **settings: Any) -> nn.Module:
    from torchvision.models import get_model  # noqa: PLC0415

    channels, *_ = image_shape(f"torchvision:{name}", input_shape)
    if channels != 3:
        remedy = "Networks of torchvision take three channels; those of timm, and fairsweep's own, take any number."
        raise ValueError(complaint("network", "one that fits the data set's examples", f"torchvision:{name}", remedy))
    if name in _AUXILIARY:
        settings = {"aux_logits": False, "init_weights": True, **settings}
    return get_model(name, weights=None, num_classes=num_classes, **settings)  # type: ignore[no-any-return]


def _timm(name: str) -> Builder:
    try:
        import timm  # noqa: PLC0415 (an optional package)
    except ModuleNotFoundError:
        remedy = "Install it: pip install 'fairsweep[timm]'."
        raise ValueError(complaint("network", "of a package that is installed", f"timm:{name}", remedy)) from None
    if not timm.is_model(name):
        remedy = near_miss(name, timm.list_models())
        raise ValueError(complaint("network", "a network of timm", f"timm:{name}", remedy))
    return partial(_timm_network, name)


def _timm_network(name: str, input_shape: tuple[int, ...], num_classes: int, **settings: Any) -> nn.Module:
    import timm  # noqa: PLC0415

    channels, *_ = image_shape(f"timm:{name}", input_shape)
    network = timm.create_model(name, pretrained=False, in_chans=channels, num_classes=num_classes, **settings)
    return on_images(input_shape, network)


LIBRARIES: Mapping[str, Callable[[str], Builder]] = {"timm": _timm, "torchvision": _torchvision}
"""Builders of the networks of a library, by what comes before the colon."""
