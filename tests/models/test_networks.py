"""Every network: shapes, modes, precision, gradients, and weights that depend on the seed alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch.nn import functional

from models.networks import NETWORKS, build_network, check_network, network_setting_defaults
from models.networks.options import COMMON_SETTINGS
from models.streams import stream_seed

Case = tuple[str, tuple[int, ...], Mapping[str, Any]]

#: Small forms of every network, and each of its settings at least once.
CASES: tuple[Case, ...] = (
    ("cifar_resnet", (3, 8, 8), {"depth": 8, "dropout": 0.2}),
    ("cifar_resnet", (3, 8, 8), {"depth": 8, "shortcut": "projection", "zero_init_residual": True}),
    ("cifar_resnet", (8, 8), {"depth": 8, "shortcut": "pool", "ghost_batch_size": 4}),
    ("conv1d", (40,), {"batch_norm": True, "bn_momentum": 0.01}),
    ("densenet", (3, 8, 8), {"depth": 7, "growth": 4, "dropout": 0.2}),
    ("densenet", (8, 8), {"depth": 10, "growth": 4, "bottleneck": True}),
    ("lenet", (28, 28), {"dropout": 0.5}),
    ("lenet", (3, 17, 16), {"init": "he_fan_in"}),
    ("mlp", (8, 8), {"hidden_sizes": [5], "batch_norm": True, "ghost_batch_size": 3}),
    ("preact_resnet", (8, 8), {"depth": 11, "dropout": 0.2}),
    ("preact_resnet", (3, 8, 8), {"depth": 11, "width": 8, "groups": 4, "init": "xavier"}),
    ("resnet", (3, 8, 8), {"depth": 18}),
    ("resnet", (1, 32, 32), {"depth": 18, "stem": "imagenet", "zero_init_residual": True}),
    ("wide_resnet", (3, 8, 8), {"depth": 10, "widen": 2, "dropout": 0.3}),
    ("wide_resnet", (8, 8), {"depth": 8, "widen": 2, "form": "follow_up", "dropout": 0.3}),
)


def name_of(case: object) -> str:
    return "-".join(f"{key}={value}" for key, value in case.items()) if isinstance(case, dict) else str(case)


each_case = pytest.mark.parametrize(("name", "input_shape", "settings"), CASES, ids=name_of)


def examples(input_shape: tuple[int, ...], n: int = 12) -> torch.Tensor:
    return torch.randn(n, *input_shape, generator=torch.Generator().manual_seed(3))


def test_every_network_and_every_setting_of_its_own_is_among_the_cases() -> None:
    assert {name for name, _, _ in CASES} == set(NETWORKS)
    for name in NETWORKS:
        tried = {key for case, _, settings in CASES if case == name for key in settings}
        own = set(network_setting_defaults(name)) - set(COMMON_SETTINGS)
        assert own - tried <= {"channels", "depth", "stem"}, name


@each_case
def test_examples_become_logits_in_training_and_in_evaluation(
    name: str, input_shape: tuple[int, ...], settings: dict[str, Any]
) -> None:
    network = build_network(name, input_shape, 7, settings, seed=0)
    x = examples(input_shape)
    assert network.train()(x).shape == (12, 7)
    with torch.inference_mode():
        first, again = network.eval()(x), network(x)
    assert first.shape == (12, 7)
    assert torch.equal(first, again)
    assert torch.allclose(first[:1], network(x[:1]), atol=1e-5)  # an example's logits do not depend on its company


@each_case
def test_every_parameter_gets_a_finite_gradient(
    name: str, input_shape: tuple[int, ...], settings: dict[str, Any]
) -> None:
    network = build_network(name, input_shape, 7, settings, seed=0)
    loss = functional.cross_entropy(network(examples(input_shape)), torch.arange(12) % 7)
    torch.autograd.backward(loss)
    for kind, parameter in network.named_parameters():
        assert parameter.grad is not None, kind
        assert parameter.grad.isfinite().all(), kind
    assert network.get_parameter(list(dict(network.named_parameters()))[-1]).grad.norm() > 0


@each_case
def test_bfloat16_and_channels_last_give_nearly_the_same_logits(
    name: str, input_shape: tuple[int, ...], settings: dict[str, Any]
) -> None:
    network = build_network(name, input_shape, 7, settings, seed=0).eval()
    x = examples(input_shape)
    with torch.inference_mode():
        plain = network(x)
        with torch.autocast("cpu", torch.bfloat16):
            half = network(x)
    assert (half.float() - plain).abs().max() < 0.05 * plain.abs().max() + 0.02
    if len(input_shape) == 3:
        network = network.to(memory_format=torch.channels_last)
        with torch.inference_mode():
            last = network(x.to(memory_format=torch.channels_last))
        assert torch.allclose(last, plain, rtol=1e-3, atol=1e-4)


@each_case
def test_bfloat16_training_has_finite_gradients(
    name: str, input_shape: tuple[int, ...], settings: dict[str, Any]
) -> None:
    network = build_network(name, input_shape, 7, settings, seed=0)
    with torch.autocast("cpu", torch.bfloat16):
        loss = functional.cross_entropy(network(examples(input_shape)), torch.arange(12) % 7)
    torch.autograd.backward(loss)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.parametrize("case", [CASES[2], CASES[4], CASES[-1]], ids=lambda case: case[0])
def test_a_compiler_sees_a_network_as_one_graph(case: Case) -> None:
    name, input_shape, settings = case
    network = build_network(name, input_shape, 7, settings, seed=0)
    torch.compiler.reset()  # what other tests have compiled counts towards a limit
    compiled = torch.compile(network, backend="eager", fullgraph=True)
    assert compiled(examples(input_shape)).shape == (12, 7)
    network.eval()
    assert torch.equal(compiled(examples(input_shape)), network(examples(input_shape)))


def weights(case: Case, seed: int) -> torch.Tensor:
    name, input_shape, settings = case
    network = build_network(name, input_shape, 10, settings, seed)
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


@pytest.mark.parametrize("case", {case[0]: case for case in CASES}.values(), ids=lambda case: case[0])
def test_initial_weights_depend_on_the_seed_and_leave_the_global_generator_alone(case: Case) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = weights(case, 1)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    assert torch.equal(weights(case, 1), first)
    assert not torch.equal(weights(case, 2), first)


def test_checking_a_network_draws_no_random_numbers_and_takes_no_memory() -> None:
    before = torch.get_rng_state()
    check_network("mlp", (40,), 10, {"hidden_sizes": [100_000, 1_000_000]})  # 400 GB of weights
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("name", "settings", "complaint"),
    [
        ("mlp", {"hidden_sizes": [0]}, r"hidden_sizes must be a list of whole numbers >= 1; got \[0\]"),
        ("cifar_resnet", {"depth": 57}, r"depth must be 6 n \+ 2 for .* such as 20, 32, 44, 56, 110; got 57"),
        ("cifar_resnet", {"depth": True}, r"depth must be 6 n \+ 2 .*; got True"),
        ("cifar_resnet", {"shortcut": "a"}, r"shortcut must be one of zero_pad, projection, pool; got 'a'"),
        ("resnet", {"depth": 20}, r"depth must be one of 18, 34, 50, 101, 152; got 20"),
        ("preact_resnet", {"width": 16, "groups": 32}, r"groups must be a divisor of the width 16; got 32"),
        ("wide_resnet", {"depth": 32}, r"depth must be 6 n \+ 4 .*; got 32"),
        ("wide_resnet", {"form": "wide"}, r"form must be one of preactivation, follow_up; got 'wide'"),
        ("densenet", {"depth": 41, "bottleneck": True}, r"depth must be 6 n \+ 4 .*; got 41"),
        ("densenet", {"bottleneck": 1}, r"bottleneck must be true or false; got 1"),
        ("lenet", {"dropout": 1}, r"dropout must be a number in \[0, 1\); got 1"),
        ("lenet", {"bn_momentum": 0.1}, r"bn_momentum must be left out where .* no batch normalisation; got 0.1"),
        ("resnet", {"bn_momentum": 0}, r"bn_momentum must be a number in \(0, 1\]; got 0.*weight of the new batch"),
        ("resnet", {"ghost_batch_size": 1}, r"ghost_batch_size must be a whole number >= 2; got 1"),
        ("resnet", {"init": "he"}, r"init must be one of he_fan_in, he_fan_out, xavier, lecun, orthogonal; got 'he'"),
        ("resnet", {"dropuot": 0.1}, r"network_settings must be one of the settings of resnet: .*; got 'dropuot'"),
    ],
)
def test_a_setting_out_of_range_is_refused_with_what_it_may_be(
    name: str, settings: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        check_network(name, (3, 32, 32), 10, settings)


@pytest.mark.parametrize("hidden_sizes", [[0], "12", 12, [1.5], None])
def test_hidden_sizes_that_are_no_whole_numbers_are_refused(hidden_sizes: Any) -> None:
    with pytest.raises(ValueError, match=r"hidden_sizes must be a list of whole numbers >= 1; got "):
        check_network("mlp", (40,), 10, {"hidden_sizes": hidden_sizes})


@pytest.mark.parametrize(
    ("name", "input_shape", "settings", "remedy"),
    [
        ("cifar_resnet", (40,), {}, r"at least 4 x 4"),
        ("cifar_resnet", (3, 3, 32), {}, r"at least 4 x 4"),
        ("cifar_resnet", (3, 30, 30), {"shortcut": "pool"}, r"with sides that are multiples of 4"),
        ("wide_resnet", (3, 30, 30), {"depth": 32, "form": "follow_up"}, r"with sides that are multiples of 4"),
        ("lenet", (8, 8), {}, r"at least 16 x 16"),
        ("resnet", (3, 16, 16), {"stem": "imagenet"}, r"at least 32 x 32"),
        ("conv1d", (28, 28), {}, r"sequences, such as mnist1d"),
    ],
)
def test_examples_that_do_not_fit_are_refused_with_what_does(
    name: str, input_shape: tuple[int, ...], settings: dict[str, Any], remedy: str
) -> None:
    with pytest.raises(ValueError, match=rf"network must be one that fits .*; got '{name}'. .*{remedy}"):
        check_network(name, input_shape, 10, settings)


def test_settings_are_the_keyword_parameters_of_a_builder_and_those_of_every_network() -> None:
    common = {"bn_momentum": None, "bn_debias": False, "ghost_batch_size": None, "init": None}
    assert network_setting_defaults("conv1d") == {"channels": 25, "batch_norm": False, **common}


def test_streams_of_a_seed_differ_and_are_pinned() -> None:
    import numpy as np

    spawned = np.random.SeedSequence(7).spawn(3)
    expected = [int(child.generate_state(1, np.uint64)[0]) for child in spawned]
    assert [stream_seed(7, "init"), stream_seed(7, "order"), stream_seed(7, "augmentation")] == expected
    assert len({*expected, stream_seed(8, "init")}) == 4


def test_no_network_keeps_what_changes_in_training_outside_its_state() -> None:
    for name, input_shape, settings in CASES:
        network = build_network(name, input_shape, 7, settings, seed=0)
        twin = build_network(name, input_shape, 7, settings, seed=1)
        network.train()(examples(input_shape))
        twin.load_state_dict(network.state_dict())
        with torch.inference_mode():
            assert torch.equal(network.eval()(examples(input_shape)), twin.eval()(examples(input_shape))), name
