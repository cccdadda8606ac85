"""Optimizers: closed forms of one update, what decays, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import nn

from models.optimizers import (
    OPTIMIZERS,
    build_optimizer,
    check_optimizer,
    has_momentum,
    optimizer_setting_defaults,
    steer,
)
from models.training import Training, train

MakeTraining = Callable[..., Training]


def updated(name: str, gradients: list[float], settings: Mapping[str, Any] | None = None, **options: Any) -> float:
    """Return a weight of 2 after updates with these gradients, rate 0.1 and momentum 0.5, weight decay 0.01."""
    network = nn.Linear(1, 1, bias=False)
    nn.init.constant_(network.weight, 2.0)
    optimizer = build_optimizer(name, network, settings or {}, momentum=0.9, weight_decay=0.01, **options)
    for gradient in gradients:
        network.weight.grad = torch.tensor([[gradient]])
        steer(optimizer, 0.1, 0.5)
        optimizer.step()
    return network.weight.item()


def test_sgd_by_hand() -> None:
    """v = m v + g + wd w, w -= lr v; with Nesterov w -= lr (g + wd w + m v)."""
    first = 2 - 0.1 * (3 + 0.01 * 2)
    velocity = 0.5 * 3.02 + 1 + 0.01 * first
    assert updated("sgd", [3.0]) == pytest.approx(first)
    assert updated("sgd", [3.0, 1.0]) == pytest.approx(first - 0.1 * velocity)
    assert updated("sgd", [3.0], nesterov=True) == pytest.approx(2 - 0.1 * (3.02 + 0.5 * 3.02))


def test_sgd_forgets_its_velocity_in_an_update_without_momentum() -> None:
    network = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(network.weight)
    optimizer = build_optimizer("sgd", network, {}, momentum=0.9, weight_decay=0.0)
    for gradient, momentum in ((100.0, 0.9), (1.0, 0.0), (2.0, 0.5)):
        network.weight.grad = torch.tensor([[gradient]])
        steer(optimizer, 1.0, momentum)
        optimizer.step()
    assert network.weight.item() == pytest.approx(-(100 + 1 + (2 + 0.5 * 1)))


def test_sgd_without_momentum_keeps_no_buffer() -> None:
    network = nn.Linear(1, 1)
    optimizer = build_optimizer("sgd", network, {}, momentum=0.0, weight_decay=0.0)
    network(torch.ones(1, 1)).sum().backward()
    steer(optimizer, 0.1, 0.0)
    optimizer.step()
    assert not any(
        "momentum_buffer" in state and state["momentum_buffer"] is not None for state in optimizer.state.values()
    )


def test_adamw_by_hand() -> None:
    """Decay first, decoupled; then the bias-corrected mean over the root of the bias-corrected square."""
    first = 2 * (1 - 0.1 * 0.01) - 0.1
    mean, square = (0.5 * 0.5 * 3 + 0.5 * 1) / (1 - 0.5**2), (0.9 * 0.1 * 9 + 0.1 * 1) / (1 - 0.9**2)
    assert updated("adamw", [3.0], {"beta2": 0.9}) == pytest.approx(first)
    second = first * (1 - 0.1 * 0.01) - 0.1 * mean / square**0.5
    assert updated("adamw", [3.0, 1.0], {"beta2": 0.9}) == pytest.approx(second)


def test_adam_adds_the_decay_to_the_gradient() -> None:
    assert updated("adam", [0.0]) == pytest.approx(2 - 0.1)  # a gradient of 0.02, divided by its own size


def test_rmsprop_by_hand() -> None:
    velocity = 3.02 / (0.01 * 3.02**2) ** 0.5
    assert updated("rmsprop", [3.0]) == pytest.approx(2 - 0.1 * velocity)


@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if has_momentum(name)])
def test_the_momentum_of_the_arm_reaches_every_optimizer_that_has_one(name: str) -> None:
    optimizer = build_optimizer(name, nn.Linear(2, 2), {}, momentum=0.9, weight_decay=0.0)
    steer(optimizer, 0.25, 0.75)
    for group in optimizer.param_groups:
        assert group["lr"] == 0.25
        assert (group["betas"][0] if "betas" in group else group["momentum"]) == 0.75


@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if has_momentum(name)])
@pytest.mark.parametrize("momenta", [(0.0, 0.5, 0.9), (0.9, 0.0, 0.5)])
def test_a_momentum_may_come_from_zero_and_go_there(name: str, momenta: tuple[float, ...]) -> None:
    network = nn.Linear(3, 2)
    optimizer = build_optimizer(name, network, {}, momentum=0.9, weight_decay=0.0)
    for momentum in momenta:
        network(torch.ones(2, 3)).sum().backward()
        steer(optimizer, 0.1, momentum)
        optimizer.step()
    assert all(parameter.isfinite().all() for parameter in network.parameters())


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_learns(make_training: MakeTraining, name: str) -> None:
    rate = {"sgd": 0.1, "adadelta": 3.0}.get(name, 0.02)
    training = make_training(optimizer=name, updates=60, batch_size=300, settings={"peak_lr": rate}, evaluations=6)
    first, *_, last = train(training)
    assert last.train_loss < 0.5 * first.train_loss
    assert last.momentum == (0.9 if has_momentum(name) else 0.0)


@pytest.mark.parametrize("spared", [False, True])
def test_norms_and_biases_decay_unless_they_are_spared(spared: bool) -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 3))
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    optimizer = build_optimizer("adamw", network, {}, momentum=0.9, weight_decay=0.3, decay_norm_and_bias=not spared)
    decays = {names[id(p)]: group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    of_others = 0.0 if spared else 0.3
    assert decays == {
        "0.weight": 0.3,
        "0.bias": of_others,
        "1.weight": of_others,
        "1.bias": of_others,
        "3.weight": 0.3,
        "3.bias": of_others,
    }


def test_frozen_parameters_are_left_alone() -> None:
    network = nn.Linear(2, 2)
    network.bias.requires_grad_(requires_grad=False)
    optimizer = build_optimizer("sgd", network, {}, momentum=0.9, weight_decay=0.0)
    assert [parameter is network.weight for group in optimizer.param_groups for parameter in group["params"]] == [True]


def test_settings_have_torchs_names_and_defaults_and_beta2_stands_for_the_second_of_the_betas() -> None:
    assert optimizer_setting_defaults("adamw") == {"eps": 1e-8, "amsgrad": False, "beta2": 0.999}
    assert optimizer_setting_defaults("sgd") == {"dampening": 0}
    optimizer = build_optimizer("adamw", nn.Linear(1, 1), {"beta2": 0.95, "eps": 1e-6}, momentum=0.9, weight_decay=0.0)
    assert (optimizer.defaults["betas"], optimizer.defaults["eps"]) == ((0.9, 0.95), 1e-6)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("sparseadam", {}, r"sparseadam is none of them: it takes sparse gradients only"),
        ("muon", {}, r"muon is none of them: it takes matrices only"),
        ("rprop", {}, r"rprop is none of them: it reads the learning rate at its first update only"),
        ("asgd", {}, r"asgd is none of them: it takes a learning rate one update late"),
        ("AdamW", {}, r"optimizer must be one of adadelta, .*; got 'AdamW'\. Did you mean 'adamw'\?"),
        ("sgd", {"momentum": 0.9}, r"optimizer_settings must be one of the settings of sgd: dampening; got 'momentum'"),
        ("adamw", {"beta2": 1.5}, r"what torch.optim.AdamW takes \(Invalid beta parameter at index 1: 1.5\)"),
        ("adamw", {"eps": "tiny"}, r"optimizer_settings must be what torch.optim.AdamW takes"),
    ],
)
def test_what_cannot_be_built_is_refused(name: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_optimizer(name, settings)


def test_dampening_does_not_go_with_nesterov() -> None:
    with pytest.raises(ValueError, match="Nesterov momentum requires a momentum and zero dampening"):
        check_optimizer("sgd", {"dampening": 0.1}, nesterov=True)
