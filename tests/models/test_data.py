"""Data sets: parts that do not touch, standardised by what training may see, loaded without side effects."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.data import Examples, ImageFiles, find_dataset, load_test, load_train, prepared
from models.data.inputs import evaluation_batches
from models.data.prepared import prepare, prepare_test
from models.data.split import balanced_subset, held_out_count, stratified_split
from models.workload import Workload

CPU = torch.device("cpu")


def digits(**changes: Any) -> Workload:
    return Workload(**({"name": "digits", "dataset": "digits", "network": "mlp"} | changes))


def examples(name: str, load: Callable[[str], Examples | ImageFiles] = load_train) -> Examples:
    loaded = load(name)
    assert isinstance(loaded, Examples)
    return loaded


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
    dataset = find_dataset(name)
    train, test = examples(name), examples(name, load_test)
    assert train.x.shape == (dataset.num_train, *dataset.input_shape)
    assert test.x.shape[1:] == dataset.input_shape
    assert set(train.y.tolist()) == set(test.y.tolist()) == set(range(dataset.num_classes))
    of_train = {tuple(example) for example in train.x.flatten(1).tolist()}
    assert not any(tuple(example) in of_train for example in test.x.flatten(1).tolist())


def test_mnist1d_is_what_the_pinned_package_generates_from_its_published_arguments() -> None:
    train, test = examples("mnist1d"), examples("mnist1d", load_test)
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


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=200),
    st.integers(0, 2**32),
    st.data(),
)
def test_a_subset_is_as_balanced_as_the_classes_allow(labels: list[int], seed: int, data: st.DataObject) -> None:
    y = np.array(labels)
    count = data.draw(st.integers(0, len(y)))
    chosen = balanced_subset(y, count, seed)
    assert len(set(chosen.tolist())) == len(chosen) == count
    assert chosen.tolist() == sorted(chosen.tolist())
    taken = {label: int((y[chosen] == label).sum()) for label in np.unique(y)}
    short_of = [number for label, number in taken.items() if number < (y == label).sum()]
    assert max(taken.values()) - min([*short_of, max(taken.values())]) <= 1


def test_a_smaller_subset_is_part_of_a_larger_one_of_the_same_seed() -> None:
    y = np.repeat(np.arange(10), 50)
    sizes = [set(balanced_subset(y, count, seed=3).tolist()) for count in (10, 101, 250, 500)]
    assert all(small < large for small, large in pairwise(sizes))
    assert not np.array_equal(balanced_subset(y, 100, seed=3), balanced_subset(y, 100, seed=4))


def test_the_limited_data_of_the_paper_has_equally_many_of_each_class() -> None:
    y = np.random.default_rng(0).permutation(np.repeat(np.arange(10), 5000))
    for count in (10_000, 20_000, 30_000, 40_000, 50_000):
        assert np.unique(y[balanced_subset(y, count, seed=0)], return_counts=True)[1].tolist() == [count // 10] * 10


def test_every_example_is_as_likely_to_be_in_a_subset() -> None:
    """Within five standard errors of a binomial share."""
    y = np.repeat(np.arange(2), 10)
    repeats = 4000
    counts = sum(np.bincount(balanced_subset(y, 5, seed), minlength=20) for seed in range(repeats))
    assert counts / repeats == pytest.approx([0.25] * 20, abs=5 * (0.25 * 0.75 / repeats) ** 0.5)


def test_a_workload_with_fewer_samples_holds_out_its_share_of_them() -> None:
    workload = digits(train_samples=500, validation_frac=0.2)
    parts = prepare(workload, CPU)
    assert (workload.num_train, len(parts.train), len(parts.validation)) == (400, 400, 100)
    both = torch.cat([parts.train.y, parts.validation.y])
    assert both.bincount().tolist() == [50] * 10
    assert parts.train.y.bincount().tolist() == [40] * 10


def test_more_samples_than_there_are_cannot_be_asked_for() -> None:
    with pytest.raises(ValueError, match=r"train_samples must be at most the 1438 examples .*; got 1439\."):
        digits(train_samples=1439)


def test_all_parts_are_standardised_by_the_training_part_only() -> None:
    workload = digits(validation_frac=0.5)
    parts, test = prepare(workload, CPU), prepare_test(workload, CPU)
    assert parts.train.x.double().mean().item() == pytest.approx(0, abs=1e-6)
    assert parts.train.x.double().std(correction=0).item() == pytest.approx(1, abs=1e-6)
    raw = examples("digits").x
    _, held_out = stratified_split(examples("digits").y, 0.5, seed=0)
    (mean,), (std,) = parts.statistics
    assert mean != pytest.approx(raw.double().mean().item(), rel=1e-6)
    assert torch.allclose(parts.validation.x, (raw[held_out] - mean) / std)
    (batch,) = evaluation_batches(test, 1000)
    assert torch.equal(batch.x, (examples("digits", load_test).x - mean) / std)


def test_parts_have_the_sizes_that_the_workload_promises() -> None:
    workload = digits(validation_frac=0.3)
    parts = prepare(workload, CPU)
    assert len(parts.train) == workload.num_train == 1438 - 431
    assert len(parts.validation) == 431


def test_a_process_loads_a_workloads_data_once() -> None:
    assert prepare(digits(batch_size=50), CPU) is prepare(digits(batch_size=20), CPU)
    assert prepare(digits(split_seed=1), CPU) is not prepare(digits(), CPU)


def test_large_numbers_are_standardised_batch_by_batch_so_that_there_is_one_copy_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small = prepare(digits(split_seed=3), CPU)
    monkeypatch.setattr(prepared, "_LARGE", 1000)
    prepared._prepare.cache_clear()
    large = prepare(digits(split_seed=3), CPU)
    assert large.train.source is large.validation.source
    for one, other in ((small.train, large.train), (small.validation, large.validation)):
        (at_once,), (later,) = evaluation_batches(one, 2000), evaluation_batches(other, 2000)
        assert torch.equal(at_once.x, later.x)
        assert torch.equal(at_once.y, later.y)
    few = prepare(digits(split_seed=3, train_samples=500), CPU)  # a copy of these is small, and lets go of the rest
    assert (len(few.train.source), len(few.validation.source)) == (len(few.train), len(few.validation))
    prepared._prepare.cache_clear()


@pytest.mark.parametrize("changes", [{"split_seed": 1}, {"train_samples": 500}, {"validation_frac": 0.5}])
def test_workloads_that_differ_in_their_training_part_share_one_copy_of_the_test_part(changes: dict[str, Any]) -> None:
    """Each is standardised by the training part of its own."""
    one, other = prepare_test(digits(), CPU), prepare_test(digits(**changes), CPU)
    assert one.source is other.source
    assert one.statistics != other.statistics
    assert other.statistics == prepare(digits(**changes), CPU).statistics
