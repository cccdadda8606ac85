"""Compare two studies by their reports."""

from analysis.comparing.building import compare_reports
from analysis.comparing.values import SCHEMA_VERSION, Comparison
from analysis.comparing.writing import (
    ComparisonFiles,
    comparison_json,
    comparison_schema,
    read_comparison,
    write_comparison,
)

__all__ = [
    "SCHEMA_VERSION",
    "Comparison",
    "ComparisonFiles",
    "compare_reports",
    "comparison_json",
    "comparison_schema",
    "read_comparison",
    "write_comparison",
]
