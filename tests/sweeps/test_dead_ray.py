"""Ray on this machine dies under a launch."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.commands import start, write_study
from tests.patience import PATIENCE_SECONDS

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


def below(pid: int) -> dict[int, str]:
    """Return the command lines of the processes below `pid`, by process id."""
    command = ["ps", "-ww", "-eo", "pid=,ppid=,args="]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    split = (line.split(None, 2) for line in listed.splitlines())
    rows = [(int(own), int(parent), args) for own, parent, args in split]
    found: dict[int, str] = {}
    parents = {pid}
    while parents:
        new = {own: args for own, parent, args in rows if parent in parents and own not in found}
        found |= new
        parents = set(new)
    return found


@pytest.mark.parametrize("process", ["raylet", "gcs_server"])
def test_a_launch_whose_ray_dies_ends_and_says_that_what_had_ended_is_safe(process: str, tmp_path: Path) -> None:
    study = write_study(tmp_path, budgets={"updates": [100_000]})
    launched = start(tmp_path, "launch", str(study))
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        # A process of Ray is named after the call that it is in, and after its class only between two.
        while not any(args.endswith("Trainable.train") for args in below(launched.pid).values()):
            assert launched.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.2)
        [struck] = [pid for pid, args in below(launched.pid).items() if args.split()[0].endswith(f"/{process}")]
        os.kill(struck, signal.SIGKILL)
        _, told = launched.communicate(timeout=PATIENCE_SECONDS)
    finally:
        launched.kill()
    assert launched.returncode == 1
    assert "error: Ray on this machine has died. All trials that had ended are safe; launch again." in told
    assert "Traceback" not in told
