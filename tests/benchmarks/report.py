"""Measure what the report of a large study costs: reading, computing and writing, and the most memory held.

A study is made up and written to MLflow's SQLite store in bulk: half its trials tune, half confirm, and each has 100
evaluations of every curve that a launch records. Each measurement runs in a process of its own, against the SQLite
file and against an MLflow server on it. The stores are kept between calls in the folder given.

Run with: make bench-report, or python -m tests.benchmarks.report --trials 1000 3000 10000 --folder /tmp/fairsweep-bench
"""

from __future__ import annotations

import argparse
import json
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from analysis import layout
from tests.analysis.synthetic_study import ARMS, study_json

EVALUATIONS = 100
UPDATES_PER_EPOCH = 32
BUDGETS = (5, 10, 20, 40)
#: Trials per workload with one draw and one seed: all arms confirm, and those that are not as published tune.
_PLACES = len(BUDGETS) * (len(ARMS) + sum(not published for _, published, _ in ARMS.values()))


def make_store(folder: Path, trials: int, workloads: int) -> str:
    """Write a made-up study of `trials` trials or a few more to a store in `folder`; return its address.

    One that is there already is taken.
    """
    path = folder / f"report-{trials}-{workloads}.db"
    if not path.exists():
        unfinished = path.with_suffix(".part")
        unfinished.unlink(missing_ok=True)
        per_phase = max(-(-trials // (_PLACES * workloads)), 2)
        study = study_json(
            workloads=tuple(f"workload-{i}" for i in range(workloads)),
            budgets=BUDGETS,
            draws=per_phase,
            seeds=per_phase,
        )
        experiment, parent = _begin(study, unfinished, folder)
        _fill(unfinished, experiment, parent, study)
        unfinished.rename(path)
    return f"sqlite:///{path}"


def _begin(study: dict, path: Path, folder: Path) -> tuple[str, str]:
    """Create the experiment and its study run through MLflow, so that the schema is MLflow's own."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{path}")
    artifacts = folder / f"{path.stem}-artifacts"
    experiment = client.create_experiment(
        study["study"], artifact_location=artifacts.as_uri(), tags={layout.EXPERIMENT_STUDY: study["study"]}
    )
    run = client.create_run(experiment, start_time=1, tags={layout.ROLE: layout.ROLE_STUDY})
    client.log_dict(run.info.run_id, study, layout.ARTIFACT_STUDY)
    return experiment, run.info.run_id


def _fill(path: Path, experiment: str, parent: str, study: dict) -> None:
    database = sqlite3.connect(path)
    database.execute("PRAGMA synchronous = OFF")
    database.execute("PRAGMA journal_mode = OFF")
    generator = np.random.default_rng(0)
    for number, trial in enumerate(_trials(study)):
        run_id = uuid.UUID(int=int(generator.integers(2**63)) << 64 | number).hex
        _insert(database, run_id, experiment, {**trial, "parent": parent}, generator)
        if number % 500 == 0:
            database.commit()
    database.commit()
    database.close()


def _trials(study: dict) -> Iterator[dict]:
    for workload in study["workloads"]:
        for position, budget in enumerate(study["budgets"]["amounts"]):
            for arm, (schedule, published, effects) in ARMS.items():
                level = 0.8 + 0.03 * position + effects[position]
                place = {"workload": workload["name"], "budget": budget, "arm": arm, "schedule": schedule}
                draws = 0 if published else study["tuning"]["draws"]
                yield from ({**place, "phase": "tune", "index": i, "level": level} for i in range(draws))
                yield from (
                    {**place, "phase": "confirm", "index": i, "level": level} for i in range(study["confirm"]["seeds"])
                )


def _insert(
    database: sqlite3.Connection, run_id: str, experiment: str, trial: dict, generator: np.random.Generator
) -> None:
    """Insert one finished run with its tags, params, curves and finals."""
    workload, budget, arm, phase, index = (trial[name] for name in ("workload", "budget", "arm", "phase", "index"))
    total = budget * UPDATES_PER_EPOCH
    database.execute(
        "INSERT INTO runs (run_uuid, name, source_type, user_id, status, start_time, end_time, lifecycle_stage,"
        " artifact_uri, experiment_id) VALUES (?, ?, 'UNKNOWN', '', 'FINISHED', 2, 3, 'active', '', ?)",
        (run_id, f"{arm} {index}", experiment),
    )
    rate = float(np.exp(np.log(0.01) + np.log(100) * (index % 97 + 0.5) / 97))
    cell = f"{workload}/epochs-{budget}"
    tags = {
        layout.ROLE: layout.ROLE_TRIAL,
        layout.TRIAL_KEY: f"{cell}/{arm}/{phase}/search-0/{index}",
        layout.WORKLOAD: workload,
        layout.BUDGET: budget,
        layout.BUDGET_UNIT: "epochs",
        layout.CELL: cell,
        layout.ARM: arm,
        layout.PHASE: phase,
        layout.SEARCH: 0,
        layout.DRAW if phase == "tune" else layout.SEED_INDEX: index,
        layout.SEED: 2 * index + (phase == "confirm"),
        layout.OUTCOME: "finished",
        "mlflow.parentRunId": trial["parent"],
    }
    params = {"arm": arm, "budget": budget, "phase": phase, "seed": index, "schedule": trial["schedule"]}
    params |= {
        "momentum_policy": "constant",
        "peak_lr": rate if phase == "tune" else 0.1,
        "weight_decay": 5e-4,
        "momentum": 0.9,
    }
    for table, pairs in (("tags", tags), ("params", params)):
        database.executemany(
            f"INSERT INTO {table} (key, value, run_uuid) VALUES (?, ?, ?)",
            [(k, str(v), run_id) for k, v in pairs.items()],
        )
    _insert_metrics(database, run_id, _curves(trial, rate, generator, total), total)


def _curves(trial: dict, rate: float, generator: np.random.Generator, total: int) -> dict[str, np.ndarray]:
    steps = np.unique(np.linspace(total / EVALUATIONS, total, EVALUATIONS).round())
    share = steps / total
    final = trial["level"] + 0.003 * generator.normal()
    if trial["phase"] == "tune":
        final -= 0.02 * abs(np.log10(rate / 0.15))
    accuracy = 0.1 + (final - 0.1) * (1 - np.exp(-5 * share)) + 0.003 * generator.normal(size=steps.size)
    curves = {
        layout.CURVE_VALIDATION: accuracy - 0.001,
        layout.CURVE_TRAIN_LOSS: 2.3 * (1 - accuracy),
        layout.CURVE_LR: 0.1 * (1 - share),
        layout.CURVE_MOMENTUM: np.full(steps.size, 0.9),
        layout.CURVE_EPOCH: steps / UPDATES_PER_EPOCH,
        layout.CURVE_TRAIN_SECONDS: 0.01 * steps,
        "step": steps,
    }
    return curves | ({layout.CURVE_TEST: accuracy} if trial["phase"] == "confirm" else {})


def _insert_metrics(database: sqlite3.Connection, run_id: str, curves: dict[str, np.ndarray], total: int) -> None:
    steps = curves.pop("step").astype(int).tolist()
    points = [
        (key, value, step, run_id)
        for key, values in curves.items()
        for value, step in zip(values.tolist(), steps, strict=True)
    ]
    finals = {
        layout.FINAL_VALIDATION: float(curves[layout.CURVE_VALIDATION][-1]),
        layout.FINAL_TRAIN_LOSS: 0.2,
        layout.FINAL_TRAIN_SECONDS: 0.01 * total,
        layout.FINAL_UPDATES: total,
        layout.FINAL_TOTAL_UPDATES: total,
        layout.DIVERGED: 0,
    }
    if layout.CURVE_TEST in curves:
        finals[layout.FINAL_TEST] = float(curves[layout.CURVE_TEST][-1])
    ends = [(key, value, 0, run_id) for key, value in finals.items()]
    sql = "INSERT INTO {} (key, value, timestamp, step, is_nan, run_uuid) VALUES (?, ?, 3, ?, 0, ?)"
    database.executemany(sql.format("metrics"), points + ends)
    last = [(key, float(values[-1]), steps[-1], run_id) for key, values in curves.items()]
    database.executemany(sql.format("latest_metrics"), last + ends)


def measure(uri: str) -> dict[str, Any]:
    """Read, build and write the report of the study in this process; return seconds, GiB and MiB."""
    from analysis.report import build_report, write_report
    from analysis.results import read_study

    with tempfile.TemporaryDirectory() as folder:
        clocks = [_clocks()]
        record = read_study(uri, "quickstart")
        clocks.append(_clocks())
        report = build_report(record)
        clocks.append(_clocks())
        write_report(report, folder, record=record)
        clocks.append(_clocks())
        size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    read, build, write = np.diff(clocks, axis=0).tolist()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    sizes = {"trials": len(record.trials), "points": len(record.evaluations), "mib": size / 2**20, "gib": peak}
    return {**sizes, "read": read, "build": build, "write": write}


def _clocks() -> tuple[float, float]:
    """Return wall time and the processor time of this process: on a busy machine only the second tells anything."""
    return time.perf_counter(), time.process_time()


def measured(uri: str) -> dict[str, Any]:
    """Measure in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", __spec__.name, "--measure", uri], check=True, capture_output=True, text=True
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, nargs="+", default=[1_000, 3_000, 10_000])
    parser.add_argument("--workloads", type=int, default=1, help="each has four budgets, and figures for every one")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir(), "fairsweep-bench-report"))
    parser.add_argument("--over", choices=["sqlite", "http", "both"], default="both")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure)))
        return
    options.folder.mkdir(parents=True, exist_ok=True)
    for trials in options.trials:
        uri = make_store(options.folder, trials, options.workloads)
        if options.over != "http":
            _print("sqlite", measured(uri))
        if options.over != "sqlite":
            from sweeps.access import Access
            from sweeps.server import serve

            with serve(uri, log_path=options.folder / "server.log", access=Access(port=0)) as server:
                _print("http", measured(server.url))


def _print(where: str, found: dict[str, Any]) -> None:
    parts = {name: found[name] for name in ("read", "build", "write")}
    wall, cpu = np.sum(list(parts.values()), axis=0)
    print(
        f"{where:6} {found['trials']:6d} trials, {found['points']} evaluations: "
        + ", ".join(f"{name} {of[0]:.1f} s" for name, of in parts.items())
        + f"; together {wall:.1f} s ({1000 * wall / found['trials']:.2f} ms a trial), {cpu:.1f} s of processor ("
        + ", ".join(f"{of[1]:.1f}" for of in parts.values())
        + f"); peak {found['gib']:.2f} GiB; {found['mib']:.1f} MiB written",
        flush=True,
    )


if __name__ == "__main__":
    main()
