"""The networks of the papers: numbers of parameters, depths, and forms worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.networks import build_network
from models.networks.initialisation import INITIALISATIONS, initialise
from models.networks.residual import Residual

#: Name, settings, parameters for CIFAR-10, and the number in millions that was published.
PUBLISHED: tuple[tuple[str, Mapping[str, Any], int, str], ...] = (
    # of the paper, as quoted in the README of github.com/akamaster/pytorch_resnet_cifar10
    ("cifar_resnet", {"depth": 20}, 269_722, "0.27"),
    ("cifar_resnet", {"depth": 32}, 464_154, "0.46"),
    ("cifar_resnet", {"depth": 44}, 658_586, "0.66"),
    ("cifar_resnet", {"depth": 56}, 853_018, "0.85"),
    ("cifar_resnet", {"depth": 110}, 1_727_962, "1.7"),
    # README of github.com/bearpaw/pytorch-classification
    ("wide_resnet", {"depth": 28, "widen": 10}, 36_479_194, "36.48"),
    # README of github.com/liuzhuang13/DenseNet
    ("densenet", {"depth": 40}, 1_019_722, "1.0"),
    ("densenet", {"depth": 100}, 6_979_642, "7.0"),
    ("densenet", {"depth": 100, "growth": 24}, 27_249_082, "27.2"),
    ("densenet", {"depth": 100, "bottleneck": True}, 769_162, "0.8"),
    ("densenet", {"depth": 250, "growth": 24, "bottleneck": True}, 15_324_406, "15.3"),
    ("densenet", {"depth": 190, "growth": 40, "bottleneck": True}, 25_624_430, "25.6"),
)


def on_meta(name: str, settings: Mapping[str, Any], input_shape: tuple[int, ...] = (3, 32, 32)) -> nn.Module:
    with torch.device("meta"):
        return build_network(name, input_shape, 10, settings, seed=0)


def num_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(("name", "settings", "exact", "millions"), PUBLISHED)
def test_the_number_of_parameters_is_the_published_one(
    name: str, settings: dict[str, Any], exact: int, millions: str
) -> None:
    assert num_parameters(on_meta(name, settings)) == exact
    assert f"{exact / 1e6:.{len(millions.partition('.')[2])}f}" == millions


@pytest.mark.parametrize(
    ("name", "input_shape", "settings", "expected"),
    [
        ("conv1d", (40,), {}, 5210),  # as ConvBase() of the MNIST-1D repository: 150 + 1900 + 1900 + 1260
        ("conv1d", (40,), {"channels": 4, "batch_norm": True}, 362),
        ("conv1d", (3,), {"channels": 1}, 34),
        ("mlp", (40,), {}, 15_210),
        ("mlp", (8, 8), {"hidden_sizes": []}, 650),
        ("mlp", (8, 8), {"hidden_sizes": [5], "batch_norm": True}, 395),
        ("lenet", (28, 28), {}, 431_080),  # 520 + 25,050 + 400,500 + 5,010
        # a projection per change: 16 * 32 + 2 * 32 + 32 * 64 + 2 * 64 more than the published form
        ("cifar_resnet", (3, 32, 32), {"depth": 20, "shortcut": "projection"}, 269_722 + 2752),
        # 9 * 16 * (2 * 16 - 16 - 32) + 9 * 32 * (2 * 32 - 32 - 64) + 2 * 2 * (16 - 32 + 32 - 64) fewer
        ("cifar_resnet", (3, 32, 32), {"depth": 20, "shortcut": "pool"}, 223_450),
        ("preact_resnet", (3, 32, 32), {"depth": 56}, 590_426),
        ("preact_resnet", (3, 32, 32), {"depth": 164}, 1_703_258),
        ("preact_resnet", (3, 32, 32), {"depth": 56, "width": 32, "groups": 32}, 586_138),
        ("wide_resnet", (3, 32, 32), {"depth": 16, "widen": 4}, 2_748_890),
        ("wide_resnet", (3, 32, 32), {"depth": 32, "widen": 4, "form": "follow_up"}, 5_899_930),
        # as ResNet18(), ResNet34() and ResNet50() of github.com/kuangliu/pytorch-cifar
        ("resnet", (3, 32, 32), {"depth": 18}, 11_173_962),
        ("resnet", (3, 32, 32), {"depth": 34}, 21_282_122),
        ("resnet", (3, 32, 32), {"depth": 50}, 23_520_842),
    ],
)
def test_the_number_of_parameters_is_pinned(
    name: str, input_shape: tuple[int, ...], settings: dict[str, Any], expected: int
) -> None:
    assert num_parameters(on_meta(name, settings, input_shape)) == expected


@pytest.mark.parametrize(
    ("name", "settings", "shortcuts"),
    [
        ("cifar_resnet", {"depth": 56}, 0),
        ("cifar_resnet", {"depth": 110, "shortcut": "pool"}, 0),
        ("preact_resnet", {"depth": 56}, 3),
        ("wide_resnet", {"depth": 28, "widen": 2}, 3),
        ("wide_resnet", {"depth": 32, "widen": 4, "form": "follow_up"}, 2),
        ("densenet", {"depth": 40}, 0),
        ("densenet", {"depth": 100, "bottleneck": True}, 0),
    ],
)
def test_the_depth_counts_convolutions_and_linear_layers_without_shortcuts(
    name: str, settings: dict[str, Any], shortcuts: int
) -> None:
    layers = [m for m in on_meta(name, settings).modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    depth = settings["depth"]
    if name == "wide_resnet" and "form" not in settings:
        depth -= 2  # Zagoruyko and Komodakis count the three shortcuts, and not the linear layer
    assert len(layers) == depth + shortcuts


def stages(network: nn.Module, x: Tensor) -> Iterator[Tensor]:
    assert isinstance(network, nn.Sequential)
    for module in network:
        x = module(x)
        yield x


def test_zero_padding_takes_every_second_pixel_between_zeros() -> None:
    from models.networks.cifar_resnet import _EverySecondPixel

    x = torch.arange(32.0).reshape(1, 2, 4, 4)
    y = _EverySecondPixel(2)(x)
    assert y.shape == (1, 4, 2, 2)
    assert y[0, 0].abs().sum() == 0
    assert y[0, 1].tolist() == [[0, 2], [8, 10]]
    assert y[0, 2].tolist() == [[16, 18], [24, 26]]
    assert y[0, 3].abs().sum() == 0


def test_the_pooling_form_appends_zeros_after_the_first_block_of_a_stage() -> None:
    network = build_network("cifar_resnet", (3, 16, 16), 10, {"depth": 14, "shortcut": "pool"}, seed=0).eval()
    x = torch.randn(2, 3, 16, 16)
    with torch.inference_mode():
        steps = list(stages(network, x))
    shapes = [tuple(step.shape[1:]) for step in steps[3:-3]]
    assert shapes == [(16, 16, 16)] * 2 + [(16, 8, 8)] + [(32, 8, 8)] * 2 + [(32, 4, 4)] + [(64, 4, 4)] * 2
    padded = steps[6]
    assert padded[:, 16:].abs().sum() == 0
    assert padded[:, :16].abs().sum() > 0


def test_pooling_averages_the_pixels_that_are_there_as_caffe_does() -> None:
    network = build_network("cifar_resnet", (3, 8, 8), 10, {"depth": 8, "shortcut": "pool"}, seed=0)
    pool = next(module for module in network.modules() if isinstance(module, nn.AvgPool2d))
    y = pool(torch.arange(16.0).reshape(1, 1, 4, 4))[0, 0]
    assert y.tolist() == [[5.0, 6.5], [11.0, 12.5]]  # 3 x 3, 3 x 2, 2 x 3 and 2 x 2 pixels


def test_dropout_comes_after_each_of_the_54_normalisations_in_the_blocks_of_resnet_56() -> None:
    network = on_meta("cifar_resnet", {"depth": 56, "dropout": 0.2})
    assert [m.p for m in network.modules() if isinstance(m, nn.Dropout)] == [0.2] * 54
    assert not any(isinstance(m, nn.Dropout) for m in on_meta("cifar_resnet", {"depth": 56}).modules())


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_blocks_that_start_as_the_identity_let_what_is_positive_through(dropout: float) -> None:
    settings = {"depth": 14, "zero_init_residual": True, "dropout": dropout}
    network = build_network("cifar_resnet", (3, 8, 8), 10, settings, seed=0)
    assert isinstance(network, nn.Sequential)
    x = torch.rand(2, 16, 8, 8)
    assert torch.equal(network[3](x), x)
    assert torch.equal(network[4](x), x)


def test_the_small_stem_shows_the_first_stage_every_pixel_and_the_other_every_fourth() -> None:
    sides = []
    for stem in ("small", "imagenet"):
        network = build_network("resnet", (3, 32, 32), 10, {"stem": stem}, seed=0)
        network.get_submodule("layer1").register_forward_hook(lambda *call: sides.append(call[-1].shape[-1]))
        network(torch.zeros(2, 3, 32, 32))
    assert sides == [32, 8]


def test_a_resnet_with_the_stem_of_imagenet_is_torchvisions() -> None:
    from torchvision.models import resnet18

    ours = build_network("resnet", (3, 64, 64), 10, {"stem": "imagenet"}, seed=0).eval()
    theirs = resnet18(num_classes=10).eval()
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(ours(x), theirs(x))


def batch_norm(x: Tensor, weights: Iterator[Tensor]) -> Tensor:
    return functional.batch_norm(x, None, None, next(weights), next(weights), training=True)


def test_a_wide_network_does_what_its_published_formula_says() -> None:
    """The functional form of ``pytorch/resnet.py`` of the authors' repository, for WRN-10-2."""
    network = build_network("wide_resnet", (3, 8, 8), 10, {"depth": 10, "widen": 2}, seed=0)
    x, w = torch.randn(4, 3, 8, 8), iter([parameter.detach() for parameter in network.parameters()])
    o = functional.conv2d(x, next(w), padding=1)
    for stride in (1, 2, 2):
        o1 = functional.relu(batch_norm(o, w))
        y = functional.conv2d(o1, next(w), stride=stride, padding=1)
        o2 = functional.relu(batch_norm(y, w))
        z = functional.conv2d(o2, next(w), padding=1)
        o = z + functional.conv2d(o1, next(w), stride=stride)
    o = functional.relu(batch_norm(o, w)).mean(dim=(2, 3))
    assert torch.allclose(network(x), functional.linear(o, next(w), next(w)), atol=1e-5)


def test_a_dense_layer_appends_its_output_to_its_input() -> None:
    """DenseNet with one layer per block, written out."""
    network = build_network("densenet", (3, 8, 8), 10, {"depth": 7, "growth": 4}, seed=0)
    x, w = torch.randn(4, 3, 8, 8), iter([parameter.detach() for parameter in network.parameters()])
    o = functional.conv2d(x, next(w), padding=1)
    for block in range(3):
        new = functional.conv2d(functional.relu(batch_norm(o, w)), next(w), padding=1)
        o = torch.cat((o, new), dim=1)
        if block < 2:
            o = functional.avg_pool2d(functional.conv2d(functional.relu(batch_norm(o, w)), next(w)), 2)
    o = functional.relu(batch_norm(o, w)).mean(dim=(2, 3))
    assert torch.allclose(network(x), functional.linear(o, next(w), next(w)), atol=1e-5)


def test_a_bottleneck_block_does_what_the_published_file_says() -> None:
    network = build_network("preact_resnet", (3, 8, 8), 10, {"depth": 11, "width": 8, "groups": 4}, seed=0)
    x, w = torch.randn(4, 3, 8, 8), iter([parameter.detach() for parameter in network.parameters()])
    o = functional.conv2d(x, next(w), padding=1)
    for stride in (1, 2, 2):
        y = functional.conv2d(functional.relu(batch_norm(o, w)), next(w), stride=stride)
        y = functional.conv2d(functional.relu(batch_norm(y, w)), next(w), padding=1, groups=4)
        y = functional.conv2d(functional.relu(batch_norm(y, w)), next(w))
        o = y + functional.conv2d(o, next(w), stride=stride)
    o = functional.relu(batch_norm(o, w)).mean(dim=(2, 3))
    assert torch.allclose(network(x), functional.linear(o, next(w), next(w)), atol=1e-5)


def test_the_wide_network_of_the_follow_up_has_no_relu_after_its_sums() -> None:
    settings = {"depth": 32, "widen": 4, "form": "follow_up"}
    network = on_meta("wide_resnet", settings)
    blocks = [module for module in network.modules() if isinstance(module, Residual)]
    assert len(blocks) == 15
    widths = [next(m.out_channels for m in block.modules() if isinstance(m, nn.Conv2d)) for block in blocks]
    assert widths == [16] * 5 + [64] * 5 + [256] * 5
    assert all(isinstance(module, Residual | nn.AdaptiveAvgPool2d) for module in list(network.children())[3:-2])
    kernels = [block.shortcut[0].kernel_size for block in blocks if isinstance(block.shortcut, nn.Sequential)]
    assert kernels == [(2, 2), (2, 2)]


def test_densenet_40_carries_160_channels_out_of_its_first_block() -> None:
    """As ``group0_b12_conv`` of ``genDensenet40.prototxt`` in github.com/lnsmith54/hyperParam1."""
    transitions = [m for m in on_meta("densenet", {}).modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (1, 1)]
    assert [(m.in_channels, m.out_channels) for m in transitions] == [(160, 160), (304, 304)]


@pytest.mark.parametrize(
    ("name", "variance"),
    [
        ("he_fan_in", 2 / 600),
        ("he_fan_out", 2 / 400),
        ("xavier", 2 / 1000),
        ("lecun", 1 / 600),
        ("orthogonal", 1 / 600),  # rows of length 1
    ],
)
def test_an_initialisation_has_the_variance_of_its_formula_and_biases_of_zero(name: str, variance: float) -> None:
    torch.manual_seed(0)
    layer = nn.Linear(600, 400)
    initialise(layer, name)
    assert layer.weight.mean().abs() < 4 * math.sqrt(variance / layer.weight.numel())
    assert layer.weight.var().item() == pytest.approx(variance, rel=0.03)
    assert layer.bias.abs().sum() == 0
    assert set(INITIALISATIONS) == {"he_fan_in", "he_fan_out", "xavier", "lecun", "orthogonal"}


def test_orthogonal_rows_are_orthogonal() -> None:
    layer = nn.Linear(20, 10)
    initialise(layer, "orthogonal")
    assert torch.allclose(layer.weight @ layer.weight.T, torch.eye(10), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "fan", "settings"),
    [
        ("cifar_resnet", "in", {"depth": 20}),
        ("preact_resnet", "in", {"depth": 11}),
        ("wide_resnet", "out", {"depth": 10, "widen": 4}),
        ("densenet", "out", {"depth": 10}),
    ],
)
def test_convolutions_start_as_published(name: str, fan: str, settings: dict[str, Any]) -> None:
    network = build_network(name, (3, 32, 32), 10, settings, seed=1)
    convolution = max(
        (m for m in network.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)),
        key=lambda m: m.in_channels / m.out_channels if name == "densenet" else m.weight.numel(),
    )
    channels = convolution.in_channels if fan == "in" else convolution.out_channels
    assert convolution.weight.var().item() == pytest.approx(2 / (9 * channels), rel=0.1)


@pytest.mark.parametrize(
    ("name", "settings", "variance"),
    [
        ("cifar_resnet", {"shortcut": "pool"}, 1 / 64),
        ("preact_resnet", {"depth": 11}, 1 / 256),
        ("wide_resnet", {"depth": 8, "widen": 2, "form": "follow_up"}, 2 / 128),
    ],
)
def test_the_linear_layer_starts_as_in_the_files_of_the_papers(
    name: str, settings: dict[str, Any], variance: float
) -> None:
    network = build_network(name, (3, 32, 32), 100, settings, seed=1)
    classifier = next(module for module in network.modules() if isinstance(module, nn.Linear))
    assert classifier.weight.var().item() == pytest.approx(variance, rel=0.05)
    assert classifier.bias.abs().sum() == 0
