"""How a study is run: what trials occupy, what is recorded, and what happens when something goes wrong."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from sweeps.errors import Problem
from sweeps.spec.part import Part, raise_problems

ACCELERATOR = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"


class Resources(Part):
    """What one trial occupies."""

    cpu: float = Field(1, ge=0.01, le=1024, description="CPU cores per trial.")
    gpu: float = Field(0, ge=0, le=64, description="GPUs per trial; a fraction lets trials share one.")
    accelerator: str | None = Field(
        None,
        pattern=ACCELERATOR,
        max_length=60,
        description="The only kind of GPU to use, by Ray's name for it, such as A100; by default each cell stays on "
        "one kind of those that the cluster has.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if 0 < self.gpu < 0.01 or (self.gpu > 1 and not float(self.gpu).is_integer()):
            message = f"must be 0, a fraction of one GPU from 0.01, or a whole number of GPUs; got {self.gpu}."
            raise_problems([Problem(("gpu",), message)])
        if self.accelerator and not self.gpu:
            raise_problems([Problem(("accelerator",), "must be left out unless gpu is above 0; add gpu: 1.")])
        return self

    @property
    def described(self) -> str:
        """Return what one trial occupies in words, e.g. ``2 CPU and 1 GPU A100``."""
        gpu = " ".join(filter(None, (f"{self.gpu:g} GPU", self.accelerator)))
        return f"{self.cpu:g} CPU and {gpu}" if self.gpu else f"{self.cpu:g} CPU"


class Recording(Part):
    """What is recorded of each training."""

    evaluations: int = Field(
        20,
        ge=1,
        le=1_000,
        strict=True,
        description="Evaluations per training, evenly spaced; the last is the final one.",
    )


class Faults(Part):
    """What happens when trials are lost or fail; decides no result, so that it can be changed at any time."""

    retries: int = Field(
        2, ge=0, le=100, strict=True, description="How often a trial is run again when its process or node is lost."
    )
    hang_minutes: float = Field(
        30,
        ge=0.05,
        le=10_080,
        description="A process that makes no progress for so long is ended, its trial run again.",
    )
    checkpoint_minutes: float = Field(
        5, gt=0, le=10_080, description="How often a long trial keeps its state, to go on from there when it is lost."
    )
    stop_after: int = Field(
        5, ge=1, le=1_000_000, strict=True, description="Equal failures after which no more trials are started."
    )
