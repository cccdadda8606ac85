"""The study file as frozen, validated values."""

from sweeps.spec.arm import Arm
from sweeps.spec.design import Budgets, Confirm, Halving, Tuning
from sweeps.spec.running import Faults, Recording, Resources
from sweeps.spec.study import Study, rules_of

__all__ = [
    "Arm",
    "Budgets",
    "Confirm",
    "Faults",
    "Halving",
    "Recording",
    "Resources",
    "Study",
    "Tuning",
    "rules_of",
]
