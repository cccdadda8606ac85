"""The command that shows schedules and momentum policies: listed, drawn, and as numbers."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from schedules import PRESETS, schedule_settings
from schedules.warmup import WARMUP_SETTINGS
from sweeps.catalogue import Course, Entry, course, policy_course, policy_entries, schedule_entries, search_words
from sweeps.catalogue.entries import value_words
from sweeps.catalogue.markup import is_set, plain
from sweeps.catalogue.text_charts import sparkline, text_chart
from sweeps.cli.console import out
from sweeps.errors import InputError
from sweeps.loading import read_override

_SPARK_WIDTH = 25  # a peak falls on a column, and not between two, in shapes of 1, 2, 3, 4 and 6 cycles
_CHART_WIDTH = 66
_TEXT_WIDTH = 78
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
    steps: Annotated[int, typer.Option(min=1, max=1_000_000, help="Length of the run in updates.")] = 1000,
    plot: Annotated[Path | None, typer.Option(help="Draw rate and momentum: a file in .png, .svg or .pdf.")] = None,
    values: Annotated[Path | None, typer.Option(help="Write rate and momentum of every update: .csv or .json.")] = None,
) -> None:
    """List the schedules and momentum policies, or show one schedule with its formula, settings and shape."""
    settings = dict(read_override(override, _EXAMPLE) for override in overrides or ())
    if name is None:
        if settings or plot or values or policy != "constant":
            raise InputError(
                "NAME must be given with --momentum, --set, --plot and --values; got none. Name a schedule."
            )
        _list()
        return
    _check_suffix("--plot", plot, _PICTURES)
    _check_suffix("--values", values, _TABLES)
    preset = PRESETS.get(name)
    if preset:
        name, settings = preset.schedule, {**preset.settings, **settings}
    try:
        shown = course(name, policy, settings, steps)
    except ValueError as error:
        raise InputError(str(error)) from None
    title = name if policy == "constant" else f"{name} + {policy}"
    given = ", ".join(f"{key} {value_words(value)}" for key, value in settings.items())
    out.print(textwrap.fill(", ".join(filter(None, (title, given))), _TEXT_WIDTH) + "\n", style="bold", markup=False)
    _describe(name, policy, shown)
    if preset:
        out.print(f"{_filled(f'Settings: {preset.reference}')}\n", soft_wrap=True, markup=False)
    if plot:
        _plot(plot, shown, title, given)
    if values:
        _write(values, (shown.json() if values.suffix == ".json" else shown.csv()).encode())


def _list() -> None:
    table = _table("schedule", "rate over a run", "searched")
    for entry in schedule_entries():
        rates = course(entry.name, "constant", {}, 1000).rates
        table.add_row(entry.name, sparkline(rates, _SPARK_WIDTH, 0.0, 1.0), ", ".join(entry.searched) or "–")
    out.print(table)
    out.print()
    table = _table("preset", "rate over a run", "of schedule")
    for name, preset in PRESETS.items():
        rates = course(preset.schedule, "constant", preset.settings, 1000).rates
        table.add_row(name, sparkline(rates, _SPARK_WIDTH, 0.0, 1.0), preset.schedule)
    out.print(table)
    out.print()
    table = _table("momentum policy", "on one_cycle, peak_lr 0.1", "from – to", "searched")
    for entry in policy_entries():
        momenta = policy_course(entry.name, {}).momenta
        low, high = min(momenta), max(momenta)
        line = sparkline(momenta, _SPARK_WIDTH, low, high)
        table.add_row(entry.name, line, f"{low:.3g} – {high:.3g}", ", ".join(entry.searched) or "–")
    out.print(table)
    out.print(_FOOT, style="dim", markup=False)


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, no_wrap=heading != "searched")
    return table


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
    lines = text_chart(values, _CHART_WIDTH, height, low, high)
    marks = {0: f"{high:.4g}", height - 1: f"{low:.4g}"}
    out.print(title)
    for row, line in enumerate(lines):
        out.print(f"{marks.get(row, ''):>9} │{line}", soft_wrap=True)
    last = f"update {len(values) - 1}"
    out.print(f"{'':>9} └0{last:─>{_CHART_WIDTH - 1}}\n", soft_wrap=True)


def _print_entry(entry: Entry) -> None:
    out.print(f"[bold]{entry.name}[/]")
    for text in (entry.summary, entry.formula):
        if text:
            out.print(_filled(plain(text)), soft_wrap=True, markup=False)
    if entry.settings:
        out.print()
        table = Table(box=None, pad_edge=False, header_style="bold")
        for heading in ("setting", "default", "searched", "meaning"):
            table.add_column(heading, no_wrap=heading == "setting", min_width=28 if heading == "meaning" else None)
        for setting in entry.settings:
            searched = "–" if setting.search is None else search_words(setting.search)
            table.add_row(setting.name, value_words(setting.default), searched, plain(setting.meaning))
        out.print(table)
    if entry.reference:
        out.print(f"\n{_filled(plain(f'Reference: {entry.reference}'))}", soft_wrap=True, markup=False)
    out.print()


def _filled(text: str) -> str:
    """Break paragraphs at the width of the terminal, and leave indented blocks and tables as they are."""
    return "\n\n".join(
        block if is_set(block) else textwrap.fill(" ".join(block.split()), _TEXT_WIDTH) for block in text.split("\n\n")
    )


def _plot(path: Path, shown: Course, title: str, given: str) -> None:
    from sweeps.catalogue.pictures import course_drawing  # noqa: PLC0415 (loads matplotlib, which is slow)

    drawing = course_drawing(shown, title, given)
    contents = {".png": drawing.png, ".svg": drawing.svg.encode, ".pdf": drawing.pdf}[path.suffix]()
    _write(path, contents)


def _check_suffix(option: str, path: Path | None, suffixes: Sequence[str]) -> None:
    if path is not None and path.suffix not in suffixes:
        raise InputError(f"{option} must end in {', '.join(suffixes[:-1])} or {suffixes[-1]}; got {path}.")


def _write(path: Path, contents: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}.") from error
    out.print(f"Wrote {path}.", soft_wrap=True, markup=False)
