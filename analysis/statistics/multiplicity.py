"""Correct p-values for the number of comparisons."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from analysis.statistics.arrays import FloatArray, finite_vector, sample_mean, sample_variance


def holm(p_values: ArrayLike) -> FloatArray:
    """Adjust p-values by Holm's step-down procedure: ``max over j <= i of (m - j + 1) p_(j)``, at most 1.

    Args:
        p_values: Shape ``(num_comparisons,)``, in [0, 1]; NaN for a comparison that could not be tested. It
            still counts in m, so that a study's other comparisons do not become easier while it is missing.

    Returns:
        Adjusted values, shape ``(num_comparisons,)``; NaN stays NaN.

    Raises:
        ValueError: If a value is outside [0, 1].

    References:
        Holm (1979), A simple sequentially rejective multiple test procedure.
    """
    values = np.asarray(p_values, dtype=np.float64)
    missing = np.isnan(values)
    if ((values[~missing] < 0) | (values[~missing] > 1)).any():
        raise ValueError(f"p_values must be in [0, 1]; got {values.tolist()}.")
    if values.size == 0:
        return values
    # As statsmodels' multipletests, which collects garbage at every call: 50 ms each, beside torch.
    known = np.where(missing, 1.0, values)
    order = np.argsort(known, kind="stable")
    adjusted = np.empty_like(known)
    adjusted[order] = np.minimum(np.maximum.accumulate(known[order] * np.arange(known.size, 0, -1)), 1)
    return np.where(missing, np.nan, adjusted)


def dunnett(treatments: Sequence[ArrayLike], control: ArrayLike, *, seed: int = 0) -> FloatArray:
    """Test each treatment against one control, two-sided, at a joint error rate: Dunnett's many-to-one test.

    ``t_i = (m_i - m_0) / (s sqrt(1/n_i + 1/n_0))`` with s^2 pooled over **all** samples; p_i is the probability that
    the largest |t| of the family is as large. It assumes that all samples spread alike, which Welch's test does not,
    and gains a little power by knowing that the comparisons share a control, which Holm's procedure does not. With one
    treatment it is the pooled t test.

    Args:
        treatments: One value per seed and treatment, each of shape ``(num_seeds,)``.
        control: One value per seed, shape ``(num_control_seeds,)``.
        seed: Of the numerical integration, which is good to about four decimals.

    Returns:
        Adjusted p-values, shape ``(num_treatments,)``; NaN for a sample below two values, which is left out of the
        family, and for all where the control is such a sample or no sample varies.

    Raises:
        ValueError: If a value is not finite.

    References:
        Dunnett (1955), A multiple comparison procedure for comparing several treatments with a control.
    """
    baseline = finite_vector(control, "control")
    samples = [finite_vector(treatment, "treatments") for treatment in treatments]
    adjusted = np.full(len(samples), np.nan)
    tested = [i for i, sample in enumerate(samples) if sample.size >= 2]
    family = [samples[i] for i in tested]
    if not family or baseline.size < 2 or not _pooled_variance([*family, baseline]) > 0:
        return adjusted
    single = _pooled_t_test(family, baseline)
    if len(family) > 1:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Precision loss", RuntimeWarning)  # one of the samples is constant
            joint = stats.dunnett(*family, control=baseline, rng=np.random.default_rng(seed)).pvalue
        # Integration errs by about 1e-5; the truth is never outside of these bounds.
        single = np.clip(joint, single, np.minimum(len(family) * single, 1))
    adjusted[tested] = single
    return adjusted


def _pooled_variance(samples: Sequence[FloatArray]) -> float:
    squares = math.fsum(sample_variance(sample) * (sample.size - 1) for sample in samples)
    return squares / sum(sample.size - 1 for sample in samples)


def _pooled_t_test(family: Sequence[FloatArray], control: FloatArray) -> FloatArray:
    """Return the unadjusted p-values, the variance being that of all samples."""
    sd = math.sqrt(_pooled_variance([*family, control]))
    df = sum(sample.size - 1 for sample in (*family, control))
    gaps = np.array([abs(sample_mean(sample) - sample_mean(control)) for sample in family])
    errors = sd * np.sqrt([1 / sample.size + 1 / control.size for sample in family])
    return np.asarray(2 * stats.t.sf(gaps / errors, df))
