"""`fairsweep schedules`: lists, shapes, pictures and numbers, all within the width of the terminal."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from schedules import MOMENTUM, PRESETS, SCHEDULES, schedule_settings
from schedules.warmup import WARMUP_SETTINGS
from tests.sweeps.test_cli import Cli

WIDTH = 80


class Schedules:
    """Run the command; keep what it wrote and its exit code."""

    def __init__(self, cli: Cli) -> None:
        self._cli = cli

    def __call__(self, *arguments: str) -> int:
        return self._cli("schedules", *arguments)

    @property
    def out(self) -> str:
        return self._cli.out

    @property
    def err(self) -> str:
        return self._cli.err

    @property
    def wide_lines(self) -> list[str]:
        return [line for line in self.out.splitlines() if len(line) > WIDTH]


@pytest.fixture
def schedules(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Schedules:
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    return Schedules(Cli(monkeypatch, capsys))


def test_the_list_has_a_line_with_a_shape_for_every_entry(schedules: Schedules) -> None:
    assert schedules() == 0
    shapes = {line.split()[0]: line for line in schedules.out.splitlines() if "▇" in line or "▄" in line}
    assert set(shapes) == {*SCHEDULES, *PRESETS, *MOMENTUM}
    assert "final_factor" in shapes["cosine"]
    assert schedules.wide_lines == []


@pytest.mark.parametrize("name", [*SCHEDULES, *PRESETS])
def test_every_schedule_and_preset_is_shown_within_80_columns(schedules: Schedules, name: str) -> None:
    assert schedules(name) == 0
    assert "learning rate" in schedules.out
    assert schedules.wide_lines == []


@pytest.mark.parametrize("policy", MOMENTUM)
def test_every_policy_is_shown_with_a_schedule(schedules: Schedules, policy: str) -> None:
    assert schedules("one_cycle", "--momentum", policy, "--set", "peak_lr=0.1") == 0
    assert ("momentum\n" in schedules.out) == (policy != "constant")
    assert schedules.wide_lines == []


def test_a_schedule_says_what_can_be_set_and_whether_it_takes_a_warm_up(schedules: Schedules) -> None:
    for name in ("cosine", "one_cycle"):
        schedules(name)
        own = set(schedule_settings(name)) - set(WARMUP_SETTINGS)
        assert all(setting in schedules.out for setting in own)
        assert ("A warm-up in front" in schedules.out) == (name == "cosine")


def test_values_are_written_as_csv_and_json(schedules: Schedules, tmp_path: Path) -> None:
    for suffix in (".csv", ".json"):
        path = tmp_path / f"values{suffix}"
        arguments = ("--momentum", "cycled", "--set", "peak_lr=0.5", "--set", "final_factor=0.2", "--steps", "4")
        assert schedules("linear", *arguments, "--values", str(path)) == 0
        assert f"Wrote {path}." in schedules.out
    with (tmp_path / "values.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["lr"]) for row in rows] == pytest.approx([0.5, 0.4, 0.3, 0.2])
    assert [float(row["momentum"]) for row in rows] == pytest.approx([0.85, 0.87, 0.89, 0.91])
    assert json.loads((tmp_path / "values.json").read_text())["lr"] == [float(row["lr"]) for row in rows]


@pytest.mark.parametrize(("suffix", "mark"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")])
def test_a_plot_is_a_file_of_the_kind_that_its_name_says(
    schedules: Schedules, tmp_path: Path, suffix: str, mark: bytes
) -> None:
    path = tmp_path / "folder" / f"plot{suffix}"
    assert schedules("one_cycle", "--set", "warmup_frac=.3", "--plot", str(path)) == 0
    assert path.read_bytes().startswith(mark)
    if suffix == ".svg":
        text = path.read_text(encoding="utf-8")
        assert "learning rate" in text
        assert "momentum" in text


def test_the_ending_of_a_file_may_be_in_capitals(schedules: Schedules, tmp_path: Path) -> None:
    plot, values = tmp_path / "x.PNG", tmp_path / "x.JSON"
    assert schedules("cosine", "--plot", str(plot), "--values", str(values)) == 0
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert len(json.loads(values.read_text())["lr"]) == 1000


def letters(text: str) -> Counter[str]:
    """Count what is written, apart from the drawings, which are as wide as there is room."""
    return Counter(letter for letter in text if letter not in " \n▁▂▃▄▅▆▇█─")


@pytest.mark.parametrize("width", [40, 50, 60, 79, 80])
@pytest.mark.parametrize("arguments", [(), ("piecewise", "--momentum", "cycled"), ("page_triangle",)])
def test_a_narrow_terminal_loses_no_text(
    schedules: Schedules, monkeypatch: pytest.MonkeyPatch, width: int, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    schedules(*arguments)
    wide = schedules.out
    monkeypatch.setenv("COLUMNS", str(width))
    assert schedules(*arguments) == 0
    assert letters(schedules.out) == letters(wide)
    assert [line for line in schedules.out.splitlines() if len(line) > width] == []


def run_apart(stdout: int, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run the list in a process of its own, whose output goes where it is told."""
    command = [sys.executable, "-m", "sweeps.cli", "schedules"]
    env = {**os.environ, **environment}
    return subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, env=env, check=False, timeout=60)


def test_a_terminal_without_block_elements_gets_the_words() -> None:
    done = run_apart(subprocess.PIPE, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"cosine_restarts" in done.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_an_output_that_is_full_is_told_in_one_line() -> None:
    with Path("/dev/full").open("wb") as full:
        done = run_apart(full.fileno())
    assert done.returncode == 1
    assert done.stderr == b"error: nothing more can be written: No space left on device.\n"


def test_the_settings_of_a_preset_can_be_replaced(schedules: Schedules) -> None:
    assert schedules("he_steps", "--set", "factor=0.2") == 0
    assert "piecewise, milestones [0.5, 0.75], factor 0.2" in schedules.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("cosin",), "NAME must be one of the schedules and presets: airbench94_triangle, "),
        (("he_step",), "got 'he_step'. Did you mean 'he_steps'?"),
        (("cosine", "--momentum", "cycle"), "--momentum must be one of"),
        (("cosin", "--plot", "x.gif"), "Did you mean 'cosine'? --plot must end in .png"),
        (("one_cycle", "--set", "warmup_shape=linear"), "got 'linear'. Schedule one_cycle has a rise of its own"),
        (("page_triangle", "--set", "warmup_frac=.1"), "warmup_frac must be 0 for a schedule that begins at 0"),
        (("one_cycle", "--set", f"initial_div=1{'0' * 400}"), "got a number of 401 digits."),
        (("cosine", "--set", "final_factor=nan"), "final_factor must be a number in [0, 1]; got nan. Give"),
        (("cosine", "--set", "final_factor=2"), "final_factor must be a number in [0, 1]; got 2."),
        (("cosine", "--set", "final=0"), "final must be one of the settings of schedule cosine"),
        (("cosine", "--set", "final_factor"), "--set must be key=value, e.g. warmup_frac=0.3; got 'final_factor'."),
        (("cosine", "--plot", "x.gif"), "--plot must end in .png, .svg or .pdf; got x.gif."),
        (("cosine", "--values", "x.txt"), "--values must end in .csv or .json; got x.txt."),
        (("--momentum", "cycled"), "NAME must be given"),
        (("--steps", "50"), "NAME must be given"),
    ],
)
def test_a_mistake_is_named_and_nothing_is_drawn(
    schedules: Schedules, arguments: tuple[str, ...], message: str
) -> None:
    assert schedules(*arguments) == 2
    assert message in " ".join(schedules.err.split())
    assert schedules.out == ""


def test_a_place_that_cannot_be_written_is_named(schedules: Schedules, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert schedules("cosine", "--values", str(tmp_path / "file" / "x.csv")) == 2
    assert "--values" in schedules.err
    assert "cannot be written: File exists." in " ".join(schedules.err.split())
    assert schedules.out == ""
