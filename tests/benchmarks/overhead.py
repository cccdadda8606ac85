"""Measure what fairsweep costs per trial, next to a bare pool of processes and to plain Ray Tune with MLflow.

The same short trainings run three ways in one go, two at a time unless ``--processes`` says otherwise. What counts is
the time per trial after start-up, i.e. from the end of the eighth trial (by then every process has imported torch and
made its data) to the end of the last one; for fairsweep also to the moment when MLflow has every result. A training
has as many updates as the pool makes in 0.25 s; ``--trials 20 --seconds 10`` makes them long, and ``--processes 1`` on
two cores leaves one to the launch, as on the head of a cluster.

Run with: python -m tests.benchmarks.overhead, or with the others: make bench
"""

from __future__ import annotations

import argparse
import multiprocessing
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import sweeps.cli  # noqa: F401 (sets the environment that the command line sets)
from sweeps.launching import Target, prepared
from sweeps.loading import validate_study
from sweeps.places import Places
from sweeps.protocol import Outcome, Protocol
from sweeps.spec import Study
from sweeps.trial import Job, job_for, run_to_end

START_UP_TRIALS = 8
_TRIED_UPDATES = 150


def bench_study(trials: int, updates: int, name: str) -> Study:
    """Return a study of `trials` trials of `updates` updates each: two arms, two confirm seeds."""
    return validate_study(
        {
            "study": name,
            "workloads": [{"name": "mnist1d-conv", "dataset": "mnist1d", "network": "conv1d"}],
            "budgets": {"updates": [updates]},
            "search": {"peak_lr": {"log": [0.01, 0.1]}},
            "arms": {"cosine": {"schedule": "cosine", "search": {}}, "linear": {"schedule": "linear", "search": {}}},
            "tuning": {"draws": trials // 2 - 2},
            "confirm": {"seeds": 2},
        },
        "bench",
    )


def jobs_of(study: Study) -> list[Job]:
    """Return the jobs of the whole study; which draw is confirmed does not matter here, the cost is the same."""
    protocol, jobs = Protocol(study), []
    while trial := protocol.next_trial():
        jobs.append(job_for(study, trial))
        protocol.record(Outcome(key=trial.key, kind="finished", validation=0.0))
    return jobs


def _prepare_worker() -> None:
    import torch

    torch.set_num_threads(1)


def _run(job: Job) -> str:
    return run_to_end(job).trial.key


def pool_seconds(jobs: list[Job], processes: int) -> float:
    """Run the jobs in a bare pool of processes and return the seconds per trial after start-up."""
    with multiprocessing.get_context("spawn").Pool(processes, _prepare_worker) as pool:
        return _after_start_up(pool.imap_unordered(_run, jobs))


def updates_in(seconds: float, processes: int) -> int:
    """Return how many updates a training makes in this time in a bare pool of processes."""
    tried = jobs_of(bench_study(3 * START_UP_TRIALS, _TRIED_UPDATES, "tried"))
    return round(_TRIED_UPDATES * seconds / (processes * pool_seconds(tried, processes)))


def _after_start_up(ends: Iterator[object]) -> float:
    times = [time.perf_counter() for _ in ends]
    return (times[-1] - times[START_UP_TRIALS - 1]) / (len(times) - START_UP_TRIALS)


def fairsweep_seconds(study: Study, home: Path, processes: int) -> tuple[float, float]:
    """Launch the study and return the seconds per trial after start-up, without and with delivery to MLflow."""
    places = Places.from_environment({"FAIRSWEEP_HOME": str(home)})
    ends: list[float] = []
    with prepared(study, places, Target(max_concurrent=processes)) as launch:
        count = launch.board.add

        def note_time(*arguments: object) -> None:
            ends.append(time.perf_counter())
            count(*arguments)  # type: ignore[arg-type]

        launch.board.add = note_time  # type: ignore[method-assign]
        launch.run()
        trained = ends[-1]
        launch.recorder.flush(60)
        delivered = time.perf_counter() if launch.recorder.waiting else max(launch.recorder.last_delivery, trained)
    started, number = ends[START_UP_TRIALS - 1], len(ends) - START_UP_TRIALS
    return (trained - started) / number, (delivered - started) / number


def plain_tune_seconds(jobs: list[Job], folder: Path, processes: int) -> float:
    """Run the jobs as a function trainable with Ray's own MLflow callback; return the seconds per trial."""
    import ray
    from ray import tune
    from ray.air.integrations.mlflow import MLflowLoggerCallback

    def trainable(config: dict[str, int]) -> None:
        from models.training import train

        job = jobs[config["index"]]
        for progress in train(job.training):
            tune.report({"validation": progress.validation, "train_loss": progress.train_loss})

    ends: list[float] = []

    class Clock(tune.Callback):
        def on_trial_complete(self, **_: object) -> None:
            ends.append(time.perf_counter())

    ray.init(address="local", include_dashboard=False, log_to_driver=False, num_cpus=processes)
    try:
        tune.Tuner(
            tune.with_resources(trainable, {"cpu": 1}),
            param_space={"index": tune.grid_search(list(range(len(jobs))))},
            run_config=tune.RunConfig(
                storage_path=str(folder / "ray"),
                verbose=0,
                callbacks=[MLflowLoggerCallback(f"sqlite:///{folder / 'plain.db'}", experiment_name="plain"), Clock()],
            ),
        ).fit()
    finally:
        ray.shutdown()
    return (ends[-1] - ends[START_UP_TRIALS - 1]) / (len(ends) - START_UP_TRIALS)


@contextmanager
def busy(number: int) -> Iterator[None]:
    """Run so many other programs, each of which takes a whole core where it gets one."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(number)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=0.25, help="about how long a training takes in the pool")
    parser.add_argument("--updates", type=int, help="updates of a training, instead of its seconds")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--processes", type=int, default=2, help="trainings at a time; fewer than cores leave one to the launch"
    )
    parser.add_argument("--busy", type=int, default=0, help="other programs that take a core each")
    parser.add_argument(
        "--plain-trials", type=int, default=16, help="trials of the plain Ray Tune run; 0 leaves it out"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fairsweep-bench-") as folder, busy(options.busy):
        updates = options.updates or updates_in(options.seconds, options.processes)
        study = bench_study(options.trials, updates, "bench")
        jobs = jobs_of(study)
        print(f"{len(jobs)} trainings of {updates} updates", flush=True)
        for number in range(options.rounds):
            bare = pool_seconds(jobs, options.processes)
            named = study.model_copy(update={"study": f"bench-{number}"})
            trained, delivered = fairsweep_seconds(named, Path(folder), options.processes)
            print(
                f"round {number + 1}: bare pool {bare:.3f} s/trial; fairsweep {trained:.3f} ({trained / bare:.2f} x), "
                f"recorded in MLflow {delivered:.3f} ({delivered / bare:.2f} x)",
                flush=True,
            )
        if options.plain_trials:
            short = [replace(job) for job in jobs[: options.plain_trials]]
            plain = plain_tune_seconds(short, Path(folder), options.processes)
            print(f"plain Ray Tune with its MLflow callback: {plain:.3f} s/trial ({plain / bare:.1f} x)")


if __name__ == "__main__":
    sys.exit(main())
