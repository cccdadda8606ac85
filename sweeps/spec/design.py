"""The design of a comparison: how long arms are trained, how they are tuned, and how winners are confirmed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from models.workload import Budget
from sweeps.errors import Problem
from sweeps.space import Sampler
from sweeps.spec.part import Part, raise_problems

MAX_SEEDS = 10_000


class Budgets(Part):
    """The lengths of training at which arms are compared; each is trained and tuned on its own."""

    epochs: tuple[Annotated[int, Field(ge=1, le=1_000_000, strict=True)], ...] = ()
    updates: tuple[Annotated[int, Field(ge=1, le=10**9, strict=True)], ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if bool(self.epochs) == bool(self.updates):
            raise ValueError("must be one of {epochs: [...]} and {updates: [...]}, with at least one length.")
        amounts = self.epochs or self.updates
        if len(set(amounts)) < len(amounts):
            raise ValueError(f"must name each length once; got {list(amounts)}.")
        return self

    @property
    def each(self) -> tuple[Budget, ...]:
        """Return the budgets, shortest first."""
        unit: Literal["epochs", "updates"] = "epochs" if self.epochs else "updates"
        return tuple(Budget(unit=unit, amount=amount) for amount in sorted(self.epochs or self.updates))


class Halving(Part):
    """Successive halving within each arm's search: every rung is a training of its own, stretched to its budget."""

    factor: int = Field(
        4, ge=2, le=64, strict=True, description="Each rung is this much longer, for so many fewer draws."
    )
    rungs: int = Field(2, ge=2, le=10, strict=True, description="Budgets per search, the cell's own included.")


class Tuning(Part):
    """How each arm is tuned in each cell."""

    draws: int = Field(16, ge=1, le=65_536, strict=True, description="Draws per arm, cell and search.")
    searches: int = Field(1, ge=1, le=1_000, strict=True, description="Independent replications of the search.")
    sampler: Sampler = Field("sobol", description="sobol (default), random or tpe.")
    halving: Halving | None = Field(
        None, description="Tune at shorter budgets first, and only the best draws of each arm at the cell's own."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.halving and self.halving.factor ** (self.halving.rungs - 1) > self.draws:
            raise_problems(
                [
                    Problem(
                        ("halving",),
                        f"must leave at least one draw at the top: factor {self.halving.factor} over "
                        f"{self.halving.rungs} rungs needs {self.halving.factor ** (self.halving.rungs - 1)} draws; "
                        f"got {self.draws}. Use fewer rungs or more draws.",
                    )
                ]
            )
        return self


def _default_max_seeds(data: Mapping[str, Any]) -> int:
    seeds = int(data.get("seeds", 2))
    return min(3 * seeds, MAX_SEEDS) if data.get("until") == "decided" else seeds


class Confirm(Part):
    """How winners are confirmed."""

    seeds: int = Field(10, ge=2, le=MAX_SEEDS, strict=True, description="Fresh seeds, the same for every arm.")
    until: Literal["planned", "decided"] = Field(
        "planned",
        description="planned: run these seeds; decided: add one seed at a time to every arm of a cell until it is "
        "decided, with tests that allow for it.",
    )
    max_seeds: int = Field(
        default_factory=_default_max_seeds,
        ge=2,
        le=MAX_SEEDS,
        strict=True,
        description="Seeds after which an undecided cell ends; with until: decided, by default three times seeds.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.until == "planned" and self.max_seeds != self.seeds:
            raise_problems([Problem(("max_seeds",), "must be left out unless until is decided; add until: decided.")])
        if self.max_seeds < self.seeds:
            message = f"must be at least seeds, which is {self.seeds}; got {self.max_seeds}."
            raise_problems([Problem(("max_seeds",), message)])
        return self
