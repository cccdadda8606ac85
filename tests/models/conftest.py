"""A training small enough to run in a blink, to be varied by each test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from models.training import Training
from models.workload import Budget, Workload

WORKLOAD_FIELDS = set(Workload.model_fields)


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Keep to one thread: for tensors this small, two only wait for each other."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep decoded data sets out of the user's cache."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("FAIRSWEEP_CACHE", str(folder))
    return folder


@pytest.fixture
def make_training() -> Callable[..., Training]:
    """Build a training of a logistic regression on digits; fields of the workload are given alongside."""

    def make(**changes: Any) -> Training:
        workload = {
            "name": "tiny",
            "dataset": "digits",
            "network": "mlp",
            "network_settings": {"hidden_sizes": []},
        }
        workload |= {name: changes.pop(name) for name in list(changes) if name in WORKLOAD_FIELDS}
        fields: dict[str, Any] = {
            "workload": Workload(**workload),
            "budget": Budget(unit="updates", amount=changes.pop("updates", 12)),
            "schedule": "constant",
            "momentum_policy": "constant",
            "settings": {"peak_lr": 0.1},
            "seed": 1,
            "read_test": False,
            "evaluations": 4,
        }
        return Training(**(fields | changes))

    return make
