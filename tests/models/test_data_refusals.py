"""What a data set of the user's does wrong is one line that names it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from models.data import DataError, Examples, find_dataset, load_train
from models.data.prepared import prepare
from models.workload import Workload

CPU = torch.device("cpu")
OWN = """
from dataclasses import replace
import torch
from models.data import Dataset, Examples, Statistics

X, Y = torch.arange(120.0).view(20, 6), torch.arange(20) % 2

def boom():
    raise RuntimeError("boom\\nsecond line")

def no_room():
    raise MemoryError

def missing():
    return open("/nowhere/x.bin")

def nan(x):
    x = x.clone()
    x[3, 2] = x[3, 4] = float("nan")
    return x

LOADERS = {
    "tuple": lambda: (X, Y),
    "none": lambda: None,
    "numpy": lambda: Examples(X.numpy(), Y.numpy()),
    "float_classes": lambda: Examples(X, Y.float()),
    "column_classes": lambda: Examples(X, Y[:, None]),
    "complex": lambda: Examples(X + 0j, Y),
    "boom": boom,
    "no_room": no_room,
    "gradients": lambda: Examples(X.clone().requires_grad_(), Y),
    "missing": missing,
    "nan": lambda: Examples(nan(X), Y),
    "int32": lambda: Examples(X, Y.int()),
    "root": lambda root: Examples(X + float((root / "offset").read_text()), Y),
    "rare": lambda: Examples(X, torch.tensor([1] * 19 + [0])),
}
STATISTICS = {
    "three": Statistics((0.0,) * 3, (1.0,) * 3),
    "one": Statistics((0.0,), (1.0,)),
    "bare": Statistics(0.0, 1.0),
    "words": Statistics(("a",), (1.0,)),
    "pair": ((0.0,), (1.0,)),
    "zero": Statistics((0.0,), (0.0,)),
    "nan": Statistics((0.0,), (float("nan"),)),
}
VERSIONS = {"good": lambda: "1", "bad": missing, "object": lambda: b"1"}

def counted(root, num_classes=2, num_train=20, side=6):
    load = lambda: Examples(X, Y)
    return Dataset(
        input_shape=(side,), num_classes=num_classes, num_train=num_train, load_train=load, load_test=load
    )

def plain(root, number=20):
    if number < 0:
        raise ValueError("too few\\nreally")
    return counted(root, num_train=number)

def build(root, *, load="int32", statistics=None, version=None):
    return Dataset(
        input_shape=[6],
        num_classes=2,
        num_train=20,
        load_train=(lambda: LOADERS[load](root)) if load == "root" else LOADERS[load],
        load_test=LOADERS[load],
        statistics=STATISTICS.get(statistics),
        version=VERSIONS.get(version),
    )
"""


@pytest.fixture(autouse=True)
def own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_refused.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    monkeypatch.delitem(sys.modules, "own_refused", raising=False)


def own(validation_frac: float = 0.2, **settings: str) -> Workload:
    return Workload(
        name="w",
        dataset="own_refused:build",
        dataset_settings=settings,
        network="mlp",
        batch_size=4,
        validation_frac=validation_frac,
    )


@pytest.mark.parametrize(
    ("load", "message"),
    [
        ("tuple", "dataset own_refused:build must load models.data.Examples; got tuple."),
        ("none", "dataset own_refused:build must load models.data.Examples; got NoneType."),
        ("numpy", "dataset own_refused:build must load torch tensors; got x of type ndarray, y of type ndarray."),
        ("float_classes", "dataset own_refused:build must have classes of type int64; got float32."),
        ("column_classes", "dataset own_refused:build must have classes of shape (n,); got (20, 1)."),
        ("complex", "dataset own_refused:build must have inputs that are real numbers; got complex64."),
        (
            "boom",
            "dataset must be one whose load_train works; got 'own_refused:build'. It raised RuntimeError: boom",
        ),
        ("nan", "dataset own_refused:build must have finite inputs; got NaN or infinity in 1 of 20."),
    ],
)
@pytest.mark.parametrize("version", ["", "good"], ids=["loaded", "kept"])
def test_what_a_loader_gets_wrong_is_one_line(load: str, message: str, version: str) -> None:
    with pytest.raises(DataError) as caught:
        prepare(own(load=load, version=version, statistics="one"), CPU)
    assert str(caught.value) == message


@pytest.mark.parametrize("version", ["", "good"], ids=["loaded", "kept"])
def test_want_of_memory_in_a_loader_is_no_fault_of_the_data_set(version: str) -> None:
    with pytest.raises(MemoryError):
        prepare(own(load="no_room", version=version, statistics="one"), CPU)


def test_data_sets_of_two_folders_are_not_taken_for_one_another_where_the_version_says_the_same(
    tmp_path: Path,
) -> None:
    found = []
    for offset in (0, 100):
        root = tmp_path / str(offset)
        root.mkdir()
        (root / "offset").write_text(str(offset))
        loaded = load_train("own_refused:build", root, {"load": "root", "version": "good"})
        assert isinstance(loaded, Examples)
        found.append(loaded.x)
    assert torch.equal(found[1], found[0] + 100)


@pytest.mark.parametrize("version", ["", "good"], ids=["loaded", "kept"])
def test_inputs_that_were_computed_with_gradients_are_taken_without(version: str) -> None:
    assert not prepare(own(load="gradients", version=version), CPU).train.x.requires_grad


def test_numbers_of_a_description_that_are_none_are_named_at_once() -> None:
    settings = {"num_classes": "2", "num_train": 20.0, "side": 0}
    with pytest.raises(ValueError, match="input_shape") as caught:
        Workload(name="w", dataset="own_refused:counted", dataset_settings=settings, network="mlp", batch_size=4)
    for line in (
        "dataset own_refused:counted: input_shape[0] must be a whole number >= 1; got 0.",
        "dataset own_refused:counted: num_classes must be a whole number >= 2; got '2'.",
        "dataset own_refused:counted: num_train must be a whole number >= 2; got 20.0.",
    ):
        assert line in str(caught.value)


def test_settings_may_stand_without_a_star_in_front() -> None:
    assert load_train("own_refused:plain", None, {"number": 20})
    with pytest.raises(ValueError, match=r"one of the settings of own_refused:plain: number; got 'root'\."):
        load_train("own_refused:plain", None, {"root": "x"})


def test_a_version_that_is_no_text_is_refused() -> None:
    with pytest.raises(DataError, match=r"^version of dataset own_refused:build must return text; got bytes\.$"):
        load_train("own_refused:build", None, {"version": "object"})


def test_classes_of_another_whole_number_type_and_a_list_for_a_shape_are_taken() -> None:
    workload = own(load="int32")
    assert workload.input_shape == (6,)
    assert prepare(workload, CPU).train.y.dtype == torch.int64


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"load": "missing", "version": "good"}, "load_train"), ({"version": "bad"}, "version")],
)
def test_a_file_that_a_data_set_misses_is_not_blamed_on_the_cache(settings: dict[str, str], words: str) -> None:
    with pytest.raises(DataError, match=rf"one whose {words} works; .* FileNotFoundError: .*/nowhere/x\.bin") as caught:
        load_train("own_refused:build", None, settings)
    assert "FAIRSWEEP_CACHE" not in str(caught.value)


@pytest.mark.parametrize(
    ("statistics", "message"),
    [
        ("three", "must have 1 mean and 1 std, one per channel of images and else one for all; got 3 and 3."),
        (
            "bare",
            "must be tuples of numbers, as in Statistics(mean=(0.0,), std=(1.0,)); got Statistics(mean=0.0, std=1.0).",
        ),
        (
            "words",
            "must be tuples of numbers, as in Statistics(mean=(0.0,), std=(1.0,)); got "
            "Statistics(mean=('a',), std=(1.0,)).",
        ),
        ("pair", "must be tuples of numbers, as in Statistics(mean=(0.0,), std=(1.0,)); got ((0.0,), (1.0,))."),
        ("zero", "must vary in every channel; got standard deviations [0.0]."),
        ("nan", "must be finite; got standard deviations [nan]: NaN or infinity."),
    ],
)
def test_statistics_that_do_not_fit_are_refused(statistics: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        prepare(own(statistics=statistics), CPU)
    assert str(caught.value) == f"statistics of dataset own_refused:build {message}"


def test_a_training_part_without_a_class_is_refused() -> None:
    parts = prepare(own(load="rare"), CPU)
    assert sorted(set(parts.train.y.tolist())) == [0, 1]
    with pytest.raises(DataError, match=r"all 2 classes in the training part, .*; got none of class 0\. Raise train"):
        prepare(own(load="rare", validation_frac=0.7), CPU)


def test_fewer_samples_than_classes_cannot_be_asked_for() -> None:
    with pytest.raises(ValueError, match=r"train_samples must be at least one for each of 10 classes; got 9\."):
        Workload(name="w", dataset="digits", network="mlp", batch_size=2, train_samples=9)
    few = Workload(name="w", dataset="digits", network="mlp", batch_size=2, train_samples=10)
    with pytest.raises(DataError, match=r"got none of class \d"):
        prepare(few, CPU)


def test_what_a_builder_says_is_said_of_it() -> None:
    condition = r"dataset must be one that can be described with settings {'number': -1}; got 'own_refused:plain'\."
    with pytest.raises(ValueError, match=rf"^{condition} It raised ValueError: too few$"):
        find_dataset("own_refused:plain", None, {"number": -1})
