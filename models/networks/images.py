"""Images as networks take them."""

from __future__ import annotations

from torch import nn

from schedules.checks import complaint


def image_shape(
    network: str, input_shape: tuple[int, ...], least: int = 1, multiple_of: int = 1
) -> tuple[int, int, int]:
    """Read the shape of one example as that of an image.

    Args:
        network: name of the network, for the message.
        input_shape: ``(height, width)`` for one channel, or ``(channels, height, width)``.
        least: smallest height and width that the network takes.
        multiple_of: what height and width must be multiples of.

    Returns:
        Channels, height and width.

    Raises:
        ValueError: if examples are no images, or too small.
    """
    channels, *size = (1, *input_shape) if len(input_shape) == 2 else input_shape
    if len(size) != 2 or min(size) < least or any(side % multiple_of for side in size):
        sides = "" if multiple_of == 1 else f" with sides that are multiples of {multiple_of}"
        remedy = f"It takes images [height, width] or [channels, height, width] of at least {least} x {least}{sides}."
        raise ValueError(complaint("network", f"one that fits examples of shape {list(input_shape)}", network, remedy))
    return channels, size[0], size[1]


def on_images(input_shape: tuple[int, ...], network: nn.Module) -> nn.Module:
    """Put a channel in front where examples have none."""
    return network if len(input_shape) == 3 else nn.Sequential(nn.Unflatten(1, (1, input_shape[0])), network)
