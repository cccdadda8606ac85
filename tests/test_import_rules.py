"""The walls between the rooms: they stand, and a wrong import is noticed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("analysis", "models", "schedules", "sweeps")


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = Path(sys.executable).with_name("lint-imports")
    environment = {**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "200"}
    return subprocess.run(
        [command, "--no-cache"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for room in ROOMS:
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_tree_keeps_its_rules(copy: Path) -> None:
    done = lint(copy)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "planted"),
    [
        ("schedules/linear.py", "import numpy"),
        ("schedules/linear.py", "import models"),
        ("models/training/loop.py", "import sweeps.spec"),
        ("models/training/loop.py", "import analysis.report"),
        ("analysis/verdict.py", "import torch"),
        ("analysis/report.py", "import mlflow"),
        ("sweeps/cluster/placement.py", "import ray"),
        ("sweeps/protocol/machine.py", "import ray"),
        ("sweeps/protocol/machine.py", "import mlflow"),
        ("sweeps/recording/recorder.py", "import rich"),
    ],
)
def test_a_planted_wrong_import_is_noticed(copy: Path, module: str, planted: str) -> None:
    path = copy / module
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace("from __future__ import annotations\n", f"from __future__ import annotations\n{planted}\n", 1)
    )
    done = lint(copy)
    assert done.returncode != 0, done.stdout
    assert "BROKEN" in done.stdout


def test_only_the_runner_knows_ray_tune() -> None:
    """The linter cannot tell the parts of an outside package from one another."""
    importing = re.compile(r"^\s*(from ray import .*\btune\b|from ray\.tune\b|import ray\.tune\b)", re.MULTILINE)
    paths = [
        path for room in ROOMS for path in (ROOT / room).rglob("*.py") if importing.search(path.read_text("utf-8"))
    ]
    assert paths
    assert {path.relative_to(ROOT / "sweeps").parts[0] for path in paths} == {"runner"}


def test_neither_a_command_nor_a_process_that_trains_imports_what_it_does_not_need() -> None:
    """torch's compiler and scipy.stats take seconds to import on a slow machine."""
    program = (
        "import sys; from sweeps.loading import load_study; load_study('quickstart'); import sweeps.runner.actor; "
        "print([name for name in ('torch._dynamo', 'scipy.stats', 'torch') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "['torch']"
