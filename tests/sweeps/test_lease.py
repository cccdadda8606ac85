"""Two launches of one study, on machines that share nothing but the record."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient

from analysis import layout
from sweeps.places import Places
from sweeps.protocol import Protocol
from sweeps.recording import Recorder, connect, trial_runs
from sweeps.recording.lease import (
    Claim,
    Lease,
    LeaseHeldError,
    LeaseLostError,
    Pace,
    claim_of,
    highest_number,
    process_name,
    standing,
)
from sweeps.recording.record import record_of
from sweeps.recording.trial_runs import TrialRuns
from sweeps.trial import job_for, run_to_end
from tests.sweeps.studies import tiny_study

NOW = 1_000_000.0
PACE = Pace(renew_seconds=0.2, lease_seconds=1.0)


def claim(**changed: float | str) -> Claim:
    there = {
        "number": 1,
        "host": "elsewhere",
        "process": "boot-of-elsewhere/pid:[1]/4242/99",
        "pid": 4242,
        "since": NOW - 60,
        "renewed": NOW - 5,
        "expires": NOW + 115,
    }
    return Claim(**{**there, **changed})  # type: ignore[arg-type]


def test_a_claim_that_was_renewed_in_time_holds() -> None:
    assert standing(claim(), now=NOW, pace=Pace()) == "held"


def test_a_claim_that_was_let_go_is_free() -> None:
    assert standing(claim(expires=0.0), now=NOW, pace=Pace()) == "free"


@pytest.mark.parametrize("expires", [NOW - 1, NOW - 3000, NOW + 121, NOW + 10_000])
def test_a_claim_that_only_a_clock_calls_expired_or_valid_must_be_watched(expires: float) -> None:
    assert standing(claim(expires=expires), now=NOW, pace=Pace()) == "unclear"


def test_a_claim_that_expired_longer_ago_than_clocks_differ_is_free() -> None:
    assert standing(claim(expires=NOW - 3601), now=NOW, pace=Pace()) == "free"


def test_a_claim_of_a_process_of_this_machine_ends_with_the_process() -> None:
    sleeper = subprocess.Popen(["sleep", "60"])
    alive = claim(process=process_name(sleeper.pid))
    assert standing(alive, now=NOW, pace=Pace()) == "held"
    sleeper.kill()
    sleeper.wait()
    assert standing(alive, now=NOW, pace=Pace()) == "free"


def test_a_process_that_got_the_number_of_a_dead_one_is_not_taken_for_it() -> None:
    name = process_name(os.getpid())
    earlier = name.rpartition("/")[0] + "/1"
    assert standing(claim(process=earlier), now=NOW, pace=Pace()) == "free"
    assert standing(claim(process=name), now=NOW, pace=Pace()) == "held"


def test_a_process_that_the_system_does_not_show_is_not_taken_for_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another user's, where /proc shows one's own processes only."""
    name = process_name(os.getpid())
    boot, namespace, _, _ = name.split("/")
    monkeypatch.setattr(os, "kill", refused)
    monkeypatch.setattr(
        "sweeps.recording.lease.process_name", lambda pid: name if pid == os.getpid() else f"host/-/{pid}/-"
    )
    assert standing(claim(process=f"{boot}/{namespace}/1/1"), now=NOW, pace=Pace()) == "held"


def refused(*_: object) -> None:
    raise PermissionError


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> tuple[MlflowClient, str]:
    home = tmp_path_factory.mktemp("home")
    client = connect(Places.from_environment({"FAIRSWEEP_HOME": str(home)}))
    return client, client.create_experiment("study", artifact_location=home.as_uri())


@pytest.fixture
def run_id(store: tuple[MlflowClient, str]) -> str:
    client, experiment_id = store
    return str(client.create_run(experiment_id).info.run_id)


Take = Callable[..., Lease]


@pytest.fixture
def take(store: tuple[MlflowClient, str], run_id: str) -> Iterator[Take]:
    """Take a lease as a process of some machine, and let go of it in the end."""
    taken: list[Lease] = []

    def taking(announced: list[str] | None = None, pace: Pace = PACE) -> Lease:
        lease = Lease(store[0], run_id, "study", lambda: None, pace)
        lease.take((announced if announced is not None else []).append)
        taken.append(lease)
        return lease

    yield taking
    for lease in taken:
        lease.release()


def pretend_elsewhere(store: tuple[MlflowClient, str], run_id: str, **changed: float | str) -> Claim:
    """Make the claim on record that of another machine's process."""
    found = claim_of(store[0].get_run(run_id))
    assert found is not None
    other = replace(found, host="elsewhere", process="boot-of-elsewhere/pid:[1]/4242/99", **changed)  # type: ignore[arg-type]
    store[0].set_tag(run_id, layout.LEASE, json.dumps(other.__dict__))
    return other


def test_the_second_to_come_is_refused_with_who_holds_it_and_until_when(take: Take) -> None:
    take(pace=Pace())
    with pytest.raises(LeaseHeldError) as refused:
        take(pace=Pace())
    assert f"process {os.getpid()} on " in str(refused.value)
    assert "last sign of life" in str(refused.value)
    assert "launch again after" in str(refused.value)


def test_a_lease_is_renewed_for_as_long_as_it_is_held(take: Take, store: tuple[MlflowClient, str], run_id: str) -> None:
    take()
    first = claim_of(store[0].get_run(run_id))
    time.sleep(1.5)  # longer than it holds without being renewed
    later = claim_of(store[0].get_run(run_id))
    assert first is not None
    assert later is not None
    assert later.beats > first.beats
    assert later.expires > time.time()
    with pytest.raises(LeaseHeldError):
        take()


def test_a_lease_that_was_let_go_is_free_at_once(take: Take) -> None:
    take().release()
    announced: list[str] = []
    take(announced)
    assert announced == []


def test_a_holder_that_went_without_a_word_is_succeeded_once_it_was_watched(
    take: Take, store: tuple[MlflowClient, str], run_id: str
) -> None:
    gone = take()
    gone._ended.set()  # its process is killed: nothing renews the claim
    pretend_elsewhere(store, run_id, expires=time.time() - 1)
    announced: list[str] = []
    started = time.monotonic()
    take(announced)
    assert time.monotonic() - started > PACE.watch_seconds
    assert "did not say that it ended. Making sure" in announced[0]
    assert highest_number(store[0].get_run(run_id)) == 2


@pytest.mark.parametrize("skew_seconds", [-600, 600])
def test_a_holder_whose_clock_is_wrong_but_who_gives_signs_of_life_is_not_succeeded(
    take: Take, store: tuple[MlflowClient, str], run_id: str, skew_seconds: float
) -> None:
    take()._ended.set()
    other = pretend_elsewhere(store, run_id, expires=time.time() + skew_seconds)
    renewing = subprocess.Popen(
        [sys.executable, "-c", RENEW, store[0].tracking_uri, run_id, json.dumps(replace(other, beats=7).__dict__)]
    )
    with pytest.raises(LeaseHeldError):
        take(pace=replace(PACE, renew_seconds=20.0))
    assert renewing.wait(30) == 0


#: Gives one sign of life.
RENEW = f"""
import sys
from mlflow import MlflowClient
MlflowClient(sys.argv[1]).set_tag(sys.argv[2], {layout.LEASE!r}, sys.argv[3])
"""


def succeed(client: MlflowClient, lease: Lease, run_id: str) -> Claim:
    """Have another launch take over, as it may while the holder of `lease` cannot reach MLflow."""
    other = replace(claim(number=2), since=time.time(), expires=time.time() + 100)
    with lease._renewing:  # it cannot reach MLflow
        client.log_param(run_id, f"{layout.LAUNCH_PREFIX}2", "another launch")
        client.set_tag(run_id, layout.LEASE, json.dumps(other.__dict__))
    return other


def wait_until_lost(lease: Lease) -> None:
    deadline = time.monotonic() + 20
    while not lease.lost:
        assert time.monotonic() < deadline, "it was not noticed"
        time.sleep(0.05)


def test_a_launch_that_was_succeeded_notices_when_it_can_reach_mlflow_again(
    take: Take, store: tuple[MlflowClient, str], run_id: str
) -> None:
    mine = take()
    mine.confirm()
    other = succeed(store[0], mine, run_id)
    wait_until_lost(mine)
    with pytest.raises(LeaseLostError, match="taken over by process 4242 on elsewhere"):
        mine.confirm()
    mine.release()
    assert claim_of(store[0].get_run(run_id)) == other  # and leaves the other's claim alone


def test_nothing_is_delivered_under_a_lease_that_may_have_been_succeeded_before_that_is_known(
    take: Take, store: tuple[MlflowClient, str], run_id: str
) -> None:
    mine = take(pace=Pace(renew_seconds=60, lease_seconds=0.1))  # as after a pause of the whole machine
    store[0].log_param(run_id, f"{layout.LAUNCH_PREFIX}2", "another launch")
    time.sleep(0.2)
    with pytest.raises(LeaseLostError):
        mine.confirm()


def test_nor_after_the_machine_has_slept_while_its_clock_stood_still(
    take: Take, store: tuple[MlflowClient, str], run_id: str
) -> None:
    mine = take(pace=Pace(renew_seconds=60))
    mine._renewed = replace(mine._renewed, wall=mine._renewed.wall - 300)
    store[0].log_param(run_id, f"{layout.LAUNCH_PREFIX}2", "another launch")
    with pytest.raises(LeaseLostError):
        mine.confirm()


def test_a_lease_holds_from_when_it_was_asked_for_and_not_from_the_answer(
    take: Take, store: tuple[MlflowClient, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    set_tag = store[0].set_tag

    def slow(*args: str) -> None:
        set_tag(*args)
        time.sleep(0.3)

    monkeypatch.setattr(store[0], "set_tag", slow)
    assert take(pace=Pace(renew_seconds=60))._renewed.age_seconds >= 0.3


def test_a_holder_that_gives_a_sign_of_life_right_after_it_was_watched_has_time_to_stop(
    take: Take, store: tuple[MlflowClient, str], run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = take()
    first._ended.set()
    gone = pretend_elsewhere(store, run_id, expires=time.time() - 1)
    log_param = store[0].log_param

    def alive_after_all(*args: str) -> None:
        store[0].set_tag(run_id, layout.LEASE, json.dumps(replace(gone, beats=7).__dict__))
        log_param(*args)

    monkeypatch.setattr(store[0], "log_param", alive_after_all)
    started, announced = time.monotonic(), list[str]()
    take(announced)
    assert time.monotonic() - started > 2 * PACE.watch_seconds
    assert announced[1:] == ["It has not ended. Waiting for 0 s until it has stopped ..."]


def test_a_holder_that_renews_late_looks_whether_it_was_succeeded_meanwhile(
    take: Take, store: tuple[MlflowClient, str], run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = take(pace=Pace(renew_seconds=60, lease_seconds=0.1))
    set_tag = store[0].set_tag

    def succeeded_meanwhile(*args: str) -> None:
        store[0].log_param(run_id, f"{layout.LAUNCH_PREFIX}2", "another launch")
        set_tag(*args)

    monkeypatch.setattr(store[0], "set_tag", succeeded_meanwhile)
    time.sleep(0.2)
    with pytest.raises(LeaseLostError):
        mine.confirm()


def test_a_run_that_took_longer_to_write_than_a_lease_holds_is_not_marked_as_ended_under_a_lost_one(
    take: Take, store: tuple[MlflowClient, str], run_id: str
) -> None:
    client = store[0]
    experiment_id = client.create_experiment("slow-writes")
    mine = take(pace=Pace(renew_seconds=60, lease_seconds=0.1))
    trial = Protocol(tiny_study()).next_trial()
    assert trial is not None

    def pause_and_confirm() -> None:  # as where the machine sleeps between two requests
        client.log_param(run_id, f"{layout.LAUNCH_PREFIX}2", "another launch")
        time.sleep(0.2)
        mine.confirm()

    writer = TrialRuns(client, experiment_id, run_id, {}, pause_and_confirm)
    with pytest.raises(LeaseLostError):
        writer.write(record_of(run_to_end(job_for(tiny_study(), trial))))
    (run,) = trial_runs(client, experiment_id)
    assert run.status == "RUNNING"  # which no reader counts, and the next launch completes or deletes


def test_a_launch_that_lost_its_study_delivers_nothing_more_and_keeps_what_it_has(tmp_path: Path) -> None:
    places = Places.from_environment({"FAIRSWEEP_HOME": str(tmp_path)})
    study = tiny_study()
    trials = Protocol(study)
    results = [run_to_end(job_for(study, trial)) for _ in range(2) if (trial := trials.next_trial())]
    mine = Recorder(study, places, pace=PACE)
    mine.open({})
    mine.put(results[0])
    assert mine.flush(20)
    client = connect(places)
    assert mine._lease is not None
    other = succeed(client, mine._lease, mine.study_run_id)
    wait_until_lost(mine._lease)
    with pytest.raises(LeaseLostError, match=r"taken over by process 4242 on elsewhere.* no trial is recorded twice"):
        mine.check_lease()
    mine.put(results[1])  # the trial that was in flight
    assert not mine.flush(20)
    mine.close(done=False)
    with pytest.raises(LeaseLostError, match=r"1 results that it may lack stay in "):
        mine.check_lease()
    runs = trial_runs(client, mine.experiment_id)
    assert [run.tags[layout.TRIAL_KEY] for run in runs] == [results[0].trial.key]
    assert claim_of(client.get_run(mine.study_run_id)) == other


#: Takes the leases of the runs that it is told, says what came of it, and keeps them until it is killed.
HOLD = """
import sys, time
from mlflow import MlflowClient
from sweeps.recording.lease import Lease, LeaseHeldError, Pace
client = MlflowClient(sys.argv[1])
print("ready", flush=True)
for run_id in sys.stdin:
    lease = Lease(client, run_id.strip(), "study", lambda: None, Pace(renew_seconds=0.2, lease_seconds=1.0))
    try:
        lease.take(lambda line: None)
        print("taken", flush=True)
    except LeaseHeldError:
        print("refused", flush=True)
"""


def holder(store: tuple[MlflowClient, str]) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, store[0].tracking_uri],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def tell(process: subprocess.Popen[str], run_id: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{run_id}\n")
    process.stdin.flush()


def heard(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_of_two_processes_that_come_at_the_same_moment_one_gets_it(store: tuple[MlflowClient, str]) -> None:
    two = [holder(store) for _ in range(2)]
    try:
        for run_id in [str(store[0].create_run(store[1]).info.run_id) for _ in range(8)]:
            for process in two:
                tell(process, run_id)
            assert sorted(heard(process) for process in two) == ["refused", "taken"]
    finally:
        for process in two:
            process.kill()
            process.wait()


def test_a_killed_holder_on_this_machine_is_succeeded_at_once(
    take: Take, store: tuple[MlflowClient, str], run_id: str
) -> None:
    process = holder(store)
    tell(process, run_id)
    assert heard(process) == "taken"
    with pytest.raises(LeaseHeldError):
        take()
    process.send_signal(signal.SIGKILL)
    process.wait()
    announced: list[str] = []
    take(announced)
    assert announced == []
