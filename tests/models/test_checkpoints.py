"""A training goes on from a checkpoint as if nothing had happened, or begins anew."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.optimizers import OPTIMIZERS
from models.training import (
    Checkpoint,
    CheckpointError,
    Pause,
    Progress,
    Training,
    load_checkpoint,
    remove_checkpoint,
    save_checkpoint,
    train_with_pauses,
    training_identity,
)

MakeTraining = Callable[..., Training]
UPDATES = 26  # two epochs of 11 updates and a bit, with an evaluation after 6 or 7 updates


def curve(training: Training, start: Checkpoint | None = None) -> list[Progress]:
    """Train to the end; leave out the only part that may differ between equal trainings."""
    steps = train_with_pauses(training, start=start)
    return [replace(step, train_seconds=0.0) for step in steps if isinstance(step, Progress)]


def interrupted(training: Training, pauses: int, start: Checkpoint | None = None) -> Checkpoint:
    """Train for so many pauses, and leave."""
    steps = (step for step in train_with_pauses(training, start=start) if isinstance(step, Pause))
    for _ in range(pauses - 1):
        next(steps)
    return next(steps).checkpoint()


def bare(points: tuple[Progress, ...]) -> list[Progress]:
    return [replace(point, train_seconds=0.0) for point in points]


def hard_training(make_training: MakeTraining, **changes: Any) -> Training:
    """Momentum that moves, running averages, an order that changes each epoch: all that can be forgotten."""
    return make_training(
        updates=UPDATES,
        schedule="one_cycle",
        momentum_policy="cycled",
        settings={"peak_lr": 0.3, "weight_decay": 1e-3},
        network_settings={"hidden_sizes": [12], "batch_norm": True},
        read_test=True,
        **changes,
    )


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=st.integers(1, UPDATES + 8), second=st.integers(1, UPDATES))
def test_a_training_interrupted_twice_anywhere_equals_the_uninterrupted_one(
    make_training: MakeTraining, tmp_path: Path, first: int, second: int
) -> None:
    """There are 26 pauses after updates and 8 in evaluations; each checkpoint goes through a file."""
    training, path = hard_training(make_training), tmp_path / "c.pt"
    identity = training_identity(training, "cpu")
    whole = curve(training)
    checkpoint: Checkpoint | None = None
    for pauses in (first, second):
        left = UPDATES + 8 - first if checkpoint else UPDATES + 8
        if pauses > left:
            continue
        save_checkpoint(path, interrupted(training, pauses, checkpoint), identity)
        checkpoint = load_checkpoint(path, identity)
    assert checkpoint is not None
    assert [*bare(checkpoint.curve), *curve(training, checkpoint)] == whole


NOISY = {"network": "tests.models.toys:noisy", "network_settings": {}, "batch_size": 48}


@pytest.mark.parametrize(
    "workload",
    [
        {"optimizer": "adamw", "precision": "bf16", "channels_last": True, "micro_batch": 16, "norm_batches": 2},
        {"precision": "fp16", "loss": "tests.models.toys:steep"},
        {"nesterov": True, "augmentation": {"flip": True, "crop": 1, "cutout": 3}, "deterministic": True},
        {"decay_norm_and_bias": False, "channels_last": True},
        {"network_settings": {"bn_debias": True, "ghost_batch_size": 16}, "precision": "bf16", "norm_batches": 2},
        *({"optimizer": name} for name in OPTIMIZERS),
    ],
    ids=lambda workload: " ".join(f"{name}={value}" for name, value in workload.items()),
)
def test_whatever_a_workload_asks_for_goes_on_exactly(
    make_training: MakeTraining, tmp_path: Path, workload: dict[str, Any]
) -> None:
    """Dropout and batch norm, clipped gradients, a rate and a momentum that move; interrupted in three places."""
    training = make_training(
        **NOISY | workload,
        updates=8,
        evaluations=2,
        schedule="one_cycle",
        settings={"peak_lr": 1e-3, "clip_norm": 0.5},
    )
    whole = curve(training)
    for pauses in (2, 5, 8):
        save_checkpoint(tmp_path / "c.pt", interrupted(training, pauses), {})
        checkpoint = load_checkpoint(tmp_path / "c.pt", {})
        assert checkpoint is not None
        assert [*bare(checkpoint.curve), *curve(training, checkpoint)] == whole


def test_state_of_a_network_that_is_no_tensor_is_read_back(make_training: MakeTraining, tmp_path: Path) -> None:
    training = make_training(network="tests.models.toys:masked", network_settings={})
    save_checkpoint(tmp_path / "c.pt", interrupted(training, 5), {})
    checkpoint = load_checkpoint(tmp_path / "c.pt", {})
    assert checkpoint is not None
    assert checkpoint.network["_extra_state"] == {"version": 1}
    assert [*bare(checkpoint.curve), *curve(training, checkpoint)] == curve(training)


def test_it_ends_with_the_same_weights(make_training: MakeTraining) -> None:
    training = hard_training(make_training)
    last = interrupted(training, UPDATES + 8)
    resumed = interrupted(training, UPDATES + 8 - 15, interrupted(training, 15))
    for mine, other in zip(last.network.values(), resumed.network.values(), strict=True):
        assert torch.equal(mine, other)
    assert resumed.update == last.update == UPDATES


def test_a_checkpoint_does_not_change_as_the_training_goes_on(make_training: MakeTraining) -> None:
    steps = train_with_pauses(hard_training(make_training))
    checkpoint = next(step for step in steps if isinstance(step, Pause)).checkpoint()
    before = {name: tensor.clone() for name, tensor in checkpoint.network.items()}
    for _ in steps:
        pass
    assert all(torch.equal(before[name], tensor) for name, tensor in checkpoint.network.items())
    assert (checkpoint.update, len(checkpoint.losses), checkpoint.curve) == (1, 1, ())


def test_a_divergence_comes_at_the_same_update(make_training: MakeTraining) -> None:
    training = make_training(updates=400, settings={"peak_lr": 1e6}, network_settings={"hidden_sizes": [30]})
    whole = curve(training)
    assert whole[-1].diverged
    checkpoint = interrupted(training, whole[-1].update - 1)
    resumed = [*bare(checkpoint.curve), *curve(training, checkpoint)]
    assert [(p.update, p.diverged) for p in resumed] == [(p.update, p.diverged) for p in whole]


def test_seconds_of_updates_add_up_over_interruptions(make_training: MakeTraining) -> None:
    training = hard_training(make_training)
    checkpoint = interrupted(training, 20)
    *_, last = (step for step in train_with_pauses(training, start=checkpoint) if isinstance(step, Progress))
    assert last.train_seconds > checkpoint.train_seconds > 0


@pytest.fixture
def saved(make_training: MakeTraining, tmp_path: Path) -> tuple[Path, dict[str, str]]:
    training = hard_training(make_training)
    identity = training_identity(training, "cpu")
    save_checkpoint(tmp_path / "c.pt", interrupted(training, 9), identity)
    return tmp_path / "c.pt", identity


def test_no_file_is_no_checkpoint(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path / "none.pt", {}) is None


@pytest.mark.parametrize("where", [0.0, 0.01, 0.5, 0.999])
def test_one_changed_byte_is_found(saved: tuple[Path, dict[str, str]], where: float) -> None:
    path, identity = saved
    content = bytearray(path.read_bytes())
    content[int(where * len(content))] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError):
        load_checkpoint(path, identity)


@pytest.mark.parametrize("kept", [0.0, 0.001, 0.3, 0.99])
def test_a_cut_file_is_found(saved: tuple[Path, dict[str, str]], kept: float) -> None:
    path, identity = saved
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(path, identity)


@pytest.mark.parametrize("part", ["training", "code", "libraries", "device"])
def test_a_checkpoint_of_something_else_is_refused_by_name(saved: tuple[Path, dict[str, str]], part: str) -> None:
    path, identity = saved
    with pytest.raises(CheckpointError, match=f"it is of another {part}"):
        load_checkpoint(path, {**identity, part: "other"})


def test_what_a_file_holds_is_not_run(saved: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    """A forged file, with a right checksum, whose content would create a file if it were unpickled."""
    import hashlib
    import io

    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "trapped",))

    path, identity = saved
    buffer = io.BytesIO()
    torch.save({"curve": [], "trap": Trap()}, buffer)
    header = {"format": 1, "sha256": hashlib.sha256(buffer.getvalue()).hexdigest(), "identity": identity}
    path.write_bytes(json.dumps(header).encode() + b"\n" + buffer.getvalue())
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(path, identity)
    assert not (tmp_path / "trapped").exists()


@pytest.mark.parametrize(
    "change", [{"seed": 2}, {"settings": {"peak_lr": 0.2}}, {"read_test": True}, {"updates": 13}, {"batch_size": 50}]
)
def test_every_part_of_a_training_is_in_its_identity(make_training: MakeTraining, change: dict[str, Any]) -> None:
    assert training_identity(make_training(), "cpu") == training_identity(make_training(), "cpu")
    assert training_identity(make_training(**change), "cpu") != training_identity(make_training(), "cpu")


def test_where_the_data_lies_is_not_in_the_identity(make_training: MakeTraining, tmp_path: Path) -> None:
    assert training_identity(make_training(data_root=tmp_path), "cpu") == training_identity(make_training(), "cpu")


def test_only_the_last_checkpoint_is_kept_and_removal_leaves_nothing(
    make_training: MakeTraining, tmp_path: Path
) -> None:
    training, path = make_training(), tmp_path / "deep" / "c.pt"
    for pauses in (1, 2, 3):
        save_checkpoint(path, interrupted(training, pauses), {})
    assert [file.name for file in path.parent.iterdir()] == ["c.pt"]
    (path.parent / "c.4711.tmp").write_bytes(b"half a checkpoint of a killed process")
    remove_checkpoint(path)
    assert list(path.parent.iterdir()) == []


def test_a_checkpoint_that_cannot_be_written_leaves_the_last_one(
    saved: tuple[Path, dict[str, str]], make_training: MakeTraining, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, identity = saved

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        save_checkpoint(path, interrupted(make_training(), 2), identity)
    monkeypatch.undo()
    checkpoint = load_checkpoint(path, identity)
    assert checkpoint is not None
    assert checkpoint.update == 7
    assert [file.name for file in path.parent.iterdir()] == ["c.pt"]
