"""Measure what a launch costs as it grows: thousands of trials that do nothing, one update of a tiny network each.

Each study runs from the command to the last record, then ``status`` is called, and it is resumed with a seed more, all
in processes of their own. Counted are the seconds per trial in every tenth of the study, the most memory that the
launching process held, what is on the disk, and how long a look and a resume take.

Run with: python -m tests.benchmarks.scale, or with the others: make bench
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROCESSES = 2
CELLS = 10
ARMS = ("cosine", "linear")
PARTS = 10


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a launch cost.

    Args:
        ended: when each trial ended, in seconds on one clock, in order.
        delivered: when MLflow had all.
        memory_mb: the most memory that the launching process held, in MiB.
        ray_mb: on the disk of Ray's own folder at the end, in MiB.
        ready_seconds: from the start of the process until the first trial could be handed out.
        resumed: trials that were done already.
    """

    ended: tuple[float, ...]
    delivered: float
    memory_mb: float
    ray_mb: float
    ready_seconds: float
    resumed: int


def study_data(trials: int, more_seeds: int = 0) -> dict[str, Any]:
    """Return a study of `trials` trials in ten cells, a tenth of them confirm trials."""
    per_arm = trials // CELLS // len(ARMS)
    seeds = max(per_arm // 10, 2)
    workload = {"dataset": "digits", "network": "mlp", "network_settings": {"hidden_sizes": [1]}}
    return {
        "study": f"scale-{trials}",
        "workloads": [{"name": f"cell-{index}", **workload} for index in range(CELLS)],
        "budgets": {"updates": [1]},
        "arms": {name: {"schedule": name} for name in ARMS},
        "tuning": {"draws": per_arm - seeds},
        "confirm": {"seeds": seeds + more_seeds},
        "recording": {"evaluations": 1},
    }


def run(home: Path, data: dict[str, Any], began: float) -> Run:
    """Launch a study in this process, which does nothing else."""
    import sweeps.cli  # noqa: F401 (sets the environment that the command line sets)
    from sweeps.launching import Target, prepared
    from sweeps.loading import validate_study
    from sweeps.places import Places

    ended: list[float] = []
    study = validate_study(data, "bench")
    places = Places.from_environment({"FAIRSWEEP_HOME": str(home)})
    with prepared(study, places, Target(max_concurrent=PROCESSES)) as launch:
        ready_seconds = time.time() - began
        put = launch.recorder.put

        def note_time(result: Any) -> None:
            put(result)
            ended.append(time.perf_counter())

        launch.recorder.put = note_time  # type: ignore[method-assign]
        size_of_ray = _ray_size_at_the_end(launch)
        launch.run()
        assert launch.recorder.flush(120)
        delivered = time.perf_counter()
    assert launch.is_complete
    return Run(
        ended=tuple(ended),
        delivered=delivered,
        memory_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        ray_mb=size_of_ray(),
        ready_seconds=ready_seconds,
        resumed=launch.resumed,
    )


def _ray_size_at_the_end(launch: Any) -> Callable[[], float]:
    """Arrange that the size of Ray's folder is taken just before the cluster is left; return how to learn it."""
    import ray

    session = Path(ray._private.worker.global_worker.node.get_session_dir_path())
    sizes: list[float] = []
    launch.cluster.callback(lambda: sizes.append(size_mb(session)))
    return lambda: sizes[0]


def size_mb(folder: Path) -> float:
    """Return what a folder takes on the disk, in MiB."""
    blocks = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                blocks += os.lstat(Path(path, name)).st_blocks
            except FileNotFoundError:
                continue
    return blocks * 512 / 2**20


def alone(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a process of its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def status_seconds(home: Path, name: str) -> float:
    """Return how long ``fairsweep status NAME`` takes, from the command to its end."""
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "sweeps.cli", "status", name],
        env={**os.environ, "FAIRSWEEP_HOME": str(home), "MLFLOW_TRACKING_URI": ""},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return time.perf_counter() - began


def measure(home: Path, trials: int) -> str:
    first = alone(run, home, study_data(trials), time.time())
    number, ends = len(first.ended), first.ended
    part = number // PARTS
    pace = [1000 * (ends[start + part - 1] - ends[start]) / (part - 1) for start in range(0, part * PARTS, part)]
    status = status_seconds(home, f"scale-{trials}")
    on_disk = size_mb(home)
    again = alone(run, home, study_data(trials, more_seeds=1), time.time())
    return (
        f"{number} trials: {1000 * (ends[-1] - ends[0]) / (number - 1):.1f} ms each, "
        f"{1000 * (first.delivered - ends[0]) / number:.1f} until MLflow had all; by tenths "
        f"{' '.join(f'{each:.1f}' for each in pace)}; memory {first.memory_mb:.0f} MiB; status {status:.1f} s; resume "
        f"after {again.resumed} until the first trial {again.ready_seconds:.1f} s; disk per 1000 trials "
        f"{1000 * on_disk / number:.1f} MiB, Ray's own {first.ray_mb:.1f} MiB in all"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, nargs="+", default=[1000, 10000])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fairsweep-bench-") as folder:
        for trials in options.trials:
            print(measure(Path(folder) / str(trials), trials), flush=True)


if __name__ == "__main__":
    main()
