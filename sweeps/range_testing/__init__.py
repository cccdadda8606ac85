"""Range tests on the workloads of a study: run here, without Ray, shown as a page, and read as a range of rates."""

from sweeps.range_testing.curvature import CurvatureOptions, check_curvature, with_curvature
from sweeps.range_testing.page import PAGE, described, headline, range_files, suggestion_table
from sweeps.range_testing.proposal import Range, proposed_range
from sweeps.range_testing.running import RangeOptions, RangeResult, planned_tests, run_tests
from sweeps.range_testing.study_file import check_writable, with_range, write_range

__all__ = [
    "PAGE",
    "CurvatureOptions",
    "Range",
    "RangeOptions",
    "RangeResult",
    "check_curvature",
    "check_writable",
    "described",
    "headline",
    "planned_tests",
    "proposed_range",
    "range_files",
    "run_tests",
    "suggestion_table",
    "with_curvature",
    "with_range",
    "write_range",
]
