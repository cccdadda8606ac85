"""Trainings in fewer bits: near those in 32, and overflows of fp16 that leave no trace."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator

import pytest
import torch

from models.networks import build_network
from models.optimizers import OPTIMIZERS
from models.streams import stream_seed
from models.training import Pause, Progress, Training, cpu_computes_in, train_with_pauses
from tests.models.runs import after, losses, run, weights

MakeTraining = Callable[..., Training]
IMAGES = {"network": "cifar_resnet", "network_settings": {"depth": 8}, "batch_size": 50}

#: The loss of its first updates overflows, until the scale has been halved as often as `LEADING` says.
STEEP = {"precision": "fp16", "loss": "tests.models.toys:steep", "settings": {"peak_lr": 1e-6}, "updates": 30}
LEADING = 12


def initial_weights(training: Training) -> torch.Tensor:
    network = build_network("mlp", (1, 8, 8), 10, {"hidden_sizes": []}, stream_seed(training.seed, "init"))
    return weights(network)


def test_bf16_is_near_fp32_and_keeps_weights_in_fp32(make_training: MakeTraining) -> None:
    exact, rounded = losses(make_training(**IMAGES)), losses(make_training(**IMAGES, precision="bf16"))
    assert rounded == pytest.approx(exact, rel=0.05)
    assert rounded != exact
    network = after(make_training(**IMAGES, precision="bf16"), 2).network
    assert {tensor.dtype for tensor in network.parameters()} == {torch.float32}


def test_fp16_is_near_fp32_and_counts_no_overflow_where_there_is_none(make_training: MakeTraining) -> None:
    exact, scaled = run(make_training()), run(make_training(precision="fp16"))
    assert [p.train_loss for p in scaled] == pytest.approx([p.train_loss for p in exact], rel=0.01)
    assert {p.overflows for p in scaled} == {0}


def test_overflows_of_fp16_are_counted_and_leave_the_weights(make_training: MakeTraining) -> None:
    """The first scale of 65,536 times a loss of 10,000 is too much; it is halved until the gradients fit."""
    training = make_training(**STEEP, evaluations=30)
    progress = run(training)
    counts = [p.overflows for p in progress]
    leading = next(updates for updates, count in enumerate(counts) if count == updates)
    assert counts[:leading] == list(range(1, leading + 1))
    assert 3 < leading <= counts[-1] < 30
    assert len({p.validation for p in progress[:leading]}) == 1
    assert leading == LEADING
    assert torch.equal(weights(after(training, leading).network), initial_weights(training))
    assert 0 < (weights(after(training, leading + 1).network) - initial_weights(training)).norm() < math.inf


@pytest.fixture
def memory_is_nan_until_written() -> Iterator[None]:
    torch.use_deterministic_algorithms(mode=True)  # and torch.utils.deterministic.fill_uninitialized_memory
    assert torch.empty(3).isnan().all()
    yield
    torch.use_deterministic_algorithms(mode=False)


@pytest.mark.usefixtures("memory_is_nan_until_written")
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_updates_that_overflowed_leave_no_trace_in_the_optimizer(make_training: MakeTraining, optimizer: str) -> None:
    """The first update that counts is that of an optimizer which has seen nothing before."""
    training = make_training(**STEEP, optimizer=optimizer)
    overflowed = after(training, LEADING).checkpoint()
    unseen = after(training, LEADING).checkpoint().optimizer | {"state": {}}
    fresh = dataclasses.replace(overflowed, optimizer=unseen)
    first, again = (next(iter(train_with_pauses(training, start=start))) for start in (overflowed, fresh))
    assert isinstance(first, Pause)
    assert isinstance(again, Pause)
    assert (first.update, first.loss) == (LEADING + 1, again.loss)
    assert weights(first.network).isfinite().all()
    assert torch.equal(weights(first.network), weights(again.network))


@pytest.mark.usefixtures("memory_is_nan_until_written")
def test_after_overflows_the_first_update_of_sgd_has_no_velocity(make_training: MakeTraining) -> None:
    """So that it is the same whatever the momentum."""
    fast, plain = (
        after(make_training(**STEEP | {"settings": {"peak_lr": 1e-6, "momentum": momentum}}), LEADING + 1).network
        for momentum in (0.9, 0.0)
    )
    assert weights(fast).isfinite().all()
    assert torch.equal(weights(fast), weights(plain))


@pytest.mark.usefixtures("memory_is_nan_until_written")
@pytest.mark.parametrize("updates", [1, LEADING, LEADING + 1, 20])
def test_a_training_with_overflows_is_repeatable_and_goes_on_exactly(make_training: MakeTraining, updates: int) -> None:
    training = make_training(**STEEP)
    whole = run(training)
    assert not whole[-1].diverged
    assert run(training) == whole
    *_, last = train_with_pauses(training, start=after(training, updates).checkpoint())
    assert isinstance(last, Progress)
    assert dataclasses.replace(last, train_seconds=0.0) == whole[-1]


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_gradients_that_are_never_finite_are_a_divergence(make_training: MakeTraining, precision: str) -> None:
    """In fp16 every update is left out, until the scale has been halved 33 times."""
    *_, last = run(make_training(precision=precision, loss="tests.models.toys:steepest", updates=60, evaluations=60))
    assert last.diverged
    assert (last.update, last.overflows) == ((33, 33) if precision == "fp16" else (1, 0))


def test_a_diverging_loss_in_fp16_is_a_divergence_not_an_overflow(make_training: MakeTraining) -> None:
    *_, last = run(make_training(precision="fp16", settings={"peak_lr": 1e30}, updates=50))
    assert last.diverged
    assert math.isnan(last.validation)


@pytest.mark.parametrize(
    ("instructions", "quick"),
    [
        ({"avx2": True, "avx512_bf16": False, "amx_fp16": False, "architecture": "bf16"}, {"fp32"}),
        ({"avx512_bf16": True, "avx512_fp16": False}, {"fp32", "bf16"}),
        ({"bf16": True, "fp16_arith": True, "sve_max_length": 128}, {"fp32", "bf16", "fp16"}),
    ],
)
def test_a_cpu_computes_in_the_precisions_that_it_has_instructions_for(
    monkeypatch: pytest.MonkeyPatch, instructions: dict[str, object], quick: set[str]
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: instructions)
    assert {precision for precision in ("fp32", "bf16", "fp16") if cpu_computes_in(precision)} == quick


def test_this_cpu_says_which_instructions_it_has() -> None:
    assert any(value is True for value in torch.cpu.get_capabilities().values())
