"""Build the report of a study and write its files."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from pydantic import TypeAdapter

from analysis.checks import run_checks
from analysis.figures import draw_figures
from analysis.headline import headline_sentences
from analysis.record import StudyRecord
from analysis.rendering import VerdictRow, render_html, render_markdown, verdict_rows
from analysis.samples import collect_samples
from analysis.tables.arms import arm_rows, curve_rows, seed_rows, winner_rows
from analysis.tables.comparisons import comparison_rows, published_gap_rows
from analysis.tables.contents import SCHEMA_VERSION, Report, describe_design
from analysis.tables.ledger import ledger_rows
from analysis.tables.time_to_target import time_to_target_rows

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


def build_report(record: StudyRecord) -> Report:
    """Compute everything the report of a study says.

    Runs on an unfinished study too: what is missing is counted, and verdicts that need it are withheld.
    """
    rules, samples = record.rules, collect_samples(record)
    checks = run_checks(record, samples)
    design = describe_design(rules)
    comparisons = comparison_rows(rules, samples, checks)
    gaps = published_gap_rows(rules, samples)
    sentences = headline_sentences(design, comparisons, gaps)
    return Report(
        schema_version=SCHEMA_VERSION,
        study=rules.study,
        headline=" ".join(sentences),
        sentences=sentences,
        design=design,
        arms=arm_rows(rules, samples),
        comparisons=comparisons,
        published_gaps=gaps,
        time_to_target=time_to_target_rows(record),
        seeds=seed_rows(record),
        curves=curve_rows(record),
        winners=winner_rows(record),
        ledger=ledger_rows(record),
        checks=checks,
        provenance=dict(record.provenance),
    )


def report_json(report: Report) -> str:
    """Return the report as strict JSON: null for what is not known, fields in the order of definition."""
    return json.dumps(dataclasses.asdict(report), allow_nan=False, ensure_ascii=False, indent=1) + "\n"


def read_report(path: Path) -> Report:
    """Read a report back from its JSON file.

    Raises:
        pydantic.ValidationError: If the file is not a report of this schema.
    """
    return TypeAdapter(Report).validate_json(path.read_bytes())


def write_report(record_or_report: StudyRecord | Report, out_dir: Path | str) -> ReportFiles:
    """Write ``report.html``, ``report.md``, ``report.json`` and ``figures/*.svg|png``; replace what is there.

    Args:
        record_or_report: The study, or a report that was built from it.
        out_dir: Folder to write to; made if needed.
    """
    report = record_or_report if isinstance(record_or_report, Report) else build_report(record_or_report)
    folder = Path(out_dir)
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    figures = draw_figures(report)
    files = ReportFiles(
        html=folder / "report.html",
        markdown=folder / "report.md",
        json=folder / "report.json",
        figures=tuple(folder / "figures" / f"{f.name}.{suffix}" for f in figures for suffix in ("svg", "png")),
    )
    files.json.write_text(report_json(report), encoding="utf-8")
    files.html.write_text(render_html(report, figures), encoding="utf-8")
    files.markdown.write_text(render_markdown(report, figures), encoding="utf-8")
    for figure in figures:
        (folder / "figures" / f"{figure.name}.svg").write_text(figure.svg, encoding="utf-8")
        (folder / "figures" / f"{figure.name}.png").write_bytes(figure.png())
    return files
