"""Name the parts of a study that runs: cells, trials, and how trials end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from models.workload import Budget
from sweeps.space import Setting, derive_seed
from sweeps.spec import Study

Phase = Literal["tune", "confirm"]
OutcomeKind = Literal["finished", "diverged", "failed"]


@dataclass(frozen=True)
class Cell:
    """The place where arms are compared: a workload at a budget."""

    workload: str
    budget: Budget

    @property
    def slug(self) -> str:
        """Return the cell's part of a trial key, e.g. ``mnist1d-conv/epochs-5``."""
        return f"{self.workload}/{self.budget.slug}"


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One training run that the protocol asks for.

    Args:
        cell: workload and budget.
        arm: name of the arm.
        phase: ``tune`` reads validation only; ``confirm`` reads the test split too.
        search: index of the search whose draw or winner this is; 0 for as_published arms.
        index: index of the draw (tune) or of the seed (confirm).
        seed: seeds initialisation, data order and augmentation; even when tuning, odd when confirming.
        settings: every setting of the training, searched and fixed.
        budget: the length of this training: the cell's, or a shorter one on a rung of successive halving.
        rung: the rung of successive halving, from 0 for the shortest; None at the cell's own budget.
        winner: in the confirm phase, the draw whose settings these are; None for as_published arms.
    """

    cell: Cell
    arm: str
    phase: Phase
    search: int
    index: int
    seed: int
    settings: Mapping[str, Setting]
    budget: Budget
    rung: int | None = None
    winner: int | None = None

    @property
    def key(self) -> str:
        """Return the key that names this trial in every launch of the study."""
        if self.phase == "tune":
            return tune_key(self.cell, self.arm, self.search, self.index, self.rung)
        return confirm_key(self.cell, self.arm, self.search, self.winner, self.index)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a trial ended.

    Args:
        key: the trial's key.
        kind: ``finished``; ``diverged`` (a result: spent, shown, never the winner); ``failed`` (no result).
        validation: final validation metric of a finished trial, else None.
        test: final test metric of a finished confirm trial, else None; it decides nothing but whether a cell whose
            seeds are added until it is decided needs more of them.
        recorded: settings of an earlier launch's trial as they were recorded, by name. Where an adaptive sampler drew
            them they are taken from here: the record says what ran, whatever the sampler installed today would propose.
    """

    key: str
    kind: OutcomeKind
    validation: float | None = None
    test: float | None = None
    recorded: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class OtherDraw:
    """A setting of a recorded draw that this installation would draw otherwise.

    Args:
        key: the trial's key.
        name: of the setting.
        recorded: its value as it was recorded.
        drawn: its value as it is drawn here.
    """

    key: str
    name: str
    recorded: str
    drawn: str


def tune_key(cell: Cell, arm: str, search: int, draw: int, rung: int | None = None) -> str:
    """Return the key of a draw, e.g. ``w/epochs-5/cosine/tune/search-0/draw-3``."""
    on = "" if rung is None else f"rung-{rung}/"
    return f"{cell.slug}/{arm}/tune/search-{search}/{on}draw-{draw}"


def confirm_key(cell: Cell, arm: str, search: int, winner: int | None, index: int) -> str:
    """Return the key of a confirm trial, e.g. ``w/epochs-5/cosine/confirm/search-0/draw-7/seed-3``.

    It names the winner, because draws that are added to a study later may bring another one. The settings of an
    as_published arm (`winner` is None) are no draw.
    """
    of = "" if winner is None else f"draw-{winner}/"
    return f"{cell.slug}/{arm}/confirm/search-{search}/{of}seed-{index}"


def confirm_place(key: str) -> tuple[str, str] | None:
    """Return the cell's slug and the arm of a confirm trial's key; None for one of the tune phase."""
    workload, budget, arm, phase, *_ = key.split("/")
    return (f"{workload}/{budget}", arm) if phase == "confirm" else None


def rung_of(key: str) -> int | None:
    """Return the rung of a draw below the cell's own budget, from its key; None for other trials."""
    step = key.split("/")[-2]
    return int(step.removeprefix("rung-")) if step.startswith("rung-") else None


def cells(study: Study) -> tuple[Cell, ...]:
    """Return the cells of `study`, workload by workload, shortest budget first."""
    return tuple(Cell(w.name, budget) for w in study.workloads for budget in study.budgets.each)


def tuned_arms(study: Study) -> tuple[str, ...]:
    """Return the names of the arms that are tuned."""
    return tuple(name for name, arm in study.arms.items() if not arm.as_published)


def tune_seed(study: Study, cell: Cell, search: int, draw: int) -> int:
    """Return the seed of a draw: the same for every arm, never equal to a confirm seed."""
    return 2 * derive_seed(study.seed, "tune", cell.slug, search, draw)


def confirm_seed(study: Study, index: int) -> int:
    """Return a fresh seed: the same for every arm and cell, never equal to a tuning seed."""
    return 2 * derive_seed(study.seed, "confirm", index) + 1
