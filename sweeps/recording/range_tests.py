"""Record range tests in MLflow, apart from the trials of the study: they decide nothing in it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from mlflow import MlflowClient
from mlflow.entities import Metric, Param

from analysis import layout
from models.diagnostics import RangeCurve
from sweeps.errors import InputError
from sweeps.places import Places
from sweeps.range_testing.proposal import Range
from sweeps.range_testing.running import RangeResult
from sweeps.recording.store import connect
from sweeps.recording.trouble import TROUBLE, TrackerError, explain

Value = TypeVar("Value")

ROLE_RANGE_TEST = "range_test"
ROLE_RANGE_SEED = "range_test_seed"
_MOST_POINTS = 250  # of a curve: the page has them all
_PER_BATCH = 1000


def range_test_experiment(study: str) -> str:
    """Return the name of the experiment with the range tests of a study; no study can be called so."""
    return f"{study}/range-test"


def record_range_tests(
    places: Places,
    study: str,
    results: Sequence[RangeResult],
    proposed: Range | None,
    files: Mapping[str, Path],
    environment: Mapping[str, str],
) -> str:
    """Record range tests: one run with the files, suggestions and settings per workload, and below it one per seed.

    Args:
        places: where the store is.
        study: its name.
        results: what was seen.
        proposed: the range of peak rates that all of them propose.
        files: the files by name.
        environment: versions and state of the code.

    Returns:
        The id of the experiment.

    Raises:
        InputError: the experiment was deleted.
        TrackerError: MLflow cannot be reached.
    """
    client = connect(places)
    try:
        experiment_id = _experiment(client, places, study)
        for result in results:
            run_id = _record_workload(client, experiment_id, result, proposed)
            for path in files.values():
                client.log_artifact(run_id, str(path))
            client.log_dict(run_id, dict(environment), layout.ARTIFACT_ENVIRONMENT)
            client.set_terminated(run_id)
    except TROUBLE as error:
        raise TrackerError(explain(places.tracking_uri, error)) from error
    return experiment_id


def _experiment(client: MlflowClient, places: Places, study: str) -> str:
    name = range_test_experiment(study)
    found = client.get_experiment_by_name(name)
    if found is not None:
        if found.lifecycle_stage != "active":
            raise InputError(f"experiment {name} was deleted in MLflow; restore it there, or rename the study.")
        return str(found.experiment_id)
    root = places.artifact_root
    location = (root / "range-tests" / study).as_uri() if root else None
    tags = {"mlflow.experimentKind": "custom_model_development", "mlflow.note.content": f"Range tests of {study}"}
    return str(client.create_experiment(name, artifact_location=location, tags=tags))


def _record_workload(client: MlflowClient, experiment_id: str, result: RangeResult, proposed: Range | None) -> str:
    test = result.test
    run_id = str(
        client.create_run(
            experiment_id,
            run_name=f"range test {result.workload}",
            tags={layout.ROLE: ROLE_RANGE_TEST, layout.WORKLOAD: result.workload, layout.ARM: result.arm},
        ).info.run_id
    )
    params = {
        **{name: value for name, value in test.training.settings.items() if name != "peak_lr"},
        "ramp": test.shape,
        "low": test.low,
        "high": test.high,
        "updates": test.num_updates,
        "seeds": len(result.curves),
        "proposed_peak_lr": proposed or "none",
    }
    values = {f"suggested/{name}": rate for name, rate in result.medians.items()} | {
        "updates_done": result.updates_done
    }
    _log(client, run_id, [_metric(name, value) for name, value in values.items()], params)
    for number in range(len(result.curves)):
        _record_seed(client, experiment_id, run_id, result, number)
    return run_id


def _record_seed(client: MlflowClient, experiment_id: str, parent: str, result: RangeResult, number: int) -> None:
    curve = result.curves[number]
    tags = {"mlflow.parentRunId": parent, layout.ROLE: ROLE_RANGE_SEED, layout.WORKLOAD: result.workload}
    name = f"{result.workload} seed {number}"
    run_id = str(client.create_run(experiment_id, run_name=name, tags=tags).info.run_id)
    suggested = {rule: rates[number] for rule, rates in result.suggestions.items()}
    finals = [_metric(f"suggested/{rule}", rate) for rule, rate in suggested.items() if rate is not None]
    finals.append(_metric("diverged", float(curve.diverged_at is not None)))
    if curve.diverged_at is not None:
        finals.append(_metric("diverged_at_lr", curve.diverged_at))
    estimates = result.estimates[number] if result.estimates else ()
    curves = [
        *_points(curve),
        *(_metric("curvature/lr", e.rate, e.update) for e in _thinned(estimates)),
        *(_metric("curvature/estimated_lr", e.average, e.update) for e in _thinned(estimates)),
    ]
    _log(client, run_id, [*finals, *curves], {"seed": curve.seed})
    client.set_terminated(run_id)


def _points(curve: RangeCurve) -> Iterator[Metric]:
    """Yield the points of a curve; the step is the number of updates done, so that MLflow can draw against the rate."""
    middle = curve.window // 2 + 1
    smoothed = list(zip(curve.smoothed_rates, curve.smoothed_losses, strict=True))
    for update, (rate, loss) in _thinned(list(enumerate(smoothed, start=middle))):
        yield _metric("range/lr", rate, update)
        yield _metric("range/train_loss", loss, update)
    for update, accuracy in zip(curve.evaluated_updates, curve.accuracies, strict=True):
        yield _metric("range/validation_accuracy", accuracy, update)


def _thinned(values: Sequence[Value]) -> Sequence[Value]:
    return values[:: max(1, -(-len(values) // _MOST_POINTS))]


def _metric(name: str, value: float, step: int = 0) -> Metric:
    return Metric(name, float(value), int(time.time() * 1000), step)


def _log(client: MlflowClient, run_id: str, metrics: Sequence[Metric], params: Mapping[str, object]) -> None:
    client.log_batch(run_id, params=[Param(name, str(value)) for name, value in params.items()])
    for start in range(0, len(metrics), _PER_BATCH):
        client.log_batch(run_id, metrics=metrics[start : start + _PER_BATCH])
