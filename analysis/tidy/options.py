"""Say what a table does not: the control, the margin, the targets; from the command line, a call or a file of rules."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from analysis.core_yaml import read_core
from analysis.tidy.problems import TableError, did_you_mean

DEFAULT_MARGIN = 0.005
DEFAULT_ALPHA = 0.05
CONTROL_NAMES = ("control", "baseline")
_KNOWN = frozenset(
    {
        "study",
        "question",
        "workloads",
        "budgets",
        "control",
        "search",
        "arms",
        "published",
        "tuning",
        "confirm",
        "metric",
        "targets",
        "equivalence_margin",
        "margin",
        "alpha",
        "protocol_hash",
        "cells_run",
        "versions",
    }
)


@dataclass(frozen=True, kw_only=True)
class TableOptions:
    """What a table does not say itself; None stands for what the file of rules or the table says.

    Attributes:
        control: Name of the arm that the others are compared with.
        margin: Half-width of the band in which a difference does not matter, a fraction: 0.005 is half a point.
        alpha: Error rate over the comparisons, in (0, 0.5).
        targets: Accuracies for time to target, fractions in (0, 1); needs evaluations.
        question: The question that the report answers.
        study: Name of the report; by default that of the file.
        budget_unit: What the budgets count, such as ``epochs`` or ``updates``.
        percent: Whether the accuracies in the tables are in percent. Margin and targets are fractions all the same.
        rules: YAML or JSON file, or a mapping, with the same and more: arms, search spaces, what was planned.
    """

    control: str | None = None
    margin: float | None = None
    alpha: float | None = None
    targets: tuple[float, ...] = ()
    question: str | None = None
    study: str | None = None
    budget_unit: str | None = None
    percent: bool = False
    rules: Path | str | Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class GivenRules:
    """The file of rules as plain values, and where it came from; empty where there is none."""

    source: str = ""
    content: Mapping[str, Any] = field(default_factory=dict)

    def part(self, name: str) -> Mapping[str, Any]:
        """Return a mapping inside the rules; empty where it is not given."""
        value = self.content.get(name)
        return value if isinstance(value, Mapping) else {}


def read_rules(rules: Path | str | Mapping[str, Any] | None) -> GivenRules:
    """Read a file of rules: a few of the keys of a study file, or all of them.

    Raises:
        TableError: If it cannot be read, or has keys or values that it cannot have.
    """
    if rules is None:
        return GivenRules()
    source = "rules" if isinstance(rules, Mapping) else Path(rules).name
    values = rules if isinstance(rules, Mapping) else _parsed(Path(rules))
    if not isinstance(values, Mapping):
        raise TableError(source, [f"the rules must be a mapping, such as 'control: cosine'; got {values!r:.40}."])
    try:
        json.dumps(values, default=str, ensure_ascii=False).encode()
    except (UnicodeEncodeError, ValueError, TypeError, RecursionError):
        raise TableError(source, ["the rules must be text that UTF-8 can write, with texts as keys."]) from None
    problems = [
        f"key {key} is not known.{hint}"
        for key in values
        if key not in _KNOWN and (hint := did_you_mean(str(key), _KNOWN, cutoff=0.8))
    ]
    problems += [
        f"{name} must be a mapping; got {values[name]!r:.40}."
        for name in ("arms", "search", "tuning", "confirm")
        if not isinstance(values.get(name) or {}, Mapping)
    ]
    arms = values.get("arms") or {}
    if isinstance(arms, Mapping):
        problems += [
            f"arms.{name} must be a mapping, such as 'as_published: true'; got {arm!r:.40}."
            for name, arm in arms.items()
            if not isinstance(arm or {}, Mapping)
        ]
    if problems:
        raise TableError(source, problems)
    return GivenRules(source=source, content=values)


def _parsed(path: Path) -> Any:
    try:
        text = path.read_text(encoding="utf-8")
        return json.loads(text) if path.suffix.lower() == ".json" else read_core(text)
    except OSError as error:
        raise TableError(str(path), [f"the file cannot be read: {error.strerror or error}."]) from error
    except UnicodeDecodeError as error:
        raise TableError(path.name, [f"the rules must be UTF-8 text; byte {error.start} is not."]) from None
    except (ValueError, RecursionError, yaml.YAMLError) as error:  # a number of 5,000 digits, lists in lists in lists
        reason = " ".join(str(error).split())
        raise TableError(path.name, [f"the rules must be YAML or JSON; {reason}."]) from None
