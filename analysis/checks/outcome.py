"""Make the outcome of a check from what it found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from analysis.rules import Cell, Place, Rules
from analysis.tables.rows import CheckRow, Finding

FINDINGS_IN_SUMMARY = 3


@dataclass(frozen=True, kw_only=True)
class Condition:
    """What a check demands, and what to do where the demand is not met.

    Attributes:
        severity: Status where anything was found: ``fail`` withholds the verdicts concerned.
        met: Evidence where nothing was found.
    """

    name: str
    title: str
    severity: Literal["warn", "fail"]
    met: str
    remedy: str


def outcome(condition: Condition, findings: Iterable[Finding]) -> CheckRow:
    """Return the row of a check: passed without findings, else summarised by the first few."""
    found = tuple(findings)
    evidence = "; ".join(finding.evidence for finding in found[:FINDINGS_IN_SUMMARY]) or condition.met
    if len(found) > FINDINGS_IN_SUMMARY:
        evidence += f"; and {len(found) - FINDINGS_IN_SUMMARY} more"
    return CheckRow(
        name=condition.name,
        title=condition.title,
        status=condition.severity if found else "pass",
        evidence=evidence,
        remedy=condition.remedy if found else "",
        findings=found,
        run_ids=tuple(run_id for finding in found for run_id in finding.run_ids),
    )


def not_recorded(condition: Condition, lacking: str, remedy: str) -> CheckRow:
    """Return the row of a check that could not be made: it neither passes nor withholds a verdict."""
    return CheckRow(
        name=condition.name,
        title=condition.title,
        status="warn",
        evidence=f"not recorded: {lacking}",
        remedy=remedy,
        findings=(),
        run_ids=(),
    )


def in_cell(cell: Cell, evidence: str, run_ids: Iterable[str] = ()) -> Finding:
    """Return a finding that concerns every arm of a cell."""
    return Finding(workload=cell.workload, budget=cell.budget, arm=None, evidence=evidence, run_ids=tuple(run_ids))


def at_place(rules: Rules, place: Place, evidence: str, run_ids: Iterable[str] = ()) -> Finding:
    """Return a finding about one arm in one cell; the evidence is prefixed with both."""
    where = rules.describe_cell(Cell(place.workload, place.budget))
    return Finding(**place._asdict(), evidence=f"{place.arm} {where}: {evidence}", run_ids=tuple(run_ids))


def everywhere(evidence: str, run_ids: Iterable[str] = ()) -> Finding:
    """Return a finding that concerns the whole study."""
    return Finding(workload=None, budget=None, arm=None, evidence=evidence, run_ids=tuple(run_ids))
