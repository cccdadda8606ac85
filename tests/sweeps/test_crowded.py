"""What a launch says while other work has the cluster's room."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sweeps import launching
from sweeps.board import Board
from sweeps.cluster.placement import Node, place
from sweeps.launching import IDLE_SECONDS, Launch, Target
from sweeps.places import Places
from sweeps.protocol import Protocol
from sweeps.runner import Activity
from tests.sweeps.studies import tiny_study

WAITS = Activity(running=frozenset(), starting=0, waiting=2)
KEY = "digits-mlp/updates-4/cosine/tune/search-0/draw-0"
CROWDED = "Other work takes all room on the cluster at the moment; trials wait for it."


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(launching, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def launch(tmp_path: Path, address: str = "10.0.0.1:6379", asked: int | None = None) -> Launch:
    study = tiny_study()
    protocol = Protocol(study)
    return Launch(
        study=study,
        places=Places.from_environment({"FAIRSWEEP_HOME": str(tmp_path)}),
        recorder=cast("Any", SimpleNamespace(trouble="")),
        protocol=protocol,
        board=Board(study),
        placement=place(protocol.cells, study.resources, [Node(cpu=2)], {}),
        target=Target(address=address, max_concurrent=asked),
        cluster=ExitStack(),
        resumed=0,
    )


def test_a_cluster_without_room_is_spoken_of_after_a_while(tmp_path: Path, clock: list[float]) -> None:
    this = launch(tmp_path)
    this._active(WAITS)
    clock[0] += IDLE_SECONDS - 1
    this._active(WAITS)
    assert this.trouble == ""
    clock[0] += 1
    assert this.trouble == CROWDED
    this._active(Activity(running=frozenset({KEY}), starting=0, waiting=1))
    assert this.trouble == ""


@pytest.mark.parametrize(
    "activity",
    [
        Activity(running=frozenset(), starting=1, waiting=1),
        Activity(running=frozenset({KEY}), starting=0, waiting=1),
        Activity(running=frozenset(), starting=0, waiting=0),
    ],
)
def test_a_cluster_on_which_something_starts_or_runs_or_nothing_waits_is_not(
    tmp_path: Path, clock: list[float], activity: Activity
) -> None:
    this = launch(tmp_path)
    this._active(activity)
    clock[0] += 10 * IDLE_SECONDS
    assert this.trouble == ""


def test_a_cluster_of_its_own_has_no_other_work(tmp_path: Path, clock: list[float]) -> None:
    this = launch(tmp_path, "local")
    this._active(WAITS)
    clock[0] += 10 * IDLE_SECONDS
    assert this.trouble == ""


@pytest.mark.parametrize(
    ("asked", "said"), [(None, ()), (2, ()), (50, ("50 trials at a time were asked for; 2 have room.",))]
)
def test_more_trials_at_a_time_than_have_room_are_spoken_of(
    tmp_path: Path, asked: int | None, said: tuple[str, ...]
) -> None:
    this = launch(tmp_path, asked=asked)
    assert this.notes == said
