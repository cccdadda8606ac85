"""What a study names from elsewhere: said before it runs, and refused when it does not work."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest

from sweeps.cli import main
from sweeps.errors import InputError
from sweeps.imports import check_networks, imported
from sweeps.spec import Study
from tests.commands import write_study
from tests.sweeps.studies import tiny_data, tiny_study

MODULE = """
import torch
from torch import nn

def linear(input_shape, num_classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, num_classes))

def good(logits, y):
    return nn.functional.cross_entropy(logits, y)

def unreduced(logits, y):
    return nn.functional.cross_entropy(logits, y, reduction="none")

def without_gradient(logits, y):
    return (logits.argmax(1) != y).float().mean()

def of_directions(logits, y):
    return (logits / logits.norm(dim=1, keepdim=True)).sum()

def not_a_number(logits, y):
    return (logits.log().sum() * 0)

def plain_number(logits, y):
    return 1.0

def raising(logits, y):
    raise RuntimeError("the first line\\nthe second line")

class NoWayBack(torch.autograd.Function):
    @staticmethod
    def forward(context, x):
        return x.sum()

    @staticmethod
    def backward(context, gradient):
        raise RuntimeError("there is no way back")

def without_way_back(logits, y):
    return NoWayBack.apply(logits)
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "nets_of_mine.py"
    path.write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "nets_of_mine", raising=False)
    return path


def study_with(*networks: str) -> Study:
    workload = tiny_data()["workloads"][0]
    workloads = [{**workload, "name": f"w{i}", "network": network} for i, network in enumerate(networks)]
    return tiny_study(workloads=workloads)


def test_a_study_of_its_own_networks_imports_nothing() -> None:
    assert imported(tiny_study()) == ()
    assert check_networks(tiny_study()) == {"network.digits-mlp.parameters": "17610"}  # 6500 + 10100 + 1010


def test_what_is_imported_is_said_once_with_its_file_and_recorded_with_its_hash(module: Path) -> None:
    study = study_with("nets_of_mine:linear", "nets_of_mine:linear")
    [only] = imported(study)
    assert (only.name, only.where) == ("nets_of_mine:linear", str(module))
    assert check_networks(study) == {
        "network.w0.parameters": "650",
        "network.w1.parameters": "650",
        "import.nets_of_mine:linear": hashlib.sha256(MODULE.encode()).hexdigest(),
    }


def test_a_library_is_said_with_its_version() -> None:
    import torchvision

    [only] = imported(study_with("torchvision:resnet18"))
    assert (only.name, only.where, only.sha256) == (
        "torchvision:resnet18",
        f"torchvision {torchvision.__version__.partition('+')[0]}",
        "",
    )


def test_loading_a_study_imports_nothing_and_checking_it_refuses_what_does_not_work() -> None:
    study = study_with("mlp", "nets_of_mine:liner")
    assert "nets_of_mine" not in sys.modules
    with pytest.raises(
        InputError, match=r"workloads\[1\] w1: network must be a function of nets_of_mine; got .*'linear'"
    ):
        check_networks(study)


def test_a_network_from_elsewhere_that_does_not_fit_the_data_is_refused_before_anything_runs() -> None:
    with pytest.raises(InputError, match=r"workloads\[0\] w0: network must be .*three channels"):
        check_networks(study_with("torchvision:resnet18"))


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        ("unreduced", r"It returns a tensor of shape \[2\]: take the mean over the examples\.$"),
        ("without_gradient", r"What it returns has no gradient: .*$"),
        ("plain_number", r"It returns a float rather than a tensor, which has no gradient\.$"),
        ("not_a_number", r"It returns nan for small logits: every training would diverge\.$"),
        ("raising", r"It raised RuntimeError: the first line$"),
        ("without_way_back", r"It raised RuntimeError: there is no way back$"),
    ],
)
def test_a_loss_that_cannot_be_minimised_is_refused_before_anything_runs(loss: str, message: str) -> None:
    workload = {**tiny_data()["workloads"][0], "loss": f"nets_of_mine:{loss}"}
    with pytest.raises(InputError, match=rf"^workloads\[0\] {workload['name']}: loss must be one that .*{message}"):
        check_networks(tiny_study(workloads=[workload]))
    for fine in ("good", "of_directions"):
        check_networks(tiny_study(workloads=[{**workload, "loss": f"nets_of_mine:{fine}"}]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"micro_batch": 1, "network_settings": {"batch_norm": True}}, r"batch_size or micro_batch must be at least 2"),
        ({"norm_batches": 5, "network": "nets_of_mine:linear", "network_settings": {}}, r"norm_batches: must be left"),
    ],
)
def test_a_workload_that_does_not_go_with_its_network_is_refused_before_anything_runs(
    changes: dict[str, object], message: str
) -> None:
    study = tiny_study(workloads=[{**tiny_data()["workloads"][0], **changes}])
    with pytest.raises(InputError, match=message):
        check_networks(study)


def test_a_plan_says_what_it_imports_and_from_where(
    module: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FAIRSWEEP_HOME", str(module.parent / "home"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    workload = {**tiny_data()["workloads"][0], "network": "nets_of_mine:linear"}
    path = write_study(module.parent, workloads=[workload])

    def plan(*options: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["fairsweep", "plan", str(path), *options])
        with pytest.raises(SystemExit) as exit_:
            main()
        out, err = capsys.readouterr()
        return int(exit_.value.code or 0), out, " ".join(err.split())

    code, out, _ = plan()
    assert (code, f"Imports nets_of_mine:linear from {module}." in out) == (0, True)
    code, _, err = plan("--set", "workloads.0.network=nets_of_mine:liner")
    assert (code, "network must be a function of nets_of_mine" in err) == (2, True)
