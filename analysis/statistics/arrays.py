"""Guard the arrays that enter a statistic."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


def finite_vector(values: ArrayLike, name: str) -> FloatArray:
    """Return ``values`` as a float vector, refusing anything that a mean would silently swallow.

    Args:
        values: Shape ``(num_seeds,)``; may be empty.
        name: What the values are called in the error.

    Raises:
        ValueError: If there is more than one axis, or a NaN or infinity.
    """
    vector = np.asarray(values, dtype=np.float64)
    if vector.ndim != 1:
        raise ValueError(f"{name} must have one axis; got shape {vector.shape}.")
    if not np.isfinite(vector).all():
        raise ValueError(
            f"{name} must be finite; got {vector.tolist()}. Leave out runs without a value and count them."
        )
    return vector


def sample_variance(values: FloatArray) -> float:
    """Return the unbiased variance; exactly 0 for equal values, NaN below two values."""
    if values.size < 2:
        return float("nan")
    # The mean of n equal floats need not be that float, which would leave a variance of about 1e-33.
    return 0.0 if np.ptp(values) == 0 else float(values.var(ddof=1))


def sample_mean(values: FloatArray) -> float:
    """Return the mean; exactly the common value for equal values, NaN for none."""
    if values.size == 0:
        return float("nan")
    return float(values[0]) if np.ptp(values) == 0 else float(values.mean())
