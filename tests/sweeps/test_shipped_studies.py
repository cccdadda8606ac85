"""The studies that come with fairsweep: what their files say of themselves, and that all they name can be trained."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from models.data import Dataset, Examples
from sweeps.cli import plan as command
from sweeps.loading import load_study, shipped_studies, validate_study
from sweeps.planning import cell_plans, verdict_note
from sweeps.protocol import Protocol, Trial
from sweeps.spec import Study
from sweeps.trial import job_for, run_to_end
from sweeps.yaml_reader import read_yaml
from tests.models.images import make_folder
from tests.sweeps.playing import run_all

HEADER_PARTS = ["Question", "Cost", "Source", "Differs"]
PER_CLASS = 4
BATCH = 4
#: Channels, side and classes of the random images in place of a data set.
IN_PLACE_OF = {"cifar10": (3, 32, 10), "cifar100": (3, 32, 100), "mnist": (1, 28, 10)}
#: A largest rate at which three updates on random images diverge only where something is broken.
TAME_RATE = 1e-3
#: ImageNet itself, but with few and small images.
SMALL_IMAGENET = {"NUM_CLASSES": 2, "NUM_TRAIN": 16, "NUM_TEST": 2}
IMAGENET_SIDE = 32

PAGE = (Path(__file__).parents[2] / "docs" / "studies.md").read_text(encoding="utf-8")

each_study = pytest.mark.parametrize("name", shipped_studies())
FOR_CPUS = ("digits", "quickstart")
each_for_gpus = pytest.mark.parametrize("name", [name for name in shipped_studies() if name not in FOR_CPUS])


@pytest.fixture
def small_imagenet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with images in files that is all of ImageNet for now."""
    for name, number in SMALL_IMAGENET.items():
        monkeypatch.setattr(sys.modules["models.data.imagenet"], name, number)
    return make_folder(tmp_path, {"train/n01": 8, "train/n02": 8, "val/n01": 1, "val/n02": 1}, size=(48, 40))


def random_images(root: Path | None, *, channels: int, side: int, classes: int) -> Dataset:
    """Return random images with equally many of each class; none of them lies below `root`."""

    def load(seed: int, per_class: int) -> Examples:
        random = torch.Generator().manual_seed(seed)
        x = torch.randint(0, 256, (per_class * classes, channels, side, side), dtype=torch.uint8, generator=random)
        return Examples(x, torch.arange(classes).repeat(per_class))

    return Dataset(
        input_shape=(channels, side, side),
        num_classes=classes,
        num_train=PER_CLASS * classes,
        load_train=lambda: load(0, PER_CLASS),
        load_test=lambda: load(1, 1),
    )


def header(name: str) -> dict[str, str]:
    """Return the parts of the comment at the top of a study file, each as one line."""
    comment = re.match(r"(?:#.*\n)+", shipped_studies()[name].read_text(encoding="utf-8"))
    assert comment
    text = re.sub(r"^# ?", "", comment[0], flags=re.MULTILINE)
    parts = re.split(r"^([A-Z]\w+): ", text, flags=re.MULTILINE)
    return {key: " ".join(part.split()) for key, part in zip(parts[1::2], parts[2::2], strict=True)}


def number_before(word: str, text: str) -> int:
    found = re.search(rf"([\d,]+) {word}", text)
    assert found, f"no number of {word} in: {text}"
    return int(found[1].replace(",", ""))


def assumed_gpu_hours(study: Study) -> float:
    """Return the hours at the speeds that the page assumes."""
    table = dict(re.findall(r"^\| `([^`]+`[ \d]*) \| ([\d,]+) \|$", PAGE, flags=re.MULTILINE))
    seconds = 0.0
    for plan in cell_plans(study):
        workload = study.workload(plan.cell.workload)
        speed = table[f"{workload.network}` {workload.network_settings.get('depth', '')}".rstrip()]
        slower = 2 if workload.precision == "fp32" else 1
        seconds += plan.updates * workload.batch_size * slower / int(speed.replace(",", ""))
    return seconds / 3600


def shrunken(name: str, imagenet: Path) -> Study:
    """Return a study with its arms, networks and engine, but random data, small batches and 3 updates.

    Args:
        name: of the study.
        imagenet: folder with the files of an ImageNet.
    """
    path = shipped_studies()[name]
    data: dict[str, Any] = read_yaml(path.read_text(encoding="utf-8"), str(path)).data
    small: dict[str, Any] = {
        "budgets": {"updates": [3]},
        "tuning": {"draws": 1},
        "confirm": {"seeds": 2},
        "recording": {"evaluations": 1},
        "resources": {},
        "workloads": [with_random_images(workload, imagenet) for workload in data["workloads"]],
    }
    return validate_study({**data, **small}, name)


def with_random_images(workload: dict[str, Any], imagenet: Path) -> dict[str, Any]:
    small = {**workload, "batch_size": BATCH, "validation_frac": 0.25}
    if "ghost_batch_size" in workload.get("network_settings", {}):
        small["network_settings"] = {**workload["network_settings"], "ghost_batch_size": BATCH // 2}
    if "train_samples" in workload:
        small["train_samples"] = (PER_CLASS - 1) * 10
    if workload["dataset"] in IN_PLACE_OF:
        channels, side, classes = IN_PLACE_OF[workload["dataset"]]
        if workload["network"] != "lenet" and workload.get("precision", "fp32") != "fp32":
            side = 8  # since few CPUs compute in half precision, a whole image takes them ten times as long
        settings = {"channels": channels, "side": side, "classes": classes}
        small |= {"dataset": f"{__name__}:random_images", "dataset_settings": settings}
    if workload["dataset"] == "imagenet":
        small |= {"data_root": str(imagenet), "dataset_settings": {"image_size": IMAGENET_SIDE}}
    return small


def a_trial_of_each(study: Study) -> Iterator[Trial]:
    """Yield trials of the confirm phase so that every arm is there, and every workload; at a rate that none minds."""
    confirmed = {(t.arm, t.cell.workload): t for t in run_all(Protocol(study)) if t.phase == "confirm"}
    arms, workloads = list(study.arms), [workload.name for workload in study.workloads]
    for i in range(max(len(arms), len(workloads))):
        trial = confirmed[arms[i % len(arms)], workloads[i % len(workloads)]]
        yield replace(trial, settings={**trial.settings, "peak_lr": TAME_RATE})


@each_study
def test_a_study_file_says_what_it_asks_and_costs_where_it_is_from_and_what_differs_there(name: str) -> None:
    parts = header(name)
    assert list(parts) == HEADER_PARTS
    assert all(parts.values())
    assert "GPU hours" in parts["Cost"] or "CPU core" in parts["Cost"]
    assert re.search(r"\[(read|second-hand|computed)\]", parts["Source"]) or parts["Source"].startswith("our own")


@each_study
def test_the_cost_in_a_study_file_is_that_of_its_plan(name: str) -> None:
    plans = cell_plans(load_study(name))
    cost = header(name)["Cost"]
    assert number_before("trainings", cost) == sum(plan.trials for plan in plans)
    assert number_before("updates", cost) == sum(plan.updates for plan in plans)


@each_for_gpus
def test_the_gpu_hours_in_a_study_file_follow_from_the_speeds_assumed(name: str) -> None:
    expected = assumed_gpu_hours(load_study(name))
    assert number_before("GPU hours", header(name)["Cost"]) == pytest.approx(expected, rel=0.15)


@each_study
def test_the_page_of_studies_has_a_row_with_question_and_cost_for_each(name: str) -> None:
    cost = header(name)["Cost"]
    hours = f"{number_before('GPU hours', cost):,}" if "GPU" in cost else "none"
    row = f"| [`{name}`](../sweeps/studies/{name}.yaml) | {load_study(name).question} | "
    assert f"{row}{number_before('trainings', cost):,} | {hours} | " in PAGE


def test_the_page_of_studies_has_no_others() -> None:
    assert len(re.findall(r"\(\.\./sweeps/studies/", PAGE)) == len(shipped_studies())


@each_study
def test_a_shipped_study_has_a_question_of_a_line_and_seeds_enough_for_a_verdict(name: str) -> None:
    study = load_study(name)
    assert 0 < len(study.question) < 60
    assert not verdict_note(study)


Plan = Callable[[str], tuple[str, str]]


@pytest.fixture
def plan(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Plan:
    """Plan a study on 80 columns where nothing is recorded and no data are, and return what is printed."""
    monkeypatch.setenv("FAIRSWEEP_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")
    for variable in ("FAIRSWEEP_DATA", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(variable, raising=False)

    def run(name: str) -> tuple[str, str]:
        command.plan(name)
        return capsys.readouterr()

    return run


@each_for_gpus
def test_a_study_is_planned_where_its_data_is_not(name: str, plan: Plan) -> None:
    out, err = plan(name)
    assert f"{number_before('trainings', header(name)['Cost'])} trials, " in out
    reason = "trials use a GPU, and torch finds none" if load_study(name).resources.gpu else "its data cannot be used"
    assert f"How long that takes cannot be measured here: {reason}." in out
    assert "note: launch would refuse this for now: workloads[0] " in err


@pytest.mark.parametrize("name", FOR_CPUS)
def test_a_study_for_cpus_is_planned_and_its_length_measured(name: str, plan: Plan) -> None:
    out, err = plan(name)
    assert f"{number_before('trainings', header(name)['Cost'])} trials, " in out
    assert re.search(r"About \S+ \S+ of training left", out)
    assert "note:" not in err


@each_study
def test_every_arm_and_every_workload_of_a_shipped_study_trains(name: str, small_imagenet: Path) -> None:
    study = shrunken(name, small_imagenet)
    for trial in a_trial_of_each(study):
        result = run_to_end(job_for(study, trial))
        assert result.kind == "finished", f"{trial.key}: {result.error or result.curve[-1]}"
        assert result.total_updates == 3
        assert result.outcome.test is not None


def test_the_images_of_imagenet_stay_in_their_files_and_are_cut_at_random(small_imagenet: Path) -> None:
    (workload,) = shrunken("imagenet-resnet50", small_imagenet).workloads
    assert workload.data.streamed
    assert workload.augmentation.random_resized_crop
