"""Define the contents of a report: the one object from which all its outputs are made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import ConfigDict

from analysis.halving import rung_sizes
from analysis.record import ALL_PARTS
from analysis.rules import Rules
from analysis.tables.rows import (
    ArmRow,
    CheckRow,
    ComparisonRow,
    CurveRow,
    EffectRow,
    GeometricSpeedUpRow,
    ImportanceRow,
    LedgerRow,
    NullPairsRow,
    PairRow,
    PowerRow,
    ProfileRow,
    PublishedGapRow,
    RankRow,
    RankTestRow,
    ResponseRow,
    ScoreRow,
    SearchVarianceRow,
    SeedRow,
    SensitivityRow,
    SequenceRow,
    SkepticRow,
    SpeedUpRow,
    SurvivalCurveRow,
    TargetComparisonRow,
    TargetGridRow,
    TimeToTargetRow,
    TuningCurveRow,
    TuningSummaryRow,
    WinnerCurseRow,
    WinnerRow,
)

SCHEMA_VERSION = "2.0"


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
    rungs: int
    """Budgets at which draws compete in successive halving, the cell's own included; 1 without it."""
    halving_factor: int | None
    """How many times as long each of them is as the one before, for so many times fewer draws; null without it."""
    searches: int
    confirm_seeds: int
    confirm_until: str
    """`planned`: this many seeds; `decided`: one more at a time in every arm of a cell until it is decided."""
    max_seeds: int
    """Seeds per winner at most; equal to `confirm_seeds` if planned."""
    protocol_hash: str
    recorded: tuple[str, ...]
    """Parts that the record has, of `curves`, `plan`, `rules`, `seconds`, `seeds`, `tuning` and `updates`; a table from
    elsewhere may lack some."""

    @property
    def rung_draws(self) -> tuple[int, ...]:
        """The draws of a search at each of these budgets, the cell's own last."""
        return (self.draws,) if self.halving_factor is None else rung_sizes(self.draws, self.halving_factor, self.rungs)


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
    effects: tuple[EffectRow, ...]
    """How large the differences are, in other measures."""
    sensitivity: tuple[SensitivityRow, ...]
    """Whether other analyses would come to the same verdicts."""
    power: tuple[PowerRow, ...]
    """What these seeds can show, and how many it would take."""
    pairs: tuple[PairRow, ...]
    """All pairs of tuned arms; empty with fewer than three of them."""
    published_gaps: tuple[PublishedGapRow, ...]
    speed_ups: tuple[SpeedUpRow, ...]
    """How many times as fast each arm is as the control, at every budget but the shortest."""
    skeptic: tuple[SkepticRow, ...]
    """That ratio at the longest budget, by how much the baseline was tuned."""
    winner_curses: tuple[WinnerCurseRow, ...]
    """By how much validation accuracies of winners when chosen overstate those of their confirm runs."""
    time_to_target: tuple[TimeToTargetRow, ...]
    survival_curves: tuple[SurvivalCurveRow, ...]
    """Share of runs at each target by update."""
    target_comparisons: tuple[TargetComparisonRow, ...]
    """How soon each arm reaches each target, against the control."""
    target_grid: tuple[TargetGridRow, ...]
    """Time to accuracies that were chosen after the fact."""
    seeds: tuple[SeedRow, ...]
    curves: tuple[CurveRow, ...]
    tuning: tuple[TuningSummaryRow, ...]
    """What the draws of every tuned arm found, and how many it took."""
    tuning_curves: tuple[TuningCurveRow, ...]
    """Best of n draws; empty where the sampler learns from earlier draws."""
    responses: tuple[ResponseRow, ...]
    """Every draw, by every searched number."""
    importances: tuple[ImportanceRow, ...]
    search_variance: tuple[SearchVarianceRow, ...]
    """Empty where nothing was searched more than once."""
    winners: tuple[WinnerRow, ...]
    algoperf_scores: tuple[ScoreRow, ...]
    """Times to target of every arm over all workloads, and the score made from them; empty with one workload."""
    performance_profiles: tuple[ProfileRow, ...]
    geometric_speed_ups: tuple[GeometricSpeedUpRow, ...]
    average_ranks: tuple[RankRow, ...]
    """Ranks in accuracy over all workloads, per budget; empty with one workload."""
    rank_tests: tuple[RankTestRow, ...]
    ledger: tuple[LedgerRow, ...]
    checks: tuple[CheckRow, ...]
    null_pairs: tuple[NullPairsRow, ...]
    """The control of every cell against itself."""
    sequences: tuple[SequenceRow, ...]
    """Confidence sequences; empty where the numbers of seeds were planned."""
    provenance: dict[str, str]
    """Where the record comes from; anything here may differ between two runs of the same study."""


def describe_design(rules: Rules, recorded: Iterable[str] = ALL_PARTS) -> Design:
    """Return the rules of a study, and the recorded parts of it, in the form in which the report shows them."""
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
        rungs=len(rules.tuning.rung_draws),
        halving_factor=rules.tuning.halving.factor if rules.tuning.halving else None,
        searches=rules.tuning.searches,
        confirm_seeds=rules.confirm.seeds,
        confirm_until=rules.confirm.until,
        max_seeds=rules.confirm.most_seeds,
        protocol_hash=rules.protocol_hash,
        recorded=tuple(sorted(recorded)),
    )
