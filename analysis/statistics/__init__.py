"""Statistics on plain arrays: no tables, no study, no tracker. One module per question."""

from analysis.statistics.best_of import best_of_quantile, expected_best_of
from analysis.statistics.differences import MeanDifference, welch_difference
from analysis.statistics.effects import Effect, error_ratio, hedges_g, probability_of_improvement
from analysis.statistics.estimates import MeanEstimate, mean_estimate
from analysis.statistics.frontier import SpeedUp, speed_up
from analysis.statistics.multiplicity import dunnett, holm
from analysis.statistics.paired import paired_difference, seed_correlation, shared_seeds
from analysis.statistics.permutation import PermutationTest, minimum_attainable_p, permutation_test
from analysis.statistics.power import (
    detectable_in_standard_errors,
    equivalence_power,
    fewest_seeds_to_reject,
    minimum_detectable_difference,
    pairs_for_improvement,
    seeds_for_equivalence,
    seeds_to_detect,
)
from analysis.statistics.proportions import Share, share_difference, wilson_share
from analysis.statistics.relabelling import score_test
from analysis.statistics.response import NearOptimalRegion, near_optimal_region
from analysis.statistics.restricted_mean import (
    RestrictedMean,
    restricted_mean,
    restricted_mean_difference,
    restricted_mean_of_seeds,
)
from analysis.statistics.skeptic import RatioBand, Search, WinnersCurse, ratio_bands, winners_curse
from analysis.statistics.survival import RankTest, SurvivalCurve, expected_running_time, kaplan_meier, rank_test
from analysis.statistics.targets import HitTimes, first_hit, hit_times, median_with_misses, sustained_hit
from analysis.statistics.tuning_curves import Crossing, TuningCurve, crossings, draws_within, tuning_curve

__all__ = [
    "Crossing",
    "Effect",
    "HitTimes",
    "MeanDifference",
    "MeanEstimate",
    "NearOptimalRegion",
    "PermutationTest",
    "RankTest",
    "RatioBand",
    "RestrictedMean",
    "Search",
    "Share",
    "SpeedUp",
    "SurvivalCurve",
    "TuningCurve",
    "WinnersCurse",
    "best_of_quantile",
    "crossings",
    "detectable_in_standard_errors",
    "draws_within",
    "dunnett",
    "equivalence_power",
    "error_ratio",
    "expected_best_of",
    "expected_running_time",
    "fewest_seeds_to_reject",
    "first_hit",
    "hedges_g",
    "hit_times",
    "holm",
    "kaplan_meier",
    "mean_estimate",
    "median_with_misses",
    "minimum_attainable_p",
    "minimum_detectable_difference",
    "near_optimal_region",
    "paired_difference",
    "pairs_for_improvement",
    "permutation_test",
    "probability_of_improvement",
    "rank_test",
    "ratio_bands",
    "restricted_mean",
    "restricted_mean_difference",
    "restricted_mean_of_seeds",
    "score_test",
    "seed_correlation",
    "seeds_for_equivalence",
    "seeds_to_detect",
    "share_difference",
    "shared_seeds",
    "speed_up",
    "sustained_hit",
    "tuning_curve",
    "welch_difference",
    "wilson_share",
    "winners_curse",
]
