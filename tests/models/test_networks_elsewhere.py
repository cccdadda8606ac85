"""Networks of torchvision and timm, and those of the user's own code."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import nn

import schedules
from models.importing import load_function, source_of
from models.networks import build_network, check_network, check_network_name
from models.training import Training, training_identity
from models.workload import Workload
from tests.models.runs import run

MODULE = """
import functools
import torch
from torch import nn

NOT_A_FUNCTION = 3

def linear(input_shape, num_classes, *, bias=True):
    return nn.Sequential(nn.Flatten(), nn.Linear(input_shape[0], num_classes, bias=bias))

def normed(input_shape, num_classes):
    return nn.Sequential(nn.BatchNorm1d(input_shape[0]), nn.Linear(input_shape[0], num_classes))

def in_need_of_numbers(input_shape, num_classes):
    network = linear(input_shape, num_classes)
    network[1].weight.data /= torch.randn(3).norm().item()
    return network

def too_wide(input_shape, num_classes):
    return linear(input_shape, num_classes + 1)

def in_two_parts(input_shape, num_classes):
    class Two(nn.Module):
        def forward(self, x):
            return x, x
    return Two()

def no_network(input_shape, num_classes):
    return "no network"

def nothing_to_learn(input_shape, num_classes):
    return linear(input_shape, num_classes).requires_grad_(False)

def verbose(input_shape, num_classes):
    raise RuntimeError("the first line\\nthe second line")

def of_any_settings(input_shape, num_classes, **settings):
    raise KeyError(*settings)

def by_place(*shape_and_classes, bias=True):
    return linear(*shape_and_classes, bias=bias)

@functools.wraps(linear)
def wrapping(input_shape, num_classes, *, wide=False, **settings):
    return linear(input_shape, num_classes, **settings)

def picky(input_shape, num_classes, *, width=4):
    raise ValueError(f"width must be even; got {width}.\\nThat is all.")
"""


@pytest.fixture
def my_nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A module in the current folder, which is not where Python looks by itself."""
    path = tmp_path / "my_nets.py"
    path.write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry not in {"", str(tmp_path)}])
    monkeypatch.delitem(sys.modules, "my_nets", raising=False)
    yield path
    sys.modules.pop("my_nets", None)


def num_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_imagenets_resnet_50_is_torchvisions() -> None:
    with torch.device("meta"):
        network = build_network("torchvision:resnet50", (3, 224, 224), 1000, {}, seed=0)
    assert num_parameters(network) == 25_557_032  # as torchvision documents ResNet50_Weights


def test_imagenets_inception_resnet_is_timms() -> None:
    pytest.importorskip("timm")
    check_network("timm:inception_resnet_v2", (3, 299, 299), 1000, {"drop_rate": 0.2})
    with torch.device("meta"):
        network = build_network("timm:inception_resnet_v2", (3, 299, 299), 1000, {}, seed=0)
    assert num_parameters(network) == 55_843_464  # timm's own list has 55.84 million


@pytest.mark.parametrize(("name", "side"), [("torchvision:resnet50", 64), ("timm:inception_resnet_v2", 75)])
def test_imagenets_networks_are_trained_and_evaluated_in_both_precisions(
    make_training: Callable[..., Training], name: str, side: int
) -> None:
    """For one update, on images that leave a few pixels to normalise over at the end."""
    if name.startswith("timm:"):
        pytest.importorskip("timm")
    training = make_training(
        dataset="tests.models.images:noise",
        dataset_settings={"side": side, "count": 15},
        network=name,
        network_settings={},
        batch_size=4,
        channels_last=True,
        settings={"peak_lr": 0.01},
        updates=1,
        evaluations=1,
        read_test=True,
    )
    rounded = dataclasses.replace(training, workload=training.workload.model_copy(update={"precision": "bf16"}))
    [[exact], [near]] = run(training), run(rounded)
    for progress in (exact, near):
        assert not progress.diverged
        assert progress.test in [right / 20 for right in range(21)]
    assert near.train_loss == pytest.approx(exact.train_loss, rel=0.1)
    assert near.train_loss != exact.train_loss


def test_networks_of_timm_take_images_with_any_number_of_channels() -> None:
    pytest.importorskip("timm")
    network = build_network("timm:resnet10t", (28, 28), 10, {"bn_momentum": 0.05}, seed=0).eval()
    assert network(torch.zeros(2, 28, 28)).shape == (2, 10)
    assert {m.momentum for m in network.modules() if isinstance(m, nn.BatchNorm2d)} == {0.05}


@pytest.mark.parametrize("name", ["torchvision:googlenet", "torchvision:mobilenet_v3_small"])
def test_networks_of_torchvision_return_logits_alone_and_depend_on_the_seed(name: str) -> None:
    check_network(name, (3, 64, 64), 7, {})
    first, second, other = (build_network(name, (3, 64, 64), 7, {}, seed) for seed in (1, 1, 2))
    key = next(iter(first.state_dict()))
    assert torch.equal(first.state_dict()[key], second.state_dict()[key])
    assert not torch.equal(first.state_dict()[key], other.state_dict()[key])


@pytest.mark.parametrize(
    ("name", "input_shape", "settings", "message"),
    [
        ("torchvision:resnet5", (3, 32, 32), {}, r"a classifier of torchvision; got .* Did you mean 'resnet50'\?"),
        ("torchvision:fasterrcnn_resnet50_fpn", (3, 32, 32), {}, r"network must be a classifier of torchvision"),
        ("torchvision:resnet18", (28, 28), {}, r"Networks of torchvision take three channels"),
        ("torchvision:resnet18", (40,), {}, r"It takes images \[height, width\] or"),
        ("torchvision:resnet18", (3, 32, 32), {"deph": 1}, r"TypeError: .* unexpected keyword argument 'deph'"),
        ("torchvision:vit_b_16", (3, 32, 32), {}, r"AssertionError: Wrong image height! Expected 224 but got 32"),
        ("torchvision:vgg11", (3, 16, 16), {}, r"It raised RuntimeError: .*Output size is too small"),
        ("torchvision:vgg11", (3, 32, 32), {"bn_momentum": 0.1}, r"left out where the network has no batch norm"),
    ],
)
def test_a_network_of_torchvision_that_is_not_or_does_not_fit_is_refused(
    name: str, input_shape: tuple[int, ...], settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        check_network(name, input_shape, 10, settings)


def test_a_network_of_timm_that_is_not_is_refused_with_the_closest() -> None:
    pytest.importorskip("timm")
    with pytest.raises(
        ValueError, match=r"network must be a network of timm; got 'timm:resne18'\. Did you mean 'resnet"
    ):
        check_network("timm:resne18", (3, 32, 32), 10, {})


def test_where_timm_is_missing_the_message_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ValueError, match=r"pip install 'fairsweep\[timm\]'"):
        check_network("timm:resnet18", (3, 32, 32), 10, {})


def test_a_function_of_a_module_in_the_current_folder_builds_a_network(my_nets: Path) -> None:
    check_network("my_nets:linear", (40,), 10, {"bias": False})
    assert num_parameters(build_network("my_nets:linear", (40,), 10, {"bias": False}, seed=0)) == 400
    network = build_network("my_nets:normed", (40,), 10, {"ghost_batch_size": 4, "bn_momentum": 0.5}, seed=0)
    assert network[0].ghost_batch_size == 4


def test_a_misspelt_setting_of_a_function_is_told_like_one_of_the_table(my_nets: Path) -> None:
    with pytest.raises(
        ValueError,
        match=r"network_settings must be one of the settings of my_nets:linear: bias, bn_debias, .*; got 'bais'\. "
        r"Did you mean 'bias'\?$",
    ):
        check_network("my_nets:linear", (40,), 10, {"bais": False})
    with pytest.raises(ValueError, match="It raised KeyError: 'bais'"):
        check_network("my_nets:of_any_settings", (40,), 10, {"bais": False})
    check_network("my_nets:by_place", (40,), 10, {"bias": False})
    check_network("my_nets:wrapping", (40,), 10, {"wide": True})
    with pytest.raises(ValueError, match=r"Did you mean 'bias'\?$"):
        check_network("my_nets:by_place", (40,), 10, {"bais": False})


def documented(heading: str, file: Path) -> dict[str, Any]:
    """Write the code of a section into a file, and return the workload that uses it there."""
    page = (Path(__file__).parents[2] / "docs" / "workloads.md").read_text(encoding="utf-8")
    _, code, study = re.split(r"^```(?:python|yaml)$", page.partition(f"### {heading}\n")[2], flags=re.MULTILINE)[:3]
    assert code.startswith(f"\n# {file.name}\n")
    file.write_text(code.partition("```")[0])
    [workload] = yaml.safe_load(study.partition("```")[0])["workloads"]
    return dict(workload)


def test_network_data_and_loss_of_the_documentation_are_trained_together(
    my_nets: Path, make_training: Callable[..., Training], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Points go into no network for images, so that the network gets images, and the same loss."""
    for module in ("my_networks", "my_data", "my_losses"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    network = documented("A network", my_nets.with_name("my_networks.py"))
    data = documented("A data set", my_nets.with_name("my_data.py"))
    loss = documented("A loss", my_nets.with_name("my_losses.py"))["loss"]
    images = {"dataset": "tests.models.images:noise", "dataset_settings": {}, "batch_size": 8}
    for workload in (data | {"network_settings": {}, "loss": loss}, network | images | {"loss": loss}):
        *_, last = run(make_training(**workload, updates=3, evaluations=1, read_test=True))
        assert (last.update, last.diverged) == (3, False)
        assert 0 < last.train_loss < 1
        assert last.test is not None


def test_the_network_of_the_documentation_can_be_used_as_it_stands_there(my_nets: Path) -> None:
    workload = documented("A network", my_nets.with_name("my_networks.py"))
    facts = check_network(workload["network"], (3, 32, 32), 10, workload["network_settings"])
    assert facts.num_parameters == 77_322  # 1792 + 128 + 73,856 + 256 + 1290
    Workload(**workload)


def test_a_network_that_needs_numbers_is_checked_on_the_cpu_and_leaves_the_generator_alone(my_nets: Path) -> None:
    before = torch.get_rng_state()
    check_network("my_nets:in_need_of_numbers", (40,), 10, {})
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("function", "settings", "message"),
    [
        (
            "linaer",
            {},
            r"network must be a function of my_nets; got .* There is no linaer in it\. Did you mean 'linear'",
        ),
        ("NOT_A_FUNCTION", {}, r"network must be a function of my_nets"),
        ("too_wide", {}, r"logits of shape \[2, 10\] of two examples of shape \[40\]; .* logits of shape \[2, 11\]"),
        ("in_two_parts", {}, r"It makes a tuple"),
        ("no_network", {}, r"must be a function that returns a torch.nn.Module; .* It returned 'no network'"),
        ("nothing_to_learn", {}, r"must be one with parameters that are trained; got .* It has none\.$"),
        ("verbose", {}, r"It raised RuntimeError: the first line$"),
        (
            "picky",
            {"width": 3},
            r"can be built .*; got 'my_nets:picky'\. It raised ValueError: width must be even; got 3\.$",
        ),
    ],
)
def test_a_function_that_does_not_build_a_network_is_refused_with_what_it_did(
    my_nets: Path, function: str, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        check_network(f"my_nets:{function}", (40,), 10, settings)


def test_a_file_whose_name_another_module_has_already_is_told_so(my_nets: Path) -> None:
    mine = my_nets.with_name("schedules.py")
    mine.write_text("def linear(input_shape, num_classes): ...")
    with pytest.raises(ValueError, match=r"There is no linear in it") as caught:
        check_network("schedules:linear", (40,), 10, {})
    found = Path(schedules.__file__)
    assert str(caught.value).endswith(f" Python found {found} before {mine}: give yours another name.")


def test_the_name_of_a_file_in_place_of_a_module_is_told_to_leave_out_the_ending(my_nets: Path) -> None:
    with pytest.raises(ValueError, match=r"Leave out the ending: my_nets\.$"):
        check_network("my_nets.py:linear", (40,), 10, {})


@pytest.mark.parametrize("name", ["my_nets:normed", "mlp"])
def test_a_network_that_cannot_learn_from_one_example_at_a_time_is_refused_where_it_should(
    my_nets: Path, name: str
) -> None:
    settings = {"batch_norm": True} if name == "mlp" else {}
    check_network(name, (40,), 10, settings)
    with pytest.raises(
        ValueError, match=r"batch_size or micro_batch must be at least 2 .*; got 1\. It raised Value.*$"
    ):
        check_network(name, (40,), 10, settings, rows_at_once=1)
    check_network("mlp", (40,), 10, {}, rows_at_once=1)
    check_network("cifar_resnet", (3, 8, 8), 10, {"depth": 8}, rows_at_once=1)


def test_a_module_that_is_not_there_or_fails_is_named_with_the_reason(my_nets: Path) -> None:
    with pytest.raises(ValueError, match=r"network must be .* got 'nets:f'\. There is no module 'nets' in .*installed"):
        load_function("network", "nets:f")
    with pytest.raises(ValueError, match=r"among what is installed\. Did you mean 'my_nets'\?$"):
        load_function("network", "my_net:f")
    for name in ("models.mine", "models.data.mine"):
        file = my_nets.parent.joinpath(*name.split(".")).with_suffix(".py")
        file.parent.mkdir(exist_ok=True)
        file.touch()
        with pytest.raises(
            ValueError, match=rf"Python found .*/__init__.py before {file.parent}: give yours another name\.$"
        ):
            load_function("network", f"{name}:f")
    package = my_nets.with_name("package")
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "networks.py").touch()
    with pytest.raises(ValueError, match=r"There is no module 'package.network' .* Did you mean 'package.networks'\?$"):
        load_function("network", "package.network:f")
    my_nets.with_name("failing.py").write_text("import no_such_thing\n")
    with pytest.raises(ValueError, match=r"Importing it raised ModuleNotFoundError: No module named 'no_such_thing'"):
        load_function("network", "failing:f")
    my_nets.with_name("leaving.py").write_text("import sys\nsys.exit(3)\n")
    with pytest.raises(ValueError, match=r"Importing it raised SystemExit: 3"):
        load_function("network", "leaving:f")


def test_the_source_of_a_function_is_its_file_and_hash(my_nets: Path) -> None:
    assert source_of("network", "my_nets:linear") == (my_nets, hashlib.sha256(MODULE.encode()).hexdigest())
    assert source_of("network", "itertools:chain") is None


def test_a_checkpoint_is_of_no_use_once_the_file_of_a_function_has_changed(
    my_nets: Path, make_training: Callable[..., Training]
) -> None:
    training = make_training(network="my_nets:linear", network_settings={})
    before = training_identity(training, "cpu")
    assert training_identity(training, "cpu") == before
    my_nets.write_text(MODULE + "# changed")
    after = training_identity(training, "cpu")
    assert [key for key in before if before[key] != after[key]] == ["code"]


@pytest.mark.parametrize("name", ["my_nets:linear", "torchvision:resnet18", "timm:anything", "a.b.c:d"])
def test_a_workload_imports_nothing_for_its_network(name: str, my_nets: Path) -> None:
    Workload(name="w", dataset="digits", network=name, network_settings={"width": 3})
    assert "my_nets" not in sys.modules


@pytest.mark.parametrize("name", ["resnet18", "torchvision:", "my nets:f", "my_nets:", ":f", "a:b:c", "my-nets:f"])
def test_a_name_of_another_form_is_refused_with_all_forms(name: str) -> None:
    with pytest.raises(ValueError, match=r"one of cifar_resnet, .*package.module:function.*; got"):
        check_network_name(name)
