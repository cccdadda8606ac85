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

from pydantic import Field, ValidationInfo, field_validator, model_validator

from models.training import REQUIRED, idle_reason, setting_names
from models.workload import Workload
from sweeps.errors import Problem, name_options, suggest
from sweeps.space import MAX_DIMENSIONS, Space, parse_dimension
from sweeps.spec.arm import Arm, SearchDimension, extremes, refusal, typical_settings
from sweeps.spec.design import Budgets, Confirm, Tuning
from sweeps.spec.part import Part, raise_problems
from sweeps.spec.running import Faults, Recording, Resources

SLUG = r"^[a-z0-9][a-z0-9._-]*$"
ARM_NAME = r"^[a-z][a-z0-9_]*$"
MAX_TRIALS = 1_000_000


class Study(Part):
    """One comparison of learning-rate schedules: one study file, one MLflow experiment."""

    study: str = Field(pattern=SLUG, max_length=60, description="Name of the study; by default the file's name.")
    question: str = Field("", max_length=500, description="The question the study answers, in one sentence.")
    workloads: tuple[Workload, ...] = Field(min_length=1, description="What is trained.")
    budgets: Budgets = Field(default_factory=lambda: Budgets(epochs=(5, 20)), description="How long is trained.")
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
    arms: dict[Annotated[str, Field(pattern=ARM_NAME, max_length=60)], Arm] = Field(
        min_length=2, description="The contenders, by name."
    )
    control: str = Field(
        default_factory=lambda data: next((n for n, a in data.get("arms", {}).items() if not a.as_published), ""),
        description="The tuned arm that the others are compared with; by default the first.",
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
    faults: Faults = Field(default_factory=Faults)
    seed: int = Field(0, ge=0, le=2**31 - 1, strict=True, description="Seeds everything that is random.")

    @field_validator("arms")
    @classmethod
    def _without_shared_defaults(cls, arms: dict[str, Arm], info: ValidationInfo) -> dict[str, Arm]:
        return {name: _without_shared(arm, info.data.get("search", {})) for name, arm in arms.items()}

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
        return cls.model_validate(as_in_a_file(plain))

    @property
    def num_comparisons(self) -> int:
        """Return the number of comparisons of an arm with the control, over all cells."""
        return len(self.workloads) * len(self.budgets.each) * (len(self.arms) - 1)

    def protocol_hash(self) -> str:
        """Hash all that decides a result or a verdict."""
        rules = rules_of(self.recorded())
        for arm in rules["arms"].values():
            if arm["reference_accuracy"] is None:  # as before there was such a field
                del arm["reference_accuracy"]
            arm["search"] = list(arm["search"].items())
        for plain, workload in zip(rules["workloads"], self.workloads, strict=True):
            for field in set(plain) - _FIRST_FIELDS - set(workload.model_dump(exclude_defaults=True)):
                del plain[field]
        rules["search"] = list(rules["search"].items())  # the order of dimensions decides what is drawn for each
        if self.confirm.until == "planned":
            rules["confirm"] = {"seeds": self.confirm.seeds}
        return hashlib.sha256(json.dumps(rules, sort_keys=True).encode()).hexdigest()


def as_in_a_file(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `Study.recorded` wrote as the content of a study file, of which values can be replaced."""
    budgets, confirm = recorded["budgets"], dict(recorded["confirm"])
    if confirm.get("until", "planned") == "planned":
        confirm.pop("max_seeds", None)  # it follows from seeds
    return {**recorded, "budgets": {budgets["unit"]: budgets["amounts"]}, "confirm": confirm}


#: Parts of a study that decide no result: they may change between launches.
_NO_RULES = {"resources", "question", "faults"}
#: Fields of a workload that have always been hashed; later ones are where they are not at their default, so that
#: studies recorded before there were such fields go on.
_FIRST_FIELDS = frozenset(
    {"name", "dataset", "network", "network_settings", "batch_size", "nesterov", "split_seed", "validation_frac"}
)
#: Parts of an arm that decide no result: what a preset says stands among the settings.
_NO_RULES_OF_ARMS = {"reference", "preset"}


def rules_of(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recorded study without what decides neither a result nor a verdict.

    Where the data lies differs between machines; which data it is does not.
    """
    rules = {key: value for key, value in recorded.items() if key not in _NO_RULES}
    rules["arms"] = {
        name: {key: value for key, value in arm.items() if key not in _NO_RULES_OF_ARMS}
        for name, arm in rules["arms"].items()
    }
    rules["workloads"] = [{key: value for key, value in w.items() if key != "data_root"} for w in rules["workloads"]]
    return rules


def _without_shared(arm: Arm, shared: Mapping[str, Any]) -> Arm:
    """Return the arm without the dimensions of a default search space that all arms search; what is given stays."""
    if "search" in arm.model_fields_set or not set(shared) & set(arm.search):
        return arm
    return arm.model_copy(update={"search": {name: own for name, own in arm.search.items() if name not in shared}})


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
    yield from idle_setting_problems(study, imports=False)
    for name, arm in study.arms.items():
        if arm.reference_accuracy is not None and len(study.workloads) > 1:
            yield Problem(
                ("arms", name, "reference_accuracy"),
                "must be left out where there are several workloads: it holds for one; make it a study of its own.",
            )
    yield from _search_value_problems(study, tuned)
    yield from _halving_problems(study)
    cells = len(study.workloads) * len(study.budgets.each)
    confirm_trials = len(study.arms) * study.confirm.max_seeds
    trials = cells * study.tuning.searches * (len(tuned) * study.tuning.draws + confirm_trials)
    if trials > MAX_TRIALS:
        yield Problem(
            ("tuning",), f"must plan at most {MAX_TRIALS:,} trials; got {trials:,}. Use fewer draws or seeds."
        )


def _halving_problems(study: Study) -> Iterator[Problem]:
    halving, shortest = study.tuning.halving, study.budgets.each[0]
    if halving and shortest.amount < halving.factor ** (halving.rungs - 1):
        yield Problem(
            ("tuning", "halving"),
            f"must leave the lowest rung at least 1 of {shortest.unit}: factor {halving.factor} over {halving.rungs} "
            f"rungs needs budgets of {halving.factor ** (halving.rungs - 1)} or more; the shortest is "
            f"{shortest.amount}. Use fewer rungs, or give the budgets in updates.",
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


#: Fields of a workload that decide whether a setting does anything, where they may name something from elsewhere.
_DECIDED_BY = {"label_smoothing": "loss", "bn_momentum": "network", "norm_batches": "network"}


def idle_setting_problems(study: Study, *, imports: bool) -> Iterator[Problem]:
    """Find what is searched or fixed although the optimizer, loss or network of a workload takes no such setting.

    Args:
        study: what is looked through.
        imports: whether what the study names from elsewhere may be imported to find out.
    """
    places: list[tuple[str, tuple[str, ...]]] = [(setting, ("search", setting)) for setting in study.search]
    for name, arm in study.arms.items():
        for part in ("settings", "search"):
            places += [(setting, ("arms", name, part, setting)) for setting in getattr(arm, part)]
        if arm.momentum_policy != "constant":
            places.append(("momentum", ("arms", name, "momentum_policy")))
    for index, workload in enumerate(study.workloads):
        asked = [*dict(places), *(["norm_batches"] if workload.norm_batches else [])]
        settings = [s for s in asked if imports or _DECIDED_BY.get(s) not in workload.elsewhere]
        reasons = {setting: idle_reason(workload, setting) for setting in settings}
        if reason := reasons.get("norm_batches"):
            yield Problem(("workloads", index, "norm_batches"), f"must be left out: it does nothing, since {reason}.")
        for setting, place in places:
            if reasons.get(setting):
                yield Problem(
                    place,
                    f"must be left out: in workload {workload.name} it does nothing, since {reasons[setting]}. Make "
                    "the workload a study of its own if it is wanted in others.",
                )


def _search_value_problems(study: Study, tuned: list[str]) -> Iterator[Problem]:
    seen: set[tuple[str, str]] = set()
    for name in tuned:
        arm = study.arms[name]
        known = setting_names(arm.schedule, arm.momentum_policy)
        for setting, dimension in study.search.items():
            for value in extremes(dimension) if setting in known else ():
                for problem in refusal(arm, {**typical_settings(arm), setting: value}, ("search", setting)):
                    if (setting, problem.message) not in seen:
                        seen.add((setting, problem.message))
                        yield problem
