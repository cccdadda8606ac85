"""Data sets: parts that do not touch, standardised by what training may see, loaded without side effects."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.data import DATASETS, DataError, download, load_test, load_train
from models.data.prepared import prepare, prepare_test
from models.data.split import held_out_count, stratified_split
from models.workload import Workload

CPU = torch.device("cpu")


def digits(**changes: Any) -> Workload:
    return Workload(**({"name": "digits", "dataset": "digits", "network": "mlp"} | changes))


@given(
    st.lists(st.integers(0, 4), min_size=5, max_size=200),
    st.floats(0.05, 0.95),
    st.integers(0, 2**32),
)
def test_a_split_is_complete_disjoint_stratified_and_of_a_size_known_beforehand(
    labels: list[int], frac: float, seed: int
) -> None:
    y = np.array(labels)
    kept, held_out = stratified_split(y, frac, seed)
    assert sorted([*kept, *held_out]) == list(range(len(y)))
    assert len(held_out) == held_out_count(len(y), frac)
    for label in np.unique(y):
        assert abs((y[held_out] == label).sum() - frac * (y == label).sum()) < 1


def test_a_split_depends_on_its_seed_alone() -> None:
    y = np.repeat(np.arange(10), 30)
    first, _ = stratified_split(y, 0.2, seed=1)
    np.random.seed(3)  # noqa: NPY002 - the global state must not matter
    again, _ = stratified_split(y, 0.2, seed=1)
    other, _ = stratified_split(y, 0.2, seed=2)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("name", ["digits", "mnist1d"])
def test_parts_have_the_shape_and_size_that_the_table_promises(name: str) -> None:
    dataset = DATASETS[name]
    train, test = load_train(name), load_test(name)
    assert train.x.shape == (dataset.num_train, *dataset.input_shape)
    assert test.x.shape[1:] == dataset.input_shape
    assert set(train.y.tolist()) == set(test.y.tolist()) == set(range(dataset.num_classes))
    of_train = {tuple(example) for example in train.x.flatten(1).tolist()}
    assert not any(tuple(example) in of_train for example in test.x.flatten(1).tolist())


def test_mnist1d_is_what_the_pinned_package_generates_from_its_published_arguments() -> None:
    train, test = load_train("mnist1d"), load_test("mnist1d")
    assert (len(train.y), len(test.y)) == (4000, 1000)
    # mnist1d 0.0.2.post1, make_dataset(get_dataset_args())
    assert train.y[:10].tolist() == [2, 6, 4, 5, 6, 6, 6, 0, 3, 1]
    assert train.x[0, :3].tolist() == pytest.approx([-0.332006, -0.471910, -0.778697], abs=1e-4)


def test_generating_mnist1d_leaves_the_global_generators_and_the_folder_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    random.seed(11)
    np.random.seed(11)  # noqa: NPY002
    torch.manual_seed(11)
    expected = (random.random(), np.random.random(), torch.rand(1).item())  # noqa: NPY002
    random.seed(11)
    np.random.seed(11)  # noqa: NPY002
    torch.manual_seed(11)
    load_train("mnist1d")
    assert (random.random(), np.random.random(), torch.rand(1).item()) == expected  # noqa: NPY002
    assert not list(tmp_path.iterdir())


def test_all_parts_are_standardised_by_the_training_part_only() -> None:
    workload = digits(validation_frac=0.5)
    parts, test = prepare(workload, CPU), prepare_test(workload, CPU)
    assert parts.train.x.double().mean().item() == pytest.approx(0, abs=1e-6)
    assert parts.train.x.double().std(correction=0).item() == pytest.approx(1, abs=1e-6)
    raw = load_train("digits").x
    _, held_out = stratified_split(load_train("digits").y, 0.5, seed=0)
    assert parts.mean != pytest.approx(raw.double().mean().item(), rel=1e-6)
    assert torch.allclose(parts.validation.x, (raw[held_out] - parts.mean) / parts.std)
    assert torch.allclose(test.x, (load_test("digits").x - parts.mean) / parts.std)


def test_parts_have_the_sizes_that_the_workload_promises() -> None:
    workload = digits(validation_frac=0.3)
    parts = prepare(workload, CPU)
    assert len(parts.train.y) == workload.num_train == 1438 - 431
    assert len(parts.validation.y) == 431


def test_a_process_loads_a_workloads_data_once() -> None:
    assert prepare(digits(batch_size=50), CPU) is prepare(digits(batch_size=20), CPU)
    assert prepare(digits(split_seed=1), CPU) is not prepare(digits(), CPU)


@pytest.mark.parametrize("load", [load_train, load_test])
def test_missing_files_are_reported_with_the_folder_and_how_to_fetch_them(load: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        load("mnist", tmp_path)
    assert str(tmp_path / "MNIST" / "raw") in str(caught.value)
    assert "download('mnist', 'FOLDER')" in str(caught.value)


def test_a_missing_folder_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FAIRSWEEP_DATA", raising=False)
    with pytest.raises(DataError, match=r"data_root must be .*; got none\. Set data_root .* or FAIRSWEEP_DATA"):
        load_train("mnist")


def test_the_environment_names_the_folder_where_the_workload_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIRSWEEP_DATA", str(tmp_path / "from-environment"))
    with pytest.raises(DataError, match="from-environment"):
        load_train("mnist")
    with pytest.raises(DataError, match="from-workload"):
        load_train("mnist", tmp_path / "from-workload")


def test_mnist_is_read_from_the_files_of_its_folder(tmp_path: Path) -> None:
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for part, count in (("train", 4), ("t10k", 2)):
        pixels = bytes(range(count)) * 28 * 28
        header = b"\x00\x00\x08\x03" + b"".join(size.to_bytes(4, "big") for size in (count, 28, 28))
        (raw / f"{part}-images-idx3-ubyte").write_bytes(header + pixels)
        classes = b"\x00\x00\x08\x01" + count.to_bytes(4, "big") + bytes(range(count))
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(classes)
    train, test = load_train("mnist", tmp_path), load_test("mnist", tmp_path)
    assert (train.x.shape, train.y.tolist()) == ((4, 28, 28), [0, 1, 2, 3])
    assert (test.x.shape, test.y.tolist()) == ((2, 28, 28), [0, 1])


def test_only_data_sets_with_files_can_be_fetched(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"dataset must be one of mnist; got 'digits'\."):
        download("digits", tmp_path)
    with pytest.raises(ValueError, match=r"dataset must be one of digits, mnist, mnist1d; got 'cifar'\."):
        load_train("cifar")
