"""Data sets by name, in two parts that are loaded apart, so that tuning never touches the test part.

To add one, write its file and add its line to the table.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from models.data import digits, mnist, mnist1d
from models.data.examples import DataError, Examples
from schedules.checks import unknown_option

__all__ = ["DATASETS", "DataError", "Dataset", "Examples", "download", "load_test", "load_train"]

ROOT_VARIABLE = "FAIRSWEEP_DATA"


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A data set: what is known without loading it, and how to load it.

    Args:
        input_shape: shape of one example.
        num_classes: number of classes.
        num_train: examples in the training part, validation included.
        load_train: reads the training part, given the data folder or None.
        load_test: reads the test part, given the data folder or None.
        download: fetches the files into a folder; None where there are none to fetch.
    """

    input_shape: tuple[int, ...]
    num_classes: int
    num_train: int
    load_train: Callable[[Path | None], Examples]
    load_test: Callable[[Path | None], Examples]
    download: Callable[[Path], None] | None = None


DATASETS: Mapping[str, Dataset] = {
    "digits": Dataset(
        input_shape=digits.INPUT_SHAPE,
        num_classes=digits.NUM_CLASSES,
        num_train=digits.NUM_TRAIN,
        load_train=digits.load_train,
        load_test=digits.load_test,
    ),
    "mnist": Dataset(
        input_shape=mnist.INPUT_SHAPE,
        num_classes=mnist.NUM_CLASSES,
        num_train=mnist.NUM_TRAIN,
        load_train=mnist.load_train,
        load_test=mnist.load_test,
        download=mnist.download,
    ),
    "mnist1d": Dataset(
        input_shape=mnist1d.INPUT_SHAPE,
        num_classes=mnist1d.NUM_CLASSES,
        num_train=mnist1d.NUM_TRAIN,
        load_train=mnist1d.load_train,
        load_test=mnist1d.load_test,
    ),
}


def data_root(root: Path | str | None) -> Path | None:
    """Return the data folder: the one given, else the one in ``FAIRSWEEP_DATA``, else None."""
    found = root or os.environ.get(ROOT_VARIABLE)
    return Path(found).expanduser() if found else None


def load_train(name: str, root: Path | str | None = None) -> Examples:
    """Load the training part of a data set, validation included, as it is on disk.

    Args:
        name: key of ``DATASETS``.
        root: data folder; by default the one in ``FAIRSWEEP_DATA``. Generated data sets need none.

    Raises:
        DataError: if its files are not there.
        ValueError: if there is no such data set.
    """
    return _dataset(name).load_train(data_root(root))


def load_test(name: str, root: Path | str | None = None) -> Examples:
    """Load the test part of a data set; see ``load_train``."""
    return _dataset(name).load_test(data_root(root))


def download(name: str, root: Path | str) -> None:
    """Fetch the files of a data set over the network into a folder.

    Args:
        name: a data set that has files to fetch.
        root: data folder to fill.

    Raises:
        ValueError: if there is no such data set, or nothing to fetch for it.
    """
    fetch = _dataset(name).download
    if fetch is None:
        raise ValueError(unknown_option("dataset", name, [k for k, v in DATASETS.items() if v.download]))
    fetch(Path(root).expanduser())


def _dataset(name: str) -> Dataset:
    if name not in DATASETS:
        raise ValueError(unknown_option("dataset", name, DATASETS))
    return DATASETS[name]
