"""Correct p-values for the number of comparisons."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from statsmodels.stats.multitest import multipletests

from analysis.statistics.arrays import FloatArray


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
    adjusted = np.asarray(multipletests(np.where(missing, 1.0, values), method="holm")[1], dtype=np.float64)
    return np.where(missing, np.nan, adjusted)
