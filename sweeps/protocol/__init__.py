"""What runs next, and what came of it: the rules of a fair comparison, free of Ray, MLflow and clocks."""

from sweeps.protocol.ladder import Rung, ladder
from sweeps.protocol.machine import Protocol
from sweeps.protocol.plan import Planned, planned_trials
from sweeps.protocol.values import (
    Cell,
    OtherDraw,
    Outcome,
    OutcomeKind,
    Phase,
    Trial,
    cells,
    confirm_key,
    confirm_seed,
    rung_of,
    tune_key,
    tune_seed,
    tuned_arms,
)

__all__ = [
    "Cell",
    "OtherDraw",
    "Outcome",
    "OutcomeKind",
    "Phase",
    "Planned",
    "Protocol",
    "Rung",
    "Trial",
    "cells",
    "confirm_key",
    "confirm_seed",
    "ladder",
    "planned_trials",
    "rung_of",
    "tune_key",
    "tune_seed",
    "tuned_arms",
]
