"""Tabulate how the arms respond to what was searched: per dimension, and by share of variance."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from analysis.rules import Place, Rules
from analysis.statistics.importance import importances
from analysis.statistics.response import near_optimal_region
from analysis.tables.dimensions import Dimension, dimensions_of
from analysis.tables.rows import ImportanceRow, ResponseRow, finite_or_none
from analysis.tables.tuning import Draws


def response_rows(rules: Rules, draws: Mapping[Place, Draws]) -> tuple[ResponseRow, ...]:
    """Return every draw by every searched number, with the near-optimal region, for every arm in every cell."""
    return tuple(
        _response_row(rules, place, found, dimension)
        for place, found in draws.items()
        for dimension in dimensions_of(rules, place.arm, found.trials)
        if dimension.kind != "choice"
    )


def _response_row(rules: Rules, place: Place, draws: Draws, dimension: Dimension) -> ResponseRow:
    values = dimension.values(draws.trials)
    given = np.isfinite(values)
    values, validation = values[given], draws.validation[given]
    region = near_optimal_region(values, validation, rules.equivalence_margin)
    width = None if region is None else finite_or_none(_width(dimension, region.low, region.high))
    recorded = dimension.low is not None and dimension.high is not None
    span = _width(dimension, dimension.low or 0.0, dimension.high or 0.0) if recorded else 0.0
    return ResponseRow(
        **place._asdict(),
        dimension=dimension.name,
        scale="log" if dimension.kind == "log" else "int" if dimension.kind == "int" else "float",
        space_low=dimension.low,
        space_high=dimension.high,
        values=tuple(float(value) for value in values),
        validation=tuple(finite_or_none(value) for value in validation),
        best_value=region.best if region else None,
        near_low=finite_or_none(region.low) if region else None,
        near_high=finite_or_none(region.high) if region else None,
        open_low=region.open_low if region else False,
        open_high=region.open_high if region else False,
        width_decades=width if dimension.kind == "log" else None,
        width_share=width / span if width is not None and span else None,
        near=region.near if region else 0,
        share_near=region.share_near if region else None,
        run_ids=tuple(run_id for run_id, known in zip(draws.run_ids, given, strict=True) if known),
    )


def _width(dimension: Dimension, low: float, high: float) -> float:
    ends = dimension.on_scale(np.array([low, high]))
    return float(ends[1] - ends[0])


def importance_rows(rules: Rules, draws: Mapping[Place, Draws]) -> tuple[ImportanceRow, ...]:
    """Return the share of variance that each dimension explains, for every arm with a search space in every cell."""
    rows = ((place, found, dimensions_of(rules, place.arm, found.trials)) for place, found in draws.items())
    return tuple(_importance_row(place, found, dimensions) for place, found, dimensions in rows if dimensions)


def _importance_row(place: Place, draws: Draws, dimensions: tuple[Dimension, ...]) -> ImportanceRow:
    encoded = [dimension.encoded(draws.trials) for dimension in dimensions]
    usable = np.isfinite(draws.validation) & np.isfinite(np.hstack(encoded)).all(axis=1)
    found = importances([columns[usable] for columns in encoded], draws.validation[usable])
    names = [dimension.name for dimension in dimensions]
    return ImportanceRow(
        **place._asdict(),
        draws=found.draws,
        r2=finite_or_none(found.r2),
        shares=None if found.shares is None else dict(zip(names, found.shares, strict=True)),
        run_ids=tuple(run_id for run_id, known in zip(draws.run_ids, usable, strict=True) if known),
    )
