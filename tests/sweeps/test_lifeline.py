"""What is served here ends with the process that serves it, however that ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from sweeps import lifeline

#: Starts a command on a lifeline, says its group, and waits.
CALLER = """
import subprocess, sys, time
child = [sys.executable, "-c", "import time; time.sleep(600)"]
process = subprocess.Popen(
    [sys.executable, "-P", sys.argv[1], *child], stdin=subprocess.PIPE, start_new_session=True
)
print(process.pid, flush=True)
time.sleep(600)
"""


def group_lives(group: int) -> bool:
    table = subprocess.run(["ps", "-A", "-o", "pgid=,stat="], capture_output=True, text=True, check=True)
    rows = [line.split() for line in table.stdout.splitlines()]
    return any(int(pgid) == group and not stat.startswith("Z") for pgid, stat in rows)


def test_a_command_ends_with_a_caller_that_is_killed() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", CALLER, lifeline.__file__], stdout=subprocess.PIPE, text=True
    ) as caller:
        assert caller.stdout is not None
        group = int(caller.stdout.readline())
        time.sleep(0.3)
        assert group_lives(group)
        caller.kill()
    deadline = time.monotonic() + 10
    while group_lives(group) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not group_lives(group)


@pytest.mark.parametrize(
    ("code", "expected"), [("raise SystemExit(3)", 3), ("import os; os.kill(os.getpid(), 9)", 137)]
)
def test_the_exit_code_of_the_command_is_passed_on(code: str, expected: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-P", lifeline.__file__, sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.wait(30) == expected


def test_a_signal_to_the_group_ends_the_command_and_is_told() -> None:
    process = subprocess.Popen(
        [
            sys.executable,
            "-P",
            lifeline.__file__,
            sys.executable,
            "-c",
            "import time; print(1, flush=True); time.sleep(600)",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    os.killpg(process.pid, signal.SIGTERM)
    assert process.wait(30) == 128 + signal.SIGTERM
