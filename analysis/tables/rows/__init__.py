"""Define the rows of the report, one module per topic.

A field that cannot be computed is None: never NaN, never 0. Accuracies, differences and intervals are
fractions in [0, 1]. Whatever depends on clocks or identifiers is in a field that ends in ``_seconds``, in
``run_ids`` or in the provenance; all other fields are the same when the same study is run again.
"""

from __future__ import annotations

from analysis.tables.rows.across import GeometricSpeedUpRow, ProfileRow, RankRow, RankTestRow, ScoreRow
from analysis.tables.rows.core import (
    ArmRow,
    CheckRow,
    CheckStatus,
    ComparisonRow,
    CurveRow,
    Finding,
    LedgerRow,
    PublishedGapRow,
    SeedRow,
    WinnerRow,
    finite_or_none,
)
from analysis.tables.rows.final import EffectRow, PairRow, PowerRow, SensitivityRow
from analysis.tables.rows.speedups import RatioTest, SkepticRow, SpeedUpRow, WinnerCurseRow
from analysis.tables.rows.threats import NullPairsRow, SequenceRow
from analysis.tables.rows.time_to_target import SurvivalCurveRow, TargetComparisonRow, TargetGridRow, TimeToTargetRow
from analysis.tables.rows.tuning import (
    CrossingPoint,
    ImportanceRow,
    ResponseRow,
    SearchVarianceRow,
    TuningCurveRow,
    TuningSummaryRow,
)

__all__ = [
    "ArmRow",
    "CheckRow",
    "CheckStatus",
    "ComparisonRow",
    "CrossingPoint",
    "CurveRow",
    "EffectRow",
    "Finding",
    "GeometricSpeedUpRow",
    "ImportanceRow",
    "LedgerRow",
    "NullPairsRow",
    "PairRow",
    "PowerRow",
    "ProfileRow",
    "PublishedGapRow",
    "RankRow",
    "RankTestRow",
    "RatioTest",
    "ResponseRow",
    "ScoreRow",
    "SearchVarianceRow",
    "SeedRow",
    "SensitivityRow",
    "SequenceRow",
    "SkepticRow",
    "SpeedUpRow",
    "SurvivalCurveRow",
    "TargetComparisonRow",
    "TargetGridRow",
    "TimeToTargetRow",
    "TuningCurveRow",
    "TuningSummaryRow",
    "WinnerCurseRow",
    "WinnerRow",
    "finite_or_none",
]
