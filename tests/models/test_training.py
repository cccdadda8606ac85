"""The training loop, through what it yields."""

from __future__ import annotations

import dataclasses
import math
import random
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.data import load_part, prepared
from models.networks import build_network
from models.streams import stream_seed
from models.training import Progress, Training, evaluation_updates, train
from models.workload import Budget

MakeTraining = Callable[..., Training]


def run(training: Training) -> list[Progress]:
    """Train and leave out the only part that may differ between equal trainings."""
    return [dataclasses.replace(progress, train_seconds=0.0) for progress in train(training)]


def test_updates_by_hand(make_training: MakeTraining) -> None:
    """Logistic regression: v = m v + g + wd W and W -= lr v, at the rate and momentum of each update."""
    settings = {
        "peak_lr": 0.3,
        "weight_decay": 0.05,
        "momentum": 0.9,
        "momentum_drop": 0.3,
        "final_factor": 0.1,
    }
    training = make_training(
        updates=5,
        schedule="linear",
        momentum_policy="cycled",
        settings=settings,
        batch_size=64,
        evaluations=5,
    )
    network = build_network("mlp", (8, 8), 10, {"hidden_sizes": []}, stream_seed(training.seed, "init"))
    weight, bias = (parameter.detach().double().numpy() for parameter in network.parameters())
    parts = prepared.prepare(training.workload, torch.device("cpu"))
    order = torch.randperm(
        len(parts.train.y), generator=torch.Generator().manual_seed(stream_seed(training.seed, "order"))
    )
    x, y = parts.train.x.flatten(1).double().numpy(), np.eye(10)[parts.train.y.numpy()]
    velocity_w, velocity_b = np.zeros_like(weight), np.zeros_like(bias)
    for step, progress in enumerate(train(training)):
        batch = order[step * 64 : (step + 1) * 64].numpy()
        logits = x[batch] @ weight.T + bias
        chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        assert progress.train_loss == pytest.approx(-(y[batch] * np.log(chances)).sum(axis=1).mean(), rel=1e-5)

        factor = 1 - 0.9 * step / 5
        error = (chances - y[batch]) / 64
        velocity_w = (0.9 - 0.3 * factor) * velocity_w + error.T @ x[batch] + 0.05 * weight
        velocity_b = (0.9 - 0.3 * factor) * velocity_b + error.sum(axis=0) + 0.05 * bias
        weight, bias = weight - 0.3 * factor * velocity_w, bias - 0.3 * factor * velocity_b
        assert progress.lr == pytest.approx(0.3 * factor)
        assert progress.momentum == pytest.approx(0.9 - 0.3 * factor)
        logits = parts.validation.x.flatten(1).double().numpy() @ weight.T + bias
        assert progress.validation == pytest.approx((logits.argmax(axis=1) == parts.validation.y.numpy()).mean())


def test_label_smoothing_raises_the_loss_towards_the_uniform_label(make_training: MakeTraining) -> None:
    def loss(smoothing: float) -> float:
        settings = {"peak_lr": 0.1, "label_smoothing": smoothing}
        return run(make_training(updates=200, settings=settings, evaluations=1))[-1].train_loss

    assert loss(0.5) > loss(0.0) + 0.5


def test_nesterov_changes_the_updates(make_training: MakeTraining) -> None:
    assert run(make_training(nesterov=True))[-1].train_loss != run(make_training())[-1].train_loss


@pytest.mark.parametrize("network_settings", [{"hidden_sizes": [20]}, {"hidden_sizes": [20], "batch_norm": True}])
def test_a_network_learns(make_training: MakeTraining, network_settings: dict[str, Any]) -> None:
    training = make_training(
        updates=150, schedule="one_cycle", network_settings=network_settings, read_test=True, evaluations=2
    )
    *_, last = run(training)
    assert last.validation > 0.9
    assert last.test is not None
    assert last.test > 0.9


def test_equal_trainings_are_bitwise_equal_whatever_ran_between(make_training: MakeTraining) -> None:
    conv = make_training(dataset="mnist1d", network="conv1d", network_settings={"batch_norm": True})
    first = run(conv)
    run(make_training(seed=9, network_settings={"hidden_sizes": [7]}))
    torch.rand(3)
    assert run(conv) == first


def test_trainings_that_take_turns_do_not_disturb_each_other(make_training: MakeTraining) -> None:
    one, two = make_training(seed=1), make_training(seed=2)
    turns = list(zip(train(one), train(two), strict=True))
    assert [dataclasses.replace(p, train_seconds=0.0) for p, _ in turns] == run(one)
    assert [dataclasses.replace(p, train_seconds=0.0) for _, p in turns] == run(two)


def test_training_leaves_the_global_generators_alone(make_training: MakeTraining) -> None:
    states = random.getstate(), repr(np.random.get_state()), torch.get_rng_state().tolist()  # noqa: NPY002
    run(make_training(read_test=True))
    assert states == (random.getstate(), repr(np.random.get_state()), torch.get_rng_state().tolist())  # noqa: NPY002


def test_schedules_with_equal_seed_share_initial_weights_and_data_order(make_training: MakeTraining) -> None:
    """At a vanishing rate the weights stay, so the losses show weights and batches and nothing else."""

    def losses(schedule: str, seed: int) -> list[float]:
        training = make_training(updates=40, schedule=schedule, settings={"peak_lr": 1e-30}, seed=seed, evaluations=40)
        return [progress.train_loss for progress in train(training)]

    assert losses("piecewise", 1) == losses("one_cycle", 1)
    assert losses("piecewise", 1) != losses("piecewise", 2)


def test_an_epoch_sees_every_example_once_and_each_in_another_order(make_training: MakeTraining) -> None:
    """At a vanishing rate the mean loss over an epoch stays the same; the batches do not."""
    training = make_training(batch_size=115, updates=20, settings={"peak_lr": 1e-30}, evaluations=20)
    assert training.workload.num_train == 1150
    losses = [progress.train_loss for progress in train(training)]
    assert sum(losses[:10]) == pytest.approx(sum(losses[10:]), rel=1e-5)
    assert not set(losses[:10]) & set(losses[10:])


def test_the_split_does_not_depend_on_the_seed_of_a_training(make_training: MakeTraining) -> None:
    cpu = torch.device("cpu")
    assert prepared.prepare(make_training(seed=1).workload, cpu) is prepared.prepare(
        make_training(seed=2).workload, cpu
    )


def test_without_read_test_the_test_part_is_never_loaded(
    make_training: MakeTraining, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*named: Any) -> Any:
        if "test" in named:
            raise AssertionError("the test part was loaded")
        return load_part(*named)

    prepared._prepare_test.cache_clear()
    monkeypatch.setattr(prepared, "load_part", refuse)
    assert all(progress.test is None for progress in run(make_training(read_test=False)))
    with pytest.raises(AssertionError, match="was loaded"):
        run(make_training(read_test=True))


def test_reading_the_test_part_changes_nothing_else(make_training: MakeTraining) -> None:
    with_test = run(make_training(read_test=True))
    assert all(progress.test is not None for progress in with_test)
    assert [dataclasses.replace(progress, test=None) for progress in with_test] == run(make_training())


def test_a_rate_far_too_high_ends_in_one_diverged_progress(make_training: MakeTraining) -> None:
    training = make_training(
        updates=400, settings={"peak_lr": 1e6}, network_settings={"hidden_sizes": [30]}, read_test=True
    )
    *before, last = train(training)
    assert last.diverged
    assert not any(progress.diverged for progress in before)
    assert 0 < last.update < 400
    assert math.isnan(last.train_loss)
    assert math.isnan(last.validation)
    assert last.test is None
    assert last.lr == 1e6
    assert last.total_updates == 400


def test_divergence_in_the_last_update_shows_in_the_weights(make_training: MakeTraining) -> None:
    training = make_training(updates=1, settings={"peak_lr": 1e300})
    (only,) = train(training)
    assert only.diverged
    assert only.update == 1


@given(st.integers(1, 10_000), st.integers(1, 50))
def test_evaluations_are_evenly_spaced_and_end_with_the_last_update(total_updates: int, evaluations: int) -> None:
    positions = evaluation_updates(total_updates, evaluations)
    gaps = np.diff([0, *positions])
    assert len(positions) == min(total_updates, evaluations)
    assert positions[-1] == total_updates
    assert gaps.min() >= 1
    assert gaps.max() - gaps.min() <= 1


@pytest.mark.parametrize(
    ("updates", "evaluations", "expected"),
    [
        (3, 20, [1, 2, 3]),
        (10, 4, [3, 5, 8, 10]),
        (7, 1, [7]),
        (1, 5, [1]),
        (21, 20, [2, 3, *range(4, 22)][:20]),
    ],
)
def test_progress_comes_at_those_updates(
    make_training: MakeTraining, updates: int, evaluations: int, expected: list[int]
) -> None:
    progress = run(make_training(updates=updates, evaluations=evaluations))
    assert [p.update for p in progress] == expected
    assert {p.total_updates for p in progress} == {updates}
    assert [p.epoch for p in progress] == [update / 11 for update in expected]


def test_epochs_of_a_budget_become_updates(make_training: MakeTraining) -> None:
    *_, last = run(make_training(budget=Budget(unit="epochs", amount=2), batch_size=400))
    assert (last.update, last.epoch) == (4, 2.0)


def test_seconds_are_those_of_updates_not_of_the_consumer(make_training: MakeTraining) -> None:
    seconds = []
    for progress in train(make_training(updates=4)):
        time.sleep(0.2)
        seconds.append(progress.train_seconds)
    assert seconds == sorted(seconds)
    assert 0 < seconds[-1] < 0.4


def test_bad_settings_are_refused_before_anything_runs(make_training: MakeTraining) -> None:
    with pytest.raises(ValueError, match=r"peak_lr must be a finite number > 0; got -1\."):
        train(make_training(settings={"peak_lr": -1}))


def test_nesterov_without_momentum_is_refused(make_training: MakeTraining) -> None:
    with pytest.raises(ValueError, match=r"momentum must be > 0 where nesterov is on; got 0\.0\. .*turn nesterov off"):
        train(make_training(nesterov=True, settings={"peak_lr": 1, "momentum": 0}))


@pytest.mark.parametrize(("field", "value"), [("seed", -1), ("seed", 1.0), ("evaluations", 0), ("read_test", 1)])
def test_a_training_refuses_bad_fields(make_training: MakeTraining, field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"{field} must be .*; got {value!r}\."):
        make_training(**{field: value})
