"""What is handed to Tune, and again, as Tune would ask for it; no Ray runs here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from ray.tune.search import Searcher

from models.training import Progress
from sweeps.cluster.placement import Node, place
from sweeps.faults import Fault
from sweeps.protocol import Protocol
from sweeps.runner.actor import JOB, PROGRESS, RESULT
from sweeps.runner.searcher import Activity, Observer, ObserverError, ProtocolSearcher
from sweeps.trial import Job, TrialResult, failed_result, run_to_end
from tests.sweeps.studies import tiny_study

LOST = Fault(kind="lost", message="The trial's process died.")
UNBEGUN = Fault(kind="unbegun", message="The process that was to run the trial had died.")
PREEMPTED = Fault(kind="preempted", message="The trial's node was taken back by its owner.")


@dataclass
class Tune:
    """Play Tune: ask for trials, and say how they ended."""

    searcher: ProtocolSearcher
    ended: list[TrialResult]
    progressed: list[Any]
    active: list[Activity]
    ids: count[int] = field(default_factory=count)

    def ask(self) -> tuple[str, Job] | str | None:
        trial_id = str(next(self.ids))
        suggested = self.searcher.suggest(trial_id)
        return (trial_id, suggested[JOB]) if isinstance(suggested, dict) else suggested

    def job(self) -> tuple[str, Job]:
        asked = self.ask()
        assert isinstance(asked, tuple)
        return asked

    def lose(self, trial_id: str, fault: Fault | None = LOST) -> None:
        if fault:
            self.searcher.note_fault(trial_id, fault)
        self.searcher.on_trial_complete(trial_id, error=True)

    def end(self, trial_id: str, result: TrialResult) -> None:
        self.searcher.on_trial_complete(trial_id, {RESULT: result, "done": True})


def tune(
    tmp_path: Path,
    *,
    ended: Callable[[TrialResult], None] = lambda _: None,
    halted: Callable[[], str] = lambda: "",
    **faults: Any,
) -> Tune:
    study = tiny_study(faults=faults)
    protocol = Protocol(study)
    results: list[TrialResult] = []
    seen: list[Any] = []
    active: list[Activity] = []

    def on_end(result: TrialResult) -> None:
        results.append(result)
        ended(result)

    observer = Observer(
        started=lambda _: None,
        progressed=lambda *told: seen.append(told),
        active=active.append,
        ended=on_end,
        halted=halted,
    )
    placement = place(protocol.cells, study.resources, [Node(cpu=4)], {})
    return Tune(ProtocolSearcher(protocol, observer, placement, tmp_path), results, seen, active)


def test_a_lost_trial_is_handed_out_again_before_others_and_its_attempts_are_counted(tmp_path: Path) -> None:
    played = tune(tmp_path, retries=2)
    first_id, first = played.job()
    played.job()
    played.lose(first_id)
    again_id, again = played.job()
    assert again == first
    played.lose(again_id)
    last_id, last = played.job()
    played.end(last_id, run_to_end(last))
    assert [(result.trial.key, result.attempts, result.kind) for result in played.ended] == [
        (first.trial.key, 3, "finished")
    ]


def test_what_trials_do_is_passed_on_by_their_keys(tmp_path: Path) -> None:
    played = tune(tmp_path)
    (first_id, first), (second_id, _), _ = (played.job() for _ in range(3))
    played.searcher.note_activity([first_id, "of another run"], [second_id])
    assert played.active == [Activity(running=frozenset({first.trial.key}), starting=1, waiting=1)]


def test_a_trial_fails_once_its_retries_are_used_up(tmp_path: Path) -> None:
    played = tune(tmp_path, retries=1)
    for _ in range(2):
        trial_id, _ = played.job()
        assert played.ended == []
        played.lose(trial_id)
    (failed,) = played.ended
    assert (failed.kind, failed.attempts, failed.error) == ("failed", 2, LOST.message)
    assert played.job()[1].trial.key != failed.trial.key


def test_preempted_attempts_are_counted_and_forgiven(tmp_path: Path) -> None:
    played = tune(tmp_path, retries=0)
    for _ in range(7):
        played.lose(played.job()[0], PREEMPTED)
    trial_id, job = played.job()
    played.end(trial_id, run_to_end(job))
    assert [(result.kind, result.attempts) for result in played.ended] == [("finished", 8)]


def test_processes_that_died_idle_cost_the_trials_they_were_given_nothing(tmp_path: Path) -> None:
    played = tune(tmp_path, retries=0)
    for _ in range(4):  # as many as there can be
        played.lose(played.job()[0], UNBEGUN)
    trial_id, job = played.job()
    played.end(trial_id, run_to_end(job))
    assert [(result.kind, result.attempts) for result in played.ended] == [("finished", 1)]


def test_a_trial_that_ends_every_process_it_is_given_to_fails_in_the_end(tmp_path: Path) -> None:
    played = tune(tmp_path, retries=1)
    while not played.ended:
        played.lose(played.job()[0], UNBEGUN)
    assert [(result.kind, result.error) for result in played.ended] == [("failed", UNBEGUN.message)]


def test_losses_before_a_trial_got_further_than_ever_are_forgiven(tmp_path: Path) -> None:
    """As of a week's training on machines that are taken back without warning."""
    played = tune(tmp_path, retries=1)
    told = run_to_end(job_of(played)).curve
    assert len(told) >= 2
    for point in told:
        lose_after(played, point)
    assert played.ended == []
    lose_after(played, told[-1])  # no further than the one before
    assert [(result.kind, result.attempts) for result in played.ended] == [("failed", len(told) + 1)]


def job_of(played: Tune) -> Job:
    """Return the next job, and put it back as if it had not been begun."""
    trial_id, job = played.job()
    played.lose(trial_id, UNBEGUN)
    return job


def lose_after(played: Tune, point: Progress) -> None:
    trial_id, _ = played.job()
    played.searcher.on_trial_result(trial_id, {PROGRESS: point, "done": False})
    played.lose(trial_id)


def test_a_trial_for_which_memory_ran_out_is_tried_again(tmp_path: Path) -> None:
    played = tune(tmp_path, retries=1)
    trial_id, job = played.job()
    short = replace(failed_result(job, "MemoryError"), out_of_memory=True)
    played.end(trial_id, short)
    assert played.ended == []
    trial_id, again = played.job()
    assert again == job
    played.end(trial_id, short)
    assert [(result.kind, result.attempts, result.error) for result in played.ended] == [("failed", 2, "MemoryError")]


def test_broken_trials_are_not_run_again(tmp_path: Path) -> None:
    played = tune(tmp_path, retries=9)
    played.lose(played.job()[0], Fault(kind="broken", message="ValueError: no"))
    assert [(result.kind, result.attempts) for result in played.ended] == [("failed", 1)]


def test_an_end_without_a_word_is_a_loss(tmp_path: Path) -> None:
    played = tune(tmp_path, retries=1)
    trial_id, job = played.job()
    played.lose(trial_id, fault=None)
    assert played.job()[1] == job


def test_equal_failures_end_the_study_once_those_in_flight_have_ended(tmp_path: Path) -> None:
    played = tune(tmp_path, stop_after=2)
    jobs = [played.job() for _ in range(3)]
    for trial_id, job in jobs[:2]:
        played.end(trial_id, failed_result(job, "ValueError: no"))
    assert "2 equal failures: ValueError: no" in played.searcher.halted
    assert played.ask() == Searcher.FINISHED
    trial_id, job = jobs[2]
    played.end(trial_id, run_to_end(job))
    assert [result.kind for result in played.ended] == ["failed", "failed", "finished"]


def test_a_trial_lost_after_the_end_was_decided_is_not_run_again(tmp_path: Path) -> None:
    played = tune(tmp_path, stop_after=1, retries=5)
    (broken_id, broken), (lost_id, _) = played.job(), played.job()
    played.end(broken_id, failed_result(broken, "ValueError: no"))
    played.lose(lost_id)
    assert [result.kind for result in played.ended] == ["failed", "failed"]
    assert played.ask() == Searcher.FINISHED


def test_the_observer_can_ask_for_a_calm_end(tmp_path: Path) -> None:
    reasons = [""]
    played = tune(tmp_path, halted=lambda: reasons[-1])
    trial_id, job = played.job()
    reasons.append("the disk is nearly full")
    assert played.ask() == Searcher.FINISHED
    played.end(trial_id, run_to_end(job))
    assert (played.searcher.halted, len(played.ended)) == ("the disk is nearly full", 1)


def test_what_the_observer_raises_is_carried_past_tune(tmp_path: Path) -> None:
    def refuse(_: object) -> None:
        raise OSError("disk full")

    played = tune(tmp_path, ended=refuse)
    trial_id, job = played.job()
    with pytest.raises(ObserverError) as raised:
        played.end(trial_id, run_to_end(job))
    assert isinstance(raised.value.error, OSError)
    assert not isinstance(raised.value, Exception)  # Tune would swallow it


def test_progress_is_passed_on_also_when_nothing_was_evaluated_since(tmp_path: Path) -> None:
    played = tune(tmp_path)
    trial_id, job = played.job()
    point = run_to_end(job).curve[0]
    for latest in (None, point):
        played.searcher.on_trial_result(trial_id, {PROGRESS: latest, "done": False})
    assert played.progressed == [(job.trial, None), (job.trial, point)]
    assert isinstance(point, Progress)


def test_with_all_trials_ended_there_is_nothing_more(tmp_path: Path) -> None:
    played = tune(tmp_path)
    while isinstance(asked := played.ask(), tuple):
        played.end(asked[0], run_to_end(asked[1]))
    assert asked == Searcher.FINISHED
    assert played.searcher.halted == ""
    assert {result.attempts for result in played.ended} == {1}
    assert len({result.trial.key for result in played.ended}) == len(played.ended) == 24
