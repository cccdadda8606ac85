"""Images in files: scaled, of any depth, and damaged ones named wherever they are decoded."""

from __future__ import annotations

import time
from multiprocessing import active_children
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from models.data import DataError, load_test, load_train
from models.data.augment import Augmentation
from models.data.images import decoded, middle
from models.data.inputs import TrainingInputs, evaluation_batches
from models.data.prepared import prepare
from models.memory import is_out_of_memory
from models.training.batches import Batches
from models.workload import Workload
from tests.models.images import make_folder

CPU = torch.device("cpu")


def folder_workload(root: Path, *, stream: bool, image_size: object) -> Workload:
    return Workload(
        name="w",
        dataset="imagefolder",
        data_root=root,
        dataset_settings={"image_size": image_size, "num_classes": 2, "num_train": 8, "stream": stream},
        network="mlp",
        batch_size=4,
    )


def two_classes(root: Path, size: tuple[int, int]) -> Path:
    return make_folder(root, {"train/cat": 4, "train/dog": 4, "test/cat": 1, "test/dog": 1}, size=size)


@pytest.mark.parametrize("size", [(20, 20), (30, 10), (9, 31)], ids=["square", "wide", "tall"])
def test_streamed_images_of_any_shape_are_the_mapped_ones_and_have_no_black_edges(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    two_classes(tmp_path, size)
    found = []
    for stream in (False, True):
        part = prepare(folder_workload(tmp_path, stream=stream, image_size=[8, 16]), CPU).train
        mean, std = (torch.tensor(values).view(-1, 1, 1) for values in part.statistics)
        found.append(torch.cat([x for x, _ in evaluation_batches(part, 4)]) * std + mean)
    assert torch.equal(*found)
    assert (found[1].mean(dim=(0, 1)) > 60).all()


@pytest.mark.parametrize("size", [(40, 36), (36, 40), (57, 31), (64, 64), (20, 90)])
def test_a_middle_of_a_square_is_that_of_torchvision(size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    expected = v2.Compose([v2.Resize(32), v2.CenterCrop((28, 28))])(image)
    assert np.array_equal(np.asarray(middle(image, (32, 32), (28, 28))), np.asarray(expected))


@pytest.mark.parametrize("suffix", ["png", "tiff", "pgm"])
def test_grey_images_of_16_bits_keep_their_contrast(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"grey.{suffix}"
    Image.fromarray(np.array([[0, 257, 128 * 257], [300 * 100, 65535, 200 * 257]], dtype=np.uint16)).save(path)
    assert decoded([str(path)], (1, 2, 3))[0, 0].tolist() == [[0, 1, 128], [117, 255, 200]]
    assert decoded([str(path)], (3, 2, 3))[0, 2].tolist() == [[0, 1, 128], [117, 255, 200]]


@pytest.mark.parametrize(("dtype", "kind"), [("float32", "floats"), ("int32", "32-bit numbers")])
def test_pixels_of_unknown_range_are_refused(tmp_path: Path, dtype: str, kind: str) -> None:
    path = tmp_path / "grey.tiff"
    Image.fromarray(np.full((2, 3), 0.5 if dtype == "float32" else 70_000, dtype=dtype)).save(path)
    with pytest.raises(DataError, match=rf"grey\.tiff must have pixels of 8 or 16 bits; got {kind}\. Convert it"):
        decoded([str(path)], (1, 2, 3))


def test_what_lies_in_hidden_folders_is_no_image_and_changes_nothing(tmp_path: Path) -> None:
    two_classes(tmp_path, (8, 8))
    workload = folder_workload(tmp_path, stream=False, image_size=8)
    version = workload.data.version
    assert version is not None
    before = version()
    make_folder(tmp_path, {"train/cat/.ipynb_checkpoints": 1, "test/dog/.old/more": 2})
    (tmp_path / "train/dog/.DS_Store").write_text("")
    assert len(load_train("imagefolder", tmp_path, workload.dataset_settings).y) == 8
    assert len(load_test("imagefolder", tmp_path, workload.dataset_settings).y) == 2
    assert version() == before


def test_a_damaged_image_among_streamed_ones_is_one_line_and_not_a_workers_traceback(tmp_path: Path) -> None:
    two_classes(tmp_path, (8, 8))
    part = prepare(folder_workload(tmp_path, stream=True, image_size=8), CPU).train
    for path in (tmp_path / "train").rglob("*.png"):
        path.write_text("no image")
    batches = TrainingInputs(part, Batches(len(part), 4, 7, CPU), Augmentation(), seed=1)
    with pytest.raises(DataError) as caught:
        next(batches)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(str(tmp_path))
    assert line.endswith("(cannot identify image file). Replace or remove it. 3 more of this batch cannot be used.")


def test_a_killed_process_that_decodes_is_taken_for_want_of_memory_which_is_tried_again(tmp_path: Path) -> None:
    two_classes(tmp_path, (8, 8))
    part = prepare(folder_workload(tmp_path, stream=True, image_size=8), CPU).train
    batches = TrainingInputs(part, Batches(len(part), 4, 7, CPU), Augmentation(), seed=1)
    batches.start()
    with pytest.raises(RuntimeError) as caught:  # raised by a signal handler of torch's, wherever that is
        kill_and_go_on(batches)
    assert is_out_of_memory(caught.value)
    batches.close()


def kill_and_go_on(batches: TrainingInputs) -> None:
    for process in active_children():
        process.kill()
    while True:
        next(batches)


def test_processes_that_decode_are_started_before_the_first_batch_is_asked_for(tmp_path: Path) -> None:
    two_classes(tmp_path, (8, 8))
    part = prepare(folder_workload(tmp_path, stream=True, image_size=8), CPU).train
    started, other = (TrainingInputs(part, Batches(len(part), 4, 7, CPU), Augmentation(), seed=1) for _ in range(2))
    started.start()
    assert active_children()
    assert all(torch.equal(next(started).x, next(other).x) for _ in range(3))
    started.close()
    other.close()
    deadline = time.monotonic() + 60
    while active_children():
        assert time.monotonic() < deadline, "they go on"
        time.sleep(0.1)


@pytest.mark.parametrize("stream", [False, True], ids=["mapped", "streamed"])
def test_a_link_that_leads_nowhere_is_named(tmp_path: Path, stream: bool) -> None:
    two_classes(tmp_path, (8, 8))
    (tmp_path / "train" / "dog" / "000.png").unlink()
    (tmp_path / "train" / "dog" / "000.png").symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(
        DataError,
        match=r"dog/000\.png must be an image; .* not read \(No such file or directory\)\. Replace or remove it\.$",
    ):
        prepare(folder_workload(tmp_path, stream=stream, image_size=8), CPU)


def test_an_empty_file_of_mnist_is_damaged(tmp_path: Path) -> None:
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for part in ("train", "t10k"):
        for kind in ("images-idx3", "labels-idx1"):
            (raw / f"{part}-{kind}-ubyte").write_bytes(b"")
    with pytest.raises(DataError, match=r"damaged or cannot be read\. To fetch them: fairsweep download mnist"):
        load_train("mnist", tmp_path)
