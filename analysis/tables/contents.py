"""Define the contents of a report: the one object from which all its outputs are made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import ConfigDict

from analysis.rules import Rules
from analysis.tables.rows import (
    ArmRow,
    CheckRow,
    ComparisonRow,
    CurveRow,
    LedgerRow,
    PublishedGapRow,
    SeedRow,
    TimeToTargetRow,
    WinnerRow,
)

SCHEMA_VERSION = "1.0"


@dataclass(frozen=True, kw_only=True)
class ArmDesign:
    """One contender as the study file describes it."""

    name: str
    schedule: str
    momentum_policy: str
    as_published: bool
    search_space: dict[str, Any]
    """Every dimension that is searched, shared ones first; empty if as published."""


@dataclass(frozen=True, kw_only=True)
class Design:
    """What was fixed before the first trial."""

    question: str
    workloads: tuple[str, ...]
    budget_unit: str
    budgets: tuple[int | float, ...]
    control: str
    arms: tuple[ArmDesign, ...]
    """Control first."""
    metric: str
    targets: tuple[float, ...]
    equivalence_margin: float
    alpha: float
    draws: int
    searches: int
    confirm_seeds: int
    protocol_hash: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything a report says about one study."""

    # Lets the JSON Schema carry the descriptions of the fields.
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(use_attribute_docstrings=True)

    schema_version: str
    """Major and minor: a new minor version adds fields, a new major version changes or removes some."""
    study: str
    headline: str
    """The verdict in one paragraph of plain language."""
    sentences: tuple[str, ...]
    """The headline, one sentence per arm."""
    design: Design
    arms: tuple[ArmRow, ...]
    comparisons: tuple[ComparisonRow, ...]
    published_gaps: tuple[PublishedGapRow, ...]
    time_to_target: tuple[TimeToTargetRow, ...]
    seeds: tuple[SeedRow, ...]
    curves: tuple[CurveRow, ...]
    winners: tuple[WinnerRow, ...]
    ledger: tuple[LedgerRow, ...]
    checks: tuple[CheckRow, ...]
    provenance: dict[str, str]
    """Where the record comes from; anything here may differ between two runs of the same study."""


def describe_design(rules: Rules) -> Design:
    """Return the rules of a study in the form in which the report shows them."""
    return Design(
        question=rules.question,
        workloads=tuple(workload.name for workload in rules.workloads),
        budget_unit=rules.budgets.unit,
        budgets=rules.budgets.amounts,
        control=rules.control,
        arms=tuple(
            ArmDesign(
                name=name,
                schedule=rules.arms[name].schedule,
                momentum_policy=rules.arms[name].momentum_policy,
                as_published=rules.arms[name].as_published,
                search_space=rules.search_space(name),
            )
            for name in rules.ordered_arms
        ),
        metric=rules.metric,
        targets=rules.targets,
        equivalence_margin=rules.equivalence_margin,
        alpha=rules.alpha,
        draws=rules.tuning.draws,
        searches=rules.tuning.searches,
        confirm_seeds=rules.confirm.seeds,
        protocol_hash=rules.protocol_hash,
    )
