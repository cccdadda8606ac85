"""What a workload may ask of an update: layout, accumulation, clipping, compilation, determinism."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

from models.data.inputs import TrainingInputs
from models.data.prepared import prepare
from models.networks import build_network
from models.streams import stream_seed
from models.training import Pause, Progress, Training, forward, loop, train, train_with_pauses
from models.training.account import Account
from models.training.batches import Batches
from models.training.process_state import ProcessState
from tests.models.runs import after, losses, run, weights

MakeTraining = Callable[..., Training]
NOISY = {"network": "tests.models.toys:noisy", "network_settings": {}}
IMAGES = {"network": "cifar_resnet", "network_settings": {"depth": 8}, "batch_size": 50}


# Parts of a batch


@pytest.mark.parametrize("micro_batch", [1, 5, 25])
def test_gradients_of_parts_add_up_to_that_of_the_batch(make_training: MakeTraining, micro_batch: int) -> None:
    settings = {"peak_lr": 0.2, "weight_decay": 1e-3, "label_smoothing": 0.1}
    whole = run(make_training(batch_size=25, settings=settings, updates=30))
    parts = run(make_training(batch_size=25, micro_batch=micro_batch, settings=settings, updates=30))
    assert [p.train_loss for p in parts] == pytest.approx([p.train_loss for p in whole], rel=1e-4)
    assert [p.validation for p in parts] == pytest.approx([p.validation for p in whole], abs=0.01)


def test_scaled_gradients_of_parts_add_up_too(make_training: MakeTraining) -> None:
    whole = losses(make_training(batch_size=24, precision="fp16"))
    assert losses(make_training(batch_size=24, micro_batch=8, precision="fp16")) == pytest.approx(whole, rel=0.01)


def test_the_pauses_of_accumulated_updates_come_once_per_update(make_training: MakeTraining) -> None:
    steps = train_with_pauses(make_training(batch_size=24, micro_batch=8, updates=3, evaluations=1))
    assert [step.update for step in steps if isinstance(step, Pause)][:3] == [1, 2, 3]


# Clipping


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_clipped_update_is_as_long_as_the_limit(make_training: MakeTraining, precision: str) -> None:
    """w changes by the rate times the gradient, whose length is cut to 0.01."""
    settings = {"peak_lr": 0.5, "momentum": 0.0, "clip_norm": 0.01}
    training = make_training(settings=settings, precision=precision)
    start = build_network("mlp", (1, 8, 8), 10, {"hidden_sizes": []}, stream_seed(training.seed, "init"))
    moved = weights(after(training, 1).network) - weights(start)
    assert moved.norm().item() == pytest.approx(0.5 * 0.01, rel=1e-3)


def test_a_limit_that_no_gradient_reaches_changes_nothing(make_training: MakeTraining) -> None:
    assert run(make_training(settings={"peak_lr": 0.1, "clip_norm": 1e6})) == run(make_training())


# Layout and compilation


def test_channels_last_changes_the_layout_and_not_the_result(make_training: MakeTraining) -> None:
    settings = {"peak_lr": 0.1, "weight_decay": 1e-3}
    rows = losses(make_training(**IMAGES, settings=settings))
    training = make_training(**IMAGES, settings=settings, channels_last=True)
    assert losses(training) == pytest.approx(rows, rel=1e-3)
    convolutions = [part for part in after(training, 3).network.modules() if isinstance(part, nn.Conv2d)]
    assert all(part.weight.is_contiguous(memory_format=torch.channels_last) for part in convolutions)


def test_a_second_training_of_the_same_shape_compiles_nothing(
    make_training: MakeTraining, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With torch's quickest compiler; a change that needs another one raises."""
    compiled = []

    def note(graph: torch.fx.GraphModule, _: Any) -> Callable[..., Any]:
        compiled.append(graph)
        return graph.forward

    forward._compiled.cache_clear()
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=note))
    first = make_training(**IMAGES, precision="bf16", compile=True, updates=3)
    second = make_training(
        **IMAGES, precision="bf16", compile=True, updates=4, seed=5, settings={"peak_lr": 0.03}, optimizer="adamw"
    )
    steps = train_with_pauses(first)
    next(steps)
    assert len(compiled) == 1
    assert losses(first) == pytest.approx(losses(make_training(**IMAGES, precision="bf16", updates=3)), rel=1e-3)
    with torch.compiler.set_stance("fail_on_recompile"):
        assert math.isfinite(run(second)[-1].train_loss)
    assert len(compiled) == 1
    run(make_training(**(IMAGES | {"batch_size": 40}), precision="bf16", compile=True, updates=2))
    assert len(compiled) == 2
    forward._compiled.cache_clear()


def test_every_momentum_of_batch_norm_is_compiled_however_many_there_are(
    make_training: MakeTraining, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch compiles a function for a few values of what it takes for constants, and then no more."""
    compiled = []

    def note(graph: torch.fx.GraphModule, _: Any) -> Callable[..., Any]:
        compiled.append(graph)
        return graph.forward

    forward._compiled.cache_clear()
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=note))
    most = torch._dynamo.config.recompile_limit  # type: ignore[attr-defined]
    for number in range(most + 2):
        settings = {"peak_lr": 0.1, "bn_momentum": 0.01 * (number + 1)}
        run(make_training(network_settings={"batch_norm": True}, compile=True, updates=1, settings=settings))
    assert len(compiled) == most + 2
    forward._compiled.cache_clear()


def test_debiased_statistics_are_compiled_once_though_their_weights_change_with_every_update(
    make_training: MakeTraining, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the momentum of the arm is the one that is debiased: it evaluates as without compiling."""
    forward._compiled.cache_clear()
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager", fullgraph=True))
    settings = {"peak_lr": 0.1, "bn_momentum": 0.001}
    options: dict[str, Any] = {"network_settings": {"batch_norm": True, "bn_debias": True}, "settings": settings}
    steps = train_with_pauses(make_training(**options, compile=True))
    next(steps)
    with torch.compiler.set_stance("fail_on_recompile"):
        *_, last = steps
    assert isinstance(last, Progress)
    expected = run(make_training(**options))
    assert last.validation == pytest.approx(expected[-1].validation)
    assert last.validation > run(make_training(**options | {"network_settings": {"batch_norm": True}}))[-1].validation
    forward._compiled.cache_clear()


@pytest.mark.parametrize(
    ("parts", "mode"), [({}, "reduce-overhead"), ({"micro_batch": 25}, None)], ids=["whole", "in parts"]
)
def test_a_gpu_records_graphs_unless_gradients_of_parts_would_overwrite_each_other(
    make_training: MakeTraining, monkeypatch: pytest.MonkeyPatch, parts: dict[str, Any], mode: str | None
) -> None:
    """What torch is asked for, without a GPU; batches of 25 and parts of 25 are compiled apart."""
    modes: list[str | None] = []

    def note(function: Callable[..., Any], *, mode: str | None = None, **_: Any) -> Callable[..., Any]:
        modes.append(mode)
        return function

    forward._compiled.cache_clear()
    monkeypatch.setattr(torch, "compile", note)
    gpu = torch.device("cuda")
    for options in ({"batch_size": 25}, {"batch_size": 50} | parts):
        forward.training_forward(make_training(compile=True, **options).workload, None, gpu)
    assert modes == ["reduce-overhead", mode]
    forward._compiled.cache_clear()


# Randomness


def test_noise_does_not_depend_on_what_ran_before_nor_disturbs_it(make_training: MakeTraining) -> None:
    training = make_training(**NOISY)
    first = run(training)
    torch.manual_seed(4)
    before = torch.get_rng_state()
    assert run(training) == first
    assert torch.equal(torch.get_rng_state(), before)
    assert run(dataclasses.replace(training, seed=2)) != first


def test_noise_differs_between_updates_and_not_between_equal_ones() -> None:
    def drawn(seed: int, update: int) -> list[float]:
        with ProcessState(seed, torch.device("cpu"), deterministic=False).at(update):
            return torch.rand(3).tolist()

    assert drawn(1, 0) == drawn(1, 0)
    assert len({tuple(drawn(seed, update)) for seed in (1, 2) for update in (0, 1)}) == 4


def test_the_state_of_the_process_is_put_back_even_after_an_error() -> None:
    before = torch.get_rng_state()
    state = ProcessState(1, torch.device("cpu"), deterministic=True)
    with contextlib.suppress(KeyError), state.at(3):
        torch.rand(1)
        assert torch.are_deterministic_algorithms_enabled()
        assert torch.backends.cudnn.deterministic
        raise KeyError
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.are_deterministic_algorithms_enabled()
    assert not torch.backends.cudnn.deterministic


def test_a_deterministic_training_sets_nothing_between_its_updates(make_training: MakeTraining) -> None:
    training = make_training(deterministic=True)
    for step in train_with_pauses(training):
        assert isinstance(step, Pause | Progress)
        assert not torch.are_deterministic_algorithms_enabled()
    assert run(training) == run(make_training())


# Batch norm


def test_re_estimated_statistics_are_means_over_fresh_batches_and_leave_the_training_alone(
    make_training: MakeTraining,
) -> None:
    """Logistic regression on batch-normed pixels: by hand, from the mean of batch means and of batch variances."""
    net = {"network": "tests.models.toys:scalar", "network_settings": {}}
    training = make_training(**net, norm_batches=3, updates=2, evaluations=1)
    (progress,) = run(training)
    parts = prepare(training.workload, torch.device("cpu"))
    seed = stream_seed(training.seed, "statistics")
    order = Batches(len(parts.train), 100, seed, torch.device("cpu"))
    inputs = TrainingInputs(parts.train, order, training.workload.augmentation, seed=seed)
    batches = [next(inputs).x.flatten(1) for _ in range(3)]
    mean = torch.stack([x.mean(0) for x in batches]).mean(0)
    variance = torch.stack([x.var(0) for x in batches]).mean(0)
    last = after(training, 2)
    _, norm, linear = last.network
    x = (parts.validation.x.flatten(1) - mean) / (variance + 1e-5).sqrt()
    right = (linear(x).argmax(1) == parts.validation.y).double().mean().item()
    assert progress.validation == pytest.approx(right)
    assert norm.momentum == 0.1
    assert int(norm.num_batches_tracked) == 2
    (with_running_averages,) = run(make_training(**net, updates=2, evaluations=1))
    assert with_running_averages.train_loss == progress.train_loss
    assert with_running_averages.validation != progress.validation


def test_re_estimating_changes_no_update(make_training: MakeTraining) -> None:
    plain, fresh = run(make_training(**NOISY)), run(make_training(**NOISY, norm_batches=2))
    assert [p.train_loss for p in fresh] == [p.train_loss for p in plain]
    assert [p.validation for p in fresh] != [p.validation for p in plain]


def test_the_batch_norm_momentum_of_an_arm_replaces_that_of_the_network(make_training: MakeTraining) -> None:
    training = make_training(**NOISY, settings={"peak_lr": 0.1, "bn_momentum": 0.02})
    norm = next(part for part in after(training, 1).network.modules() if isinstance(part, nn.BatchNorm2d))
    assert norm.momentum == 0.02


# Losses, time and divergence


def test_a_loss_of_ones_own_is_minimised(make_training: MakeTraining) -> None:
    values = losses(make_training(loss="tests.models.toys:squared", updates=40, settings={"peak_lr": 0.3}))
    assert values[-1] < 0.5 * values[0] < 0.2


@pytest.mark.parametrize(
    ("workload", "settings", "message"),
    [
        ({"loss": "tests.models.toys:squared"}, {"label_smoothing": 0.1}, r"label_smoothing must be left out here"),
        ({}, {"bn_momentum": 0.1}, r"bn_momentum must be left out here \(the network mlp has no batch norm\); got 0.1"),
    ],
)
def test_settings_that_would_do_nothing_are_refused(
    make_training: MakeTraining, workload: dict[str, Any], settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        train(make_training(**workload, settings={"peak_lr": 0.1, **settings}))


def test_infinities_that_are_there_from_the_start_are_no_divergence(make_training: MakeTraining) -> None:
    """A mask holds them; the state of a part need not be tensors either."""
    *_, last = run(make_training(network="tests.models.toys:masked", network_settings={}))
    assert not last.diverged
    assert last.update == 12


def test_a_statistic_that_becomes_infinite_is_a_divergence(make_training: MakeTraining) -> None:
    *_, last = run(make_training(network="tests.models.toys:running_away", network_settings={}))
    assert last.diverged


def test_what_a_network_keeps_in_an_evaluation_may_be_used_in_an_update(make_training: MakeTraining) -> None:
    *_, last = run(make_training(network="tests.models.toys:keeping", network_settings={}))
    assert last.update == 12


def test_evaluations_are_timed_apart(make_training: MakeTraining) -> None:
    slow = {"network": "tests.models.toys:slow_to_evaluate", "network_settings": {}}
    *_, last = train(make_training(**slow, updates=4, evaluations=2, read_test=True))
    assert last.evaluation_seconds >= 0.4
    assert last.train_seconds < 0.2


def test_losses_that_are_read_together_end_at_the_first_that_is_not_finite() -> None:
    """As on a GPU, where reading waits for all that is queued; here the numbers lie on the CPU."""
    account = Account(device_type="cuda")
    for value in [*range(40), math.nan, *range(10)]:
        if not account.has_diverged:
            account.note(torch.tensor(float(value)), overflowed=False, started_at=0.0)
    account.settle()
    assert account.losses[:40] == [float(value) for value in range(40)]
    assert (account.done, len(account.losses)) == (41, 41)


@pytest.mark.parametrize(
    ("rate", "workload"),
    [
        (0.1, {}),
        (1e6, {"network_settings": {"hidden_sizes": [30]}}),
        (1e-6, {"precision": "fp16", "loss": "tests.models.toys:steep"}),
        (0.1, {"precision": "fp16", "loss": "tests.models.toys:steepest"}),
    ],
    ids=["finished", "diverged", "finished with overflows", "diverged by overflows"],
)
def test_reading_losses_together_changes_no_result(
    make_training: MakeTraining, monkeypatch: pytest.MonkeyPatch, rate: float, workload: dict[str, Any]
) -> None:
    """The way of a GPU, on the CPU; a checkpoint is taken between two readings."""
    training = make_training(**workload, settings={"peak_lr": rate}, updates=200, evaluations=3)
    one_by_one = run(training)
    monkeypatch.setattr(loop, "Account", lambda device_type: Account(device_type=f"not {device_type}"))
    assert run(training) == one_by_one
    middle = min(one_by_one[-1].update, 21) - 1
    checkpoint = after(training, middle).checkpoint()
    assert len(checkpoint.losses) == middle
    *_, last = train_with_pauses(training, start=checkpoint)
    assert isinstance(last, Progress)
    assert dataclasses.replace(last, train_seconds=0.0) == one_by_one[-1]


def test_a_pause_tells_loss_and_network_of_the_moment(make_training: MakeTraining) -> None:
    """With an evaluation after every update, its loss is the training loss."""
    seen, told = [], []
    for step in train_with_pauses(make_training(updates=5, evaluations=5)):
        if isinstance(step, Progress):
            told.append(step.train_loss)
        elif step.update > len(seen):
            seen.append(step.loss)
            assert isinstance(step.network, nn.Module)
    assert seen == told
