"""Commands that are interrupted while they start, each in a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import heed_ctrl_c

_COMMAND = """
from sweeps.cli.app import app, main

@app.command()
def wait() -> None:
    try:
        {body}
    except KeyboardInterrupt:
        print("put in order")
        raise

main()
"""
_INTERRUPTED_IMPORT = "import os; os.kill(os.getpid(), {number}); sum(range(10**8))"


def wait(folder: Path, body: str) -> subprocess.CompletedProcess[str]:
    """Run `body` as a command by ``python -m``."""
    (folder / "command.py").write_text(_COMMAND.format(body=body))
    return subprocess.run(
        [sys.executable, "-m", "command", "wait"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=heed_ctrl_c,
    )


def test_help_does_not_wait_for_what_takes_seconds_to_import() -> None:
    slow = ["torch", "ray", "mlflow", "scipy", "optuna", "matplotlib", "pandas"]
    body = f"import sys, sweeps.cli; print([name for name in {slow} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", body], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_an_interruption_in_code_that_is_made_of_text_ends_with_130_under_python_m(tmp_path: Path) -> None:
    """As dataclasses are, which Ray and torch make by the hundred as they are imported."""
    ended = wait(tmp_path, "exec('raise KeyboardInterrupt')")
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "put in order\n", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interruption_in_an_import_ends_at_once_unless_there_is_something_to_end(
    tmp_path: Path, number: signal.Signals
) -> None:
    """An exception there makes torch end the process with SIGABRT."""
    (tmp_path / "slow.py").write_text(_INTERRUPTED_IMPORT.format(number=int(number)))
    ended = wait(tmp_path, "import slow")
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")
    ended = wait(tmp_path, "from sweeps.cli.interrupts import something_to_end; something_to_end(); import slow")
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "put in order\n", "")


def test_what_a_script_runs_in_the_background_goes_on_ignoring_ctrl_c(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(_INTERRUPTED_IMPORT.format(number=int(signal.SIGINT)))
    (tmp_path / "run.py").write_text(
        "import signal, runpy, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); sys.argv[1:] = ['wait']\n"
        "runpy.run_path('command.py')"
    )
    (tmp_path / "command.py").write_text(_COMMAND.format(body="import slow; print('done')"))
    ended = subprocess.run([sys.executable, "run.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, "done\n")
