"""Show how far a launch is: a table that redraws itself, or calm lines where nobody watches."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sweeps.cli.console import at_least_and_most, duration

if TYPE_CHECKING:
    from sweeps.board import Board, Tally
    from sweeps.protocol import Cell

#: Where nobody watches, a line is written this often, and sooner when this share of the trials has ended since.
_LINE_EVERY_SECONDS = 60.0
_LINE_EVERY_SHARE = 0.05
_LOOK_EVERY_SECONDS = 5.0
#: Trouble that comes and goes is told this often.
_TROUBLE_EVERY_SECONDS = 600.0
_LINES_BELOW_TABLE = 6


class Watch:
    """What the progress display needs to know.

    Args:
        board: counts, kept up to date by the launch.
        slots: trials at a time, as far as known.
        trouble: returns what stands in the way at the moment, else nothing.
    """

    def __init__(self, board: Board, slots: int, trouble: Callable[[], str]) -> None:
        self.board = board
        self.slots = slots
        self.trouble = trouble
        self.started = time.monotonic()

    def headline(self) -> str:
        """Return the state of the launch in one line."""
        total = self.board.total
        parts = [f"{total.ended}/{at_least_and_most(total.planned, total.most_planned)} trials"]
        if total.diverged:
            parts.append(f"{total.diverged} diverged")
        if total.failed:
            parts.append(f"{total.failed} failed")
        if self.board.lost:
            parts.append(f"{self.board.lost} lost and run again")
        left = self.board.hours_left(self.slots)
        if left is not None and total.ended < total.planned:
            parts.append(f"about {duration(left)} left")
        return ", ".join(parts)


@contextmanager
def showing(watch: Watch, console: Console) -> Iterator[None]:
    """Show `watch` inside the block: live on a terminal, else in lines, one a minute or so."""
    if console.is_terminal:
        with Live(
            get_renderable=lambda: _render(watch, console), console=console, refresh_per_second=4, transient=True
        ):
            yield
        return
    stop = threading.Event()
    thread = threading.Thread(target=_write_lines, args=(watch, console, stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _write_lines(watch: Watch, console: Console, stop: threading.Event) -> None:
    is_told, written_at, ended_then = False, time.monotonic(), watch.board.total.ended
    told_at: dict[str, float] = {}
    while not stop.wait(_LOOK_EVERY_SECONDS):
        total = watch.board.total
        many = total.ended - ended_then >= max(1, _LINE_EVERY_SHARE * total.planned)
        if many or time.monotonic() - written_at >= _LINE_EVERY_SECONDS:
            console.print(f"{time.strftime('%H:%M:%S')}  {watch.headline()}", soft_wrap=True)
            written_at, ended_then = time.monotonic(), total.ended
        trouble = watch.trouble()
        lately = time.monotonic() - told_at.get(trouble, -math.inf) < _TROUBLE_EVERY_SECONDS
        if trouble and not is_told and not lately:
            console.print(trouble, soft_wrap=True, markup=False)
            told_at = {trouble: time.monotonic()}
            is_told = True
        elif is_told and not trouble:
            console.print("That has passed.")
            is_told = False


def _render(watch: Watch, console: Console) -> Group:
    total = watch.board.total
    parts: list[Table | Text | ProgressBar] = [_table(watch.board, console.height - _LINES_BELOW_TABLE)]
    parts.append(ProgressBar(total=total.planned, completed=total.ended, width=60))
    parts.append(Text())  # the bar ends without a line break
    elapsed = duration((time.monotonic() - watch.started) / 3600)
    parts.append(Text(f"{watch.headline()}  ({elapsed} so far)"))
    parts.append(Text("Ctrl-C stops; the same command resumes.", "dim"))
    if trouble := watch.trouble():
        parts.append(Text(trouble, "yellow"))
    return Group(*parts)


def _table(board: Board, lines: int) -> Table:
    """Return the counts of the first open cells, as many as fit."""
    lines_per_cell = 1 + len(board.study.arms)
    shown = list(board.open_cells or dict.fromkeys(cell for cell, _ in board.tallies))
    return tally_table(board, shown[: max(1, (lines - 1) // lines_per_cell)])


def tally_table(board: Board, shown: list[Cell]) -> Table:
    """Return the counts of the cells in `shown`, a row per arm under a heading per cell."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("arm", no_wrap=True, overflow="ellipsis")
    for name in ("tuned", "confirmed", "diverged", "failed", "best val."):
        table.add_column(name, justify="right", no_wrap=True, min_width=len(name))
    for cell in shown:
        table.add_row(f"[dim]{cell.workload}, {cell.budget.label}[/]")
        for (other, arm), tally in board.tallies.items():
            if other == cell:
                table.add_row(arm, *_numbers(tally))
    return table


def _numbers(tally: Tally) -> tuple[str, ...]:
    return (
        f"{tally.tuned}/{tally.draws}" if tally.draws else "–",
        f"{tally.confirmed + tally.early}/{at_least_and_most(tally.seeds, tally.most_seeds)}",
        str(tally.diverged or "–"),
        f"[red]{tally.failed}[/]" if tally.failed else "–",
        "–" if tally.best is None else f"{tally.best:.4f}",
    )
