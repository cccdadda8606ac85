"""Build the report of a study and write its files."""

from __future__ import annotations

import dataclasses
import json
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from analysis.checks import run_checks
from analysis.divergence import all_diverged
from analysis.exporting import table_files
from analysis.figures import draw_figures
from analysis.headline import headline_sentences, speed_up_sentence
from analysis.record import StudyRecord
from analysis.rendering import VerdictRow, render_html, render_markdown, verdict_rows
from analysis.samples import collect_samples
from analysis.tables.across import across_workloads
from analysis.tables.arms import arm_rows, curve_rows, seed_rows, winner_rows
from analysis.tables.comparisons import comparison_rows, published_gap_rows
from analysis.tables.contents import SCHEMA_VERSION, Report, describe_design
from analysis.tables.effects import effect_rows
from analysis.tables.ledger import ledger_rows
from analysis.tables.null_pairs import null_pairs_rows
from analysis.tables.pairs import pair_rows
from analysis.tables.power import power_rows
from analysis.tables.response import importance_rows, response_rows
from analysis.tables.search_variance import search_variance_rows
from analysis.tables.sensitivity import sensitivity_rows
from analysis.tables.sequences import sequence_rows
from analysis.tables.skeptic import skeptic_rows, winner_curse_rows
from analysis.tables.speedups import speed_up_rows
from analysis.tables.target_comparisons import target_comparison_rows
from analysis.tables.target_runs import collect_target_runs
from analysis.tables.time_to_target import survival_curve_rows, target_grid_rows, time_to_target_rows
from analysis.tables.tuning import collect_draws, tuning_curve_rows, tuning_summary_rows
from analysis.writing import replace_files

__all__ = [
    "SCHEMA_VERSION",
    "Report",
    "ReportFiles",
    "VerdictRow",
    "build_report",
    "read_report",
    "report_json",
    "verdict_rows",
    "write_report",
]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReportFiles:
    """Where a report was written."""

    html: Path
    markdown: Path
    json: Path
    figures: tuple[Path, ...]
    tables: tuple[Path, ...]

    def by_name(self, folder: Path) -> dict[str, Path]:
        """Return every file of the report by its name inside the folder of the report."""
        paths = (self.html, self.markdown, self.json, *self.figures, *self.tables)
        return {path.relative_to(folder).as_posix(): path for path in paths}


def build_report(record: StudyRecord) -> Report:
    """Compute everything the report of a study says.

    Runs on an unfinished study too: what is missing is counted, and verdicts that need it are withheld.
    """
    rules, samples = record.rules, collect_samples(record)
    target_runs = collect_target_runs(record, samples)
    null_pairs = null_pairs_rows(rules, samples)
    checks = run_checks(record, samples, null_pairs)
    design = describe_design(rules, record.recorded)
    comparisons = comparison_rows(rules, samples, checks)
    gaps = published_gap_rows(rules, samples, checks)
    speed_ups, skeptic = speed_up_rows(rules, samples, checks), skeptic_rows(record, samples, checks)
    sentences = (*headline_sentences(design, comparisons, gaps), *speed_up_sentence(design, speed_ups, skeptic))
    if ruin := all_diverged(record):
        sentences = (ruin,)
    draws = collect_draws(record)
    across = across_workloads(record, samples, target_runs, comparisons)
    return Report(
        schema_version=SCHEMA_VERSION,
        study=rules.study,
        headline=" ".join(sentences),
        sentences=sentences,
        design=design,
        arms=arm_rows(rules, samples),
        comparisons=comparisons,
        effects=effect_rows(rules, samples),
        sensitivity=sensitivity_rows(rules, samples, comparisons),
        power=power_rows(rules, samples),
        pairs=pair_rows(rules, samples, checks),
        published_gaps=gaps,
        speed_ups=speed_ups,
        skeptic=skeptic,
        winner_curses=winner_curse_rows(record),
        time_to_target=time_to_target_rows(rules, target_runs),
        survival_curves=survival_curve_rows(rules, target_runs),
        target_comparisons=target_comparison_rows(rules, target_runs, checks),
        target_grid=target_grid_rows(rules, target_runs),
        seeds=seed_rows(record),
        curves=curve_rows(record),
        tuning=tuning_summary_rows(rules, draws),
        tuning_curves=tuning_curve_rows(rules, draws),
        responses=response_rows(rules, draws),
        importances=importance_rows(rules, draws),
        search_variance=search_variance_rows(record),
        winners=winner_rows(record),
        algoperf_scores=across.scores,
        performance_profiles=across.profiles,
        geometric_speed_ups=across.geometric_speed_ups,
        average_ranks=across.ranks,
        rank_tests=across.rank_tests,
        ledger=ledger_rows(record),
        checks=checks,
        null_pairs=null_pairs,
        sequences=sequence_rows(rules, samples),
        provenance=dict(record.provenance),
    )


def report_json(report: Report) -> str:
    """Return the report as strict JSON: null for what is not known, fields as they are defined, a row per line."""
    fields = (f"{json.dumps(name)}: {_json_lines(value)}" for name, value in dataclasses.asdict(report).items())
    return "{\n" + ",\n".join(fields) + "\n}\n"


def _json_lines(value: Any) -> str:
    write = partial(json.dumps, allow_nan=False, ensure_ascii=False)
    rows = isinstance(value, tuple) and bool(value)
    return "[\n " + ",\n ".join(map(write, value)) + "\n]" if rows else write(value)


def read_report(path: Path) -> Report:
    """Read a report back from its JSON file.

    Raises:
        pydantic.ValidationError: If the file is not a report of this schema.
    """
    return TypeAdapter(Report).validate_json(path.read_bytes())


def write_report(
    record_or_report: StudyRecord | Report, out_dir: Path | str, *, record: StudyRecord | None = None
) -> ReportFiles:
    """Write the page, its text, the data, ``figures/*.pdf|png`` and ``tables/*.csv|tex``.

    What an earlier report wrote there is replaced, all at once or, where something fails, not at all.

    Args:
        record_or_report: The study, or a report that was built from it.
        out_dir: Folder to write to; made if needed.
        record: The study that the report was built from: its trials and rules join the tables.

    Raises:
        OSError: If the folder cannot be written.
    """
    if isinstance(record_or_report, Report):
        report = record_or_report
    else:
        report, record = build_report(record_or_report), record_or_report
    folder, drawings = Path(out_dir), draw_figures(report)
    figures = {f"figures/{d.name}.{kind}": draw() for d in drawings for kind, draw in (("pdf", d.pdf), ("png", d.png))}
    tables = {f"tables/{name}": text.encode() for name, text in table_files(report, record).items()}
    pages = {
        "report.html": render_html(report, drawings).encode(),
        "report.md": render_markdown(report, drawings).encode(),
        "report.json": report_json(report).encode(),
    }
    replace_files(folder, {**pages, **figures, **tables})
    return ReportFiles(
        html=folder / "report.html",
        markdown=folder / "report.md",
        json=folder / "report.json",
        figures=tuple(folder / name for name in figures),
        tables=tuple(folder / name for name in tables),
    )
