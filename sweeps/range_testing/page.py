"""The range tests of a study as files: a page, its pictures, and its numbers."""

from __future__ import annotations

import dataclasses
import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from analysis.figures.drawing import Drawing
from analysis.rendering.page import render_page
from analysis.rendering.section import Section
from analysis.rendering.text_table import TextTable
from models.diagnostics import RULES, has_blown_up
from schedules import schedule_settings
from sweeps.range_testing.figures import draw_estimates, draw_range_test
from sweeps.range_testing.proposal import Range, ends_with_the_ramp
from sweeps.range_testing.running import RangeResult

PAGE = "range-test.html"
NUMBERS = "range-test.json"

_HOW_TO_READ = Section(
    title="How to read this",
    sentences=(
        "Every training begins anew and raises its rate with every update. Thin lines are seeds. The thick line is "
        "their median and the band their range, as far as all of them still train. The loss is averaged over a window "
        "around each update. The shaded rates are those proposed for the search of peak_lr.",
        "A range test is a short training under a rising rate: it shows where a rate is far too small or too large, "
        "and not which one wins at the end of a long training. Rules disagree, and so do seeds; take their spread as a "
        "range to search, and let the search decide.",
    ),
    open=True,
)
_CURVATURE = Section(
    title="What the estimate of the optimal rate is worth",
    sentences=(
        "Three snapshots of the weights in a row give two steps, and their difference stands for the curvature. That "
        "assumes plain SGD: momentum makes steps alike and the estimate too large, weight decay adds a curvature of "
        "its own, and large layers decide.",
        "Where the noise of batches outweighs the gradient, the estimate is a multiple of the rate that was used, "
        "whatever the curvature: the dashed line. Where both agree, it says nothing of the network.",
    ),
    open=True,
)


@dataclass(frozen=True, kw_only=True)
class _Part:
    workload: str
    note: str
    figures: tuple[str, ...]
    table: TextTable


def range_files(study: str, results: Sequence[RangeResult], proposed: Range | None) -> dict[str, bytes]:
    """Return the files of range tests by name: the page, one or two pictures per workload, and all numbers as JSON."""
    pictures = {result.workload: _drawings(result, proposed) for result in results}
    drawings = [drawing for of_workload in pictures.values() for drawing in of_workload]
    parts = [
        _Part(
            workload=result.workload,
            note=described(result),
            figures=tuple(drawing.title for drawing in pictures[result.workload]),
            table=suggestion_table(result),
        )
        for result in results
    ]
    sections = [_HOW_TO_READ, *([_CURVATURE] if any(result.estimates for result in results) else [])]
    page = render_page(
        "range_test.html.j2",
        sections,
        drawings,
        study=study,
        sentences=[*map(headline, results), proposal_sentence(proposed)],
        parts=parts,
    )
    numbers = {
        "study": study,
        "proposed_peak_lr": dataclasses.asdict(proposed) if proposed else None,
        "tests": [_plain(result) for result in results],
    }
    return {
        PAGE: page.encode(),
        NUMBERS: (json.dumps(numbers, allow_nan=False) + "\n").encode(),
        **{f"{drawing.name}.png": drawing.png() for drawing in drawings},
    }


def _drawings(result: RangeResult, proposed: Range | None) -> list[Drawing]:
    estimates = [draw_estimates(result)] if any(result.estimates) else []
    return [draw_range_test(result, proposed), *estimates]


def headline(result: RangeResult) -> str:
    """Say where the loss diverged, and between which rates the rules suggest, or what to change where they cannot."""
    diverged = [curve.diverged_at for curve in result.curves if curve.diverged_at is not None]
    where = f"at {statistics.median(diverged):.2g} (median) for {len(diverged)} of" if diverged else "for none of"
    return f"{result.workload}: the loss diverged {where} {len(result.curves)} seeds; {_seen(result)}."


def _seen(result: RangeResult) -> str:
    if not result.has_learned:
        blown_up = 2 * sum(map(has_blown_up, result.curves)) > len(result.curves)
        remedy = "lower --low" if blown_up else "raise --high"
        return f"nothing was learned beyond noise, so that no rate can be proposed: {remedy}, or raise --updates"
    if not result.medians:
        return "no rule suggests a rate: raise --high, or give it more --updates"
    between = f"the rules suggest {min(result.medians.values()):.2g} to {max(result.medians.values()):.2g} (medians)"
    more = "; the upper end is that of the ramp: raise --high to see more" if ends_with_the_ramp(result) else ""
    return between + more


def proposal_sentence(proposed: Range | None) -> str:
    """Say which range of peak rates the tests propose."""
    if proposed is None:
        return "The tests propose no range of peak_lr."
    return f"The tests propose to search peak_lr: {proposed}."


def described(result: RangeResult) -> str:
    """Say in a sentence or two what was trained."""
    test, training = result.test, result.test.training
    own = {*schedule_settings(training.schedule), "peak_lr"}
    settings = ", ".join(f"{name} {value}" for name, value in training.settings.items() if name not in own)
    text = (
        f"{test.shape.capitalize()} ramp from {test.low:g} to {test.high:g} over {test.num_updates} updates of "
        f"{training.workload.batch_size} examples, {len(result.curves)} seeds; settings of arm {result.arm}: "
        f"{settings or 'none'}. {result.updates_done:,} updates in all, none of them on the test part."
    )
    if result.estimated_at is None:
        return text
    every = "every update" if result.spacing == 1 else f"every {result.spacing} updates"
    return (
        f"{text} The optimal rate was estimated along one training per seed of the same length under the arm's own "
        f"schedule, with a peak rate of {result.estimated_at:.3g} and a snapshot {every}."
    )


def suggestion_table(result: RangeResult) -> TextTable:
    """Return what each rule suggests, one row per rule."""
    return TextTable(
        columns=("rule", "median", "range", "seeds", "meaning"),
        num_keys=1,
        rows=tuple(_row(name, rates) for name, rates in result.suggestions.items()),
        numeric=frozenset({"median", "range", "seeds"}),
        prose=frozenset({"meaning"}),
    )


def _row(name: str, suggestions: Sequence[float | None]) -> tuple[str, ...]:
    rates = [rate for rate in suggestions if rate is not None]
    median, between = "–", "–"
    if rates:
        median, between = f"{statistics.median(rates):.2g}", f"{min(rates):.2g} to {max(rates):.2g}"
    return (name.replace("_", " "), median, between, f"{len(rates)} of {len(suggestions)}", RULES[name].meaning)


def _plain(result: RangeResult) -> dict[str, Any]:
    """Return a result as plain JSON values, with what can be drawn again from it."""
    test = result.test
    return {
        "workload": result.workload,
        "arm": result.arm,
        "shape": test.shape,
        "low": test.low,
        "high": test.high,
        "updates": test.num_updates,
        "window": test.window,
        "settings": dict(test.training.settings),
        "has_learned": result.has_learned,
        "ends_of_use": result.ends_of_use,
        "suggestions": result.suggestions,
        "curves": [dataclasses.asdict(curve) for curve in result.curves],
        "estimates": [[dataclasses.asdict(estimate) for estimate in run] for run in result.estimates],
        "estimated_at": result.estimated_at,
        "spacing": result.spacing,
    }
