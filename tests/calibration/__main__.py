"""Measure every table of docs/statistics.md and write it there.

Run with: make calibration
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import textwrap
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")  # before numpy: one thread per process is fastest here

from tests.calibration import page  # noqa: E402
from tests.calibration.catalogue import load_tables  # noqa: E402
from tests.calibration.measuring import Tally, Task, measure  # noqa: E402

PACKAGES = ("numpy", "scipy", "statsmodels", "pandas", "opda")
QUICK_SHARE = 0.005


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 1 where something could not be measured or written."""
    options = _parser().parse_args(arguments)
    tables, complaints = load_tables()
    unknown = set(options.only) - {table.name for table in tables}
    if unknown:
        complaints += (f"--only must name tables of {', '.join(t.name for t in tables)}; got {', '.join(unknown)}.",)
    chosen = [table for table in tables if not options.only or table.name in options.only]
    share, started = QUICK_SHARE if options.quick else options.share, time.perf_counter()
    tallies = measure(chosen, processes=options.processes, share=share, progress=_progress(started))
    blocks = {table.name: page.table_text(table, tallies[table.name]) for table in chosen}
    if not options.only:
        blocks[page.RUN] = _run_text(tallies, time.perf_counter() - started, options.processes)
    if share < 1 or options.print:
        sys.stdout.write("\n\n".join(f"{name}\n\n{text}" for name, text in blocks.items()) + "\n")
    else:
        complaints += _write(blocks)
    complaints += tuple(
        f"{name}: {'; '.join(tally.experiment.row)}: {tally.failure}"
        for name, found in tallies.items()
        for tally in found
        if tally.failure
    )
    sys.stderr.write("".join(f"{complaint}\n" for complaint in complaints))
    return 1 if complaints else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.calibration", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--share", type=float, default=1.0, help="run this share of the simulations, print the tables")
    parser.add_argument("--quick", action="store_true", help=f"the same as --share {QUICK_SHARE}")
    parser.add_argument("--print", action="store_true", help="print the tables, leave the page alone")
    parser.add_argument("--only", nargs="+", default=[], metavar="TABLE", help="measure these tables only")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="default: one per core")
    return parser


def _progress(started: float) -> Callable[[int, int, Task], None]:
    live = sys.stderr.isatty()

    def show(done: int, total: int, task: Task) -> None:
        line = f"{done}/{total} tasks, {time.perf_counter() - started:.0f} s, {task.table}"
        if live:
            sys.stderr.write(f"\r\033[K{line}" + ("\n" if done == total else ""))
        elif done == total or done % 50 == 0:
            sys.stderr.write(f"{line}\n")
        sys.stderr.flush()

    return show


def _write(blocks: Mapping[str, str]) -> tuple[str, ...]:
    """Write every block that the page has a place for and return a complaint for each that it has not."""
    text, complaints = page.PAGE.read_text(encoding="utf-8"), []
    for name, content in blocks.items():
        try:
            text = page.with_blocks(text, {name: content})
        except ValueError as error:
            complaints.append(f"{page.PAGE.name}: {error}")
    page.PAGE.write_text(text, encoding="utf-8")
    return tuple(complaints)


def _run_text(tallies: Mapping[str, Sequence[Tally]], seconds: float, processes: int) -> str:
    """Say how much was simulated and what came out, how long it took, and with which versions."""
    found = [tally for table in tallies.values() for tally in table]
    words = [
        tally.judgement(column).word
        for tally in found
        if not tally.failure
        for column in tally.experiment.columns
        if tally.experiment.claim(column).judged
    ]
    counts = ", ".join(f"{words.count(word)} {word}" for word in ("pass", "edge", "low", "high", "unclear"))
    text = (
        f"{sum(tally.simulations for tally in found):,} simulations in {seconds / 60:.1f} minutes on {processes} "
        f"processes; {len(words)} judged cells: {counts}; {sum(bool(tally.failure) for tally in found)} experiments "
        f"failed. Python {platform.python_version()}, "
        f"{', '.join(f'{package} {version(package)}' for package in PACKAGES)}."
    )
    return textwrap.fill(text, 118)


if __name__ == "__main__":
    sys.exit(main())
