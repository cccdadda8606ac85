"""What all parts of a study file have in common: strictness, and how a validator tells all it found."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError

from sweeps.errors import Problem


def raise_problems(problems: list[Problem]) -> None:
    """Raise all `problems` found by one validator as one pydantic error, paths relative to the model."""
    if problems:
        message = "; ".join(f"{problem.place}: {problem.message}" for problem in problems)
        raise PydanticCustomError("fairsweep_problems", "{message}", {"message": message, "problems": problems})


class Part(BaseModel):
    """A part of a study file: frozen, and without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
