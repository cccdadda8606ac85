"""Is what a data set loads what it promised?"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from models.data.examples import DataError, Dataset, Examples, ImageFiles, Statistics
from schedules.checks import Whole, read_settings

_CLASS_DTYPES = frozenset({torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64})
_MOST_SHOWN = 5
#: Numbers that are looked at together: what is computed from them takes a few times their memory.
CHUNK = 2**18


def well_described(name: str, dataset: Dataset) -> Dataset:
    """Return a data set whose description has numbers of the right kind.

    Args:
        name: of the data set.
        dataset: as its builder made it.

    Raises:
        ValueError: if a number is none, or too small; one line per offender.
    """
    sides = {f"input_shape[{place}]": side for place, side in enumerate(dataset.input_shape)}
    counts = {"num_classes": dataset.num_classes, "num_train": dataset.num_train}
    try:
        read = read_settings(sides | counts, dict.fromkeys(sides, Whole(1)) | dict.fromkeys(counts, Whole(2)))
    except ValueError as error:
        raise ValueError("\n".join(f"dataset {name}: {line}" for line in str(error).splitlines())) from error
    shape = tuple(read[side] for side in sides)
    return replace(dataset, input_shape=shape, num_classes=read["num_classes"], num_train=read["num_train"])


def well_formed(name: str, loaded: object) -> Examples | ImageFiles:
    """Return what was loaded, with classes as ``int64``, and without what gradients would need.

    Args:
        name: of the data set.
        loaded: what its loader returned.

    Raises:
        DataError: if it is neither examples nor files of images, or their tensors are of the wrong kind; one line per
            offender.
    """
    if not isinstance(loaded, Examples | ImageFiles):
        raise DataError(f"dataset {name} must load models.data.Examples; got {type(loaded).__name__}.")
    named = {"x": loaded.x, "y": loaded.y} if isinstance(loaded, Examples) else {"y": loaded.y}
    if kinds := {key: type(value).__name__ for key, value in named.items() if not isinstance(value, Tensor)}:
        got = ", ".join(f"{key} of type {kind}" for key, kind in kinds.items())
        raise DataError(f"dataset {name} must load torch tensors; got {got}.")
    offences = [
        f"dataset {name} must have {condition}; got {found}."
        for condition, found, fits in (
            ("classes of type int64", _dtype(loaded.y), loaded.y.dtype in _CLASS_DTYPES),
            ("classes of shape (n,)", f"{tuple(loaded.y.shape)}", loaded.y.ndim == 1),
            *_about_inputs(loaded),
        )
        if not fits
    ]
    if offences:
        raise DataError("\n".join(offences))
    loaded = loaded._replace(y=loaded.y.to(torch.int64))
    return loaded._replace(x=loaded.x.detach()) if isinstance(loaded, Examples) else loaded


def _about_inputs(loaded: Examples | ImageFiles) -> list[tuple[str, str, bool]]:
    if isinstance(loaded, ImageFiles):
        return []
    x = loaded.x
    return [
        ("inputs of shape (n, *input_shape)", f"{tuple(x.shape)}", x.ndim >= 2),
        ("inputs that are real numbers", _dtype(x), not x.is_complex()),
    ]


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def check_promises(name: str, dataset: Dataset, loaded: Examples | ImageFiles, expected: int) -> None:
    """Compare what was loaded with what the data set promised.

    Args:
        name: of the data set.
        dataset: the promises.
        loaded: what was loaded, well formed.
        expected: number of examples.

    Raises:
        DataError: if they differ, or inputs are not finite; one line per offender.
    """
    shape = loaded.shape if isinstance(loaded, ImageFiles) else tuple(loaded.x.shape[1:])
    number = len(loaded.paths if isinstance(loaded, ImageFiles) else loaded.x)
    y, classes, broken = loaded.y, dataset.num_classes, _not_finite(loaded)
    offences = [
        f"dataset {name} must have {condition}; got {found}."
        for condition, found, fits in (
            (f"{expected} examples and as many classes", f"{number} and {len(y)}", number == len(y) == expected),
            (f"examples of shape {list(dataset.input_shape)}", list(shape), tuple(shape) == dataset.input_shape),
            (f"classes in [0, {classes})", _span(y), len(y) and int(y.min()) >= 0 and int(y.max()) < classes),
            ("finite inputs", f"NaN or infinity in {broken} of {number}", not broken),
        )
        if not fits
    ]
    if offences:
        raise DataError("\n".join(offences))


def _not_finite(loaded: Examples | ImageFiles) -> int:
    if isinstance(loaded, ImageFiles) or not loaded.x.is_floating_point():
        return 0
    # Some at a time: what `isfinite` needs in between is as large as what it looks at.
    at_a_time = max(1, CHUNK // max(1, loaded.x[:1].numel()))
    return sum(int((~some.isfinite()).flatten(1).any(dim=1).sum()) for some in torch.split(loaded.x, at_a_time))


def _span(y: Tensor) -> str:
    return f"[{int(y.min())}, {int(y.max())}]" if len(y) else "none"


def check_statistics(name: str, dataset: Dataset) -> None:
    """Check the statistics that a data set gives itself.

    Args:
        name: of the data set.
        dataset: what it promises.

    Raises:
        DataError: if they are no numbers, or not as many as channels, or one is not finite or a deviation not positive.
    """
    given, shape = dataset.statistics, dataset.input_shape
    if given is None:
        return
    if not _holds_numbers(given):
        condition = "be tuples of numbers, as in Statistics(mean=(0.0,), std=(1.0,))"
        raise DataError(f"statistics of dataset {name} must {condition}; got {given!r}.")
    wanted = shape[0] if len(shape) == 3 else 1
    if not (len(given.mean) == len(given.std) == wanted):
        condition = f"have {wanted} mean and {wanted} std" if wanted == 1 else f"have {wanted} means and stds"
        raise DataError(
            f"statistics of dataset {name} must {condition}, one per channel of images and else one for all; got "
            f"{len(given.mean)} and {len(given.std)}."
        )
    check_spread(f"statistics of dataset {name}", given)


def _holds_numbers(given: object) -> bool:
    try:
        return isinstance(given, Statistics) and all(isinstance(float(each), float) for part in given for each in part)
    except (TypeError, ValueError):
        return False


def check_spread(what: str, statistics: Statistics) -> None:
    """Refuse statistics by which nothing can be standardised.

    Args:
        what: what they are of; begins the message.
        statistics: mean and standard deviation of each channel.

    Raises:
        DataError: if a mean or a standard deviation is not finite, or a standard deviation is 0.
    """
    if not all(map(math.isfinite, (*statistics.mean, *statistics.std))):
        raise DataError(f"{what} must be finite; got standard deviations {list(statistics.std)}: NaN or infinity.")
    if not all(std > 0 for std in statistics.std):
        raise DataError(f"{what} must vary in every channel; got standard deviations {list(statistics.std)}.")


def check_classes_left(name: str, y: Tensor, num_classes: int) -> None:
    """Refuse a training part in which a class is missing.

    Args:
        name: of the data set.
        y: classes of the training part, without what is held out, shape ``(n,)``.
        num_classes: classes that there are supposed to be.

    Raises:
        DataError: if one has no example.
    """
    missing = (y.bincount(minlength=num_classes) == 0).nonzero().flatten().tolist()
    if not missing:
        return
    more = f" and {len(missing) - _MOST_SHOWN} more" if len(missing) > _MOST_SHOWN else ""
    raise DataError(
        f"dataset {name} must have examples of all {num_classes} classes in the training part, without what is held "
        f"out; got none of class {', '.join(map(str, missing[:_MOST_SHOWN]))}{more}. Raise train_samples, lower "
        "validation_frac, or leave the class out."
    )
