"""Hold the look of the figures, and turn them into files that are the same every time."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from analysis.tables.contents import Design

FigureKind = Literal[
    "accuracy",
    "curves",
    "seeds",
    "survival",
    "target_grid",
    "profiles",
    "ranks",
    "forest",
    "effects",
    "frontier",
    "skeptic",
    "tuning",
    "response",
]

# Drawn in this colour, text and axes become currentColor in a page and follow its light or dark scheme.
INK = "#010203"
# Okabe and Ito (2008), Color Universal Design; the control is drawn in ink, the two palest colours come last.
PALETTE = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
LINES = ("-", "--", "-.", (0, (5, 1, 1, 1, 1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")

# Without these four an SVG carries no metadata block, and so neither a date nor a version; likewise a PDF.
_NO_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))
_NO_PDF_METADATA = dict.fromkeys(("CreationDate", "Creator", "Producer"))
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


def staggered(position: int, count: int, num_points: int) -> list[int]:
    """Return at which points one of several curves has markers: no two at the same, so that equal curves are seen.

    Args:
        position: Of the curve among them, from 0 on.
        count: Number of curves.
        num_points: Points of the curve; with too few for all, each is marked.
    """
    if num_points < 2 * count:
        return list(range(num_points))
    step = max(count, -(-num_points // 6))
    return list(range(int((position + 0.5) * step / count), num_points, step))


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """One figure.

    Attributes:
        name: File name without suffix, and the prefix of every id in the SVG.
        kind: Which part of the report it belongs to; None outside of a report.
        title: Heading.
        alt: What the figure shows, in words.
    """

    name: str
    kind: FigureKind | None = None
    title: str
    alt: str
    figure: Figure = field(repr=False)

    @cached_property
    def _laid_out(self) -> Figure:
        """The figure with everything in its place, so that not every output works it out anew."""
        engine = self.figure.get_layout_engine()
        if engine is not None:
            engine.execute(self.figure)
        self.figure.set_layout_engine("none")
        return self.figure

    @cached_property
    def svg(self) -> str:
        """A standalone SVG file."""
        with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": self.name}):
            buffer = io.BytesIO()
            # Not print_figure, which draws everything once more to find its place.
            FigureCanvasSVG(self._laid_out).print_svg(buffer, metadata=_NO_METADATA)  # type: ignore[no-untyped-call]
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
        buffer, figure = io.BytesIO(), self._laid_out
        dots, ground = figure.get_dpi(), figure.get_facecolor()
        figure.set_dpi(160)
        figure.set_facecolor("white")
        try:
            FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})  # type: ignore[no-untyped-call]
        finally:
            figure.set_dpi(dots)
            figure.set_facecolor(ground)
        return buffer.getvalue()

    def pdf(self) -> bytes:
        """Return a PDF file for a paper: vectors, with its fonts embedded as TrueType, which publishers ask for."""
        buffer = io.BytesIO()
        with mpl.rc_context({"pdf.fonttype": 42}), _without_shaping_tables():
            FigureCanvasPdf(self._laid_out).print_pdf(buffer, metadata=_NO_PDF_METADATA)  # type: ignore[no-untyped-call]
        return buffer.getvalue()


@contextmanager
def _without_shaping_tables() -> Iterator[None]:
    """Leave the tables for shaping text out of embedded fonts: a PDF has no use for them, and they double the time.

    fontTools has no public setting for it that matplotlib would hand on; without it, PDFs are only slower.
    """
    from fontTools import subset  # noqa: PLC0415 (slow to import, and only needed to write files)

    name = "_drop_tables_default"
    before = getattr(subset.Options, name, None)
    if before is None:
        yield
        return
    setattr(subset.Options, name, [*before, "GDEF", "GPOS", "GSUB"])
    try:
        yield
    finally:
        setattr(subset.Options, name, before)


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


@contextmanager
def panel_grid(count: int) -> Iterator[tuple[Figure, list[Axes]]]:
    """Yield a figure with that many panels on the same axes, two in a row."""
    columns = min(count, 2)
    rows = -(-count // columns)
    with mpl.rc_context(_STYLE):
        # Room between the last tick of one panel and the first of the next.
        engine = ConstrainedLayoutEngine(wspace=0.06)
        figure = Figure(figsize=(5.8, 1.4 + 1.9 * rows if rows > 1 else 3.6), layout=engine)
        grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
        for spare in grid[count:]:
            spare.set_axis_off()
        for lowest in grid[max(count - columns, 0) : count]:
            lowest.tick_params(labelbottom=True)
        yield figure, list(grid[:count])


def label_axes(figure: Figure, grid: list[Axes], below: str, beside: str) -> None:
    """Name the axes of a grid once each: x below the lowest panels, y beside all of them."""
    for axes in grid[-2:]:
        axes.set_xlabel(below)
    figure.supylabel(beside, fontsize=11)


@contextmanager
def panel_column(heights_inches: Sequence[float], width_inches: float = 5.6) -> Iterator[tuple[Figure, list[Axes]]]:
    """Yield a figure with panels of these heights one below the other, each with an x axis of its own."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width_inches, sum(heights_inches) + 0.9), layout="constrained")
        panels = figure.subplots(len(heights_inches), 1, height_ratios=list(heights_inches), squeeze=False)
        yield figure, list(panels[:, 0])


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
