"""Name the cells of a study in sentences, titles and tables; a budget that is not recorded is not named."""

from __future__ import annotations

from typing import Protocol

from analysis import wording
from analysis.rules import WHOLE_RUN_UNIT
from analysis.tables.contents import Design


class HasUnit(Protocol):
    """Anything whose budgets are counted in one unit: a design, or a comparison of two studies."""

    @property
    def budget_unit(self) -> str:
        """What budgets count."""


class InCell(Protocol):
    """Anything that belongs to one workload at one budget."""

    @property
    def workload(self) -> str:
        """Name of the workload."""

    @property
    def budget(self) -> int | float:
        """Length of the training."""


def has_budgets(design: HasUnit) -> bool:
    """Say whether it is known how long the trainings were: a table from elsewhere may not say."""
    return design.budget_unit != WHOLE_RUN_UNIT


def amount(design: HasUnit, budget: float) -> str:
    """Write a budget with its unit: ``5 epochs``; nothing where none is recorded."""
    return f"{wording.number(budget)} {design.budget_unit}" if has_budgets(design) else ""


def at_budget(design: HasUnit, budget: float) -> str:
    """Write ``at 5 epochs``, or nothing where no budget is recorded."""
    return f"at {amount(design, budget)}" if has_budgets(design) else ""


def where(design: Design, row: InCell) -> str:
    """Name a cell as far as a sentence needs it: ``on cifar at 5 epochs``, ``at 5 epochs``, or nothing."""
    return on_cell(design, row) if len(design.workloads) > 1 else at_budget(design, row.budget)


def on_cell(design: HasUnit, row: InCell) -> str:
    """Name a cell in full: ``on cifar at 5 epochs``, or ``on cifar``."""
    return joined(f"on {row.workload}", at_budget(design, row.budget))


def cell_title(design: HasUnit, row: InCell) -> str:
    """Name a cell above a figure: ``cifar, 5 epochs``, or ``cifar``."""
    return ", ".join(part for part in (row.workload, amount(design, row.budget)) if part)


def joined(*parts: str) -> str:
    """Join parts of a sentence by spaces, leaving out those that are empty."""
    return " ".join(part for part in parts if part)


def capital(text: str) -> str:
    """Begin a sentence."""
    return text[:1].upper() + text[1:]
