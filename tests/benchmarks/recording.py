"""Measure what recording one trial with 100 evaluations costs the launching process, on SQLite and against a server.

The results of one real training are put under the keys of as many trials as are asked for. First one at a time, each
delivered before the next is put, as where trials are long; then all at once, for the throughput. What the launching
thread pays is what a result costs between its arrival and its being safe on the disk, unpickling included. Delivery
runs in threads of its own, on the same interpreter; the processor time with it is given besides.

Run with: python -m tests.benchmarks.recording, or with the others: make bench
"""

from __future__ import annotations

import argparse
import pickle
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import sweeps.cli  # noqa: F401 (sets the environment that the command line sets)
from sweeps.access import Access
from sweeps.launching import _responsive
from sweeps.loading import validate_study
from sweeps.places import Places
from sweeps.protocol import Outcome, Protocol, Trial
from sweeps.recording import Recorder, connect
from sweeps.server import serve
from sweeps.spec import Study
from sweeps.trial import TrialResult, job_for, run_to_end

EVALUATIONS = 100
#: Trials before the counting begins: the first ones open connections and compile statements.
WARM_UP = 5


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What recording costs per trial.

    Args:
        thread_ms: time of the launching thread, median of trials put one at a time.
        worst_ms: the same, the 95th of 100.
        processor_ms: processor time of the whole process, delivery included.
        per_second: trials that reach MLflow per second when all are put at once.
        busy_ms: time of the launching thread then, median.
    """

    thread_ms: float
    worst_ms: float
    processor_ms: float
    per_second: float
    busy_ms: float


def study_of(name: str, trials: int) -> Study:
    return validate_study(
        {
            "study": name,
            "workloads": [{"name": "digits-mlp", "dataset": "digits", "network": "mlp"}],
            "budgets": {"updates": [EVALUATIONS]},
            "arms": {"cosine": {"schedule": "cosine"}, "linear": {"schedule": "linear"}},
            "tuning": {"draws": max(trials // 2, 2)},
            "recording": {"evaluations": EVALUATIONS},
        },
        "bench",
    )


def results_of(study: Study, number: int) -> list[bytes]:
    """Return results as they arrive from the processes that train."""
    protocol, trials = Protocol(study), list[Trial]()
    while len(trials) < number and (trial := protocol.next_trial()):
        trials.append(trial)
        protocol.record(Outcome(key=trial.key, kind="finished", validation=0.5))
    trained = run_to_end(job_for(study, trials[0]))
    return [pickle.dumps(replace(trained, trial=trial)) for trial in trials]


def put(recorder: Recorder, arrived: bytes) -> float:
    """Record a result and return the seconds that it took the launching thread."""
    began = time.perf_counter()
    result: TrialResult = pickle.loads(arrived)
    recorder.put(result)
    return time.perf_counter() - began


def cost(places: Places, name: str, number: int) -> Cost:
    study = study_of(name, 2 * number + WARM_UP)
    arrived = results_of(study, 2 * number + WARM_UP)
    recorder = Recorder(study, places)
    recorder.open({})
    try:
        with _responsive():
            _one_by_one(recorder, arrived[:WARM_UP])
            processor = time.process_time()
            singly = _one_by_one(recorder, arrived[WARM_UP : number + WARM_UP])
            processor = time.process_time() - processor
            began = time.perf_counter()
            at_once = [put(recorder, each) for each in arrived[number + WARM_UP :]]
            assert recorder.flush(60)
            seconds = time.perf_counter() - began
    finally:
        recorder.close(done=True)
    return Cost(
        thread_ms=1000 * statistics.median(singly),
        worst_ms=1000 * statistics.quantiles(singly, n=20)[-1],
        processor_ms=1000 * processor / number,
        per_second=len(at_once) / seconds,
        busy_ms=1000 * statistics.median(at_once),
    )


def _one_by_one(recorder: Recorder, arrived: list[bytes]) -> list[float]:
    seconds = []
    for each in arrived:
        seconds.append(put(recorder, each))
        assert recorder.flush(60)
    return seconds


@contextmanager
def stores(folder: Path) -> Iterator[dict[str, Places]]:
    """Yield a SQLite file, and an MLflow server on another."""
    at_hand = Places.from_environment({"FAIRSWEEP_HOME": str(folder / "file")})
    behind = Places.from_environment({"FAIRSWEEP_HOME": str(folder / "behind")})
    connect(behind)
    with serve(behind.tracking_uri, log_path=folder / "server.log", access=Access(port=0)) as server:
        served = Places.from_environment({
            "FAIRSWEEP_HOME": str(folder / "served"), "MLFLOW_TRACKING_URI": server.own_url,
        })  # fmt: skip
        yield {"SQLite": at_hand, "server": served}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=100, help="trials of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fairsweep-bench-") as folder, stores(Path(folder)) as found:
        for number in range(options.rounds):
            for name, places in found.items():
                measured = cost(places, f"recording-{number}", options.trials)
                print(
                    f"round {number + 1}, {name}: launching thread {measured.thread_ms:.1f} ms per trial (95th of 100 "
                    f"{measured.worst_ms:.1f}), processor time with delivery {measured.processor_ms:.1f} ms; all at "
                    f"once {measured.per_second:.0f} trials per second, launching thread {measured.busy_ms:.1f} ms",
                    flush=True,
                )


if __name__ == "__main__":
    main()
