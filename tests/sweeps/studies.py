"""Small studies that tests build on."""

from __future__ import annotations

import itertools
from typing import Any

from sweeps.loading import validate_study
from sweeps.places import Places
from sweeps.recording import Recorder
from sweeps.spec import Study

_numbers = itertools.count()


def new_name() -> str:
    """Return a name that no other study of this process has."""
    return f"study-{next(_numbers)}"


def tiny_study(**changes: Any) -> Study:
    """Return a study of two tuned arms and a straw man that trains in a second or two."""
    return validate_study({**tiny_data(), **changes}, "tiny.yaml")


def tiny_data() -> dict[str, Any]:
    return {
        "study": "tiny",
        "workloads": [
            {
                "name": "digits-mlp",
                "dataset": "digits",
                "network": "mlp",
                "batch_size": 100,
            }
        ],
        "budgets": {"updates": [4, 8]},
        "control": "cosine",
        "arms": {
            "cosine": {"schedule": "cosine"},
            "one_cycle": {"schedule": "one_cycle", "momentum_policy": "cycled"},
            "published": {
                "schedule": "piecewise",
                "as_published": True,
                "settings": {"peak_lr": 0.1, "momentum": 0.9},
            },
        },
        "tuning": {"draws": 3},
        "confirm": {"seeds": 2},
        "recording": {"evaluations": 2},
        "targets": [0.3],
    }


def opened_recorder(study: Study, places: Places) -> Recorder:
    """Open a study for recording as a launch does; to be closed."""
    recorder = Recorder(study, places)
    recorder.open({"python": "3.11"})
    return recorder
