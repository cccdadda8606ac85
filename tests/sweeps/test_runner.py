"""Trials that are lost or break, on a real Ray with real processes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
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


def study_of(folder: Path, faults: dict[str, Any], updates: int = 8, draws: int = 1, **deeds: dict[str, Any]) -> Study:
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

    def pids(self, workload: str) -> set[str]:
        found = next(w for w in self.study.workloads if w.name == workload)
        assert isinstance(found, Unruly)
        return {path.name for path in found.folder.glob("pid-*")}


def run(
    study: Study,
    folder: Path,
    *,
    ended: Callable[[Run], None] | None = None,
) -> Run:
    """Run a study to its end with two trials at a time."""
    this = Run(study, Protocol(study))

    def on_end(result: TrialResult) -> None:
        this.results.append(result)
        if ended:
            ended(this)

    observer = Observer(
        started=lambda _trial: None,
        progressed=lambda _trial, _progress: None,
        ended=on_end,
        halted=lambda: "",
    )
    this.halted = run_protocol(
        this.protocol,
        observer,
        placed(this.protocol.cells, study.resources, {}),
        max_concurrent=2,
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


def test_memory_that_runs_out_is_named_with_the_batch_size_and_the_process_goes_on(rough: Run) -> None:
    failed = rough.of("greedy")
    assert {result.kind for result in failed} == {"failed"}
    assert all("Out of memory on cpu with batch_size 100" in result.error for result in failed)
    assert {result.attempts for result in failed} == {1}
    assert "MemoryError" in failed[0].error


def test_hardware_is_told(rough: Run) -> None:
    assert all(result.hardware for result in rough.of("calm"))


def test_nothing_of_a_trial_is_left_on_disk(rough: Run) -> None:
    """Tune itself leaves two files per launch in the folder of its session."""
    import ray

    (folder,) = {w.folder.parent for w in rough.study.workloads if isinstance(w, Unruly)}
    assert not (folder / "scratch").exists()
    assert list((folder / "checkpoints").iterdir()) == []
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
