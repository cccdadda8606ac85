"""Measure how full a launch keeps a cluster: eight nodes of eight slots, and trials that sleep instead of training.

The nodes are processes of this machine and give each trial a quarter of a CPU. A trial sleeps for two seconds per unit
of its budget, times a log-normal spread; budgets are 1, 2, 4 and 8. Everything else is that of a launch: the protocol,
the searcher, Ray Tune, the spool, MLflow. The sleeping processes do not import torch, of which 64 would need 25 GB.

Slot use is the time slept over the time that the slots were there, from the moment when all were first busy until the
tail, which begins when the last draw is handed out: what is left then are confirm trials that wait for searches to end.

Run with: python -m tests.benchmarks.slots, or with the others: make bench
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.clusters import PATIENCE, cluster

CPUS_PER_NODE = 2
SLOTS_PER_NODE = 8
BUDGETS = (1, 2, 4, 8)
SECONDS_PER_UNIT = 2.0
#: Standard deviation of the logarithm of a trial's length.
SPREAD = 0.3


@dataclass(frozen=True, kw_only=True)
class Slept:
    """When a trial slept, in Unix seconds.

    Args:
        cell: its cell.
        phase: its phase.
        began: from when.
        ended: until when.
    """

    cell: str
    phase: str
    began: float
    ended: float


class Nap:
    """What a sleeping process is told: how long. The trial stays in the launching process."""

    def __init__(self, trial: Any, seconds: float) -> None:
        self.trial, self.seconds = trial, seconds

    def __getstate__(self) -> dict[str, Any]:
        return {"trial": None, "seconds": self.seconds}

    def __deepcopy__(self, memo: dict[int, Any]) -> Nap:
        return self


def study_data(draws: int, seeds: int) -> dict[str, Any]:
    return {
        "study": "slots",
        "workloads": [{"name": name, "dataset": "digits", "network": "mlp"} for name in ("first", "second")],
        "budgets": {"updates": list(BUDGETS)},
        "arms": {name: {"schedule": name} for name in ("cosine", "linear", "one_cycle")},
        "tuning": {"draws": draws},
        "confirm": {"seeds": seeds},
        "resources": {"cpu": CPUS_PER_NODE / SLOTS_PER_NODE},
        "recording": {"evaluations": 1},
    }


def length_seconds(key: str, budget: int) -> float:
    """Return how long a trial sleeps, the same at every call."""
    return SECONDS_PER_UNIT * budget * random.Random(key).lognormvariate(0.0, SPREAD)


def launch_asleep(home: Path, address: str, data: dict[str, Any]) -> list[Slept]:
    """Launch a study whose trials sleep, and return when each did."""
    from ray import tune

    import sweeps.cli  # noqa: F401 (sets the environment that the command line sets)
    from models.training import Progress
    from sweeps import runner
    from sweeps.faults import Fault
    from sweeps.launching import Target, prepared
    from sweeps.loading import validate_study
    from sweeps.places import Places
    from sweeps.protocol import Trial
    from sweeps.runner import searcher
    from sweeps.spec import Study
    from sweeps.trial import TrialResult

    slept: list[Slept] = []

    class Sleeper(tune.Trainable):
        def setup(self, config: dict[str, Any]) -> None:
            self.nap = config["job"]

        def reset_config(self, new_config: dict[str, Any]) -> bool:
            self.nap = new_config["job"]
            return True

        def step(self) -> dict[str, Any]:
            began = time.time()
            time.sleep(self.nap.seconds)
            return {"result": (began, time.time()), "done": True}

    class SleepSearcher(searcher.ProtocolSearcher):
        def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
            if result and "result" in result:
                result = {**result, "result": as_trained(self._jobs[trial_id].trial, *result["result"])}
            super().on_trial_complete(trial_id, result, error)

        def _lose(self, job: Any, fault: Fault) -> None:  # noqa: ARG002
            raise RuntimeError(f"a sleeping trial was lost, and with it the measurement: {fault.message}")

    def as_trained(trial: Trial, began: float, ended: float) -> TrialResult:
        slept.append(Slept(cell=trial.cell.slug, phase=trial.phase, began=began, ended=ended))
        budget, accuracy = trial.budget.amount, random.Random(trial.key).random()
        last = Progress(
            update=budget, epoch=0.1, total_updates=budget, train_loss=1.0, validation=accuracy,
            test=accuracy if trial.phase == "confirm" else None, lr=0.0, momentum=0.9, train_seconds=ended - began,
            diverged=False,
        )  # fmt: skip
        return TrialResult(
            trial=trial, schedule="cosine", momentum_policy="constant", kind="finished", curve=(last,),
            total_updates=budget, started_at=began, ended_at=ended, hardware="sleeping",
        )  # fmt: skip

    def nap_for(study: Study, trial: Trial, checkpoints: Path | None = None) -> Nap:
        return Nap(trial, length_seconds(trial.key, trial.budget.amount))

    # The same request, as a plain value: the launch's own function would bring torch into every process.
    requested = {"cpu": CPUS_PER_NODE / SLOTS_PER_NODE}
    with_resources = tune.with_resources
    runner.tune.with_resources = lambda trainable, _: with_resources(trainable, requested)
    runner.TrialActor, runner.ProtocolSearcher, searcher.job_for = Sleeper, SleepSearcher, nap_for
    places = Places.from_environment({"FAIRSWEEP_HOME": str(home)})
    with prepared(validate_study(data, "bench"), places, Target(address=address)) as launch:
        launch.run()
    assert launch.is_complete
    return slept


def slot_use(slept: Sequence[Slept], slots: int, start: float, end: float) -> float:
    """Return the part of the time of all slots that was slept between two moments."""
    inside = sum(max(min(each.ended, end) - max(each.began, start), 0.0) for each in slept)
    return inside / (slots * (end - start))


def all_busy_at(slept: Sequence[Slept], slots: int) -> float:
    """Return when all slots were first busy."""
    steps = sorted([(each.began, 1) for each in slept] + [(each.ended, -1) for each in slept])
    busy = 0
    for at, step in steps:
        busy += step
        if busy == slots:
            return at
    raise AssertionError(f"{slots} slots were never busy at a time")


def overlapping_cells(slept: Sequence[Slept]) -> int:
    """Return the number of cells of which a confirm trial began while another cell still had draws to begin."""
    last_draw = {cell: max(s.began for s in slept if (s.cell, s.phase) == (cell, "tune")) for cell in _cells(slept)}
    first_confirm = {cell: min(s.began for s in slept if (s.cell, s.phase) == (cell, "confirm")) for cell in last_draw}
    return sum(
        any(first_confirm[cell] < last_draw[other] for other in last_draw if other != cell) for cell in last_draw
    )


def _cells(slept: Sequence[Slept]) -> set[str]:
    return {each.cell for each in slept}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=8)
    parser.add_argument("--draws", type=int, default=24)
    parser.add_argument("--seeds", type=int, default=8)
    options = parser.parse_args()
    slots = options.nodes * SLOTS_PER_NODE
    nodes = [{"num_cpus": CPUS_PER_NODE} for _ in range(options.nodes)]
    with (
        tempfile.TemporaryDirectory(prefix="fairsweep-bench-") as folder,
        cluster(*nodes, settings=PATIENCE) as running,
    ):
        os.environ.update(running.environment)
        slept = launch_asleep(Path(folder), running.address, study_data(options.draws, options.seeds))
    print(summary(slept, slots))


def summary(slept: Sequence[Slept], slots: int) -> str:
    start, end = all_busy_at(slept, slots), max(each.ended for each in slept)
    tail = max(each.began for each in slept if each.phase == "tune")
    last = max(each.began for each in slept)
    lengths = [each.ended - each.began for each in slept]
    return (
        f"{len(slept)} trials of {min(lengths):.1f} to {max(lengths):.1f} s on {slots} slots: slot use "
        f"{slot_use(slept, slots, start, tail):.1%} until the tail ({tail - start:.0f} s), "
        f"{slot_use(slept, slots, start, last):.1%} until the last trial began ({last - start:.0f} s), "
        f"{slot_use(slept, slots, start, end):.1%} to the end ({end - start:.0f} s); {overlapping_cells(slept)} of "
        f"{len(_cells(slept))} cells were confirmed while others had draws to begin"
    )


if __name__ == "__main__":
    main()
