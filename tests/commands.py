"""Run the command line as a user does: in a process of its own, with a home of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.patience import PATIENCE_SECONDS
from tests.sweeps.studies import tiny_data


def write_study(folder: Path, **changes: Any) -> Path:
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump({**tiny_data(), **changes}), encoding="utf-8")
    return path


def environment(home: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW", "FAIRSWEEP", "RAY_", "COLUMNS"))}
    return {**kept, "FAIRSWEEP_HOME": str(home), "HOME": str(home), "COLUMNS": "80"}


def heed_ctrl_c() -> None:
    """Take Ctrl-C in a child process even where the tests were started in the background, which ignores it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def start(home: Path, *arguments: str, tracking_uri: str = "") -> subprocess.Popen[str]:
    store = {"MLFLOW_TRACKING_URI": tracking_uri} if tracking_uri else {}
    return subprocess.Popen(
        [sys.executable, "-m", "sweeps.cli", *arguments],
        env=environment(home) | store,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=heed_ctrl_c,  # noqa: PLW1509 (no threads of ours are running)
    )


def fairsweep(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    process = start(home, *arguments)
    out, err = process.communicate(timeout=PATIENCE_SECONDS)
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)


def uri(home: Path) -> str:
    return f"sqlite:///{home / 'mlflow.db'}"
