"""Describe ``report.json`` to other programs."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from analysis.tables.contents import Report


def report_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of ``report.json``, generated from the rows of the report."""
    return TypeAdapter(Report).json_schema(mode="serialization")
