"""Augmentation of a batch of images as tensor code, on the device where the batch is."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from schedules.checks import complaint

Pixels = Annotated[int, Field(ge=0, strict=True)]
Switch = Annotated[bool, Field(strict=True)]


class Augmentation(BaseModel):
    """How training images are varied; each batch anew, and never the images of an evaluation.

    Attributes:
        flip: mirror each image left to right with probability 1/2.
        crop: pixels that are added on every side before the old size is cut out at a random place; 0 for none.
        crop_padding: what is added: ``zero`` (black) or ``reflect`` (the image mirrored at its edge, which is not
            repeated).
        cutout: side in pixels of a square that is set to the mean of the data, centred on a random pixel and cut off
            at the edge of the image; 0 for none.
        random_resized_crop: cut out 8 to 100 % of the area with sides in a ratio of 3:4 to 4:3, scaled to the old
            size. Only for images that stay in their files.

    Raises:
        ValueError: (as pydantic's ``ValidationError``) if a field breaks its range.

    Reference:
        DeVries and Taylor, "Improved regularization of convolutional neural networks with cutout" (2017).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    flip: Switch = False
    crop: Pixels = 0
    crop_padding: Literal["zero", "reflect"] = "zero"
    cutout: Pixels = 0
    random_resized_crop: Switch = False

    @property
    def moves_pixels(self) -> bool:
        """Tell whether pixels of the stored image are moved before it is standardised."""
        return self.flip or self.crop > 0


def check_augmentation(augmentation: Augmentation, input_shape: tuple[int, ...], *, streamed: bool) -> None:
    """Check that a data set's examples can be augmented like that.

    Args:
        augmentation: what is asked for.
        input_shape: shape of an example.
        streamed: whether images stay in their files.

    Raises:
        ValueError: if they cannot; one line per offender.
    """
    offences = []
    if augmentation != Augmentation() and len(input_shape) != 3:
        offences.append(complaint("augmentation", "left out for examples that are no images", _asked_for(augmentation)))
    elif len(input_shape) == 3:
        height, width = input_shape[1:]
        shorter = min(height, width)
        most = shorter - 1 if augmentation.crop_padding == "reflect" else shorter
        if augmentation.crop > most:
            offences.append(complaint("augmentation.crop", f"at most {most} for such images", augmentation.crop))
        if augmentation.cutout > max(height, width):
            condition = f"at most {max(height, width)}, a side of the images"
            offences.append(complaint("augmentation.cutout", condition, augmentation.cutout))
    if augmentation.random_resized_crop and not streamed:
        condition = "false where images do not stay in their files"
        remedy = "Take crop, or stream: true in the dataset_settings of imagefolder."
        offences.append(complaint("augmentation.random_resized_crop", condition, True, remedy))
    if offences:
        raise ValueError("\n".join(offences))


def _asked_for(augmentation: Augmentation) -> dict[str, object]:
    return {name: value for name, value in augmentation.model_dump().items() if value != getattr(Augmentation(), name)}


def moved(x: Tensor, augmentation: Augmentation, generator: torch.Generator, black: Tensor) -> Tensor:
    """Flip and crop each image of a batch at random, by one gather over the whole batch.

    Pixel ``(i, j)`` of a result is pixel ``(i + dy - p, j' + dx - p)`` of its image, with the padding ``p``, shifts
    ``dy, dx`` uniform on ``{0 .. 2 p}`` and ``j' = width - 1 - j`` in half of the images, else ``j``.

    Args:
        x: images, shape ``(n, channels, height, width)``, of any number type and on any device.
        augmentation: what is done.
        generator: on the CPU, so that every device sees the same; it moves on.
        black: what a pixel of padding is, shape ``(channels, 1, 1)`` or one number, of the type of `x`.

    Returns:
        The images, in new memory.
    """
    n, channels, height, width = x.shape
    pad = augmentation.crop
    choices = torch.zeros((3, n, 1), dtype=torch.int64)
    if pad:
        choices[:2] = torch.randint(2 * pad + 1, (2, n, 1), generator=generator) - pad
    if augmentation.flip:
        choices[2] = torch.randint(2, (n, 1), generator=generator)
    down, right, mirror = choices.to(x.device, non_blocking=True)

    columns = torch.arange(width, device=x.device)
    columns = torch.where(mirror.bool(), width - 1 - columns, columns) + right
    rows = torch.arange(height, device=x.device) + down
    inside_rows, inside_columns = _folded(rows, height), _folded(columns, width)
    source = (inside_rows.unsqueeze(2) * width + inside_columns.unsqueeze(1)).view(n, 1, -1)
    result = x.reshape(n, channels, -1).gather(2, source.expand(n, channels, -1)).view(x.shape)
    if pad and augmentation.crop_padding == "zero":
        outside = (rows != inside_rows).unsqueeze(2) | (columns != inside_columns).unsqueeze(1)
        result = torch.where(outside.unsqueeze(1), black, result)
    return result


def _folded(index: Tensor, length: int) -> Tensor:
    """Mirror what stands out below 0 or above ``length - 1`` back in; the edge itself is not repeated."""
    return (length - 1 - (length - 1 - index.abs()).abs()).clamp(0, length - 1)


def cut_out(x: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """Set a square of each standardised image to zero, which is the mean of the data.

    The square covers ``[c - side // 2, c - side // 2 + side)`` in both directions, for a centre ``c`` uniform on the
    pixels of the image; what is outside of the image is cut off.

    Args:
        x: images, shape ``(n, channels, height, width)``; they are changed.
        side: side of the square in pixels.
        generator: on the CPU, so that every device sees the same; it moves on.

    Returns:
        `x`.

    Reference:
        DeVries and Taylor, "Improved regularization of convolutional neural networks with cutout" (2017).
    """
    n, _, height, width = x.shape
    centres = torch.stack([torch.randint(length, (n, 1), generator=generator) for length in (height, width)])
    first_row, first_column = (centres - side // 2).to(x.device, non_blocking=True)
    rows, columns = (torch.arange(length, device=x.device) for length in (height, width))
    in_rows = (rows >= first_row) & (rows < first_row + side)
    in_columns = (columns >= first_column) & (columns < first_column + side)
    return x.masked_fill_((in_rows.unsqueeze(2) & in_columns.unsqueeze(1)).unsqueeze(1), 0.0)
