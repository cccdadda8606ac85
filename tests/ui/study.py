"""A small study, recorded by hand as `analysis.layout` describes it, with curves that look like real ones."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlflow.entities import Metric, Param
from mlflow.tracking import MlflowClient

from analysis import layout
from sweeps.mlflow_page import RUN_COLOR
from sweeps.views import StudyOutline, arm_colors, study_views

WORKLOAD = "mnist1d-conv"
BUDGETS = (5, 20)
CELLS = tuple(f"{WORKLOAD}/epochs-{budget}" for budget in BUDGETS)
ARMS = ("piecewise", "cosine", "one_cycle")
SEEDS = (100, 101, 102, 103)
DRAWS = 8
SEARCH_PARAMS = ("peak_lr", "weight_decay")
OUTLINE = StudyOutline(
    arms=ARMS,
    cells=dict(zip(CELLS, map(str, BUDGETS), strict=True)),
    search_params=SEARCH_PARAMS,
    confirm_trials_per_cell=len(ARMS) * len(SEEDS),
    tune_trials_per_cell=len(ARMS) * DRAWS,
)
REPORT_TEXT = "one_cycle beats piecewise by 0.8 points"

_EVALUATIONS = 10
_UPDATES_PER_EPOCH = 40
_STARTED_MS = 1_750_000_000_000


@dataclass(frozen=True, kw_only=True)
class RecordedStudy:
    store_uri: str
    experiment_id: str
    study_run_id: str
    confirm_trials: int
    finished_draws: int


@dataclass(frozen=True, kw_only=True)
class _Trial:
    arm: str
    budget: int
    phase: str
    number: int  # the draw of a tune trial, the place of its seed for a confirm trial
    peak_lr: float
    weight_decay: float

    @property
    def seed(self) -> int:
        return SEEDS[self.number] if self.phase == "confirm" else 7

    @property
    def key(self) -> str:
        place = f"seed-{self.number}" if self.phase == "confirm" else f"draw-{self.number}"
        return f"{WORKLOAD}/epochs-{self.budget}/{self.arm}/{self.phase}/search-0/{place}"

    @property
    def run_name(self) -> str:
        return f"{self.arm} {self.budget} epochs {self.phase} {self.number}"

    @property
    def diverged(self) -> bool:
        return self.phase == "tune" and self.peak_lr > 0.5 and self.arm == ARMS[0]


def record_study(folder: Path) -> RecordedStudy:
    """Record the study straight into a new sqlite store, with its artifacts in plain files beside it."""
    store_uri = f"sqlite:///{folder / 'mlflow.db'}"
    client = MlflowClient(tracking_uri=store_uri)
    experiment_id = client.create_experiment(
        "mnist1d: one_cycle against tuned baselines",
        artifact_location=(folder / "artifacts").as_uri(),
        tags={"mlflow.experimentKind": "custom_model_development", layout.EXPERIMENT_STUDY: "mnist1d"},
    )
    study_run = client.create_run(experiment_id, run_name="study", tags={layout.ROLE: layout.ROLE_STUDY})
    trials = list(_trials())
    for trial in trials:
        _record_trial(client, experiment_id, study_run.info.run_id, trial)
    page = f"<!doctype html><title>Report</title><h1>Verdict</h1><p>{REPORT_TEXT}</p>"
    client.log_text(study_run.info.run_id, page, f"{layout.ARTIFACT_REPORT}/report.html")
    client.set_terminated(study_run.info.run_id)
    for view in study_views(OUTLINE):
        client.set_experiment_tag(experiment_id, view.tag, view.tag_value)
    return RecordedStudy(
        store_uri=store_uri,
        experiment_id=experiment_id,
        study_run_id=study_run.info.run_id,
        confirm_trials=sum(trial.phase == "confirm" for trial in trials),
        finished_draws=sum(trial.phase == "tune" and not trial.diverged for trial in trials),
    )


def _trials() -> Iterator[_Trial]:
    draws = random.Random(0)
    settings = [(10 ** draws.uniform(-2.5, 0), 10 ** draws.uniform(-5, -2)) for _ in range(DRAWS)]
    for budget in BUDGETS:
        for number, (peak_lr, weight_decay) in enumerate(settings):
            for arm in ARMS:
                yield _Trial(
                    arm=arm,
                    budget=budget,
                    phase="tune",
                    number=number,
                    peak_lr=peak_lr,
                    weight_decay=weight_decay,
                )
        for number in range(len(SEEDS)):
            for arm in ARMS:
                yield _Trial(arm=arm, budget=budget, phase="confirm", number=number, peak_lr=0.2, weight_decay=1e-3)


def _record_trial(client: MlflowClient, experiment_id: str, parent_run_id: str, trial: _Trial) -> None:
    tags = {"mlflow.parentRunId": parent_run_id, **_tags(trial)}
    run = client.create_run(experiment_id, run_name=trial.run_name, tags=tags, start_time=_STARTED_MS)
    params = {
        layout.PARAM_ARM: trial.arm,
        layout.PARAM_BUDGET: trial.budget,
        layout.PARAM_PHASE: trial.phase,
        layout.PARAM_SEED: trial.seed,
        layout.PARAM_SCHEDULE: trial.arm,
        layout.PARAM_MOMENTUM_POLICY: "cyclic" if trial.arm == "one_cycle" else "constant",
        "peak_lr": trial.peak_lr,
        "weight_decay": trial.weight_decay,
    }
    client.log_batch(
        run.info.run_id,
        metrics=[Metric(name, value, _STARTED_MS + step, step) for name, value, step in _metrics(trial)],
        params=[Param(name, str(value)) for name, value in params.items()],
    )
    client.set_terminated(run.info.run_id, end_time=_STARTED_MS + 1000)


def _tags(trial: _Trial) -> dict[str, str]:
    place = layout.SEED_INDEX if trial.phase == "confirm" else layout.DRAW
    return {
        layout.ROLE: layout.ROLE_TRIAL,
        layout.TRIAL_KEY: trial.key,
        layout.WORKLOAD: WORKLOAD,
        layout.BUDGET: str(trial.budget),
        layout.BUDGET_UNIT: "epochs",
        layout.CELL: f"{WORKLOAD}/epochs-{trial.budget}",
        layout.ARM: trial.arm,
        layout.PHASE: trial.phase,
        layout.SEARCH: "0",
        place: str(trial.number),
        layout.SEED: str(trial.seed),
        layout.OUTCOME: "diverged" if trial.diverged else "finished",
        RUN_COLOR: arm_colors(ARMS, control=ARMS[0])[trial.arm],
    }


def _metrics(trial: _Trial) -> Iterator[tuple[str, float, int]]:
    total = trial.budget * _UPDATES_PER_EPOCH
    noise = random.Random(trial.key)
    distance = abs(math.log10(trial.peak_lr) - math.log10(0.2))
    best = 0.9 + 0.01 * ARMS.index(trial.arm) + 0.02 * (trial.budget == BUDGETS[-1]) - 0.08 * distance
    accuracy = 0.0
    for evaluation in range(1, _EVALUATIONS + 1):
        frac = evaluation / _EVALUATIONS
        step = round(frac * total)
        accuracy = best * (1 - math.exp(-4 * frac)) + noise.gauss(0, 0.015)
        yield layout.CURVE_VALIDATION, accuracy, step
        if trial.phase == "confirm":
            yield layout.CURVE_TEST, accuracy - 0.01, step
        yield layout.CURVE_TRAIN_LOSS, 2 * math.exp(-3 * frac) + abs(noise.gauss(0, 0.02)), step
        yield layout.CURVE_LR, trial.peak_lr * _lr_factor(trial.arm, frac), step
        yield (
            layout.CURVE_MOMENTUM,
            0.95 - 0.1 * _lr_factor("one_cycle", frac) * (trial.arm == "one_cycle"),
            step,
        )
        yield layout.CURVE_EPOCH, frac * trial.budget, step
        yield layout.CURVE_TRAIN_SECONDS, frac * trial.budget * 0.5, step
    if not trial.diverged:
        yield layout.FINAL_VALIDATION, accuracy, total
        yield layout.FINAL_TRAIN_LOSS, 2 * math.exp(-3), total
        if trial.phase == "confirm":
            yield layout.FINAL_TEST, accuracy - 0.01, total
    yield layout.FINAL_TRAIN_SECONDS, trial.budget * 0.5 + noise.uniform(0, 0.2), total
    yield layout.FINAL_UPDATES, total, total
    yield layout.FINAL_TOTAL_UPDATES, total, total
    yield layout.DIVERGED, float(trial.diverged), total


def _lr_factor(arm: str, frac: float) -> float:
    if arm == "one_cycle":
        return frac / 0.4 if frac < 0.4 else (1 - frac) / 0.6
    if arm == "cosine":
        return 0.5 * (1 + math.cos(math.pi * frac))
    return 1.0 if frac < 0.5 else 0.1
