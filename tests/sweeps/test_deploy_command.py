"""The command that writes the files for running fairsweep elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from sweeps.deploy import DEPLOYMENTS, file_text
from tests.sweeps.test_cli import Cli


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return Cli(monkeypatch, capsys)


def test_the_command_lists_the_deployments_and_writes_what_is_shipped(cli: Cli) -> None:
    assert cli("deploy") == 0
    assert all(name in cli.out for name in DEPLOYMENTS)
    for name, deployment in DEPLOYMENTS.items():
        assert cli("deploy", name, "--out", "here") == 0
        assert all(Path("here", file).read_text() == file_text(file) for file in deployment.files)


def test_the_command_says_which_lines_are_the_users(cli: Cli) -> None:
    assert cli("deploy", "ray-up") == 0
    numbers = [int(line.rpartition(":")[2]) for line in cli.out.splitlines() if "ray-up-aws.yaml:" in line]
    lines = file_text("ray-up-aws.yaml").splitlines()
    marked = [number for number, line in enumerate(lines, start=1) if "EDIT" in line]
    assert len(marked) == 8
    assert numbers == marked[1:]  # the first speaks of the mark
    assert "whether it has been run" in " ".join(cli.out.split())


def test_the_command_overwrites_nothing_unless_forced(cli: Cli) -> None:
    mine = Path("deploy", "compose.yaml")
    mine.parent.mkdir()
    mine.write_text("mine")
    assert cli("deploy", "mlflow") == 2
    assert "--force" in cli.err
    assert mine.read_text() == "mine"
    assert cli("deploy", "mlflow", "--force") == 0
    assert mine.read_text() == file_text("compose.yaml")


def test_an_unknown_deployment_is_bad_input(cli: Cli) -> None:
    assert cli("deploy", "kubray") == 2
    assert "Did you mean kuberay?" in cli.err
