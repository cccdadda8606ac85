"""The search space of a study: dimensions, and the points that the samplers draw from them."""

from __future__ import annotations

import hashlib
import json
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt

Setting = bool | int | float | str | tuple[bool | int | float | str, ...]
Sampler = Literal["sobol", "random", "tpe"]

#: Coordinates of every Sobol point, so that the first ones do not depend on how many an arm uses.
MAX_DIMENSIONS = 64
#: Points of a Sobol sequence that are made, and kept, at a time.
_SOBOL_BLOCK = 256
#: The last of the six digits that are kept depends on the rounding of a machine's logarithm.
_SAME_TO = 1e-5
#: Draws of a TPE search that come from the shared Sobol sequence before it models anything.
TPE_STARTUP_DRAWS = 10


@dataclass(frozen=True)
class Uniform:
    """Uniform between `low` and `high`."""

    low: float
    high: float
    kind = "float"

    def at(self, unit: float) -> float:
        """Return the value at `unit` in [0, 1)."""
        return _tidy(self.low + unit * (self.high - self.low), self.low, self.high)


@dataclass(frozen=True)
class LogUniform:
    """Uniform in the logarithm between `low` > 0 and `high`."""

    low: float
    high: float
    kind = "log"

    def at(self, unit: float) -> float:
        """Return the value at `unit` in [0, 1)."""
        exponent = math.log(self.low) + unit * (math.log(self.high) - math.log(self.low))
        return _tidy(math.exp(exponent), self.low, self.high)


@dataclass(frozen=True)
class Integers:
    """Uniform over the integers from `low` to `high`, both included."""

    low: int
    high: int
    kind = "int"

    def at(self, unit: float) -> int:
        """Return the value at `unit` in [0, 1)."""
        return self.low + min(int(unit * (self.high - self.low + 1)), self.high - self.low)


@dataclass(frozen=True)
class Choice:
    """Uniform over the given options."""

    options: tuple[Setting, ...]
    kind = "choice"

    def at(self, unit: float) -> Setting:
        """Return the option at `unit` in [0, 1)."""
        return self.options[min(int(unit * len(self.options)), len(self.options) - 1)]


Dimension = Uniform | LogUniform | Integers | Choice


def _tidy(value: float, low: float, high: float) -> float:
    """Keep 6 significant digits, so that what is printed is what was run."""
    return min(max(float(f"{value:.6g}"), low), high)


def parse_dimension(raw: object) -> Dimension:
    """Build a dimension from its form in a study file, e.g. ``{"log": [0.01, 1.0]}``.

    Raises:
        ValueError: the form is none of float, log, int, choice, or its bounds make no sense.
    """
    if isinstance(raw, Dimension):
        return raw
    if not isinstance(raw, Mapping) or len(raw) != 1 or next(iter(raw)) not in {"float", "log", "int", "choice"}:
        raise ValueError(
            "must be one of {float: [low, high]}, {log: [low, high]}, {int: [low, high]}, "
            f"{{choice: [a, b, ...]}}; got {raw!r}."
        )
    [(kind, content)] = raw.items()
    if not isinstance(content, Sequence) or isinstance(content, str):
        raise ValueError(f"{kind} must be a list; got {content!r}.")  # noqa: TRY004 (pydantic collects ValueErrors)
    return _parse_choice(content) if kind == "choice" else _parse_range(kind, content)


def _parse_choice(content: Sequence[Any]) -> Choice:
    options = tuple(tuple(item) if isinstance(item, list) else item for item in content)
    if not options:
        raise ValueError("choice must name at least one option; got none.")
    flat = [part for option in options for part in (option if isinstance(option, tuple) else (option,))]
    bad = [part for part in flat if not isinstance(part, bool | int | float | str)]
    if bad:
        raise ValueError(f"choice must hold numbers, words, or lists of them; got {bad[0]!r}.")
    if len(set(options)) < len(options):
        raise ValueError(f"choice must name each option once; got {list(content)!r}.")
    return Choice(options)


def _parse_range(kind: str, content: Sequence[Any]) -> Dimension:
    number = int if kind == "int" else int | float
    ok = len(content) == 2 and all(isinstance(x, number) and not isinstance(x, bool) for x in content)
    if not ok or not all(abs(x) < 1e300 for x in content) or not content[0] < content[1]:
        what = "integers" if kind == "int" else "finite numbers"
        raise ValueError(f"{kind} must be two {what}, low < high; got {list(content)!r}.")
    low, high = content
    if kind == "log" and low <= 0:
        raise ValueError(f"log must have low > 0; got {low!r}. Use float for a range that includes 0.")
    if kind == "int":
        return Integers(low, high)
    return LogUniform(float(low), float(high)) if kind == "log" else Uniform(float(low), float(high))


def unparse_dimension(dimension: Dimension) -> dict[str, list[Any]]:
    """Write a dimension back in the form of a study file."""
    if isinstance(dimension, Choice):
        return {"choice": [list(o) if isinstance(o, tuple) else o for o in dimension.options]}
    return {dimension.kind: [dimension.low, dimension.high]}


def derive_seed(*parts: str | int) -> int:
    """Derive a seed of 48 bits (exact in a float64) from named parts, the same on every machine."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=6).digest(), "big")


@dataclass(frozen=True)
class Space:
    """The dimensions that one arm tunes.

    Args:
        shared: dimensions of all tuned arms, in one order; draw i of these is the same for every arm.
        own: further dimensions of this arm.
    """

    shared: Mapping[str, Dimension]
    own: Mapping[str, Dimension]

    @property
    def dimensions(self) -> dict[str, Dimension]:
        """Return shared and own dimensions, shared ones first."""
        return {**self.shared, **self.own}


@dataclass(frozen=True)
class PastDraw:
    """A finished draw of a search: its settings, and its validation metric or None if it diverged."""

    settings: Mapping[str, Setting]
    validation: float | None


def draw_settings(
    sampler: Sampler, space: Space, stream: tuple[str | int, ...], draw: int, history: Sequence[PastDraw] = ()
) -> dict[str, Setting]:
    """Return draw number `draw` of a search.

    A pure function: the same arguments give the same settings, on every machine and after every restart.

    Args:
        sampler: ``sobol`` takes point `draw` of a scrambled Sobol sequence (Owen, 1998), ``random`` an independent
            uniform point, ``tpe`` Optuna's proposal given `history` (its first draws are the Sobol ones).
        space: what to draw.
        stream: names the sequence, e.g. (study seed, cell, search). It must not name the arm, since arms share draws.
        draw: index of the draw, from 0.
        history: the search's draws 0 to ``draw - 1`` in order; read by ``tpe`` only.
    """
    if sampler == "tpe" and draw >= TPE_STARTUP_DRAWS:
        return _propose_tpe(space, derive_seed(*stream, "tpe", draw), history)
    unit = _random_point(stream, draw) if sampler == "random" else _sobol_point(stream, draw)
    return {name: dimension.at(float(u)) for (name, dimension), u in zip(space.dimensions.items(), unit, strict=False)}


def read_settings(space: Space, recorded: Mapping[str, str]) -> dict[str, Setting]:
    """Return the settings of a draw from their texts in the record.

    Raises:
        KeyError: a dimension is not recorded.
        ValueError: a text is not a value of its dimension.
    """
    return {name: _read(dimension, recorded[name]) for name, dimension in space.dimensions.items()}


def reads_as(dimension: Dimension, text: str, value: Setting) -> bool:
    """Tell whether a text in the record stands for `value`; of fractions, whether to the digits that are kept."""
    if text == setting_text(value):
        return True
    if not isinstance(dimension, Uniform | LogUniform):
        return False
    try:
        return math.isclose(float(text), float(cast(float, value)), rel_tol=_SAME_TO)
    except ValueError:
        return False


def _read(dimension: Dimension, text: str) -> Setting:
    if isinstance(dimension, Choice):
        return dimension.options[[setting_text(option) for option in dimension.options].index(text)]
    return int(text) if isinstance(dimension, Integers) else float(text)


def setting_text(value: Setting) -> str:
    """Return a setting as it is recorded: lists in JSON."""
    return json.dumps(value) if isinstance(value, tuple) else str(value)


def _random_point(stream: tuple[str | int, ...], draw: int) -> npt.NDArray[np.float64]:
    return np.random.default_rng(derive_seed(*stream, "random", draw)).random(MAX_DIMENSIONS)


def _sobol_point(stream: tuple[str | int, ...], draw: int) -> npt.NDArray[np.float64]:
    block, within = divmod(draw, _SOBOL_BLOCK)
    point: npt.NDArray[np.float64] = _sobol_points(derive_seed(*stream, "sobol"), block)[within]
    return point


@lru_cache(maxsize=256)
def _sobol_points(seed: int, block: int) -> npt.NDArray[np.float64]:
    from scipy.stats import qmc  # noqa: PLC0415 (takes a second, which processes that only train need not pay)

    # One engine of MAX_DIMENSIONS coordinates, and not one engine for the shared and one for an arm's own dimensions:
    # two Sobol sequences with the same direction numbers are strongly dependent even when scrambled separately.
    engine = qmc.Sobol(MAX_DIMENSIONS, scramble=True, rng=np.random.default_rng(seed))
    if block:
        engine.fast_forward(block * _SOBOL_BLOCK)
    return engine.random(_SOBOL_BLOCK)


def _propose_tpe(space: Space, seed: int, history: Sequence[PastDraw]) -> dict[str, Setting]:
    import optuna  # noqa: PLC0415 (half a second that only TPE studies should pay)

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.TPESampler(seed=seed % 2**32, n_startup_trials=TPE_STARTUP_DRAWS)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    distributions = {name: _distribution(dimension) for name, dimension in space.dimensions.items()}
    for past in history:
        params = {name: _to_optuna(space.dimensions[name], past.settings[name]) for name in distributions}
        # A diverged draw has no value to learn from; Optuna skips failed trials, for every arm alike.
        state = optuna.trial.TrialState.FAIL if past.validation is None else optuna.trial.TrialState.COMPLETE
        study.add_trial(
            optuna.trial.create_trial(state=state, params=params, distributions=distributions, value=past.validation)
        )
    proposal = study.ask(distributions).params
    return {name: _from_optuna(space.dimensions[name], proposal[name]) for name in distributions}


def _distribution(dimension: Dimension) -> Any:
    from optuna.distributions import (  # noqa: PLC0415
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    if isinstance(dimension, Choice):
        # By index, because Optuna warns about options that are lists.
        return CategoricalDistribution(range(len(dimension.options)))
    if isinstance(dimension, Integers):
        return IntDistribution(dimension.low, dimension.high)
    return FloatDistribution(dimension.low, dimension.high, log=isinstance(dimension, LogUniform))


def _to_optuna(dimension: Dimension, value: Setting) -> Any:
    return dimension.options.index(value) if isinstance(dimension, Choice) else value


def _from_optuna(dimension: Dimension, value: Any) -> Setting:
    if isinstance(dimension, Choice):
        return dimension.options[int(value)]
    if isinstance(dimension, Integers):
        return int(value)
    return _tidy(float(value), dimension.low, dimension.high)
