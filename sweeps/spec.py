"""The study file as frozen, validated values.

A study is one comparison. Everything but ``workloads`` and ``arms`` has a default. Structure is checked by pydantic,
meaning (names, ranges, completeness) by the validators below; `sweeps.loading` turns what they find into one message
per mistake, with the place in the file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from models.training import REQUIRED, check_settings, setting_names
from models.workload import Budget, Workload
from schedules import MOMENTUM, SCHEDULES
from sweeps.errors import Problem, name_options, suggest
from sweeps.space import (
    MAX_DIMENSIONS,
    Choice,
    Dimension,
    Sampler,
    Setting,
    Space,
    parse_dimension,
    unparse_dimension,
)

SLUG = r"^[a-z0-9][a-z0-9._-]*$"
ARM_NAME = r"^[a-z][a-z0-9_]*$"
MAX_TRIALS = 1_000_000
MAX_SEEDS = 10_000

_NUMBER_PAIR = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
_DIMENSION_SCHEMA = {
    "description": "One dimension to search: exactly one of float, log, int, choice.",
    "type": "object",
    "minProperties": 1,
    "maxProperties": 1,
    "additionalProperties": False,
    "properties": {
        "float": {**_NUMBER_PAIR, "description": "Uniform between low and high."},
        "log": {**_NUMBER_PAIR, "description": "Uniform in the logarithm between low > 0 and high."},
        "int": {
            **_NUMBER_PAIR,
            "items": {"type": "integer"},
            "description": "Integers from low to high, included.",
        },
        "choice": {"type": "array", "minItems": 1, "description": "One of the options listed."},
    },
}

SearchDimension = Annotated[
    Dimension,
    BeforeValidator(parse_dimension),
    PlainSerializer(unparse_dimension),
    WithJsonSchema(_DIMENSION_SCHEMA),
]


def _one_of(options: Mapping[str, Any], field: str) -> BeforeValidator:
    def check(value: object) -> object:
        if isinstance(value, str) and value not in options:
            raise ValueError(f"{field} must be {name_options(options)}; got {value!r}.{suggest(value, options)}")
        return value

    return BeforeValidator(check)


def raise_problems(problems: list[Problem]) -> None:
    """Raise all `problems` found by one validator as one pydantic error, paths relative to the model."""
    if problems:
        message = "; ".join(f"{problem.place}: {problem.message}" for problem in problems)
        raise PydanticCustomError("fairsweep_problems", "{message}", {"message": message, "problems": problems})


class Part(BaseModel):
    """A part of a study file: frozen, and without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _default_search(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the default space of the schedule and policy, less what the arm fixes."""
    if data.get("as_published") or "schedule" not in data or "momentum_policy" not in data:
        return {}
    own = {**SCHEDULES[data["schedule"]].default_search, **MOMENTUM[data["momentum_policy"]].default_search}
    return {name: parse_dimension(raw) for name, raw in own.items() if name not in data.get("settings", {})}


class Arm(Part):
    """One contender: a schedule and a momentum policy with the space in which they are tuned."""

    schedule: Annotated[str, _one_of(SCHEDULES, "schedule"), WithJsonSchema({"enum": sorted(SCHEDULES)})] = Field(
        description="The learning-rate schedule."
    )
    momentum_policy: Annotated[
        str, _one_of(MOMENTUM, "momentum_policy"), WithJsonSchema({"enum": sorted(MOMENTUM)})
    ] = Field("constant", description="How momentum moves with the rate.")
    as_published: bool = Field(
        False,
        description="Run with the settings of a publication instead of tuned ones; has no search space.",
    )
    reference: str = Field("", max_length=500, description="Where the settings of an as_published arm come from.")
    reference_accuracy: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Test accuracy that others have published for this arm at the longest budget: what it must reach.",
    )
    settings: dict[str, bool | int | float | str | list[bool | int | float | str]] = Field(
        default_factory=dict, description="Fixed settings, the same in every trial of this arm."
    )
    search: dict[str, SearchDimension] = Field(
        default_factory=_default_search,
        description="Dimensions of this arm beyond the shared ones; by default the schedule's own.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        raise_problems(list(_arm_problems(self)))
        return self

    @property
    def fixed(self) -> dict[str, Setting]:
        """Return the fixed settings with lists as tuples, so that they are hashable."""
        return {name: tuple(v) if isinstance(v, list) else v for name, v in self.settings.items()}


def _arm_problems(arm: Arm) -> Iterator[Problem]:
    known = setting_names(arm.schedule, arm.momentum_policy)
    for part, names in (("settings", arm.settings), ("search", arm.search)):
        for name in names:
            if name not in known:
                yield Problem(
                    (part, name),
                    f"unknown setting for schedule {arm.schedule} with momentum policy {arm.momentum_policy}"
                    f"; must be {name_options(known)}.{suggest(name, known)}",
                )
    for name in set(arm.settings) & set(arm.search):
        yield Problem(("search", name), "must not be both fixed and searched; remove one of the two.")
    if arm.as_published and arm.search:
        yield Problem(("search",), "must be empty for an as_published arm, which is run as it was published.")
    missing = [name for name, default in known.items() if default is REQUIRED and name not in arm.settings]
    if arm.as_published and missing:
        yield Problem(("settings",), f"must name {', '.join(missing)}: an as_published arm takes part in no search.")
    yield from _value_problems(arm, known)


def _value_problems(arm: Arm, known: Mapping[str, Any]) -> Iterator[Problem]:
    """Build the schedule with each fixed value, bound and option, and report what it refuses."""
    fixed = {name: value for name, value in arm.fixed.items() if name in known}
    for name, value in fixed.items():
        yield from _refusal(arm, {name: value}, ("settings", name))
    for name, dimension in arm.search.items():
        if name in known:
            for value in _extremes(dimension):
                yield from _refusal(arm, {**fixed, name: value}, ("search", name))
    if len(fixed) > 1:
        singly_fine = not any(next(_refusal(arm, {n: v}, ()), None) for n, v in fixed.items())
        if singly_fine:
            yield from _refusal(arm, fixed, ("settings",))


def _extremes(dimension: Dimension) -> tuple[Setting, ...]:
    return dimension.options if isinstance(dimension, Choice) else (dimension.low, dimension.high)


def _refusal(arm: Arm, settings: Mapping[str, Setting], path: tuple[str, ...]) -> Iterator[Problem]:
    try:
        check_settings(arm.schedule, arm.momentum_policy, settings)
    except ValueError as error:
        yield Problem(path, str(error))


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


class Tuning(Part):
    """How each arm is tuned in each cell."""

    draws: int = Field(16, ge=1, le=65_536, strict=True, description="Draws per arm, cell and search.")
    searches: int = Field(1, ge=1, le=1_000, strict=True, description="Independent replications of the search.")
    sampler: Sampler = Field("sobol", description="sobol (default), random or tpe.")


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


class Resources(Part):
    """What one trial occupies."""

    cpu: float = Field(1, gt=0, le=1024, description="CPU cores per trial.")
    gpu: float = Field(0, ge=0, le=64, description="GPUs per trial; a fraction lets trials share one.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.gpu > 1 and not float(self.gpu).is_integer():
            raise ValueError(f"gpu must be a fraction of one GPU or a whole number of GPUs; got {self.gpu}.")
        return self


class Recording(Part):
    """What is recorded of each training."""

    evaluations: int = Field(
        20,
        ge=1,
        le=1_000,
        strict=True,
        description="Evaluations per training, evenly spaced; the last is the final one.",
    )


class Study(Part):
    """One comparison of learning-rate schedules: one study file, one MLflow experiment."""

    study: str = Field(pattern=SLUG, max_length=60, description="Name of the study; by default the file's name.")
    question: str = Field("", max_length=500, description="The question the study answers, in one sentence.")
    workloads: tuple[Workload, ...] = Field(min_length=1, description="What is trained.")
    budgets: Budgets = Field(default_factory=lambda: Budgets(epochs=(5, 20)), description="How long is trained.")
    arms: dict[Annotated[str, Field(pattern=ARM_NAME, max_length=60)], Arm] = Field(
        min_length=2, description="The contenders, by name."
    )
    control: str = Field(
        default_factory=lambda data: next((n for n, a in data.get("arms", {}).items() if not a.as_published), ""),
        description="The tuned arm that the others are compared with; by default the first.",
    )
    search: dict[str, SearchDimension] = Field(
        default_factory=lambda: {
            name: parse_dimension(raw)
            for name, raw in (
                ("peak_lr", {"log": [0.01, 3.0]}),
                ("weight_decay", {"log": [1e-5, 1e-2]}),
                ("momentum", {"float": [0.8, 0.98]}),
            )
        },
        description="Dimensions that every tuned arm searches, at the same draws.",
    )
    tuning: Tuning = Field(default_factory=Tuning)
    confirm: Confirm = Field(default_factory=Confirm)
    metric: Literal["accuracy"] = Field("accuracy", description="What is compared: the share of correct answers.")
    targets: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(
        (0.8, 0.9), description="Accuracies, fixed beforehand, for time-to-target."
    )
    equivalence_margin: float = Field(
        0.005, gt=0, lt=1, description="A difference in accuracy smaller than this does not matter to you."
    )
    alpha: float = Field(0.05, gt=0, lt=0.5, description="Accepted probability of a false claim.")
    resources: Resources = Field(default_factory=Resources)
    recording: Recording = Field(default_factory=Recording)
    seed: int = Field(0, ge=0, le=2**31 - 1, strict=True, description="Seeds everything that is random.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        raise_problems(list(_study_problems(self)))
        return self

    def space(self, arm: str) -> Space:
        """Return the space that the tuned arm `arm` searches."""
        return Space(shared=self.search, own=self.arms[arm].search)

    def workload(self, name: str) -> Workload:
        """Return the workload called `name`."""
        return next(workload for workload in self.workloads if workload.name == name)

    def recorded(self) -> dict[str, Any]:
        """Return the study as plain JSON values: what is recorded and read by the analysis."""
        plain = self.model_dump(mode="json")
        budgets = self.budgets.each
        plain["budgets"] = {"unit": budgets[0].unit, "amounts": [budget.amount for budget in budgets]}
        return plain

    @classmethod
    def from_recorded(cls, plain: Mapping[str, Any]) -> Study:
        """Return the study that `recorded` wrote."""
        budgets = plain["budgets"]
        return cls.model_validate({**plain, "budgets": {budgets["unit"]: budgets["amounts"]}})

    def protocol_hash(self) -> str:
        """Hash all that decides a result or a verdict; resources, question and references do not."""
        rules = {key: value for key, value in self.recorded().items() if key not in {"resources", "question"}}
        # Where the data lies differs between machines; which data it is does not.
        rules["arms"] = {
            name: {k: v for k, v in arm.items() if k != "reference"} for name, arm in rules["arms"].items()
        }
        for arm in rules["arms"].values():
            if arm["reference_accuracy"] is None:  # as before there was such a field
                del arm["reference_accuracy"]
        if self.confirm.until == "planned":
            rules["confirm"] = {"seeds": self.confirm.seeds}
        rules["workloads"] = [{k: v for k, v in w.items() if k != "data_root"} for w in rules["workloads"]]
        return hashlib.sha256(json.dumps(rules, sort_keys=True).encode()).hexdigest()


def _study_problems(study: Study) -> Iterator[Problem]:
    tuned = [name for name, arm in study.arms.items() if not arm.as_published]
    if study.control not in tuned:
        yield Problem(
            ("control",),
            f"must be a tuned arm: {name_options(tuned)}; got {study.control!r}.{suggest(study.control, tuned)}",
        )
    for index, workload in enumerate(study.workloads):
        if workload.name in {other.name for other in study.workloads[:index]}:
            yield Problem(("workloads", index, "name"), f"must be unique; got {workload.name!r} twice.")
    for name in tuned:
        yield from _tuned_arm_problems(study, name)
    for name, arm in study.arms.items():
        if arm.reference_accuracy is not None and len(study.workloads) > 1:
            yield Problem(
                ("arms", name, "reference_accuracy"),
                "must be left out where there are several workloads: it holds for one; make it a study of its own.",
            )
    yield from _search_value_problems(study, tuned)
    cells = len(study.workloads) * len(study.budgets.each)
    confirm_trials = len(study.arms) * study.confirm.max_seeds
    trials = cells * study.tuning.searches * (len(tuned) * study.tuning.draws + confirm_trials)
    if trials > MAX_TRIALS:
        yield Problem(
            ("tuning",), f"must plan at most {MAX_TRIALS:,} trials; got {trials:,}. Use fewer draws or seeds."
        )


def _tuned_arm_problems(study: Study, name: str) -> Iterator[Problem]:
    arm = study.arms[name]
    known = setting_names(arm.schedule, arm.momentum_policy)
    for setting in study.search:
        if setting not in known:
            yield Problem(
                ("search", setting),
                f"must be a setting of every tuned arm; {name} has none of that name.{suggest(setting, known)}",
            )
        for part in ("settings", "search"):
            if setting in getattr(arm, part):
                yield Problem(
                    ("arms", name, part, setting),
                    "is searched by all arms (see search); remove it here or there.",
                )
    missing = [s for s, d in known.items() if d is REQUIRED and s not in {**study.search, **arm.settings, **arm.search}]
    if missing:
        yield Problem(("arms", name), f"must fix or search {', '.join(missing)}; add it to search.")
    size = len(study.search) + len(arm.search)
    if not 1 <= size <= MAX_DIMENSIONS:
        yield Problem(("arms", name), f"must have 1 to {MAX_DIMENSIONS} dimensions to tune; got {size}.")


def _search_value_problems(study: Study, tuned: list[str]) -> Iterator[Problem]:
    seen: set[tuple[str, str]] = set()
    for name in tuned:
        arm = study.arms[name]
        known = setting_names(arm.schedule, arm.momentum_policy)
        for setting, dimension in study.search.items():
            for value in _extremes(dimension) if setting in known else ():
                fixed = {n: v for n, v in arm.fixed.items() if n in known}
                for problem in _refusal(arm, {**fixed, setting: value}, ("search", setting)):
                    if (setting, problem.message) not in seen:
                        seen.add((setting, problem.message))
                        yield problem
