"""Define what is said about two studies side by side; ``comparison.json`` holds exactly this."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import ConfigDict

from analysis.verdict import VerdictWord

SCHEMA_VERSION = "1.1"

Agreement = Literal["agree", "contradict", "differ", "open", "withheld"]


@dataclass(frozen=True, kw_only=True)
class StudyDigest:
    """One of the two studies."""

    study: str
    label: str
    """What it is called here: its name, and where both have the same one, which of them it is."""
    question: str
    headline: str
    protocol_hash: str
    recorded: tuple[str, ...]
    """Parts that its record has, of those that a record can have."""
    schema_version: str
    """Of its report."""


@dataclass(frozen=True, kw_only=True)
class RuleDifference:
    """One rule that the two designs do not share."""

    rule: str
    """Path inside the design, such as `arms.one_cycle.search_space.peak_lr`."""
    arm: str | None
    """Whose rule it is; None for a rule of the whole study."""
    first: str
    """Value as text; empty where the study does not have it."""
    second: str
    changes_effects: bool
    """Whether differences of accuracy found under the two rules are different quantities, which are not combined."""


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What one study found for an arm against the control in one cell."""

    n: int
    n_control: int
    difference: float | None
    """Mean of the arm minus mean of the control."""
    ci_low: float | None
    """Lower end of the Welch interval at confidence 1 - alpha, both of the study's own report."""
    ci_high: float | None
    verdict: VerdictWord
    withheld: bool
    run_ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class SharedCell:
    """One arm against the control in a cell that both studies have."""

    workload: str
    budget: int | float
    arm: str
    control: str
    first: Effect
    second: Effect
    agreement: Agreement
    """agree: same verdict, and one that decides; contradict: better against worse; differ: either of them against
    equivalent; open: undecided in at least one study; withheld: without a verdict in at least one."""
    same_runs: bool
    """Whether runs of the arm or the control are in both studies: runs of equal ids, or else of equal seeds, that all
    have equal accuracies."""
    change: float | None
    """Difference in the second study minus difference in the first."""
    change_low: float | None
    """Lower end of the Welch-type interval of the change at confidence 1 - alpha of the first study; None where runs
    are shared."""
    change_high: float | None
    combined: float | None
    """Both differences as estimates of one, weighted by inverse variance; None where runs are shared, where rules
    that change effects differ and without a spread over seeds."""
    combined_low: float | None
    combined_high: float | None
    q: float | None
    """Cochran's Q of the two differences, on one degree of freedom."""
    q_p: float | None
    i_squared: float | None
    """Share of Q beyond chance, in [0, 1)."""
    not_combined: str
    """Why there is no combined difference; else empty."""


@dataclass(frozen=True, kw_only=True)
class UnsharedCell:
    """One arm against the control in a cell that only one study has."""

    workload: str
    budget: int | float
    arm: str
    control: str
    study: Literal["first", "second"]


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What one arm spent in one study, over all workloads."""

    trials: int
    updates_charged: int
    train_seconds: float | None
    diverged: int
    failed: int


@dataclass(frozen=True, kw_only=True)
class LedgerPair:
    """What one arm spent in one phase of both studies; None for a study without it."""

    arm: str
    phase: str
    first: Spent | None
    second: Spent | None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Everything that is said about two studies side by side."""

    # Lets the JSON Schema carry the descriptions of the fields.
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(use_attribute_docstrings=True)

    schema_version: str
    """Of this file; not of the reports."""
    first: StudyDigest
    second: StudyDigest
    headline: str
    sentences: tuple[str, ...]
    """The headline, sentence by sentence."""
    same_protocol: bool
    """Whether both have one protocol hash, and with it the same seeds: the second repeats the first."""
    rules: tuple[RuleDifference, ...]
    budget_unit: str
    alpha: float
    """Of the first study; intervals of changes and combined differences have confidence 1 - alpha."""
    cells: tuple[SharedCell, ...]
    unshared: tuple[UnsharedCell, ...]
    ledger: tuple[LedgerPair, ...]
