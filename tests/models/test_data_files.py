"""Data sets in files: read as they are, and every mistake said in one line."""

from __future__ import annotations

import hashlib
import pickle
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from torchvision.datasets import CIFAR10

from models.data import (
    DataError,
    Examples,
    ImageFiles,
    checksum,
    find_dataset,
    imagenet,
    load_test,
    load_train,
    prepared,
)
from models.data.prepared import data_digest, data_facts, prepare, prepare_test
from models.training import Training, training_identity
from models.workload import Budget, Workload
from tests.models.images import make_folder

CPU = torch.device("cpu")
FACTS = {"image_size": 8, "num_classes": 2, "num_train": 10}


def folder_workload(root: Path, **changes: Any) -> Workload:
    settings = FACTS | changes.pop("dataset_settings", {})
    fields = {"name": "w", "dataset": "imagefolder", "network": "mlp", "batch_size": 2, "validation_frac": 0.4}
    return Workload(**(fields | {"data_root": root, "dataset_settings": settings} | changes))


def two_classes(root: Path, **how: Any) -> Path:
    return make_folder(root, {"train/cat": 4, "train/dog": 6, "test/cat": 1, "test/dog": 2}, **how)


def loaded(name: str, root: Path, part: str = "train", **settings: Any) -> Examples:
    found = (load_train if part == "train" else load_test)(name, root, settings)
    assert isinstance(found, Examples)
    return found


def test_images_of_a_folder_are_numbered_by_the_names_of_their_classes(tmp_path: Path) -> None:
    two_classes(tmp_path)
    train, test = loaded("imagefolder", tmp_path, **FACTS), loaded("imagefolder", tmp_path, "test", **FACTS)
    assert (train.x.shape, train.x.dtype, train.y.tolist()) == ((10, 3, 8, 8), torch.uint8, [0] * 4 + [1] * 6)
    assert (test.x.shape, test.y.tolist()) == ((3, 3, 8, 8), [0, 1, 1])
    pixels = np.array(Image.open(tmp_path / "train" / "dog" / "002.png"))
    assert np.array_equal(train.x[6].permute(1, 2, 0).numpy(), pixels)


def test_images_of_another_size_are_scaled_and_their_middle_is_kept(tmp_path: Path) -> None:
    for name in ("train/a", "train/b", "test/a", "test/b"):
        (tmp_path / name).mkdir(parents=True)
        pixels = np.zeros((8, 16, 3), dtype=np.uint8)
        pixels[:, 4:12] = (200, 100, 50)
        Image.fromarray(pixels).save(tmp_path / name / "wide.png")
    x = loaded("imagefolder", tmp_path, image_size=4, num_classes=2, num_train=2).x
    assert x[0, :, 1, 1].tolist() == x[0, :, 2, 2].tolist() == [200, 100, 50]
    grey = loaded("imagefolder", tmp_path, image_size=[8, 16], num_classes=2, num_train=2, grey=True).x
    assert grey.shape == (2, 1, 8, 16)
    assert (int(grey[0, 0, 0, 0]), int(grey[0, 0, 4, 8])) == (0, round(0.299 * 200 + 0.587 * 100 + 0.114 * 50))


def test_hidden_files_and_files_of_other_kinds_are_left_out(tmp_path: Path) -> None:
    two_classes(tmp_path)
    (tmp_path / "train" / ".DS_Store").write_text("")
    (tmp_path / "train" / ".cache").mkdir()
    (tmp_path / "train" / "cat" / "notes.txt").write_text("")
    (tmp_path / "train" / "cat" / "._000.png").write_text("")
    assert len(loaded("imagefolder", tmp_path, **FACTS).y) == 10


def test_a_changed_folder_is_decoded_anew(tmp_path: Path) -> None:
    two_classes(tmp_path)
    before = loaded("imagefolder", tmp_path, **FACTS).x
    Image.new("RGB", (8, 8), (1, 2, 3)).save(tmp_path / "train" / "cat" / "001.png")
    after = loaded("imagefolder", tmp_path, **FACTS).x
    assert after[1, :, 0, 0].tolist() == [1, 2, 3]
    assert not torch.equal(before[1], after[1])
    assert torch.equal(before[2:], after[2:])


def test_what_must_be_said_of_a_folder_is_counted_for_the_user(tmp_path: Path) -> None:
    two_classes(tmp_path, size=(9, 12))
    with pytest.raises(ValidationError) as caught:
        Workload(name="w", dataset="imagefolder", network="mlp", data_root=tmp_path)
    assert "dataset_settings must have image_size, num_classes, num_train for imagefolder." in str(caught.value)
    assert "dataset_settings: {image_size: 9, num_classes: 2, num_train: 10}" in str(caught.value)
    (tmp_path / "train" / "dog" / "moving.gif").write_bytes(b"GIF89a")
    with pytest.raises(ValidationError) as caught:
        Workload(
            name="w",
            dataset="imagefolder",
            network="mlp",
            data_root=tmp_path,
            dataset_settings={"image_size": 4, "num_train": 8},
        )
    said = str(caught.value)
    assert "dataset_settings: {image_size: 4, num_classes: 2, num_train: 10}. Not counted, since" in said
    assert f"(.bmp, .jpeg, .jpg, .pgm, .png, .ppm, .tif, .tiff, .webp): {tmp_path}/train/dog/moving.gif." in said
    with pytest.raises(ValidationError, match="the folders in train/, and the images in them"):
        Workload(name="w", dataset="imagefolder", network="mlp", data_root=tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"image_size": 0}, "image_size must be a side in pixels, or [height, width]; got 0."),
        ({"image_size": [8, 8, 3]}, "image_size must be a side in pixels, or [height, width]; got [8, 8, 3]."),
        ({"num_classes": 1}, "num_classes must be a whole number >= 2; got 1."),
        ({"stream": 1}, "stream must be true or false; got 1."),
        ({"imagesize": 8}, "Did you mean 'image_size'?"),
    ],
)
def test_settings_of_a_folder_are_checked(settings: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValidationError) as caught:
        folder_workload(tmp_path, dataset_settings=settings)
    assert message in str(caught.value)


def test_promises_about_a_folder_are_kept_or_all_named(tmp_path: Path) -> None:
    two_classes(tmp_path)
    (tmp_path / "train" / "dog" / "000.png").unlink()
    workload = folder_workload(tmp_path, dataset_settings={"num_classes": 3})
    with pytest.raises(DataError) as caught:
        prepare(workload, CPU)
    assert str(caught.value).splitlines() == [
        f"dataset_settings.num_classes must be the 2 class folders of {tmp_path}/train; got 3.",
        f"dataset_settings.num_train must be the 9 images of {tmp_path}/train; got 10.",
    ]
    (tmp_path / "train" / "dog" / "000.gif").write_bytes(b"GIF89a")
    with pytest.raises(DataError, match=r"num_train must be the 9 .*got 10\. Not counted, .*\): .*dog/000\.gif\.$"):
        prepare(workload, CPU)
    with pytest.raises(DataError, match=r"num_train must be the 9 .*got 8\.$"):
        prepare(folder_workload(tmp_path, dataset_settings={"num_train": 8}), CPU)


def test_a_wrong_folder_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=r"data_root must be the folder that holds train/; got '.*', and it is not"):
        load_train("imagefolder", tmp_path, FACTS)
    (tmp_path / "train").mkdir()
    with pytest.raises(DataError, match=r"train must hold one folder of images per class; got none\."):
        load_train("imagefolder", tmp_path, FACTS)
    monkeypatch.delenv("FAIRSWEEP_DATA", raising=False)
    with pytest.raises(DataError, match=r"holds train/; got none\. Set data_root .* or FAIRSWEEP_DATA"):
        load_train("imagefolder", None, FACTS)


def test_empty_class_folders_are_all_named(tmp_path: Path) -> None:
    two_classes(tmp_path)
    for name in ("emu", "fox"):
        (tmp_path / "train" / name).mkdir()
    with pytest.raises(DataError, match=r"must hold images \(.*\.png.*\); got none in .*emu, .*fox\. Remove or fill"):
        load_train("imagefolder", tmp_path, FACTS | {"num_classes": 4})


def test_corrupt_images_are_all_named_and_nothing_is_kept(tmp_path: Path, own_cache: Path) -> None:
    two_classes(tmp_path)
    whole = (tmp_path / "train" / "cat" / "001.png").read_bytes()
    (tmp_path / "train" / "cat" / "001.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "train" / "dog" / "003.png").write_text("no image")
    (tmp_path / "train" / "dog" / "004.png").write_bytes(b"")
    with pytest.raises(DataError) as caught:
        load_train("imagefolder", tmp_path, FACTS)
    lines = str(caught.value).splitlines()
    assert [line.split(" must be an image")[0][-11:] for line in lines] == ["cat/001.png", "dog/003.png", "dog/004.png"]
    assert not [path for path in own_cache.iterdir() if path.is_dir()]


def test_other_classes_in_the_test_part_are_named(tmp_path: Path) -> None:
    two_classes(tmp_path)
    make_folder(tmp_path, {"test/emu": 1})
    with pytest.raises(DataError, match=r"test must have the class folders of .*train; got one of the two only: emu\."):
        load_test("imagefolder", tmp_path, FACTS)


def test_tuning_opens_no_image_of_the_test_part(tmp_path: Path) -> None:
    make_folder(tmp_path, {"train/cat": 4, "train/dog": 6, "test/cat": 1, "test/dog": 1})
    (tmp_path / "test/dog/000.png").write_text("no image")
    assert len(prepare(folder_workload(tmp_path), CPU).train) == 6
    with pytest.raises(DataError, match=r"test/dog/000\.png must be an image"):
        prepare_test(folder_workload(tmp_path), CPU)


def test_a_test_part_that_is_not_there_is_found_before_anything_is_tuned(tmp_path: Path) -> None:
    make_folder(tmp_path, {"train/cat": 4, "train/dog": 6})
    with pytest.raises(DataError, match="holds test/"):
        prepare(folder_workload(tmp_path), CPU)
    make_folder(tmp_path, {"test/cat": 1})
    with pytest.raises(DataError, match=r"test must have the class folders of .*; got one of the two only: dog\."):
        prepare(folder_workload(tmp_path), CPU)


def test_images_are_standardised_channel_by_channel_by_the_training_part(tmp_path: Path) -> None:
    two_classes(tmp_path)
    parts = prepare(folder_workload(tmp_path), CPU)
    x = parts.train.x.double()
    assert parts.statistics.mean == pytest.approx(x.mean(dim=(0, 2, 3)).tolist())
    assert parts.statistics.std == pytest.approx(x.std(dim=(0, 2, 3), correction=0).tolist())


def test_images_that_are_all_the_same_cannot_be_standardised(tmp_path: Path) -> None:
    two_classes(tmp_path)
    for path in (tmp_path / "train").rglob("*.png"):
        Image.new("RGB", (8, 8), (7, 7, 7)).save(path)
    with pytest.raises(DataError, match="must vary in every channel"):
        prepare(folder_workload(tmp_path), CPU)


def test_facts_of_the_data_say_which_it_is(tmp_path: Path) -> None:
    two_classes(tmp_path)
    facts = data_facts(folder_workload(tmp_path))
    train = loaded("imagefolder", tmp_path, **FACTS)
    content = train.x.numpy().tobytes() + train.y.numpy().tobytes()
    assert facts["sha256"] == hashlib.sha256(content).hexdigest()
    other_split = data_facts(folder_workload(tmp_path, split_seed=1))
    assert [name for name in facts if facts[name] != other_split[name]] == ["split_sha256", "mean", "std"]
    assert (facts["training_examples"], facts["validation_examples"]) == ("6", "4")
    assert len(facts["mean"].split(", ")) == len(facts["std"].split(", ")) == 3


def test_a_training_says_which_data_it_used_and_does_not_go_on_with_other_data(tmp_path: Path) -> None:
    two_classes(tmp_path)
    workload = folder_workload(tmp_path)
    training = Training(
        workload=workload,
        budget=Budget(unit="updates", amount=1),
        schedule="constant",
        momentum_policy="constant",
        settings={"peak_lr": 0.1},
        seed=1,
        read_test=False,
    )
    parts = [checksum(loaded("imagefolder", tmp_path, part, **FACTS))[:16] for part in ("train", "test")]
    assert data_digest(workload, CPU, with_test=False) == parts[0]
    assert data_digest(workload, CPU, with_test=True) == " ".join(parts)
    before = training_identity(training, CPU)
    Image.new("RGB", (8, 8), (1, 2, 3)).save(tmp_path / "train" / "cat" / "001.png")
    prepared._prepare.cache_clear()
    after = training_identity(training, CPU)
    assert [name for name in before if before[name] != after[name]] == ["data"]


@pytest.mark.parametrize("load", [load_train, load_test])
@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("mnist", "MNIST/raw"),
        ("fashion_mnist", "FashionMNIST/raw"),
        ("cifar10", "cifar-10-batches-py"),
        ("cifar100", "cifar-100-python"),
    ],
)
def test_missing_files_are_reported_with_the_folder_and_how_to_fetch_them(
    load: Any, name: str, folder: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError) as caught:
        load(name, tmp_path)
    assert str(tmp_path / folder) in str(caught.value)
    assert f"fairsweep download {name} FOLDER" in str(caught.value)


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


@pytest.mark.parametrize(("name", "folder"), [("mnist", "MNIST"), ("fashion_mnist", "FashionMNIST")])
def test_mnist_and_fashion_mnist_are_read_from_the_files_of_their_folders(
    name: str, folder: str, tmp_path: Path
) -> None:
    raw = tmp_path / folder / "raw"
    raw.mkdir(parents=True)
    for part, count in (("train", 4), ("t10k", 2)):
        pixels = bytes(range(count)) * 28 * 28
        header = b"\x00\x00\x08\x03" + b"".join(size.to_bytes(4, "big") for size in (count, 28, 28))
        (raw / f"{part}-images-idx3-ubyte").write_bytes(header + pixels)
        classes = b"\x00\x00\x08\x01" + count.to_bytes(4, "big") + bytes(range(count))
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(classes)
    train, test = loaded(name, tmp_path), loaded(name, tmp_path, "test")
    assert (train.x.shape, train.y.tolist()) == ((4, 1, 28, 28), [0, 1, 2, 3])
    assert (test.x.shape, test.y.tolist()) == ((2, 1, 28, 28), [0, 1])
    workload = Workload(name="w", dataset=name, network="mlp", data_root=tmp_path)
    with pytest.raises(DataError, match=f"dataset {name} must have 60000 examples and as many classes; got 4 and 4"):
        prepare(workload, CPU)


def test_cifar10_is_read_from_its_batches_and_a_damaged_one_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    images = np.arange(6 * 3072, dtype=np.uint8).reshape(6, 3072)

    def write(name: str, content: dict[str, Any]) -> str:
        (folder / name).write_bytes(pickle.dumps(content))
        return hashlib.md5((folder / name).read_bytes()).hexdigest()

    names = ("data_batch_1", "data_batch_2")
    batches = [
        [name, write(name, {"data": images[part], "labels": [3, 4]})]
        for name, part in zip(names, (slice(0, 2), slice(2, 4)), strict=True)
    ]
    monkeypatch.setattr(CIFAR10, "train_list", batches)
    last = [["test_batch", write("test_batch", {"data": images[4:], "labels": [0, 9]})]]
    monkeypatch.setattr(CIFAR10, "test_list", last)
    monkeypatch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": write("batches.meta", {"label_names": ["a"]})})

    train = loaded("cifar10", tmp_path)
    assert train.y.tolist() == [3, 4, 3, 4]
    assert np.array_equal(train.x.numpy(), images[:4].reshape(4, 3, 32, 32))
    assert loaded("cifar10", tmp_path, "test").y.tolist() == [0, 9]
    for other in (b"damaged", pickle.dumps(_Code(tmp_path / "was-run"))):
        (folder / "data_batch_2").write_bytes(other)
        with pytest.raises(DataError, match="and the files are damaged"):
            load_train("cifar10", tmp_path)
    assert not (tmp_path / "was-run").exists()  # a pickle that is not the published one is not even read


@dataclass
class _Code:
    """Leaves a file behind where its pickle is read."""

    trace: Path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)


def test_imagenet_is_listed_and_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules["models.data.imagenet"]
    make_folder(tmp_path, {"train/n01": 2, "train/n02": 3, "val/n01": 1, "val/n02": 1})
    with pytest.raises(
        DataError, match=r"with 1000 class folders and 1281167 images in train/; got 2 class folders, 5"
    ):
        load_train("imagenet", tmp_path)
    for name, number in (("NUM_TRAIN", 5), ("NUM_TEST", 2), ("NUM_CLASSES", 2)):
        monkeypatch.setattr(module, name, number)
    train, test = load_train("imagenet", tmp_path), load_test("imagenet", tmp_path)
    assert isinstance(train, ImageFiles)
    assert [Path(path).name for path in train.paths] == ["000.png", "001.png", "000.png", "001.png", "002.png"]
    assert (train.y.tolist(), test.y.tolist(), train.shape, train.cover) == (
        [0, 0, 1, 1, 1],
        [0, 1],
        (3, 224, 224),
        (256, 256),
    )
    assert imagenet(tmp_path, image_size=128).input_shape == (3, 128, 128)
    with pytest.raises(ValueError, match=r"image_size must be a side in pixels; got 0\."):
        imagenet(tmp_path, image_size=0)


def test_an_unknown_data_set_is_reported_with_the_near_miss() -> None:
    with pytest.raises(ValueError, match=r"dataset must be one of cifar10, .*, mnist1d; got 'cifar'\. Did you mean"):
        load_train("cifar")


def test_a_data_set_of_the_table_is_described_without_its_files() -> None:
    assert find_dataset("cifar100").num_classes == 100
    assert find_dataset("imagenet").input_shape == (3, 224, 224)
