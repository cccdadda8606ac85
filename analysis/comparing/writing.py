"""Write a comparison of two studies to files, and read it back."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from analysis.comparing.forest import draw_forest
from analysis.comparing.rendering import render_comparison_html, render_comparison_markdown
from analysis.comparing.values import Comparison
from analysis.writing import replace_files


@dataclass(frozen=True, kw_only=True)
class ComparisonFiles:
    """Where a comparison was written."""

    html: Path
    markdown: Path
    json: Path
    figures: tuple[Path, ...]


def comparison_json(comparison: Comparison) -> str:
    """Return the comparison as strict JSON: null for what is not known, fields in the order of definition."""
    return json.dumps(dataclasses.asdict(comparison), allow_nan=False, ensure_ascii=False, indent=1) + "\n"


def comparison_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of ``comparison.json``."""
    return TypeAdapter(Comparison).json_schema(mode="serialization")


def read_comparison(path: Path) -> Comparison:
    """Read a comparison back from its JSON file.

    Raises:
        pydantic.ValidationError: If the file is not a comparison of this schema.
    """
    return TypeAdapter(Comparison).validate_json(path.read_bytes())


def write_comparison(comparison: Comparison, out_dir: Path | str) -> ComparisonFiles:
    """Write ``comparison.html``, ``comparison.md``, ``comparison.json`` and ``figures/*.svg|pdf|png``.

    Args:
        comparison: What to write.
        out_dir: A folder of its own, made if needed; the files of an earlier comparison or report there are replaced.

    Raises:
        ValueError: If a report is in the folder.
        OSError: If the folder cannot be written; what was there is unchanged.
    """
    folder = Path(out_dir)
    if (folder / "report.json").exists():
        raise ValueError(
            f"out_dir must be a folder without a report; got {folder}. Give the comparison one of its own."
        )
    figures = draw_forest(comparison)
    drawn = {
        f"figures/{figure.name}.{suffix}": content
        for figure in figures
        for suffix, content in (("svg", figure.svg.encode()), ("pdf", figure.pdf()), ("png", figure.png()))
    }
    pages = {
        "comparison.html": render_comparison_html(comparison, figures),
        "comparison.md": render_comparison_markdown(comparison, figures),
        "comparison.json": comparison_json(comparison),
    }
    replace_files(folder, {**{name: text.encode() for name, text in pages.items()}, **drawn})
    return ComparisonFiles(
        html=folder / "comparison.html",
        markdown=folder / "comparison.md",
        json=folder / "comparison.json",
        figures=tuple(folder / name for name in drawn),
    )
