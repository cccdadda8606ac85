"""Batch normalisation over parts of a batch, and the options that every network has."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from models.networks import build_network, set_bn_momentum
from models.networks.ghost import GhostBatchNorm, with_ghosts


def batch(n: int, *rest: int) -> torch.Tensor:
    return 3 + 2 * torch.randn(n, *rest, generator=torch.Generator().manual_seed(n))


def test_each_part_is_normalised_by_its_own_mean_and_variance() -> None:
    x = torch.tensor([[0.0], [2.0], [10.0], [14.0]])
    y = GhostBatchNorm(1, 2, eps=1e-9)(x)
    assert y.flatten().tolist() == pytest.approx([-1, 1, -1, 1])


def test_running_statistics_move_once_by_the_momentum_towards_the_mean_over_the_parts() -> None:
    norm = GhostBatchNorm(1, 2, momentum=0.25)
    norm(torch.tensor([[0.0], [2.0], [10.0], [14.0]]))
    assert norm.running_mean.item() == pytest.approx(0.25 * (1 + 12) / 2)
    assert norm.running_var.item() == pytest.approx(0.75 * 1 + 0.25 * (2 + 8) / 2)  # unbiased: 2 and 8
    assert norm.num_batches_tracked.item() == 1


def test_without_momentum_running_statistics_are_the_mean_over_all_parts_so_far() -> None:
    norm = GhostBatchNorm(1, 2, momentum=None)
    for x in ([[0.0], [2.0], [10.0], [14.0]], [[1.0], [1.0], [3.0], [3.0]]):
        norm(torch.tensor(x))
    assert norm.running_mean.item() == pytest.approx((1 + 12 + 1 + 3) / 4)
    assert norm.running_var.item() == pytest.approx((2 + 8 + 0 + 0) / 4)


def test_debiased_running_statistics_are_averages_in_which_their_start_has_no_part() -> None:
    """Weights of 1, then 1/2 and 1, then 1/4, 1/2 and 1, over their sum."""
    norm = GhostBatchNorm(1, None, momentum=0.5, debias=True)
    norm(torch.tensor([[0.0], [2.0]]))
    assert (norm.running_mean.item(), norm.running_var.item()) == (1, 2)
    norm(torch.tensor([[3.0], [9.0]]))
    assert norm.running_mean.item() == pytest.approx((0.5 * 1 + 6) / 1.5)
    assert norm.running_var.item() == pytest.approx((0.5 * 2 + 18) / 1.5)
    norm(torch.tensor([[0.0], [0.0]]))
    assert norm.running_mean.item() == pytest.approx((0.25 * 1 + 0.5 * 6 + 0) / 1.75)
    assert norm.running_var.item() == pytest.approx((0.25 * 2 + 0.5 * 18 + 0) / 1.75)
    assert norm.num_batches_tracked.item() == 3


@pytest.mark.parametrize(("momentum", "ghost_batch_size"), [(0.001, None), (0.05, 4), (1.0, None)])
def test_debiased_running_statistics_are_those_of_caffe(momentum: float, ghost_batch_size: int | None) -> None:
    """As batch_norm_layer.cpp of BVLC/caffe has it: blobs 0 and 1 over blob 2."""
    norm = GhostBatchNorm(3, ghost_batch_size, momentum=momentum, debias=True)
    blobs, fraction = [torch.zeros(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64), 0.0], 1 - momentum
    for n in range(200):
        x = n / 100 + batch(8 + n % 3, 3, 2, 2)
        norm(x)
        parts = x.double().tensor_split(1 if ghost_batch_size is None else 2)
        mean, variance = (
            torch.stack([getattr(part, moment)((0, 2, 3)) for part in parts]).mean(0) for moment in ("mean", "var")
        )
        blobs = [fraction * blobs[0] + mean, fraction * blobs[1] + variance, fraction * blobs[2] + 1]
        assert torch.allclose(norm.running_mean.double(), blobs[0] / blobs[2], rtol=1e-5)
        assert torch.allclose(norm.running_var.double(), blobs[1] / blobs[2], rtol=1e-5)


def test_statistics_that_are_not_debiased_are_mostly_their_start_for_long() -> None:
    """After 200 batches at a momentum of 0.001, 82 % of them: 0.999 to the power of 200."""
    plain, debiased = (GhostBatchNorm(1, None, momentum=0.001, debias=debias) for debias in (False, True))
    x = torch.tensor([[9.0], [11.0]])
    for _ in range(200):
        plain(x)
        debiased(x)
    assert plain.running_mean.item() == pytest.approx((1 - 0.999**200) * 10, rel=1e-4)
    assert plain.running_mean.item() == pytest.approx((1 - 0.82) * 10, abs=0.02)
    assert debiased.running_mean.item() == pytest.approx(10, rel=1e-6)


@pytest.mark.parametrize("momentum", [0.0, None])
def test_statistics_that_never_move_or_are_a_plain_mean_have_nothing_to_debias(momentum: float | None) -> None:
    plain, debiased = (GhostBatchNorm(3, 4, momentum=momentum, debias=debias) for debias in (False, True))
    for n in (8, 9):
        plain(batch(n, 3))
        debiased(batch(n, 3))
    assert torch.equal(plain.running_mean, debiased.running_mean)
    assert torch.equal(plain.running_var, debiased.running_var)


def test_debiasing_changes_no_training_batch() -> None:
    x = batch(8, 3, 4, 4)
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    debiased, plain = GhostBatchNorm(3, None, debias=True), nn.BatchNorm2d(3)
    for norm, given in ((debiased, ours), (plain, theirs)):
        torch.autograd.backward(norm(given).square().sin().sum())
    assert torch.equal(debiased(x), plain(x))
    assert torch.equal(ours.grad, theirs.grad)


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 7), (6, 5, 4, 4)])
def test_a_single_part_and_evaluation_are_plain_batch_normalisation(shape: tuple[int, ...]) -> None:
    plain = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d}[len(shape)](5)
    ghost = GhostBatchNorm(5, 6)
    x = batch(*shape)
    assert torch.equal(ghost(x), plain(x))
    assert torch.equal(ghost.running_var, plain.running_var)
    assert torch.equal(ghost.eval()(x), plain.eval()(x))


@pytest.mark.parametrize(("n", "size", "parts"), [(8, 4, [4, 4]), (9, 4, [5, 4]), (7, 4, [7]), (11, 3, [4, 4, 3])])
def test_a_batch_that_does_not_divide_is_cut_as_evenly_as_can_be(n: int, size: int, parts: list[int]) -> None:
    x = batch(n, 3, 4, 4)
    ghost = GhostBatchNorm(3, size)
    expected = torch.cat([nn.BatchNorm2d(3)(part) for part in x.split(parts)])
    assert torch.allclose(ghost(x), expected, atol=1e-6)


def test_gradients_are_those_of_normalising_the_parts_one_by_one() -> None:
    x = batch(8, 3, 4, 4)
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    ghost, plain = GhostBatchNorm(3, 4), nn.BatchNorm2d(3)
    torch.autograd.backward(ghost(ours).square().sin().sum())
    torch.autograd.backward(torch.cat([plain(part) for part in theirs.split(4)]).square().sin().sum())
    assert torch.allclose(ours.grad, theirs.grad, atol=1e-5)
    assert torch.allclose(ghost.weight.grad, plain.weight.grad, rtol=1e-4)


def test_every_normalisation_is_replaced_with_its_weights_and_statistics() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4, eps=1e-3, momentum=0.3), nn.Sequential(nn.BatchNorm2d(4))
    )
    for _ in range(3):
        network(batch(6, 3, 4, 4))
    nn.init.uniform_(network[1].weight)
    x, before = batch(6, 3, 4, 4), {key: value.clone() for key, value in network.state_dict().items()}
    expected = network.eval()(x)
    changed = with_ghosts(network, 2)
    assert [type(m) for m in changed.modules() if isinstance(m, _BatchNorm)] == [GhostBatchNorm] * 2
    assert (changed[1].eps, changed[1].momentum, changed[1].ghost_batch_size) == (1e-3, 0.3, 2)
    assert all(torch.equal(value, before[key]) for key, value in changed.state_dict().items())
    assert torch.equal(changed(x), expected)
    assert all(parameter.requires_grad for parameter in changed.parameters())


class BatchNormAndReLU(nn.BatchNorm2d):
    """As timm's ``BatchNormAct2d``."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x).relu()


def test_batch_normalisation_that_does_more_is_refused_rather_than_replaced_by_less() -> None:
    network = nn.Sequential(nn.BatchNorm2d(4), nn.Sequential(BatchNormAndReLU(4)))
    with pytest.raises(ValueError, match=r"^ghost_batch_size must be left out .*; got 2\. .* has BatchNormAndReLU.*$"):
        with_ghosts(network, 2)
    with pytest.raises(ValueError, match=r"^bn_debias must be left out .*; got True\. .* has BatchNormAndReLU.*$"):
        with_ghosts(network, None, debias=True)
    assert type(network[0]) is nn.BatchNorm2d


def test_a_normalisation_that_is_used_twice_stays_one_and_a_frozen_one_stays_frozen() -> None:
    norm = nn.BatchNorm2d(4)
    norm.weight.requires_grad_(requires_grad=False)
    network = with_ghosts(nn.Sequential(norm, nn.Conv2d(4, 4, 1), norm, nn.Sequential(norm)), 2)
    assert network[0] is network[2] is network[3][0]
    assert type(network[0]) is GhostBatchNorm
    assert not network[0].weight.requires_grad


def test_torch_can_re_estimate_the_statistics_of_ghosts() -> None:
    network = nn.Sequential(GhostBatchNorm(3, 2))
    batches = [batch(n, 3, 4, 4) for n in (4, 6)]
    torch.optim.swa_utils.update_bn(batches, network)
    parts = [
        part for x, k in zip(batches, (2, 3), strict=True) for part in [torch.stack(x.chunk(k)).mean((0, 1, 3, 4))]
    ]
    assert torch.allclose(network[0].running_mean, torch.stack(parts).mean(0), atol=1e-5)
    assert network[0].momentum == 0.1


def test_the_options_of_every_network_reach_all_of_its_normalisations() -> None:
    settings: dict[str, Any] = {"depth": 8, "bn_momentum": 0.05, "ghost_batch_size": 4}
    network = build_network("cifar_resnet", (3, 8, 8), 10, settings, seed=0)
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    assert len(norms) == 7
    assert {(type(norm), norm.momentum, norm.ghost_batch_size) for norm in norms} == {(GhostBatchNorm, 0.05, 4)}
    set_bn_momentum(network, 0.001)
    assert {norm.momentum for norm in norms} == {0.001}
    assert {norm.debias for norm in norms} == {False}


def test_statistics_can_be_debiased_without_parts_and_by_parts() -> None:
    for options in ({}, {"ghost_batch_size": 4}):
        network = build_network("cifar_resnet", (3, 8, 8), 10, {"depth": 8, "bn_debias": True, **options}, seed=0)
        norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
        expected = (True, options.get("ghost_batch_size"))
        assert [(norm.debias, norm.ghost_batch_size) for norm in norms] == [expected] * 7
    off = build_network("cifar_resnet", (3, 8, 8), 10, {"depth": 8, "bn_debias": False}, seed=0)
    assert not any(isinstance(module, GhostBatchNorm) for module in off.modules())


def test_debiasing_is_refused_where_there_is_no_batch_normalisation() -> None:
    with pytest.raises(ValueError, match=r"^bn_debias must be left out where the network has no batch .*; got True\.$"):
        build_network("lenet", (1, 28, 28), 10, {"bn_debias": True}, seed=0)
    with pytest.raises(ValueError, match=r"^bn_debias must be true or false; got 1\.$"):
        build_network("cifar_resnet", (3, 8, 8), 10, {"bn_debias": 1}, seed=0)
    build_network("lenet", (1, 28, 28), 10, {"bn_debias": False}, seed=0)


def test_ghosts_and_momentum_leave_the_initial_weights_alone_and_init_changes_them() -> None:
    def weights(**options: Any) -> list[torch.Tensor]:
        return list(build_network("cifar_resnet", (3, 8, 8), 10, {"depth": 8, **options}, seed=0).parameters())

    plain = weights()
    options = weights(bn_momentum=0.05, ghost_batch_size=4)
    assert all(torch.equal(a, b) for a, b in zip(plain, options, strict=True))
    assert not torch.equal(plain[0], weights(init="xavier")[0])
