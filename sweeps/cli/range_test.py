"""Find out which learning rates the workloads of a study stand, before its search space is settled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from sweeps.cli.console import err, out
from sweeps.cli.launch import SetOption, StudyArgument
from sweeps.cli.verdict import shown_path
from sweeps.errors import InputError
from sweeps.loading import load_study, read_override
from sweeps.places import Places
from sweeps.space import Dimension, unparse_dimension
from sweeps.spec import Study

if TYPE_CHECKING:
    from sweeps.range_testing import CurvatureOptions, Range, RangeOptions, RangeResult


class Shape(StrEnum):
    """How the rate rises."""

    EXPONENTIAL = "exponential"
    LINEAR = "linear"


_CURVATURE = "With --curvature"


def range_test(  # noqa: PLR0913, PLR0917 (its signature is the command line)
    study: StudyArgument,
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
        int, typer.Option(min=1, rich_help_panel=_CURVATURE, help="Updates between snapshots of the weights.")
    ] = 1,
    smoothing: Annotated[
        float,
        typer.Option(min=1e-6, max=1, rich_help_panel=_CURVATURE, help="Weight of a new estimate in the average."),
    ] = 0.1,
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
    with err.status("starting ...") as status:
        from sweeps.range_testing import CurvatureOptions, RangeOptions, proposed_range  # noqa: PLC0415 (slow to import)

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
        estimates = CurvatureOptions(spacing=spacing, smoothing=smoothing, peak_lr=given.get("peak_lr"))
        results = _run(loaded, options, estimates if curvature else None, status.update)
    proposed = proposed_range(results)
    _print(results)
    if write:
        _write_range(Path(study), proposed, overrides or ())
    elif proposed is not None:
        searched = loaded.search.get("peak_lr")
        now = f" (searched now: {_in_words(searched)})" if searched else ""
        out.print(f"Proposed:  peak_lr: {proposed}{now}", soft_wrap=True, markup=False)
    _keep(loaded.study, results, proposed, folder)


def _run(
    study: Study, options: RangeOptions, estimates: CurvatureOptions | None, watch: Callable[[str], None]
) -> list[RangeResult]:
    from sweeps.range_testing import planned_tests, run_tests, with_curvature  # noqa: PLC0415

    results = run_tests(study, options.arm or study.control, planned_tests(study, options), watch)
    if estimates is None:
        return results
    return [with_curvature(study, result, estimates, watch) for result in results]


def _print(results: Sequence[RangeResult]) -> None:
    from sweeps.range_testing import described, headline, suggestion_table  # noqa: PLC0415

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
    [(kind, values)] = unparse_dimension(dimension).items()
    return f"{{{kind}: [{', '.join(f'{value:g}' for value in values)}]}}"


def _write_range(path: Path, proposed: Range | None, overrides: Sequence[str]) -> None:
    from sweeps.range_testing import write_range  # noqa: PLC0415

    if proposed is None:
        raise InputError("no rule suggests a rate, so that there is nothing to --write: raise --high or --updates.")
    write_range(path, proposed, overrides)
    out.print(f"Wrote peak_lr: {proposed} to {path}.", soft_wrap=True, markup=False)


def _keep(study: str, results: Sequence[RangeResult], proposed: Range | None, folder: Path | None) -> None:
    """Write the files, and record them."""
    from analysis.writing import replace_files  # noqa: PLC0415
    from sweeps.provenance import machine  # noqa: PLC0415
    from sweeps.range_testing import PAGE, range_files  # noqa: PLC0415
    from sweeps.recording.range_tests import range_test_experiment, record_range_tests  # noqa: PLC0415

    places = Places.from_environment()
    target = folder or places.range_test(study)
    files = range_files(study, results, proposed)
    try:
        replace_files(target, files)
    except OSError as error:
        raise InputError(f"the files cannot be written to {target}: {error.strerror or error}.") from error
    out.print(f"Page:      {shown_path(target / PAGE)}", soft_wrap=True, markup=False)
    with err.status("recording ..."):
        record_range_tests(places, study, results, proposed, {name: target / name for name in files}, machine())
    out.print(f"Recorded:  experiment {range_test_experiment(study)} in MLflow", soft_wrap=True, markup=False)
