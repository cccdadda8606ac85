"""Share out the variance of accuracy over the dimensions of a search."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.statistics.arrays import FloatArray, finite_vector

FOLDS = 5
TREES = 20
# Values that each dimension of a fold is redrawn to, over all its draws; fewer make the shares jump with the seed.
REDRAWN = 500
# Below this a fold holds one draw, and no forest can be judged.
FEWEST_DRAWS = 10
# More add time and little precision: at 256 draws a share is known to a few hundredths.
MOST_DRAWS = 256


@dataclass(frozen=True, kw_only=True)
class Importances:
    """How much of the variance of accuracy each dimension explains.

    Attributes:
        shares: One per dimension, of the whole variance, alone or together with others; None where a forest predicts
            unseen draws no better than their mean does.
        r2: Share of the variance that the forest predicts on unseen draws, all dimensions together; NaN where there
            was nothing to predict.
        draws: Draws that were used.
    """

    shares: tuple[float, ...] | None
    r2: float
    draws: int


def importances(dimensions: Sequence[ArrayLike], accuracies: ArrayLike, *, seed: int = 0) -> Importances:
    """Estimate the share of the variance of accuracy that each dimension explains.

    A random forest is fitted to four fifths of the draws and judged on the rest, in turn. The share of a dimension is
    half of what the squared error of unseen draws grows by when its values are drawn anew, over the variance of the
    accuracies:

    ``share_j = (MSE with dimension j redrawn - MSE) / (2 Var)``.

    For a forest that predicts perfectly this is the total Sobol index: the variance that is left when all other
    dimensions are known. Dimensions that act together are counted in each share, so shares may add up to more than
    the whole. Shares that chance puts below 0 or above 1 are set to these. Few draws teach the
    forest little, and shares are then too small rather than too large.

    Args:
        dimensions: One array per dimension on the scale on which it was searched, shape ``(num_draws,)``, or
            ``(num_draws, num_options)`` for options without an order.
        accuracies: Of the draws that did not diverge, shape ``(num_draws,)``, fractions in [0, 1].
        seed: Of folds, forests and redrawn values. Of more than 256 draws a random 256 are used.

    Returns:
        No shares below 10 draws, without dimensions, for equal accuracies, and where the cross-validated R2 is not
        positive.

    Raises:
        ValueError: If an accuracy or a value is not finite, or the numbers of draws differ.

    References:
        Breiman (2001), Random forests, section 10, for redrawing; Jansen (1999), Analysis of variance designs for
        model output, for the total index; Hutter, Hoos and Leyton-Brown (2014), An efficient approach for assessing
        hyperparameter importance, for the use of forests.
    """
    target = finite_vector(accuracies, "accuracies")
    columns = [_columns(values, target.size) for values in dimensions]
    if target.size < FEWEST_DRAWS or not columns or np.ptp(target) == 0:
        return Importances(shares=None, r2=float("nan"), draws=target.size)
    generator = np.random.default_rng(seed)
    chosen = np.sort(generator.permutation(target.size)[:MOST_DRAWS])
    target, features = target[chosen], np.hstack(columns)[chosen]
    ends = np.cumsum([column.shape[1] for column in columns])
    groups = [slice(end - column.shape[1], end) for end, column in zip(ends, columns, strict=True)]
    folds = generator.permutation(np.arange(target.size) % FOLDS)
    errors = np.sum([_fold_errors(features, target, folds == fold, groups, generator) for fold in range(FOLDS)], axis=0)
    total = float(((target - target.mean()) ** 2).sum())
    # Every fold's mean differs from the mean of all, so a forest without a clue comes out slightly below 0.
    r2 = 1 - float(errors[0]) / total if total > 0 else float("nan")
    shares = tuple(float(share) for share in np.clip((errors[1:] - errors[0]) / (2 * total), 0, 1))
    return Importances(shares=shares if r2 > 0 else None, r2=r2, draws=target.size)


def _columns(values: ArrayLike, size: int) -> FloatArray:
    column = np.asarray(values, dtype=np.float64)
    column = column[:, np.newaxis] if column.ndim == 1 else column
    if column.ndim != 2 or len(column) != size:
        raise ValueError(f"dimensions must hold one row per accuracy ({size}); got shape {column.shape}.")
    if not np.isfinite(column).all():
        raise ValueError("dimensions must be finite. Leave out draws without a value.")
    return column


def _fold_errors(
    features: FloatArray,
    target: FloatArray,
    unseen: NDArray[np.bool_],
    groups: list[slice],
    generator: np.random.Generator,
) -> FloatArray:
    """Return the summed squared error on the unseen draws: as they are, then with each dimension redrawn."""
    from sklearn.ensemble import RandomForestRegressor  # noqa: PLC0415 (most of a second that only this should pay)

    forest = RandomForestRegressor(n_estimators=TREES, random_state=int(generator.integers(2**31)), n_jobs=1)
    forest.fit(features[~unseen], target[~unseen])
    own = features[unseen]
    repeats = math.ceil(REDRAWN / len(own))
    variants = [own]
    for group in groups:
        # Every draw of the search lends its value about equally often.
        lenders = generator.permutation(np.arange(repeats * len(own)) % len(features)).reshape(repeats, -1)
        for lender in lenders:
            redrawn = own.copy()
            redrawn[:, group] = features[lender, group]
            variants.append(redrawn)
    predicted = forest.predict(np.concatenate(variants)).reshape(len(variants), -1)
    errors = ((predicted - target[unseen]) ** 2).sum(axis=1)
    return np.concatenate([errors[:1], errors[1:].reshape(len(groups), repeats).mean(axis=1)])
