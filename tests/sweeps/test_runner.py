"""Trials that are lost or break, on a real Ray with real processes."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from models.training import Progress
from sweeps.cluster.capacity import placed
from sweeps.cluster.joining import joined
from sweeps.errors import FairsweepError
from sweeps.protocol import Protocol
from sweeps.runner import Observer, housekeeping, run_protocol
from sweeps.spec import Study
from sweeps.trial import TrialResult, job_for, run_to_end
from tests.sweeps.studies import tiny_study
from tests.sweeps.unruly import Unruly

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


@pytest.fixture(scope="module", autouse=True)
def ray_here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Run one Ray for all tests of this file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("OMP_NUM_THREADS", "1")
        with joined("local"):
            yield


def study_of(
    folder: Path, faults: dict[str, Any], updates: int = 8, draws: int = 1, cpu: float = 1, **deeds: dict[str, Any]
) -> Study:
    """Return a study with a workload for each of `deeds`, of two arms, one search and two confirm seeds."""
    workloads = []
    for name, deed in deeds.items():
        (folder / name).mkdir(parents=True)
        workloads.append(Unruly(name=name, dataset="digits", network="mlp", folder=folder / name, **deed))
    plain = [workload.model_dump(include={"name", "dataset", "network"}) for workload in workloads]
    study = tiny_study(
        workloads=plain,
        budgets={"updates": [updates]},
        arms={"cosine": {"schedule": "cosine"}, "linear": {"schedule": "linear"}},
        search={"peak_lr": {"log": [0.01, 0.1]}},
        tuning={"draws": draws},
        recording={"evaluations": 4},
        faults=faults,
        resources={"cpu": cpu},
    )
    return study.model_copy(update={"workloads": tuple(workloads)})


@dataclass
class Run:
    """What came of a run."""

    study: Study
    protocol: Protocol
    results: list[TrialResult] = field(default_factory=list)
    halted: str = ""

    def of(self, workload: str) -> list[TrialResult]:
        return [result for result in self.results if result.trial.cell.workload == workload]

    def pids(self, workload: str) -> set[int]:
        found = next(w for w in self.study.workloads if w.name == workload)
        assert isinstance(found, Unruly)
        return {int(path.name.removeprefix("pid-")) for path in found.folder.glob("pid-*")}


def run(
    study: Study,
    folder: Path,
    *,
    ended: Callable[[Run], None] = lambda _: None,
    looked: Callable[[Run], None] = lambda _: None,
    at_a_time: int = 2,
) -> Run:
    """Run a study to its end."""
    this = Run(study, Protocol(study))

    def on_end(result: TrialResult) -> None:
        this.results.append(result)
        ended(this)

    def on_look() -> str:
        looked(this)
        return ""

    observer = Observer(
        started=lambda _trial: None,
        progressed=lambda _trial, _progress: None,
        active=lambda _activity: None,
        ended=on_end,
        halted=on_look,
    )
    this.halted = run_protocol(
        this.protocol,
        observer,
        placed(this.protocol.cells, study.resources, {}),
        max_concurrent=at_a_time,
        scratch=folder / "scratch",
        checkpoints=folder / "checkpoints",
    )
    return this


def curves(results: list[TrialResult]) -> dict[str, list[Progress]]:
    return {r.trial.key: [replace(progress, train_seconds=0.0) for progress in r.curve] for r in results}


@pytest.fixture(scope="module")
def rough(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A study in which about everything happens to some trial, beside a workload that is left in peace."""
    folder = tmp_path_factory.mktemp("rough")
    study = study_of(
        folder,
        {"retries": 2, "hang_minutes": 0.4, "checkpoint_minutes": 1e-9},
        calm={},
        killed={"deed": "die", "at": 3, "times": 1},
        frozen={"deed": "freeze", "at": 2, "times": 1},
        stalled={"deed": "stall", "at": 0, "times": 1},
        greedy={"deed": "exhaust", "at": 2},
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(housekeeping, "LEAST_START_SECONDS", 30.0)
        return run(study, folder)


def test_every_trial_ends_once(rough: Run) -> None:
    keys = Counter(result.trial.key for result in rough.results)
    assert set(keys.values()) == {1}
    assert len(rough.of("calm")) == len(rough.of("killed")) == len(rough.of("frozen")) == 6
    assert rough.protocol.is_done
    assert rough.halted == ""


def test_what_was_lost_went_on_and_equals_what_was_not(rough: Run) -> None:
    """The same trainings here, in this process, with nothing done to them."""
    results = [*rough.of("killed"), *rough.of("frozen"), *rough.of("stalled"), *rough.of("calm")]
    assert {result.kind for result in results} == {"finished"}
    peaceful = rough.study.model_copy(
        update={"workloads": tuple(w.model_copy(update={"deed": "none"}) for w in rough.study.workloads)}
    )
    alone = [run_to_end(job_for(peaceful, result.trial)) for result in results]
    assert curves(results) == curves(alone)


def test_attempts_are_counted(rough: Run) -> None:
    def attempts(workload: str) -> int:
        return sum(result.attempts - 1 for result in rough.of(workload))

    assert attempts("calm") == 0
    assert attempts("killed") == 1
    assert attempts("frozen") == 1
    assert attempts("stalled") == 1  # a process that hangs while it starts is found out too


def test_memory_that_runs_out_is_tried_again_and_named_with_the_batch_size(rough: Run) -> None:
    failed = rough.of("greedy")
    assert {result.kind for result in failed} == {"failed"}
    assert all("Out of memory on cpu with batch_size 100" in result.error for result in failed)
    assert {result.attempts for result in failed} == {3}
    assert "MemoryError" in failed[0].error
    assert len(rough.pids("greedy")) <= 4  # it costs no process: those that train are as many as slots, or were killed


def test_hardware_is_told(rough: Run) -> None:
    assert all(result.hardware for result in rough.of("calm"))


def test_nothing_of_a_trial_that_ended_is_left_on_disk(rough: Run) -> None:
    """A trial that was given up keeps its state for another launch; Tune leaves two files per launch in its session."""
    import ray

    (folder,) = {w.folder.parent for w in rough.study.workloads if isinstance(w, Unruly)}
    assert not (folder / "scratch").exists()
    given_up = {job_for(rough.study, r.trial, folder / "checkpoints").checkpoint for r in rough.of("greedy")}
    assert set((folder / "checkpoints").iterdir()) == given_up
    session = Path(ray._private.worker._global_node.get_session_dir_path())  # type: ignore[attr-defined]
    left = [path.name for path in (session / "artifacts").rglob("*") if path.is_file() or not any(path.iterdir())]
    assert {name.partition("-")[0] for name in left} <= {"experiment_state", "search_gen_state", "working_dirs"}
    assert len(left) <= 3


def test_a_bug_stops_the_study_early_and_says_which(tmp_path: Path) -> None:
    study = study_of(tmp_path, {"stop_after": 3}, draws=20, buggy={"deed": "raise", "at": 2})
    this = run(study, tmp_path)
    assert 3 <= len(this.results) <= 5  # those in flight end
    assert {result.attempts for result in this.results} == {1}
    assert all("the shapes do not fit" in result.error for result in this.results)
    assert "3 equal failures: ValueError in sweeps/unruly.py, line" in this.halted
    assert len(this.pids("buggy")) <= 2  # a bug does not cost a process


def idle(pids: set[int]) -> list[int]:
    """Return those of the processes that train nothing now: Ray names a process after the call that it is in."""
    found = []
    for pid in pids:
        with suppress(OSError):  # it has ended
            if Path(f"/proc/{pid}/cmdline").read_text().strip("\0 ") == "ray::TrialActor":
                found.append(pid)
    return found


def test_processes_that_die_idle_cost_no_trial_anything(tmp_path: Path) -> None:
    """As with a node that is lost while a cell waits for its last draw."""
    killed: list[int] = []

    def strike(this: Run) -> None:
        if len(this.results) == 3:
            killed.extend(idle(this.pids("calm")))
            for pid in killed:
                os.kill(pid, signal.SIGKILL)

    study = study_of(tmp_path, {"retries": 0}, draws=2, cpu=0.5, calm={})
    this = run(study, tmp_path, ended=strike, at_a_time=4)
    assert killed
    assert len(this.results) == 2 * 2 + 2 * 2
    assert {(result.kind, result.attempts) for result in this.results} == {("finished", 1)}


def test_idle_processes_end_once_nothing_waits_for_them(tmp_path: Path) -> None:
    """So that an autoscaler can take their nodes back while the last trial trains."""
    study = study_of(
        tmp_path, {"hang_minutes": 0.3, "retries": 0}, cpu=0.5, late={"deed": "stall", "at": 2, "times": 1}
    )
    held_back = tmp_path / "late" / "did-0"
    held_back.touch()
    living: list[int] = []

    def let_one_stall(this: Run) -> None:
        if len(this.results) == 2:  # the draws; four confirm trials follow
            held_back.unlink()

    def look(this: Run) -> None:
        if len(this.results) == 5:
            living.append(sum(Path(f"/proc/{pid}").exists() for pid in this.pids("late")))

    this = run(study, tmp_path, ended=let_one_stall, looked=look, at_a_time=4)
    assert Counter(result.kind for result in this.results) == {"finished": 5, "failed": 1}
    assert len(this.pids("late")) > 1
    assert min(living) == 1


class FullDiskError(FairsweepError):
    """As the recorder raises it."""


def test_what_the_observer_raises_ends_the_run_and_comes_out_unchanged(tmp_path: Path) -> None:
    def refuse(this: Run) -> None:
        if len(this.results) == 3:
            raise FullDiskError("no space")

    study = study_of(tmp_path, {}, draws=20, calm={})
    seen: list[Run] = []
    with pytest.raises(FullDiskError, match="no space"):
        run(study, tmp_path, ended=lambda this: (seen.append(this), refuse(this))[1])
    assert len(seen[-1].results) == 3
    assert not (tmp_path / "scratch").exists()
