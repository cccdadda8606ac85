"""Statistics on plain arrays: no tables, no study, no tracker. One module per question."""

from analysis.statistics.differences import WelchDifference, welch_difference
from analysis.statistics.estimates import MeanEstimate, mean_estimate
from analysis.statistics.multiplicity import holm
from analysis.statistics.permutation import PermutationTest, minimum_attainable_p, permutation_test
from analysis.statistics.targets import first_hit, median_with_misses, sustained_hit

__all__ = [
    "MeanEstimate",
    "PermutationTest",
    "WelchDifference",
    "first_hit",
    "holm",
    "mean_estimate",
    "median_with_misses",
    "minimum_attainable_p",
    "permutation_test",
    "sustained_hit",
    "welch_difference",
]
