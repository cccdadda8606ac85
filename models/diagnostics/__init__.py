"""Find out which learning rates a network stands, from short trainings: the range test and the curvature estimate."""

from __future__ import annotations

from models.diagnostics.curvature import RateEstimate, Step, estimate_of_noise, estimate_rates, rates_from_snapshots
from models.diagnostics.learning import has_blown_up, has_learned
from models.diagnostics.ramp import RAMP_SHAPES, Ramp, RampShape
from models.diagnostics.range_test import RangeCurve, RangeTest, run_range_test
from models.diagnostics.rules import RULES, Rule

__all__ = [
    "RAMP_SHAPES",
    "RULES",
    "Ramp",
    "RampShape",
    "RangeCurve",
    "RangeTest",
    "RateEstimate",
    "Rule",
    "Step",
    "estimate_of_noise",
    "estimate_rates",
    "has_blown_up",
    "has_learned",
    "rates_from_snapshots",
    "run_range_test",
]
