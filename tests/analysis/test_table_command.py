"""``python -m analysis``, and what importing the package costs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from analysis.report import read_report
from tests.analysis.result_tables import SMALL, written

BLOCKED = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"ray", "torch", "mlflow", "optuna", "torchvision"}:
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Blocked())
"""


def run_python(folder: Path, program: str) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-c", BLOCKED + program]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_a_report_needs_neither_ray_nor_torch_nor_mlflow(tmp_path):
    written(tmp_path / "results.csv", SMALL)
    program = "from analysis.__main__ import main\nsys.exit(main(['results.csv', '--control', 'cosine']))"
    done = run_python(tmp_path, program)
    assert done.returncode == 0, done.stderr
    assert "one_cycle is " in done.stdout
    assert {"report.html", "report.md", "report.json"} <= {
        path.name for path in (tmp_path / "results-report").iterdir()
    }


def test_bad_input_ends_with_exit_code_2_and_no_traceback(tmp_path):
    written(tmp_path / "results.csv", SMALL)
    written(tmp_path / "in-the-way", "")
    call = "from analysis.__main__ import main\nsys.exit(main({}))"
    done = run_python(tmp_path, call.format(["results.csv"]))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: results.csv: control must be one of cosine, one_cycle")
    done = run_python(tmp_path, call.format(["results.csv", "--control", "cosine", "--out", "in-the-way"]))
    assert done.returncode == 2
    assert done.stderr.startswith("error: the report cannot be written to in-the-way")


def test_importing_the_package_imports_nothing_else(tmp_path):
    done = run_python(
        tmp_path, "import analysis\nassert not {'pandas', 'scipy', 'matplotlib', 'analysis.report'} & set(sys.modules)"
    )
    assert done.returncode == 0, done.stderr


def test_accuracies_in_percent_are_refused_by_column_and_taken_when_it_is_said(tmp_path):
    written(tmp_path / "results.csv", SMALL.replace("0.9", "9"))
    call = "from analysis.__main__ import main\nsys.exit(main(['results.csv', '--control', 'cosine'{}]))"
    done = run_python(tmp_path, call.format(""))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: results.csv: test must be a fraction in [0, 1]; got 90 in row 2")
    assert "--percent" in done.stderr
    done = run_python(tmp_path, call.format(", '--percent'"))
    assert done.returncode == 0, done.stderr
    (row,) = read_report(tmp_path / "results-report" / "report.json").effects
    assert row.error_ratio == pytest.approx(0.06 / 0.09)
