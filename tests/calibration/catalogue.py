"""List every table of the calibration, in the order of the page."""

from __future__ import annotations

import importlib
from functools import lru_cache

from tests.calibration.experiments import Table

ITEMS = (
    "means",
    "verdicts",
    "spreads",
    "sequential",
    "effects",
    "survival",
    "speedups",
    "tuning",
    "workloads",
    "studies",
)


@lru_cache(maxsize=1)
def load_tables() -> tuple[tuple[Table, ...], tuple[str, ...]]:
    """Return all tables, and why some could not be loaded: a broken statistic must not hide the others."""
    tables: list[Table] = []
    complaints = []
    for name in ITEMS:
        try:
            tables += importlib.import_module(f"tests.calibration.items.{name}").TABLES
        except Exception as error:  # noqa: BLE001
            complaints.append(f"items/{name}.py could not be loaded: {type(error).__name__}: {error}")
    return tuple(tables), tuple(complaints)
