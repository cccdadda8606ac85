"""Make up a study: accuracies are drawn, nothing is trained. The same arguments give the same study."""

from __future__ import annotations

import dataclasses
import json
import math
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis import layout
from analysis.record import EVALUATION_COLUMNS, TRIAL_COLUMNS, StudyRecord, typed
from analysis.rules import Place, Rules

UPDATES_PER_EPOCH = 32
LEVELS = {2: 0.83, 5: 0.86, 10: 0.92, 20: 0.95}
# Arm -> schedule, whether as published, and its distance from the control at 2, 5, 10 and 20 epochs.
ARMS: dict[str, tuple[str, bool, tuple[float, ...]]] = {
    "piecewise": ("piecewise", False, (0.0, 0.0, 0.0, 0.0)),
    "piecewise_as_published": ("piecewise", True, (-0.012, -0.009, -0.006, -0.004)),
    "cosine": ("cosine", False, (0.010, 0.004, 0.0, 0.0)),
    "linear": ("linear", False, (0.012, 0.006, 0.001, 0.0)),
    "one_cycle": ("one_cycle", False, (0.023, 0.009, 0.0, -0.007)),
}
TWO_ARMS = {name: ARMS[name] for name in ("piecewise", "one_cycle")}


def study_json(
    *,
    arms: Mapping[str, tuple[str, bool, tuple[float, ...]]] = ARMS,
    workloads: tuple[str, ...] = ("mnist1d-conv",),
    budgets: tuple[int, ...] = (2, 5, 10, 20),
    draws: int = 16,
    searches: int = 1,
    seeds: int = 10,
    **changes: Any,
) -> dict[str, Any]:
    return {
        "study": "quickstart",
        "question": "Does one-cycle beat a tuned piecewise schedule on MNIST-1D?",
        "workloads": [{"name": name, "dataset": "mnist1d", "batch_size": 100} for name in workloads],
        "budgets": {"unit": "epochs", "amounts": list(budgets)},
        "control": next(iter(arms)),
        "search": {"peak_lr": {"log": [0.01, 1.0]}},
        "arms": {
            name: {
                "schedule": schedule,
                "momentum_policy": "constant",
                "settings": {},
                "search": {} if as_published else {"factor": {"choices": [0.1, 0.2]}},
                "as_published": as_published,
            }
            for name, (schedule, as_published, _) in arms.items()
        },
        "tuning": {"draws": draws, "searches": searches, "sampler": "sobol"},
        "confirm": {"seeds": seeds},
        "metric": "accuracy",
        "targets": [0.8, 0.9],
        "equivalence_margin": 0.005,
        "alpha": 0.05,
        "seed": 0,
        **changes,
    }


def synthetic_record(
    *, arms: Mapping[str, tuple[str, bool, tuple[float, ...]]] = ARMS, seed: int = 0, **shape: Any
) -> StudyRecord:
    """Return a complete study in which every arm has the accuracies of its line in ``arms`` plus noise."""
    rules = Rules.model_validate(study_json(arms=arms, **shape)).model_copy(update={"protocol_hash": "0123abcd"})
    trials: list[dict[str, object]] = []
    evaluations: list[dict[str, object]] = []
    for place in rules.places:
        effect = arms[place.arm][2][rules.budgets.amounts.index(place.budget)]
        level = LEVELS.get(int(place.budget), 0.9) + effect
        for search in range(rules.searches(place.arm)):
            generator = np.random.default_rng([seed, search, *map(ord, "/".join(map(str, place)))])
            tuned = _tune(rules, place, search, level, generator)
            best = max(tuned, key=lambda trial: trial["validation"]) if tuned else {"setting.peak_lr": 0.1}
            settings = {name: value for name, value in best.items() if name.startswith("setting.")}
            confirmed = _confirm(rules, place, search, level, settings, generator)
            trials += tuned + confirmed
            for trial in confirmed:
                evaluations += _curve(trial, generator)
    return StudyRecord(
        rules=rules,
        trials=typed(trials, TRIAL_COLUMNS),
        evaluations=typed(evaluations, EVALUATION_COLUMNS),
        provenance={"tracking_uri": "nowhere"},
        launches={"1": {"python": "3.11", "version_torch": "2.11.0"}},
    )


def _tune(
    rules: Rules, place: Place, search: int, level: float, generator: np.random.Generator
) -> list[dict[str, Any]]:
    if rules.arms[place.arm].as_published:
        return []
    rates = np.exp(np.linspace(math.log(0.012), math.log(0.85), rules.tuning.draws))
    return [
        _trial(
            place,
            f"tune/search-{search}/draw-{draw}",
            phase="tune",
            search=search,
            draw=draw,
            seed=1000 * search + draw,
            validation=level - 0.03 * abs(math.log10(rate / 0.15)) + 0.002 * generator.normal(),
            **{"setting.peak_lr": float(rate), "setting.factor": [0.1, 0.2][draw % 2]},
        )
        for draw, rate in enumerate(rates)
    ]


def _confirm(
    rules: Rules, place: Place, search: int, level: float, settings: dict[str, Any], generator: np.random.Generator
) -> list[dict[str, Any]]:
    accuracies = level + 0.004 * generator.normal(size=rules.confirm.seeds)
    return [
        _trial(
            place,
            f"confirm/search-{search}/seed-{index}",
            phase="confirm",
            search=search,
            seed_index=index,
            seed=900_000 + 1000 * search + index,
            validation=float(accuracy) - 0.001,
            test=round(float(accuracy), 4),
            **settings,
        )
        for index, accuracy in enumerate(accuracies)
    ]


def _trial(place: Place, suffix: str, **values: Any) -> dict[str, Any]:
    total = int(place.budget * UPDATES_PER_EPOCH)
    return {
        "trial_key": f"{place.workload}/epochs-{place.budget}/{place.arm}/{suffix}",
        "run_id": f"run-{place.workload}-{place.budget}-{place.arm}-{suffix}".replace("/", "-"),
        **place._asdict(),
        "budget_unit": "epochs",
        "outcome": "finished",
        "diverged": False,
        "train_loss": 0.2,
        "updates": total,
        "total_updates": total,
        "train_seconds": 0.01 * total,
        "attempts": 1,
        "hardware": "H200",
        "launch": "1",
        "data": "11d1a1ab8fed3c04 52be2f29de1c38b5" if values["phase"] == "confirm" else "11d1a1ab8fed3c04",
        **values,
    }


def _curve(trial: Mapping[str, Any], generator: np.random.Generator) -> list[dict[str, Any]]:
    """Rise to the final accuracy; one-cycle lingers low until its last third."""
    total, final = trial["total_updates"], trial["test"]
    times = np.unique(np.linspace(total / 24, total, 24).round().astype(int))
    share = times / total
    rise = 1 - np.exp(-4 * share) * (1 - share)
    if trial["arm"] == "one_cycle":
        rise = np.where(share < 0.66, 0.75 * rise, rise * (0.8 + 0.2 * (share - 0.66) / 0.34))
    accuracies = 0.1 + (final - 0.1) * rise + 0.006 * generator.normal(size=times.size) * (1 - share)
    accuracies[-1] = final
    shared = {name: trial[name] for name in ("trial_key", "run_id", "workload", "budget", "arm", "phase", "seed_index")}
    return [
        {
            **shared,
            "update": int(time),
            "epoch": time / UPDATES_PER_EPOCH,
            "train_seconds": 0.01 * float(time),
            "validation": float(accuracy) - 0.001,
            "test": float(accuracy),
            "train_loss": 2.3 * (1 - float(accuracy)),
            "lr": 0.1,
            "momentum": 0.9,
        }
        for time, accuracy in zip(times, accuracies, strict=True)
    ]


def changed(record: StudyRecord, where: Callable[[pd.DataFrame], Any], **values: Any) -> StudyRecord:
    """Return the record with some columns of some trials set anew; a list gives one value per trial."""
    trials = record.trials.copy()
    for column, value in values.items():
        trials.loc[where(trials), column] = value
    return dataclasses.replace(record, trials=trials)


def without(record: StudyRecord, where: Callable[[pd.DataFrame], Any]) -> StudyRecord:
    """Return the record without some trials and their evaluations."""
    trials = record.trials[~where(record.trials)]
    evaluations = record.evaluations[record.evaluations["run_id"].isin(trials["run_id"])]
    return dataclasses.replace(record, trials=trials, evaluations=evaluations)


def at(budget: int, arm: str, phase: str = "confirm") -> Callable[[pd.DataFrame], Any]:
    """Select one arm at one budget."""
    return lambda trials: (trials["budget"] == budget) & (trials["arm"] == arm) & (trials["phase"] == phase)


def store(record: StudyRecord, study: Mapping[str, Any], tracking_uri: str, artifacts: Path) -> None:
    """Write a record to MLflow as a study is laid out there, in an order that has nothing to do with the trials'."""
    from mlflow.entities import Metric, Param, RunTag
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri)
    tags = {layout.EXPERIMENT_STUDY: study["study"], layout.EXPERIMENT_PROTOCOL_HASH: record.rules.protocol_hash}
    experiment = client.create_experiment(study["study"], artifact_location=artifacts.as_uri(), tags=tags)
    parent = client.create_run(experiment, start_time=1, tags={layout.ROLE: layout.ROLE_STUDY})
    with tempfile.TemporaryDirectory() as folder:
        for name, content in ((layout.ARTIFACT_STUDY, study), (layout.ARTIFACT_ENVIRONMENT, {"python": "3.11"})):
            path = Path(folder, name)
            path.write_text(json.dumps(content))
            client.log_artifact(parent.info.run_id, str(path))
        for name, environment in record.launches.items():
            path = Path(folder, layout.launch_file(name))
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps({"environment": environment}))
            client.log_artifact(parent.info.run_id, str(path), layout.ARTIFACT_LAUNCHES)
    curves = {key: rows.to_dict("records") for key, rows in record.evaluations.groupby("trial_key")}
    rows = record.trials.to_dict("records")
    for start_time, trial in enumerate(sorted(rows, key=lambda row: row["trial_key"][::-1]), start=2):
        run = client.create_run(experiment, start_time=start_time, tags=_tags(trial))
        metrics = [Metric(key, float(value), start_time, 0) for key, value in _finals(trial).items()]
        for point in curves.get(trial["trial_key"], []):
            metrics += [Metric(key, point[name], start_time, point["update"]) for key, name in _CURVES.items()]
        params = [Param(layout.PARAM_ARM, trial["arm"])]
        params += [
            Param(name.removeprefix("setting."), json.dumps(value))
            for name, value in trial.items()
            if name.startswith("setting.") and not pd.isna(value)
        ]
        client.log_batch(run.info.run_id, metrics=metrics, params=params, tags=[RunTag("later", "yes")])
        client.set_terminated(run.info.run_id, "FINISHED")


_CURVES = {
    layout.CURVE_VALIDATION: "validation",
    layout.CURVE_TEST: "test",
    layout.CURVE_TRAIN_LOSS: "train_loss",
    layout.CURVE_LR: "lr",
    layout.CURVE_MOMENTUM: "momentum",
    layout.CURVE_EPOCH: "epoch",
    layout.CURVE_TRAIN_SECONDS: "train_seconds",
}


def _tags(trial: Mapping[str, Any]) -> dict[str, str]:
    names = {
        layout.TRIAL_KEY: "trial_key",
        layout.WORKLOAD: "workload",
        layout.BUDGET: "budget",
        layout.BUDGET_UNIT: "budget_unit",
        layout.ARM: "arm",
        layout.PHASE: "phase",
        layout.SEARCH: "search",
        layout.DRAW: "draw",
        layout.RUNG: "rung",
        layout.WINNER: "winner",
        layout.SEED_INDEX: "seed_index",
        layout.SEED: "seed",
        layout.OUTCOME: "outcome",
        layout.ATTEMPTS: "attempts",
        layout.HARDWARE: "hardware",
        layout.LAUNCH: "launch",
        layout.DATA: "data",
    }
    present = {tag: str(trial[name]) for tag, name in names.items() if not pd.isna(trial[name])}
    return {layout.ROLE: layout.ROLE_TRIAL, **present}


def _finals(trial: Mapping[str, Any]) -> dict[str, float]:
    names = {
        layout.FINAL_VALIDATION: "validation",
        layout.FINAL_TEST: "test",
        layout.FINAL_TRAIN_LOSS: "train_loss",
        layout.FINAL_TRAIN_SECONDS: "train_seconds",
        layout.FINAL_UPDATES: "updates",
        layout.FINAL_TOTAL_UPDATES: "total_updates",
        layout.DIVERGED: "diverged",
        layout.DIVERGED_AT_UPDATE: "diverged_at_update",
    }
    return {metric: trial[name] for metric, name in names.items() if not pd.isna(trial[name])}
