"""Define the rows that go beyond the verdict: sizes of effects, other analyses, power, all pairs of arms."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.verdict import VerdictWord


@dataclass(frozen=True, kw_only=True)
class EffectRow:
    """How large the difference of one arm to the control is in one cell, in three measures."""

    workload: str
    budget: int | float
    arm: str
    control: str
    hedges_g: float | None
    """Difference in standard deviations over seeds, corrected for small samples; None where no run varies."""
    hedges_g_low: float | None
    """Lower end of its interval at confidence 1 - alpha, from the noncentral t distribution."""
    hedges_g_high: float | None
    improvement: float | None
    """Probability that a seed of the arm beats one of the control, a tie counting half."""
    improvement_low: float | None
    """Lower end of its interval at confidence 1 - alpha."""
    improvement_high: float | None
    error_ratio: float | None
    """Mean error of the arm over that of the control, error being 1 - accuracy; None where the control never errs."""
    error_ratio_low: float | None
    """Lower end of Fieller's interval at confidence 1 - alpha."""
    error_ratio_high: float | None
    """Upper end; None beside a lower end if the control's error cannot be told from 0, so that there is no bound."""
    equivalence_p: float | None
    """The larger p of two one-sided Welch tests against the equivalence margin; equivalent where below alpha. None
    where no accuracy varies."""
    run_ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class SensitivityRow:
    """What other analyses make of one arm against the control in one cell; the verdict rests on none of them."""

    workload: str
    budget: int | float
    arm: str
    control: str
    welch_p: float | None
    """Two-sided p of Welch's t test, which assumes normal accuracies where the permutation test does not."""
    welch_p_adjusted: float | None
    """Holm-adjusted over all comparisons of the study."""
    welch_verdict: VerdictWord | None
    """Verdict with this p in place of the permutation p; None where withheld or not to be had."""
    pairs: int
    """Seeds on which both have an accuracy."""
    paired_difference: float | None
    """Mean over these seeds of the arm minus the control."""
    paired_low: float | None
    """Lower end of its Student t interval at confidence 1 - alpha."""
    paired_high: float | None
    paired_p: float | None
    """Two-sided p of the paired t test."""
    paired_p_adjusted: float | None
    """Holm-adjusted over all comparisons of the study."""
    paired_verdict: VerdictWord | None
    """Verdict with the paired interval and p; None where withheld or not to be had."""
    seed_correlation: float | None
    """Correlation of the two arms over these seeds; pairing gains power only where it is clearly above 0."""
    seed_correlation_low: float | None
    """Lower end of Fisher's interval at confidence 1 - alpha."""
    seed_correlation_high: float | None
    dunnett_p: float | None
    """Of Dunnett's test of all arms of the cell against the control, which assumes that all spread alike."""
    dunnett_p_adjusted: float | None
    """Times the number of cells."""
    dunnett_verdict: VerdictWord | None
    """Verdict with this p in place of the permutation p; None where withheld or not to be had."""
    agrees: bool | None
    """Whether all verdicts to be had here are the one of the comparison; None without any, or if that is withheld."""
    run_ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class PowerRow:
    """What the seeds of one arm and the control in one cell can show, judged by how much these spread."""

    workload: str
    budget: int | float
    arm: str
    control: str
    n: int
    n_control: int
    sd: float | None
    """Root of the mean variance over seeds of the arm and the control."""
    power: float
    """With which the differences below are found."""
    comparisons: int
    """Of the study: by these Holm's procedure divides alpha at its strictest."""
    minimum_detectable: float | None
    """Least true difference that one test at alpha finds with this power; None if no run varies or no p gets so low."""
    minimum_detectable_adjusted: float | None
    """The same at alpha / comparisons."""
    seeds_for_margin: int | None
    """Seeds per arm with which a single test at alpha finds a difference as large as the equivalence margin."""
    seeds_for_margin_adjusted: int | None
    """The same at alpha / comparisons."""
    seeds_for_equivalence: int | None
    """Seeds per arm with which the test of equivalence succeeds if the arms are equal."""
    significance_possible: bool
    """Whether any difference, however large, can be significant with these seeds and comparisons."""
    run_ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class PairRow:
    """One tuned arm against another in one cell: every pair of them, not only those with the control."""

    workload: str
    budget: int | float
    arm: str
    other: str
    n: int
    n_other: int
    difference: float | None
    """Mean of the arm minus mean of the other."""
    ci_low: float | None
    """Lower end of the Welch interval of the difference at confidence 1 - alpha."""
    ci_high: float | None
    p: float | None
    """Two-sided permutation p-value of the Welch t statistic."""
    p_adjusted: float | None
    """Holm-adjusted over all pairs of the study."""
    differs: bool | None
    """Whether the adjusted p is below alpha; None where withheld or not to be tested."""
    withheld: bool
    """Whether a check failed for either arm."""
    run_ids: tuple[str, ...]
