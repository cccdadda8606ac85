"""Write the report of a table: ``python -m analysis results.csv``; imports neither Ray nor torch nor MLflow."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from analysis.rendering.check_groups import lines as check_lines
from analysis.report import build_report, write_report
from analysis.tidy import TableError, TableOptions, read_table


def main(arguments: Sequence[str] | None = None) -> int:
    """Read a table, write its report and print the verdicts; return 0, or 2 for bad input."""
    given = _parser().parse_args(arguments)
    options = TableOptions(
        control=given.control,
        margin=given.margin,
        alpha=given.alpha,
        targets=tuple(given.target),
        question=given.question,
        budget_unit=given.unit,
        percent=given.percent,
        rules=given.rules,
    )
    folder = given.out or Path(f"{given.table.stem}-report")
    try:
        record = read_table(given.table, given.curves, options=options)
        report = build_report(record)
        files = write_report(report, folder, record=record)
    except TableError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"error: the report cannot be written to {folder}: {error.strerror or error}.\n")
        return 2
    told = [text if kind == "unknown" else f"{kind} {text}" for kind, text in check_lines(report.checks)]
    sys.stdout.write("\n".join([*told, *report.sentences, "", f"Report:  {files.html}"]) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m analysis", description="Write the report of a table of results.")
    parser.add_argument("table", type=Path, help="one row per run: .csv, .tsv, .json, .jsonl or .parquet")
    parser.add_argument("--curves", type=Path, help="a second table, one row per evaluation of a run")
    parser.add_argument("--out", type=Path, help="folder to write to; by default the name of the table, then -report")
    parser.add_argument("--rules", type=Path, help="YAML or JSON file with control, margin, targets, arms and more")
    parser.add_argument("--control", help="arm that the others are compared with")
    parser.add_argument("--margin", type=float, help="equivalence margin as a fraction; 0.005 if not given")
    parser.add_argument("--alpha", type=float, help="error rate over all comparisons; 0.05 if not given")
    parser.add_argument("--target", type=float, action="append", default=[], help="accuracy to be reached; repeatable")
    parser.add_argument("--question", help="question that the report answers")
    parser.add_argument("--unit", help="what the budgets count, such as epochs")
    parser.add_argument("--percent", action="store_true", help="the accuracies in the tables are in percent")
    return parser


if __name__ == "__main__":
    sys.exit(main())
