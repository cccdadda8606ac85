"""Hold the look of the figures, and turn them into files that are the same every time."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from analysis.tables.contents import Design

FigureKind = Literal["accuracy", "curves", "seeds"]

# Drawn in this colour, text and axes become currentColor in a page and follow its light or dark scheme.
INK = "#010203"
# Okabe and Ito (2008), Color Universal Design; the control is drawn in ink, the two palest colours come last.
PALETTE = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
LINES = ("-", "--", "-.", (0, (5, 1, 1, 1, 1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")

# Without these four an SVG carries no metadata block, and so neither a date nor a version.
_NO_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))
_STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.15,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "svg.fonttype": "none",
    **dict.fromkeys(
        ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color", "grid.color"), INK
    ),
}


@dataclass(frozen=True, kw_only=True)
class ArmStyle:
    """How one arm is drawn in every figure; colour is never the only difference."""

    color: str
    line: str | tuple[int, tuple[int, ...]]
    marker: str
    fill: str
    """Inside of the marker: hollow for an arm taken as published."""


def arm_styles(design: Design) -> dict[str, ArmStyle]:
    """Return the style of every arm: the control in ink, as published pale and hollow."""
    others = [arm for arm in design.arms if arm.name != design.control]
    ranked = sorted(others, key=lambda arm: arm.as_published)
    colors = {design.control: INK}
    colors |= {arm.name: PALETTE[i % len(PALETTE)] for i, arm in enumerate(ranked)}
    return {
        arm.name: ArmStyle(
            color=colors[arm.name],
            line=":" if arm.as_published else LINES[i % len(LINES)],
            marker=MARKERS[i % len(MARKERS)],
            fill="none" if arm.as_published else colors[arm.name],
        )
        for i, arm in enumerate(design.arms)
    }


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """One figure.

    Attributes:
        name: File name without suffix, and the prefix of every id in the SVG.
        kind: Which part of the report it belongs to.
        title: Heading.
        alt: What the figure shows, in words.
    """

    name: str
    kind: FigureKind
    title: str
    alt: str
    figure: Figure = field(repr=False)

    @cached_property
    def svg(self) -> str:
        """A standalone SVG file."""
        with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": self.name}):
            buffer = io.BytesIO()
            FigureCanvasSVG(self.figure).print_figure(buffer, format="svg", metadata=_NO_METADATA)
            return buffer.getvalue().decode("utf-8")

    def inline_svg(self) -> str:
        """Return the SVG element for a page: ids unique, ink as currentColor, no reference to the outside."""
        svg = self.svg[self.svg.index("<svg") :]
        svg = re.sub(r"\s+xmlns(:\w+)?=\"[^\"]*\"", "", svg)
        svg = re.sub(r"<svg [^>]*?viewBox=\"([^\"]*)\"[^>]*>", r'<svg viewBox="\1" aria-hidden="true">', svg, count=1)
        svg = svg.replace("xlink:href", "href")
        svg = re.sub(r"\bid=\"", f'id="{self.name}--', svg)
        svg = re.sub(r"(href=\"|url\()#", rf"\g<1>#{self.name}--", svg)
        return svg.replace(INK, "currentColor")

    def png(self) -> bytes:
        """Return a PNG file on white, twice the size of the SVG."""
        buffer = io.BytesIO()
        canvas = FigureCanvasAgg(self.figure)
        canvas.print_figure(buffer, format="png", dpi=160, facecolor="white", metadata={"Software": None})
        return buffer.getvalue()


@contextmanager
def panel(width_inches: float = 5.6, height_inches: float = 3.8) -> Iterator[tuple[Figure, Axes]]:
    """Yield a figure with one panel, small so that its text stays readable on a phone."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width_inches, height_inches), layout="constrained")
        yield figure, figure.add_subplot()


@contextmanager
def stacked_panels() -> Iterator[tuple[Figure, Axes, Axes]]:
    """Yield a figure with a tall panel above a lower one, both on one x axis."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(5.8, 5.4), layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        yield figure, upper, lower


def add_title(figure: Figure, text: str) -> None:
    """Put the title above the whole figure, where it is not cut off at the edge of a narrow panel."""
    figure.suptitle(label(text, 48), fontsize=12, fontweight="bold")


def add_legend(figure: Figure, axes: Axes) -> None:
    """Put the legend below the panel, where it hides no data."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        columns = 3 if max(map(len, labels)) <= 16 else 2
        figure.legend(handles, labels, loc="outside lower center", ncols=columns, fontsize=10, handlelength=2.6)


def label(text: str, most_characters: int = 27) -> str:
    """Return text that matplotlib shows as it is, shortened: no mathematics, and not hidden by an underscore."""
    short = text if len(text) <= most_characters else f"{text[: most_characters - 1]}…"
    escaped = short.replace("$", r"\$")
    return f"\u200b{escaped}" if escaped.startswith("_") else escaped


def slug(text: str) -> str:
    """Return text that is safe in a file name and in an id."""
    return re.sub(r"[^A-Za-z0-9_]+", "-", text).strip("-") or "x"
