"""The command that shows schedules and momentum policies: listed, drawn, and as numbers."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from schedules import MOMENTUM, PRESETS, SCHEDULES, schedule_settings
from schedules.checks import unknown_option
from schedules.warmup import WARMUP_SETTINGS
from sweeps.catalogue import Course, Entry, course, policy_course, policy_entries, schedule_entries, search_words
from sweeps.catalogue.entries import value_words
from sweeps.catalogue.markup import is_set, plain
from sweeps.catalogue.text_charts import sparkline, text_chart
from sweeps.cli.console import out
from sweeps.errors import InputError
from sweeps.loading import read_override

_WIDTH = 80
"""Columns that are used at most: longer lines are hard to read."""
# A peak falls on a column, and not between two, in shapes of 1, 2, 3, 4 and 6 cycles. The second is for less width.
_SPARK_WIDTHS = (25, 13)
_DEFAULT_STEPS = 1000
_EXAMPLE = "warmup_frac=0.3"
_FOOT = """
searched: by default, beside peak_lr and the other shared dimensions.
Shape, formula and settings of one: fairsweep schedules NAME --momentum POLICY"""
_PICTURES = (".png", ".svg", ".pdf")
_TABLES = (".csv", ".json")


def schedules(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="A schedule or preset; without it all are listed.")
    ] = None,
    policy: Annotated[str, typer.Option("--momentum", help="The momentum policy to go with it.")] = "constant",
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting of the arm; repeatable.")
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(min=1, max=1_000_000, help="Length of the run in updates.", show_default=str(_DEFAULT_STEPS)),
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw rate and momentum: a file in .png, .svg or .pdf.")] = None,
    values: Annotated[Path | None, typer.Option(help="Write rate and momentum of every update: .csv or .json.")] = None,
) -> None:
    """List the schedules and momentum policies, or show one schedule with its formula, settings and shape."""
    settings = dict(read_override(override, _EXAMPLE) for override in overrides or ())
    if name is None:
        if settings or plot or values or steps or policy != "constant":
            raise InputError(
                "NAME must be given with --momentum, --set, --steps, --plot and --values; got none. Name a schedule."
            )
        _list()
        return
    _check(name, policy, plot, values)
    preset = PRESETS.get(name)
    if preset:
        name, settings = preset.schedule, {**preset.settings, **settings}
    try:
        shown = course(name, policy, settings, steps or _DEFAULT_STEPS)
    except ValueError as error:
        raise InputError(str(error)) from None
    title = name if policy == "constant" else f"{name} + {policy}"
    given = ", ".join(f"{key} {value_words(value)}" for key, value in settings.items())
    if plot:
        _write("--plot", plot, _picture(plot, shown, title, given))
    if values:
        _write("--values", values, (shown.json() if _suffix(values) == ".json" else shown.csv()).encode())
    out.print(_filled(", ".join(filter(None, (title, given)))) + "\n", style="bold", markup=False, soft_wrap=True)
    _describe(name, policy, shown)
    if preset:
        out.print(f"{_filled(f'Settings: {preset.reference}')}\n", soft_wrap=True, markup=False)
    for written in filter(None, (plot, values)):
        out.print(f"Wrote {written}.", soft_wrap=True, markup=False)


def _list() -> None:
    table = _table_of_shapes("schedule", "rate over a run", "searched")
    for entry in schedule_entries():
        rates = course(entry.name, "constant", {}, 1000).rates
        table.add_row(entry.name, _shape(rates, 0.0, 1.0), ", ".join(entry.searched) or "–")
    out.print(table)
    out.print()
    table = _table_of_shapes("preset", "rate over a run", "of schedule")
    for name, preset in PRESETS.items():
        rates = course(preset.schedule, "constant", preset.settings, 1000).rates
        table.add_row(name, _shape(rates, 0.0, 1.0), preset.schedule)
    out.print(table)
    out.print()
    table = _table_of_shapes("momentum policy", "on one_cycle, peak_lr 0.1", "from – to", "searched")
    for entry in policy_entries():
        momenta = policy_course(entry.name, {}).momenta
        low, high = min(momenta), max(momenta)
        line = _shape(momenta, low, high)
        table.add_row(entry.name, line, f"{low:.3g} – {high:.3g}", ", ".join(entry.searched) or "–")
    out.print(table)
    out.print(_FOOT, style="dim", markup=False)


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _table_of_shapes(name: str, shape: str, *others: str) -> Table:
    table = _table(name, shape, *others)
    table.columns[1].width = _shape_width()
    return table


def _shape_width() -> int:
    return _SPARK_WIDTHS[out.width < _WIDTH]


def _shape(values: Sequence[float], low: float, high: float) -> str:
    return sparkline(values, _shape_width(), low, high)


def _describe(name: str, policy: str, shown: Course) -> None:
    entries = [entry for entry in schedule_entries() if entry.name == name]
    entries += [entry for entry in policy_entries() if entry.name == policy != "constant"]
    _chart(shown.rates, "learning rate", 8, 0.0, max(shown.rates))
    if min(shown.momenta) < max(shown.momenta):
        _chart(shown.momenta, "momentum", 4, min(shown.momenta), max(shown.momenta))
    for entry in entries:
        _print_entry(entry)
    if set(WARMUP_SETTINGS) <= set(schedule_settings(name)):
        out.print(_filled(f"A warm-up in front: {', '.join(WARMUP_SETTINGS)}.") + "\n", style="dim", soft_wrap=True)


def _chart(values: Sequence[float], title: str, height: int, low: float, high: float) -> None:
    width = max(_page_width() - 14, 20)
    lines = text_chart(values, width, height, low, high)
    marks = {0: f"{high:.4g}", height - 1: f"{low:.4g}"}
    out.print(title)
    for row, line in enumerate(lines):
        out.print(f"{marks.get(row, ''):>9} │{line}", soft_wrap=True)
    last = f"update {len(values) - 1}"
    out.print(f"{'':>9} └0{last:─>{width - 1}}\n", soft_wrap=True)


def _print_entry(entry: Entry) -> None:
    out.print(f"[bold]{entry.name}[/]")
    for text in (entry.summary, entry.formula):
        if text:
            out.print(_filled(plain(text)), soft_wrap=True, markup=False)
    if entry.settings:
        out.print()
        table = _table("setting", "default", "searched", "meaning")
        for setting in entry.settings:
            searched = "–" if setting.search is None else search_words(setting.search)
            table.add_row(setting.name, value_words(setting.default), searched, plain(setting.meaning))
        out.print(table)
    if entry.reference:
        out.print(f"\n{_filled(plain(f'Reference: {entry.reference}'))}", soft_wrap=True, markup=False)
    out.print()


def _page_width() -> int:
    return min(_WIDTH, out.width)


def _filled(text: str) -> str:
    """Break paragraphs at the width of the terminal, and leave indented blocks and tables as they are."""
    return "\n\n".join(
        block if is_set(block) else textwrap.fill(" ".join(block.split()), _page_width() - 2)
        for block in text.split("\n\n")
    )


def _check(name: str, policy: str, plot: Path | None, values: Path | None) -> None:
    """Refuse names that are in no table and files of another kind, all at once."""
    offences = []
    if name not in {*SCHEDULES, *PRESETS}:
        offences.append(unknown_option("NAME", name, [*SCHEDULES, *PRESETS], "the schedules and presets"))
    if policy not in MOMENTUM:
        offences.append(unknown_option("--momentum", policy, MOMENTUM))
    for option, path, suffixes in (("--plot", plot, _PICTURES), ("--values", values, _TABLES)):
        if path is not None and _suffix(path) not in suffixes:
            offences.append(f"{option} must end in {', '.join(suffixes[:-1])} or {suffixes[-1]}; got {path}.")
    if offences:
        raise InputError("\n".join(offences))


def _suffix(path: Path) -> str:
    return path.suffix.lower()


def _picture(path: Path, shown: Course, title: str, given: str) -> bytes:
    from sweeps.catalogue.pictures import course_drawing

    drawing = course_drawing(shown, title, given)
    return {".png": drawing.png, ".svg": drawing.svg.encode, ".pdf": drawing.pdf}[_suffix(path)]()


def _write(option: str, path: Path, contents: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents)
    except OSError as error:
        raise InputError(f"{option} {path} cannot be written: {error.strerror}.") from error
