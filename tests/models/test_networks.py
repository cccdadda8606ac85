"""Networks: shapes, sizes, and weights that depend on the seed alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from models.networks import NETWORKS, build_network, check_network, network_setting_defaults
from models.streams import stream_seed


@pytest.mark.parametrize(
    ("name", "input_shape", "settings", "num_parameters"),
    [
        ("conv1d", (40,), {}, 5210),  # as ConvBase() of the MNIST-1D repository: 150 + 1900 + 1900 + 1260
        ("conv1d", (40,), {"channels": 4, "batch_norm": True}, 362),
        ("conv1d", (3,), {"channels": 1}, 34),
        ("mlp", (40,), {}, 15_210),
        ("mlp", (8, 8), {"hidden_sizes": []}, 650),
        ("mlp", (8, 8), {"hidden_sizes": [5], "batch_norm": True}, 395),
    ],
)
def test_a_network_maps_examples_to_logits_with_the_expected_number_of_parameters(
    name: str, input_shape: tuple[int, ...], settings: dict[str, Any], num_parameters: int
) -> None:
    network = build_network(name, input_shape, 10, settings, seed=0)
    assert network(torch.zeros(3, *input_shape)).shape == (3, 10)
    assert sum(parameter.numel() for parameter in network.parameters()) == num_parameters


def weights(name: str, seed: int) -> torch.Tensor:
    network = build_network(name, (40,), 10, {}, seed)
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


@pytest.mark.parametrize("name", NETWORKS)
def test_initial_weights_depend_on_the_seed_and_leave_the_global_generator_alone(name: str) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = weights(name, 1)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    assert torch.equal(weights(name, 1), first)
    assert not torch.equal(weights(name, 2), first)


def test_checking_a_network_draws_no_random_numbers() -> None:
    before = torch.get_rng_state()
    check_network("mlp", (40,), 10, {"hidden_sizes": [10_000, 10_000]})
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("hidden_sizes", [[0], "12", 12, [1.5], None])
def test_hidden_sizes_that_are_no_whole_numbers_are_refused(hidden_sizes: Any) -> None:
    with pytest.raises(ValueError, match=r"hidden_sizes must be a list of whole numbers >= 1; got "):
        check_network("mlp", (40,), 10, {"hidden_sizes": hidden_sizes})


def test_settings_are_the_keyword_parameters_of_a_builder() -> None:
    assert network_setting_defaults("conv1d") == {"channels": 25, "batch_norm": False}


def test_streams_of_a_seed_differ_and_are_pinned() -> None:
    import numpy as np

    spawned = np.random.SeedSequence(7).spawn(3)
    expected = [int(child.generate_state(1, np.uint64)[0]) for child in spawned]
    assert [stream_seed(7, "init"), stream_seed(7, "order"), stream_seed(7, "augmentation")] == expected
    assert len({*expected, stream_seed(8, "init")}) == 4
