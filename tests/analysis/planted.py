"""Plant a truth: learning curves of which one is by a known factor as fast as the other, and seeds that scatter around.

``planted_samples`` gives the bare accuracies, ``planted_record`` a complete study.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.record import EVALUATION_COLUMNS, TRIAL_COLUMNS, StudyRecord, typed
from analysis.rules import Place, Rules
from tests.analysis.synthetic_study import _curve, _trial, study_json

Accuracy = Callable[[float], float]

CONTROL = "piecewise"
PUBLISHED = "piecewise_as_published"
CONTENDER = "one_cycle"
BUDGETS = (2, 5, 10, 20, 40)
# Accuracy against the effective budget.
CURVES: dict[str, Accuracy] = {
    "power law": lambda budget: 0.95 - 0.3 * budget**-0.5,
    "steep power law": lambda budget: 0.95 - 0.3 * budget**-1.0,
    "logistic": lambda budget: 0.1 + 0.85 / (1 + np.exp(0.75) * budget**-1.5),
}
# How much slower the best of the poor draws is than the good ones, in powers of the untuned factor.
GAP = 0.3
VALIDATION_NOISE = 0.3


def planted_samples(
    speedup: float,
    generator: np.random.Generator,
    *,
    budgets: Sequence[float] = BUDGETS,
    seeds: int = 5,
    noise: float = 0.002,
    curve: Accuracy = CURVES["power law"],
) -> tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]]:
    """Return test accuracies of an arm and of a control at each budget, ``(seeds,)`` each.

    The arm at budget b is as accurate as the control at ``speedup * b``.
    """
    arm, control = (
        [curve(factor * budget) + noise * generator.normal(size=seeds) for budget in budgets]
        for factor in (speedup, 1.0)
    )
    return arm, control


def planted_record(
    speedup: float = 1.3,
    *,
    seeds: int = 10,
    noise: float = 0.002,
    budgets: tuple[int, ...] = BUDGETS,
    draws: int = 32,
    searches: int = 1,
    untuned_factor: float = 8.0,
    curve: Accuracy = CURVES["power law"],
    seed: int = 0,
    **changes: Any,
) -> StudyRecord:
    """Return a complete study with a tuned control, a control as published and a contender.

    The contender is ``speedup`` times as fast as the tuned control, which is ``untuned_factor`` times as fast as the
    control as published. One draw in eight is as good as can be; the others are by ``untuned_factor ** GAP`` up to
    ``untuned_factor`` times slower. With little noise a good draw wins every search, and the truth is exact.

    Args:
        speedup: Of the tuned contender over the tuned control.
        seeds: Confirm seeds.
        noise: Standard deviation of the test accuracy over seeds; validation scatters around it by a third of that.
        budgets: In epochs.
        draws: Per search.
        searches: Per arm and cell.
        untuned_factor: Of the tuned control over the control as published.
        curve: Accuracy against effective budget.
        seed: Of everything random.
        changes: To the study file.
    """
    arms = {CONTROL: (CONTROL, False, ()), PUBLISHED: (CONTROL, True, ()), CONTENDER: (CONTENDER, False, ())}
    study = study_json(arms=arms, budgets=budgets, draws=draws, searches=searches, seeds=seeds, **changes)
    rules = Rules.model_validate(study).model_copy(update={"protocol_hash": "0123abcd"})
    factors = {CONTROL: 1.0, PUBLISHED: 1 / untuned_factor, CONTENDER: speedup}
    trials: list[dict[str, Any]] = []
    evaluations: list[dict[str, Any]] = []
    for place in rules.places:
        for search in range(rules.searches(place.arm)):
            generator = np.random.default_rng([seed, search, *map(ord, "/".join(map(str, place)))])
            planted = _Planted(place=place, search=search, noise=noise, generator=generator)
            qualities = _qualities(draws, untuned_factor, generator)
            best, tuned = 0, []
            if place.arm != PUBLISHED:
                tuned = planted.tune([curve(place.budget * factors[place.arm] * q) for q in qualities])
                best = int(np.argmax([trial["validation"] for trial in tuned]))
            quality = qualities[best] if tuned else 1.0
            confirmed = planted.confirm(curve(place.budget * factors[place.arm] * quality), seeds, best)
            trials += tuned + confirmed
            for trial in confirmed:
                evaluations += _curve(trial, generator)
    return StudyRecord(
        rules=rules,
        trials=typed(trials, TRIAL_COLUMNS),
        evaluations=typed(evaluations, EVALUATION_COLUMNS),
        provenance={"tracking_uri": "nowhere"},
    )


def _qualities(draws: int, untuned_factor: float, generator: np.random.Generator) -> NDArray[np.float64]:
    """Return how fast each draw is, 1 for a good one, in an order of chance."""
    good = max(draws // 8, 1)
    poor = untuned_factor ** -np.linspace(GAP, 1, draws - good)
    return generator.permutation(np.concatenate([np.ones(good), poor]))


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Planted:
    place: Place
    search: int
    noise: float
    generator: np.random.Generator

    def tune(self, levels: Sequence[float]) -> list[dict[str, Any]]:
        spread = self.noise * np.hypot(1, VALIDATION_NOISE)
        return [
            _trial(
                self.place,
                f"tune/search-{self.search}/draw-{draw}",
                phase="tune",
                search=self.search,
                draw=draw,
                seed=1000 * self.search + draw,
                validation=level + spread * self.generator.normal(),
                **_settings(draw),
            )
            for draw, level in enumerate(levels)
        ]

    def confirm(self, level: float, seeds: int, draw: int) -> list[dict[str, Any]]:
        tests = level + self.noise * self.generator.normal(size=seeds)
        validations = tests + VALIDATION_NOISE * self.noise * self.generator.normal(size=seeds)
        return [
            _trial(
                self.place,
                f"confirm/search-{self.search}/seed-{index}",
                phase="confirm",
                search=self.search,
                seed_index=index,
                # Winners of several searches are confirmed on the same seeds.
                seed=900_001 + index,
                validation=float(validation),
                test=float(test),
                **_settings(draw),
            )
            for index, (test, validation) in enumerate(zip(tests, validations, strict=True))
        ]


def _settings(draw: int) -> dict[str, Any]:
    """Return settings that name the draw, well inside of the search space."""
    return {"setting.peak_lr": round(0.1 + 0.001 * draw, 4), "setting.factor": 0.1}
