"""What Tune leaves of an attempt that failed, read back; no Ray runs here."""

from __future__ import annotations

import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ray.exceptions import ActorDiedError, UnserializableException

from sweeps.faults import Fault
from sweeps.runner.housekeeping import fault, starting


class TwoArgumentsError(Exception):
    """As users write them: pickled with one argument, and unpickled with two."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def left(folder: Path, *, pickled: bytes | None, report: str = "") -> Fault:
    """Return the fault of an attempt of which Tune left these files."""
    (folder / "error.txt").write_text(report)
    if pickled is not None:
        (folder / "error.pkl").write_bytes(pickled)
    trial: Any = SimpleNamespace(
        error_file=str(folder / "error.txt"),
        pickled_error_file=str(folder / "error.pkl") if pickled is not None else None,
    )
    return fault(trial)


def test_an_exception_that_cannot_be_read_back_is_broken_with_its_text(tmp_path: Path) -> None:
    report = "Failure # 1\nTraceback ...\nTwoArgumentsError: the shapes do not fit"
    found = left(tmp_path, pickled=pickle.dumps(TwoArgumentsError("the shapes do not fit", 3)), report=report)
    assert found == Fault(kind="broken", message=report)


def test_one_that_ray_could_not_read_back_either_is_broken_with_its_traceback_alone(tmp_path: Path) -> None:
    error = UnserializableException("Traceback ...\nTwoArgumentsError: the shapes do not fit\n")
    found = left(tmp_path, pickled=None, report=f"Failure # 1 (occurred at noon)\n{error}\n")
    assert found == Fault(kind="broken", message="Traceback ...\nTwoArgumentsError: the shapes do not fit")


def test_a_process_that_died_is_lost(tmp_path: Path) -> None:
    assert left(tmp_path, pickled=pickle.dumps(ActorDiedError()), report="died").kind == "lost"
    assert left(tmp_path, pickled=None).kind == "lost"


def test_an_actor_that_starts_is_found_and_one_that_waits_for_room_is_not() -> None:
    begun, waiting, running = (
        SimpleNamespace(trial_id=name, status=status)
        for name, status in (("a", "PENDING"), ("b", "PENDING"), ("c", "RUNNING"))
    )
    controller = SimpleNamespace(
        _trial_to_actor=_ById({"a": "tracked", "b": "queued", "c": "tracked"}),
        _actor_manager=SimpleNamespace(_live_actors_to_ray_actors_resources={"tracked": ("actor", None)}),
    )
    trials: Any = [begun, waiting, running]
    assert starting(controller, trials) == {"a": "actor"}
    assert starting(SimpleNamespace(), trials) == {}  # another Tune


class _ById:
    def __init__(self, tracked: dict[str, str]) -> None:
        self._tracked = tracked

    def get(self, trial: Any) -> str | None:
        return self._tracked.get(trial.trial_id)
