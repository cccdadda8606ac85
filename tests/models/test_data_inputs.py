"""What goes into a network, batch by batch, wherever the images are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from models.data import Examples
from models.data.augment import Augmentation, cut_out, moved
from models.data.inputs import TrainingInputs, evaluation_batches
from models.data.prepared import Part, prepare, prepare_test
from models.training import Checkpoint, Pause, Progress, Training, train, train_with_pauses
from models.training.batches import Batches
from models.workload import Budget, Workload
from tests.models.images import make_folder

CPU = torch.device("cpu")
EVERYTHING = Augmentation(flip=True, crop=2, cutout=3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("images")
    return make_folder(root, {"train/cat": 9, "train/dog": 11, "test/cat": 2, "test/dog": 3}, size=(8, 8))


def workload(folder: Path, *, stream: bool = False, image_size: int = 8) -> Workload:
    settings = {"image_size": image_size, "num_classes": 2, "num_train": 20, "stream": stream}
    fields: dict[str, Any] = {"name": "w", "dataset": "imagefolder", "network": "mlp", "batch_size": 4}
    return Workload(**fields, data_root=folder, dataset_settings=settings)


def inputs(part: Part, augmentation: Augmentation = EVERYTHING, seed: int = 5, **layout: bool) -> TrainingInputs:
    order = Batches(len(part), 5, 7, part.device)
    return TrainingInputs(part, order, augmentation, seed=seed, **layout)


def taken(batches: Iterator[Examples] | TrainingInputs, number: int) -> list[tuple[Tensor, Tensor]]:
    found = [next(batches) for _ in range(number)]
    if isinstance(batches, TrainingInputs):
        batches.close()
    return [(x, y) for x, y in found]


def equal(one: list[tuple[Tensor, Tensor]], other: list[tuple[Tensor, Tensor]]) -> bool:
    return all(torch.equal(a, c) and torch.equal(b, d) for (a, b), (c, d) in zip(one, other, strict=True))


def test_a_batch_is_taken_moved_standardised_and_cut_in_this_order(folder: Path) -> None:
    part = prepare(workload(folder), CPU).train
    batch = next(Batches(len(part), 5, 7, CPU))
    generator = torch.Generator().manual_seed(5)
    x = moved(part.x[batch], EVERYTHING, generator, torch.zeros(3, 1, 1, dtype=torch.uint8)).float()
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in part.statistics)
    expected = cut_out((x - mean) / std, 3, generator)
    found, y = next(inputs(part))
    assert torch.equal(found, expected)
    assert torch.equal(y, part.y[batch])


@pytest.mark.parametrize("stream", [False, True], ids=["mapped", "streamed"])
def test_batches_go_on_from_a_state_as_if_nothing_had_happened(folder: Path, stream: bool) -> None:
    part = prepare(workload(folder, stream=stream, image_size=6), CPU).train
    augmentation = EVERYTHING.model_copy(update={"random_resized_crop": stream})
    whole = taken(inputs(part, augmentation), 9)
    first, second = inputs(part, augmentation), inputs(part, augmentation, seed=99)
    for number in (0, 4):
        taken(second, 1)
        second.restore(first.state())
        assert equal(taken(second, 9 - number), whole[number:])
        for _ in range(4):
            next(first)
    first.close()


def test_a_state_is_plain_enough_for_a_checkpoint(folder: Path) -> None:
    for stream in (False, True):
        batches = inputs(prepare(workload(folder, stream=stream), CPU).train)
        next(batches)
        leaves: list[object] = [batches.state()]
        for leaf in leaves:
            if isinstance(leaf, dict):
                leaves.extend(leaf.values())
            else:
                assert isinstance(leaf, (Tensor, int))
        batches.close()


def test_images_in_their_files_give_the_same_batches_as_decoded_ones(folder: Path) -> None:
    mapped, streamed = (prepare(workload(folder, stream=stream), CPU) for stream in (False, True))
    assert mapped.statistics == streamed.statistics
    assert equal(taken(inputs(mapped.train), 7), taken(inputs(streamed.train), 7))
    assert equal(
        list(map(tuple, evaluation_batches(mapped.validation, 3))),  # type: ignore[arg-type]
        list(map(tuple, evaluation_batches(streamed.validation, 3))),  # type: ignore[arg-type]
    )


def test_what_is_cut_out_of_a_streamed_image_does_not_depend_on_who_decodes(folder: Path) -> None:
    part = prepare(workload(folder, stream=True, image_size=6), CPU).train
    augmentation = Augmentation(random_resized_crop=True)
    alone = taken(inputs(part, augmentation), 6)
    torch.set_num_threads(2)
    try:
        shared = taken(inputs(part, augmentation), 6)
    finally:
        torch.set_num_threads(1)
    assert equal(alone, shared)
    assert not equal(alone, taken(inputs(part, augmentation, seed=6), 6))
    assert not equal(alone, taken(inputs(part, Augmentation()), 6))


def test_streams_of_equal_seed_are_equal_whatever_the_global_generator_does(folder: Path) -> None:
    for stream in (False, True):
        part = prepare(workload(folder, stream=stream), CPU).train
        torch.manual_seed(1)
        state = torch.get_rng_state()
        first = taken(inputs(part), 5)
        assert torch.equal(state, torch.get_rng_state())
        torch.manual_seed(2)
        assert equal(first, taken(inputs(part), 5))


def test_without_augmentation_the_batches_are_the_examples(folder: Path) -> None:
    part = prepare(workload(folder), CPU).train
    x = torch.cat([x for x, _ in evaluation_batches(part, 3)])
    order = Batches(len(part), 5, 7, CPU)
    for found, y in islice(taken(inputs(part, Augmentation()), 3), 3):
        batch = next(order)
        assert torch.equal(found, x[batch])
        assert torch.equal(y, part.y[batch])


def test_an_evaluation_sees_every_example_once_and_in_order(folder: Path) -> None:
    test = prepare_test(workload(folder), CPU)
    batches = list(evaluation_batches(test, 2))
    assert [len(y) for _, y in batches] == [2, 2, 1]
    assert torch.cat([y for _, y in batches]).tolist() == [0, 0, 1, 1, 1]
    (whole,) = evaluation_batches(test, 100)
    assert torch.equal(torch.cat([x for x, _ in batches]), whole.x)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in test.statistics)
    assert torch.equal(whole.x, (test.x.float() - mean) / std)


def test_channels_can_be_innermost(folder: Path) -> None:
    part = prepare(workload(folder), CPU).train
    plain, innermost = next(inputs(part)), next(inputs(part, channels_last=True))
    assert innermost.x.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(plain.x, innermost.x)
    (batch,) = evaluation_batches(part, 100, channels_last=True)
    assert batch.x.is_contiguous(memory_format=torch.channels_last)


def test_sequences_are_never_laid_out_like_images() -> None:
    part = prepare(Workload(name="w", dataset="mnist1d", network="mlp"), CPU).train
    x, _ = next(inputs(part, Augmentation(), channels_last=True))
    assert torch.equal(x, part.x[next(Batches(len(part), 5, 7, CPU))])


def test_float_images_are_padded_with_black_too() -> None:
    part = prepare(Workload(name="w", dataset="digits", network="mlp"), CPU).train
    (mean,), (std,) = part.statistics
    x, _ = next(inputs(part, Augmentation(crop=8)))
    raw = x * std + mean
    assert raw.min().item() == pytest.approx(0, abs=1e-5)
    assert (raw[:, 0].abs() < 1e-5).double().mean().item() > 0.5


def noise(**settings: Any) -> Workload:
    return Workload(
        name="w", dataset="tests.models.images:noise", dataset_settings=settings, network="mlp", batch_size=5
    )


@pytest.mark.parametrize("kind", ["uint8", "int64", "float32", "float64"])
def test_numbers_that_are_kept_stay_in_their_file_and_make_the_same_batches(kind: str) -> None:
    """Standardised batch by batch, they equal those that a process standardised once for itself."""
    own, shared = noise(kind=kind), noise(kind=kind, version="1")
    ours, theirs = prepare(own, CPU), prepare(shared, CPU)
    assert isinstance(theirs.train.source, Tensor)
    assert isinstance(theirs.validation.source, Tensor)
    assert theirs.train.source.dtype == getattr(torch, kind)
    assert theirs.train.source.data_ptr() == theirs.validation.source.data_ptr()
    for one, other in ((ours.train, theirs.train), (ours.validation, theirs.validation)):
        assert equal(taken(inputs(one), 7), taken(inputs(other), 7))
        assert equal(taken(inputs(one, Augmentation()), 7), taken(inputs(other, Augmentation()), 7))
    tests = [
        taken(evaluation_batches(prepare_test(workload, CPU), 20, channels_last=True), 1) for workload in (own, shared)
    ]
    assert equal(*tests)


@pytest.mark.parametrize("stream", [False, True], ids=["mapped", "streamed"])
def test_a_training_on_augmented_images_goes_on_from_any_update_as_if_it_had_not_stopped(
    folder: Path, stream: bool
) -> None:
    asked = EVERYTHING.model_copy(update={"random_resized_crop": stream})
    training = Training(
        workload=Workload(**{**dict(workload(folder, stream=stream, image_size=6)), "augmentation": asked}),
        budget=Budget(unit="updates", amount=7),
        schedule="one_cycle",
        momentum_policy="constant",
        settings={"peak_lr": 0.1},
        seed=3,
        read_test=True,
        evaluations=3,
    )

    def curve(start: Checkpoint | None = None) -> tuple[list[Progress], list[Checkpoint]]:
        steps = list(train_with_pauses_keeping(training, start))
        return (
            [replace(step, train_seconds=0.0, evaluation_seconds=0.0) for step in steps if isinstance(step, Progress)],
            [step for step in steps if isinstance(step, Checkpoint)],
        )

    whole, checkpoints = curve()
    assert len(checkpoints) >= 7
    for checkpoint in checkpoints[::3]:
        assert curve(checkpoint)[0] == whole[len(checkpoint.curve) :]
    plain = replace(training, workload=training.workload.model_copy(update={"augmentation": Augmentation()}))
    assert [step.train_loss for step in train(plain)] != [step.train_loss for step in whole]


def train_with_pauses_keeping(training: Training, start: Checkpoint | None) -> Iterator[Progress | Checkpoint]:
    for step in train_with_pauses(training, start=start):
        yield step.checkpoint() if isinstance(step, Pause) else step
