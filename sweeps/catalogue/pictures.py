"""Draw schedules and momentum policies in the look of the report's figures, on white."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.figures.drawing import PALETTE, Drawing, add_title, label, panel_column
from sweeps.catalogue.courses import POLICY_PEAK_LR, POLICY_SCHEDULE, Course, course, policy_course
from sweeps.catalogue.entries import Entry

_RATE, _MOMENTUM, _VARIANT = PALETTE[1], PALETTE[0], "#9a9a9a"
_STEPS = 600
# More points than this are not seen.
_MOST_POINTS = 1200


def course_drawing(drawn: Course, title: str, settings: str = "") -> Drawing:
    """Draw the rate of every update above its momentum.

    Args:
        drawn: what to draw.
        title: heading, such as the names of schedule and policy.
        settings: what to say below it.
    """
    with panel_column((2.4, 1.6)) as (figure, (upper, lower)):
        steps = range(drawn.total_steps)
        _draw(upper, steps, drawn.rates, _RATE)
        _draw(lower, steps, drawn.momenta, _MOMENTUM)
        _name_axes(upper, lower, drawn.peak_lr, "update")
        lower.xaxis.set_major_locator(MaxNLocator(integer=True))
        add_title(figure, title)
        upper.set_title(label(textwrap.fill(settings, 64), 400), fontsize=10)
        figure.align_ylabels()
        return _on_white(figure, name="course", alt=f"Learning rate and momentum by update: {title}")


def schedule_picture(entry: Entry) -> Drawing:
    """Draw a schedule with its defaults, and thinly with what is searched by default, one setting at a time."""
    with panel_column((2.1,)) as (figure, (axes,)):
        for settings in (*entry.variants, {}):
            drawn = course(entry.name, "constant", settings, _STEPS)
            _draw(axes, _PARTS, drawn.rates, _VARIANT if settings else _RATE)
        axes.set_ylim(-0.03, 1.05)
        axes.set_ylabel("rate / peak rate")
        axes.set_xlabel("part of the run")
        return _on_white(figure, name=entry.name, alt=f"The factor of {entry.name} over a run")


def policy_picture(entry: Entry) -> Drawing:
    """Draw a momentum policy along a one-cycle run, and thinly with what is searched by default."""
    with panel_column((1.2, 1.8)) as (figure, (upper, lower)):
        for settings in (*entry.variants, {}):
            drawn = policy_course(entry.name, settings, _STEPS)
            _draw(lower, _PARTS, drawn.momenta, _VARIANT if settings else _MOMENTUM)
        _draw(upper, _PARTS, drawn.rates, _RATE)
        _name_axes(upper, lower, drawn.peak_lr, "part of the run")
        figure.align_ylabels()
        alt = f"The momentum of {entry.name} along {POLICY_SCHEDULE} with peak rate {POLICY_PEAK_LR:g}"
        return _on_white(figure, name=entry.name, alt=alt)


_PARTS = [step / _STEPS for step in range(_STEPS)]


def _draw(axes: Axes, at: Sequence[float], values: Sequence[float], color: str) -> None:
    every = -(-len(values) // _MOST_POINTS)
    shown = sorted({*range(0, len(values), every), len(values) - 1, values.index(max(values))})
    width = 0.9 if color == _VARIANT else 2.2
    marker = "o" if len(shown) == 1 else ""  # a line through one point is not seen
    axes.plot([at[i] for i in shown], [values[i] for i in shown], color=color, linewidth=width, marker=marker)


def _name_axes(upper: Axes, lower: Axes, peak_lr: float, below: str) -> None:
    upper.set_ylim(-0.03 * peak_lr, 1.05 * peak_lr)
    upper.set_ylabel("learning rate")
    upper.sharex(lower)
    upper.tick_params(labelbottom=False)
    lower.set_ylabel("momentum")
    lower.set_xlabel(below)


def _on_white(figure: Figure, name: str, alt: str) -> Drawing:
    """Finish a figure for a page of either colour scheme that cannot colour its ink."""
    figure.set_facecolor("white")
    return Drawing(name=name, title=name, alt=alt, figure=figure)
