"""Data sets by name, in two parts that are loaded apart, so that tuning never touches the test part.

A builder takes ``(root, *, settings...)`` and returns a `Dataset`. To add one, write its file and add its line to the
table.
"""

from __future__ import annotations

import hashlib
import inspect
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

from models.data.cache import checksum, kept
from models.data.checking import well_described, well_formed
from models.data.digits import digits
from models.data.examples import DataError, Dataset, Examples, ImageFiles, Loaded, Statistics
from models.data.image_folder import imagefolder
from models.data.imagenet import imagenet
from models.data.mnist1d import mnist1d
from models.data.torchvision_sets import cifar10, cifar100, fashion_mnist, mnist
from models.importing import explains_itself, is_function_name, load_function, source_of
from models.memory import is_out_of_memory
from schedules.checks import complaint, unknown_option

__all__ = [
    "DATASETS",
    "DataError",
    "Dataset",
    "Examples",
    "ImageFiles",
    "Loaded",
    "Statistics",
    "check_dataset_name",
    "checksum",
    "download",
    "find_dataset",
    "load_part",
    "load_test",
    "load_train",
]

ROOT_VARIABLE = "FAIRSWEEP_DATA"

_BY_KEYWORD = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)

DATASETS: Mapping[str, Callable[..., Dataset]] = {
    "cifar10": cifar10,
    "cifar100": cifar100,
    "digits": digits,
    "fashion_mnist": fashion_mnist,
    "imagefolder": imagefolder,
    "imagenet": imagenet,
    "mnist": mnist,
    "mnist1d": mnist1d,
}


def data_root(root: Path | str | None) -> Path | None:
    """Return the data folder: the one given, else the one in ``FAIRSWEEP_DATA``, else None."""
    found = root or os.environ.get(ROOT_VARIABLE)
    return Path(found).expanduser() if found else None


def check_dataset_name(name: str) -> Callable[..., Dataset]:
    """Return the builder of a data set; see `find_dataset`."""
    if is_function_name(name):
        function = load_function("dataset", name)
        # It is called while a study file is checked, so it must be meant for that: not os:system.
        if next(iter(_parameters(function)), None) != "root":
            raise ValueError(complaint("dataset", "a function that takes (root, *, settings...)", name))
        return function
    if name not in DATASETS:
        raise ValueError(f"{unknown_option('dataset', name, DATASETS)} For one of your own: package.module:function.")
    return DATASETS[name]


def find_dataset(name: str, root: Path | str | None = None, settings: Mapping[str, Any] | None = None) -> Dataset:
    """Return a data set by its name, without looking at its files.

    Args:
        name: key of ``DATASETS``, or ``package.module:function`` for a builder of the user's.
        root: data folder; by default the one in ``FAIRSWEEP_DATA``. Generated data sets need none.
        settings: keyword arguments of the builder.

    Raises:
        ValueError: if there is no such data set, or a setting is unknown, missing or out of range; one line per
            offender.
    """
    builder = check_dataset_name(name)
    known = [key for key, parameter in [*_parameters(builder).items()][1:] if parameter.kind in _BY_KEYWORD]
    given = dict(settings or {})
    offences = [
        unknown_option("dataset_settings", key, known, f"the settings of {name}") for key in given if key not in known
    ]
    if offences:
        raise ValueError("\n".join(offences))
    try:
        built = builder(data_root(root), **given)
    except Exception as error:  # whatever goes wrong in a builder of the user's
        if explains_itself(error):
            raise
        condition = f"one that can be described with settings {given}"
        raise ValueError(complaint("dataset", condition, name, _raised(error))) from error
    if not isinstance(built, Dataset):
        raise ValueError(  # noqa: TRY004
            complaint(
                "dataset",
                "a function that returns a models.data.Dataset",
                name,
                f"It returned an object of type {type(built).__name__}.",
            )
        )
    return well_described(name, built)


def _raised(error: Exception) -> str:
    return f"It raised {type(error).__name__}: {error}".partition("\n")[0]


def _parameters(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):  # some of those that are written in C
        return {}


def load_train(
    name: str, root: Path | str | None = None, settings: Mapping[str, Any] | None = None
) -> Examples | ImageFiles:
    """Load the training part of a data set, validation included, as it is on disk.

    Args:
        name: see `find_dataset`.
        root: likewise.
        settings: likewise.

    Raises:
        DataError: if its files are not there, or not what they should be.
        ValueError: as `find_dataset` does.
    """
    return load_part(name, root, settings, "train").content


def load_test(
    name: str, root: Path | str | None = None, settings: Mapping[str, Any] | None = None
) -> Examples | ImageFiles:
    """Load the test part of a data set; see `load_train`."""
    return load_part(name, root, settings, "test").content


def load_part(
    name: str, root: Path | str | None, settings: Mapping[str, Any] | None, part: Literal["train", "test"]
) -> Loaded:
    """Load a part of a data set as `load_train` does, and say what else became known of it."""
    dataset = find_dataset(name, root, settings)
    called = name if part == "train" else f"{name}, in its test part,"
    load = partial(_called, name, f"load_{part}", dataset.load_train if part == "train" else dataset.load_test)
    version = _called(name, "version", dataset.version) if dataset.version else ""
    if not isinstance(version, str | int | float):
        raise DataError(f"version of dataset {name} must return text; got {type(version).__name__}.")
    if not version:
        content = well_formed(called, load())
        return Loaded(content, _digest(content), is_shared=False)

    def decoded() -> Examples:
        examples = well_formed(called, load())
        if isinstance(examples, ImageFiles):  # a mistake in a builder of the user's
            raise DataError(f"version of dataset {name} must be None, since its images stay in their files; got text.")
        return examples

    identity = {"dataset": name, "part": part, "settings": dict(settings or {}), "version": version}
    if is_function_name(name) and (source := source_of("dataset", name)):
        # Its version may say nothing of the folder, where ours hash the names, sizes and times of the files.
        identity |= {"source": source[1], "root": str(_resolved(data_root(root)))}
    return kept(f"{name.replace(':', '.')}-{part}", identity, decoded)


def _digest(content: Examples | ImageFiles) -> str:
    if isinstance(content, Examples):
        return checksum(content)
    names = (
        f"{'/'.join(Path(path).parts[-2:])} {y}" for path, y in zip(content.paths, content.y.tolist(), strict=True)
    )
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def _resolved(root: Path | None) -> Path | None:
    return root.resolve() if root else None


def _called(name: str, what: str, function: Callable[[], Any]) -> Any:
    try:
        return function()
    except DataError:
        raise
    except Exception as error:  # whatever goes wrong in a function of the user's
        if is_out_of_memory(error):
            raise
        raise DataError(complaint("dataset", f"one whose {what} works", name, _raised(error))) from error


def download(name: str, root: Path | str) -> None:
    """Fetch the files of a data set over the network into a folder, but for those that are there already.

    Args:
        name: a data set that has files to fetch.
        root: data folder to fill; made if it is not there.

    Raises:
        ValueError: if there is no such data set, or nothing to fetch for it.
        DataError: the files cannot be fetched, or not be written.
    """
    fetch = find_dataset(name, root).download
    if fetch is None:
        raise ValueError(complaint("dataset", "one whose files can be fetched", name))
    folder = Path(root).expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        fetch(folder)
    except (OSError, RuntimeError) as error:  # torchvision raises both, for a dead network and for a damaged file
        reason = str(getattr(error, "reason", error)).strip().rstrip(".")
        raise DataError(
            f"{name} could not be fetched into {folder}: {reason}. What is whole stays there; try again when the "
            "network and the disk allow, or put torchvision's files there yourself."
        ) from error
