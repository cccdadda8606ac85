"""Find out which learning rates the workloads of a study stand, before its search space is settled."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from sweeps.cli.console import err, out
from sweeps.cli.launch import SetOption
from sweeps.cli.verdict import shown_path
from sweeps.errors import InputError
from sweeps.loading import load_study, read_override
from sweeps.places import Places

if TYPE_CHECKING:
    from sweeps.range_testing import CurvatureOptions, Range, RangeOptions, RangeResult
    from sweeps.space import Dimension
    from sweeps.spec import Study


class Shape(StrEnum):
    """How the rate rises."""

    EXPONENTIAL = "exponential"
    LINEAR = "linear"


@dataclass(frozen=True, kw_only=True)
class _Into:
    """Where to write.

    Args:
        folder: for the files.
        file: the study file, for the proposed range; None to leave it alone.
        overrides: ``key=value`` pairs with which that file is read.
    """

    folder: Path
    file: Path | None
    overrides: tuple[str, ...]


_CURVATURE = "With --curvature"
_ONLY_ESTIMATES = {"peak_lr": "--setting peak_lr", "spacing": "--spacing", "smoothing": "--smoothing"}


def range_test(  # noqa: PLR0913, PLR0917 (its signature is the command line)
    study: Annotated[str, typer.Argument(help="A study file, or the name of a shipped study.")],
    workload: Annotated[str | None, typer.Option(help="Test this workload only; all of them by default.")] = None,
    arm: Annotated[str | None, typer.Option(help="Use the settings of this arm; of the control by default.")] = None,
    shape: Annotated[Shape, typer.Option(help="How the rate rises from update to update.")] = Shape.EXPONENTIAL,
    low: Annotated[float | None, typer.Option(help="First rate; 1e-5, or 0 if linear.")] = None,
    high: Annotated[float | None, typer.Option(help="Last rate; 10, or 3 if linear.")] = None,
    updates: Annotated[int, typer.Option(min=20, help="Length of the ramp.")] = 500,
    seeds: Annotated[int, typer.Option(min=1, max=1000, help="Trainings per workload.")] = 5,
    evaluations: Annotated[int, typer.Option(min=1, max=1000, help="Evaluations per training.")] = 25,
    setting: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Use this value, such as weight_decay=1e-4; repeatable."),
    ] = None,
    curvature: Annotated[
        bool, typer.Option("--curvature", help="Estimate the optimal rate from the steps of further trainings, too.")
    ] = False,
    spacing: Annotated[
        int | None,
        typer.Option(min=1, rich_help_panel=_CURVATURE, help="Updates between snapshots of the weights; 1 by default."),
    ] = None,
    smoothing: Annotated[
        float | None,
        typer.Option(
            min=1e-6, max=1, rich_help_panel=_CURVATURE, help="Weight of a new estimate in the average; 0.1 by default."
        ),
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--out", help="Where to write the files; by default below FAIRSWEEP_HOME.")
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Write the proposed range of peak_lr into the study file.")
    ] = False,
    overrides: SetOption = None,
) -> None:
    """Find out which learning rates a study's workloads stand: raise the rate while training, and watch."""
    loaded = load_study(study, overrides or ())
    if write and not Path(study).is_file():
        raise InputError(f"--write needs a file of yours; {study} comes with fairsweep. Copy it first.")
    given = dict(read_override(text, "weight_decay=1e-4", "--setting") for text in setting or ())
    wanted: dict[str, Any] = {"peak_lr": given.get("peak_lr"), "spacing": spacing, "smoothing": smoothing}
    for_estimates = {name: value for name, value in wanted.items() if value is not None}
    if not curvature:
        _refuse_without_curvature(for_estimates)
    target = folder or Places.from_environment().range_test(loaded.study)
    with err.status("starting ...") as status:
        from sweeps.range_testing import CurvatureOptions, RangeOptions, proposed_range

        options = RangeOptions(
            workload=workload,
            arm=arm,
            shape=shape.value,
            low=low,
            high=high,
            updates=updates,
            seeds=seeds,
            evaluations=evaluations,
            settings=given,
        )
        into = _Into(folder=target, file=Path(study) if write else None, overrides=tuple(overrides or ()))
        estimates = CurvatureOptions(**for_estimates) if curvature else None
        results = _run(loaded, options, estimates, into, status.update)
    _conclude(loaded, results, proposed_range(results), into)
    if missing := [result.workload for result in results if curvature and result.estimated_at is None]:
        raise InputError(
            f"no estimate for {', '.join(missing)}, as no rule suggests a rate. Give --setting peak_lr=0.1."
        )


def _conclude(study: Study, results: Sequence[RangeResult], proposed: Range | None, into: _Into) -> None:
    """Print what came out, keep it, and write the proposed range where that is wanted."""
    _print(results)
    if proposed is not None:
        searched = study.search.get("peak_lr")
        now = f" (searched now: {_in_words(searched)})" if searched else ""
        out.print(f"Proposed:  peak_lr: {proposed}{now}", soft_wrap=True, markup=False)
    _keep(study.study, results, proposed, into.folder)
    if into.file is not None:
        _write_range(into.file, proposed, into.overrides)


def _refuse_without_curvature(given: Iterable[str]) -> None:
    """Refuse options that only an estimate of the optimal rate heeds."""
    problems = [
        f"{_ONLY_ESTIMATES[name]} has no effect without --curvature: give it, too, or leave it out." for name in given
    ]
    if problems:
        raise InputError("\n".join(problems))


def _run(
    study: Study,
    options: RangeOptions,
    estimates: CurvatureOptions | None,
    into: _Into,
    watch: Callable[[str], None],
) -> list[RangeResult]:
    """Run the tests, after everything that could go wrong afterwards was looked at."""
    from sweeps.range_testing import (
        check_curvature,
        check_writable,
        planned_tests,
        run_tests,
        with_curvature,
    )

    tests = planned_tests(study, options)
    if estimates is not None:
        check_curvature(tests, estimates)
    if into.file is not None:
        check_writable(into.file, into.overrides)
    _make(into.folder)
    results = run_tests(study, options.arm or study.control, tests, watch)
    if estimates is None:
        return results
    return [with_curvature(study, result, estimates, watch) for result in results]


def _make(folder: Path) -> None:
    """Make the folder of the files, and see that it can be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(_unwritable(folder, error)) from error


def _unwritable(folder: Path, error: OSError) -> str:
    reason = error.strerror or error
    return f"--out must be a folder that can be written; got {folder}: {reason}. Give another, or set FAIRSWEEP_HOME."


def _print(results: Sequence[RangeResult]) -> None:
    from sweeps.range_testing import described, headline, suggestion_table

    for result in results:
        content = suggestion_table(result)
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        shown = [column for column in content.columns if column not in content.prose]
        for column in shown:
            table.add_column(column, justify="right" if column in content.numeric else "left", no_wrap=True)
        for row in content.rows:
            cells = zip(content.columns, row, strict=True)
            table.add_row(*(escape(cell) for column, cell in cells if column in shown))
        out.print(headline(result), markup=False)
        out.print(described(result), style="dim", markup=False)
        out.print(table)
        out.print()


def _in_words(dimension: Dimension) -> str:
    from sweeps.space import unparse_dimension

    [(kind, values)] = unparse_dimension(dimension).items()
    return f"{{{kind}: [{', '.join(f'{value:g}' for value in values)}]}}"


def _write_range(path: Path, proposed: Range | None, overrides: Sequence[str]) -> None:
    from sweeps.range_testing import write_range

    if proposed is None:
        raise InputError("the tests propose no range, so that there is nothing to --write; see above what to change.")
    write_range(path, proposed, overrides)
    out.print(f"Wrote peak_lr: {proposed} to {path}.", soft_wrap=True, markup=False)


def _keep(study: str, results: Sequence[RangeResult], proposed: Range | None, folder: Path) -> None:
    """Write the files, and record them."""
    from analysis.writing import replace_files
    from sweeps.provenance import machine
    from sweeps.range_testing import PAGE, range_files
    from sweeps.recording.range_tests import range_test_experiment, record_range_tests

    files = range_files(study, results, proposed)
    try:
        replace_files(folder, files)
    except OSError as error:
        raise InputError(_unwritable(folder, error)) from error
    out.print(f"Page:      {shown_path(folder / PAGE)}", soft_wrap=True, markup=False)
    kept = {name: folder / name for name in files}
    with err.status("recording ..."):
        record_range_tests(Places.from_environment(), study, results, proposed, kept, machine())
    out.print(f"Recorded:  experiment {range_test_experiment(study)} in MLflow", soft_wrap=True, markup=False)
