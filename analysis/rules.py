"""Hold the rules of a study: what was fixed before its first trial and is read back for its report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, model_validator

from analysis.halving import rung_sizes

#: What budgets count in a table that does not say how long the trainings were.
WHOLE_RUN_UNIT = "training"


class Cell(NamedTuple):
    """The place where arms are compared: one workload at one budget."""

    workload: str
    budget: float


class Place(NamedTuple):
    """One arm in one cell."""

    workload: str
    budget: float
    arm: str


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Workload(_Frozen):
    """Name a workload; its other fields are no concern of the analysis."""

    name: str


class Budgets(_Frozen):
    """Give the lengths of the trainings, in ``epochs`` or ``updates``."""

    unit: str
    amounts: tuple[int | float, ...]


class Arm(_Frozen):
    """Describe one contender; ``search`` maps each dimension of its own to its range."""

    schedule: str
    momentum_policy: str = "constant"
    as_published: bool = False
    reference_accuracy: float | None = None
    search: Mapping[str, Any] = Field(default_factory=dict)


class Halving(_Frozen):
    """Say over how many rungs draws compete, and by which factor each is longer and has fewer of them."""

    factor: int = Field(ge=2)
    rungs: int = Field(ge=1, le=64)


class Tuning(_Frozen):
    """Count the draws of one search, and how often each search is replicated; name what draws them."""

    draws: int = 0
    searches: int = 1
    sampler: str = "sobol"
    halving: Halving | None = None

    @property
    def rung_draws(self) -> tuple[int, ...]:
        """The draws of a search on each rung, the shortest first; the last is at the cell's own budget."""
        return rung_sizes(self.draws, self.halving.factor, self.halving.rungs) if self.halving else (self.draws,)

    @property
    def full_draws(self) -> int:
        """The draws of a search that are trained at the cell's own budget."""
        return self.rung_draws[-1]


class Confirm(_Frozen):
    """Count the fresh seeds on which every winner is re-run: these, or more of them until a cell is decided."""

    seeds: int
    until: Literal["planned", "decided"] = "planned"
    max_seeds: int | None = None

    @property
    def is_sequential(self) -> bool:
        """Whether seeds are added one at a time until a cell is decided."""
        return self.until == "decided"

    @property
    def most_seeds(self) -> int:
        """The seeds after which a cell ends in any case."""
        return self.seeds if self.max_seeds is None else max(self.seeds, self.max_seeds)


class RulesVersion(_Frozen):
    """Say when a version of the rules came to hold, and what had been seen by then.

    ``trials`` and ``confirm_trials`` are those with a result; ``changes`` are sentences such as ``tuning.draws was 8,
    is 16``. Times are Unix times.
    """

    version: int
    time: float
    trials: int = 0
    confirm_trials: int = 0
    changes: tuple[str, ...] = ()


class Rules(_Frozen):
    """Fix what is compared and how the verdict falls.

    ``Rules.model_validate_json`` reads the study file as recorded; keys that the analysis does not need are
    ignored. Accuracies, targets and the margin are fractions in [0, 1]. ``search`` holds the dimensions that
    all tuned arms share. ``cells_run`` names the cells where not every workload is run at every budget, as in a table
    from elsewhere; empty stands for all. ``versions`` is the history of the rules, where it is recorded.
    """

    study: str
    question: str = ""
    workloads: tuple[Workload, ...]
    budgets: Budgets
    control: str
    search: Mapping[str, Any] = Field(default_factory=dict)
    arms: Mapping[str, Arm]
    tuning: Tuning = Tuning()
    confirm: Confirm
    metric: str = "accuracy"
    targets: tuple[float, ...] = ()
    equivalence_margin: float = Field(gt=0)
    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    protocol_hash: str = ""
    cells_run: tuple[Cell, ...] = ()
    versions: tuple[RulesVersion, ...] = ()

    @model_validator(mode="after")
    def _control_is_an_arm(self) -> Rules:
        if self.control not in self.arms:
            raise ValueError(f"control must be one of {', '.join(self.arms)}; got {self.control!r}.")
        return self

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Every workload at every budget, in the order of the study file; but only those that are run."""
        cells = (Cell(w.name, amount) for w in self.workloads for amount in self.budgets.amounts)
        return tuple(cell for cell in cells if not self.cells_run or cell in self.cells_run)

    @property
    def places(self) -> tuple[Place, ...]:
        """Every arm in every cell, control first."""
        return tuple(Place(*cell, arm) for cell in self.cells for arm in self.ordered_arms)

    @property
    def ordered_arms(self) -> tuple[str, ...]:
        """The control, then the other arms in the order of the study file."""
        return (self.control, *(name for name in self.arms if name != self.control))

    @property
    def tuned_arms(self) -> tuple[str, ...]:
        """The arms that are searched, control first."""
        return tuple(name for name in self.ordered_arms if not self.arms[name].as_published)

    @property
    def num_comparisons(self) -> int:
        """How many comparisons the study makes: every arm but the control, in every cell."""
        return len(self.cells) * (len(self.arms) - 1)

    @property
    def published_control(self) -> str | None:
        """The arm that runs the control's schedule as published, if the study has one."""
        schedule = self.arms[self.control].schedule
        twins = (
            n for n, arm in self.arms.items() if arm.as_published and arm.schedule == schedule and n != self.control
        )
        return next(twins, None)

    def search_space(self, arm: str) -> dict[str, Any]:
        """Return every dimension that is searched for this arm, shared ones first; none if as published."""
        return {} if self.arms[arm].as_published else {**self.search, **self.arms[arm].search}

    def searches(self, arm: str) -> int:
        """Return how many winners of this arm are confirmed in a cell; one if as published."""
        return 1 if self.arms[arm].as_published else self.tuning.searches

    def describe_cell(self, cell: Cell) -> str:
        """Name a cell in a sentence: ``at 5 epochs``, with the workload where there are several.

        Where budgets are not recorded, only the workload is named.
        """
        parts = [f"on {cell.workload}"] if len(self.workloads) > 1 or self.budgets.unit == WHOLE_RUN_UNIT else []
        if self.budgets.unit != WHOLE_RUN_UNIT:
            parts.append(f"at {cell.budget} {self.budgets.unit}")
        return " ".join(parts)
