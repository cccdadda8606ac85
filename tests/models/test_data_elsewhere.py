"""Data sets of the user's own code."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from models.data import DataError, load_train
from models.data.prepared import prepare, prepare_test
from models.workload import Workload

CPU = torch.device("cpu")

OWN = """
from dataclasses import replace
from functools import partial
import torch
from models.data import Dataset, Examples

def build(root, *, classes=3, most=250):
    def load(count):
        y = torch.arange(count) % classes
        return Examples((y * most // classes).to(torch.uint8).view(-1, 1, 1, 1).repeat(1, 1, 4, 4), y)

    return Dataset(
        input_shape=(1, 4, 4),
        num_classes=classes,
        num_train=30,
        load_train=partial(load, 30),
        load_test=partial(load, 6),
    )

def shared(root, *, count):
    return replace(build(root), version=lambda: f"{count} things")

def wrong(root):
    return Dataset(
        input_shape=(1, 4, 4),
        num_classes=3,
        num_train=30,
        load_train=lambda: Examples(torch.ones(29, 2), torch.arange(29)),
        load_test=lambda: None,
    )

def nothing(root):
    return 3
"""


@pytest.fixture
def own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "own_data.py").write_text(OWN)
    (tmp_path / "broken_data.py").write_text("import no_such_package")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    monkeypatch.delitem(sys.modules, "own_data", raising=False)
    return "own_data"


def test_a_data_set_of_the_user_is_found_in_the_current_folder(own_module: str) -> None:
    workload = Workload(
        name="w", dataset=f"{own_module}:build", dataset_settings={"classes": 5}, network="mlp", batch_size=4
    )
    assert (workload.num_classes, workload.input_shape, workload.num_train) == (5, (1, 4, 4), 24)
    parts = prepare(workload, CPU)
    assert parts.train.x[:, 0, 0, 0].tolist() == (parts.train.y * 50).tolist()
    assert len(prepare_test(workload, CPU)) == 6


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("own_data:absent", "dataset must be a function of own_data; got 'own_data:absent'. There is no absent in it."),
        (
            "own_data:nothing",
            "returns a models.data.Dataset; got 'own_data:nothing'. It returned an object of type int.",
        ),
        ("own_data:shared", "It raised TypeError: shared() missing 1 required keyword-only argument: 'count'"),
        ("os:system", "dataset must be a function that takes (root, *, settings...); got 'os:system'."),
        ("broken_data:build", "Importing it raised ModuleNotFoundError: No module named 'no_such_package'"),
        ("nowhere.at.all:build", "There is no module 'nowhere' in "),
        ("own_dada:build", "or among what is installed. Did you mean 'own_data'?"),
    ],
)
def test_what_cannot_be_imported_is_one_clear_line(own_module: str, name: str, message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Workload(name="w", dataset=name, network="mlp")
    assert message in str(caught.value)


def test_a_data_set_of_the_user_with_a_version_is_shared_until_version_or_code_change(
    own_module: str, own_cache: Path
) -> None:
    def kept() -> int:
        load_train(f"{own_module}:shared", None, {"count": count})
        return len([path for path in own_cache.iterdir() if path.is_dir()])

    count = 1
    assert [kept(), kept()] == [1, 1]
    count = 2
    assert [kept(), kept()] == [2, 2]
    with Path("own_data.py").open("a") as file:
        file.write("# edited")
    assert [kept(), kept()] == [3, 3]


def test_a_data_set_of_the_user_must_be_what_it_says(own_module: str) -> None:
    with pytest.raises(DataError) as caught:
        prepare(Workload(name="w", dataset=f"{own_module}:wrong", network="mlp", batch_size=4), CPU)
    assert str(caught.value).splitlines() == [
        f"dataset {own_module}:wrong must have 30 examples and as many classes; got 29 and 29.",
        f"dataset {own_module}:wrong must have examples of shape [1, 4, 4]; got [2].",
        f"dataset {own_module}:wrong must have classes in [0, 3); got [0, 28].",
    ]
