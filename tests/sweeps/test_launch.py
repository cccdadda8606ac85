"""The whole path through the command line, on a real local Ray cluster and a real MLflow store."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import yaml
from mlflow import MlflowClient

from analysis.results import read_study
from sweeps.launching import slow_precisions
from sweeps.loading import validate_study
from sweeps.protocol import planned_trials
from tests.commands import fairsweep, start, uri, write_study
from tests.patience import PATIENCE_SECONDS
from tests.sweeps.studies import tiny_data, tiny_study

pytestmark = pytest.mark.cluster


def tables(home: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the results without what depends on time, ids or the number of the launch."""
    record = read_study(uri(home), "tiny", curve_phases=("tune", "confirm"))
    own = {"run_id", "train_seconds", "launch"}
    return tuple(
        table[table.columns.difference(own, sort=False)].reset_index(drop=True)
        for table in (record.trials, record.evaluations)
    )


def without_times_and_ids(value: Any) -> Any:
    if isinstance(value, dict):
        dropped = {"run_ids", "provenance"}
        return {
            k: without_times_and_ids(v) for k, v in value.items() if k not in dropped and not k.endswith("_seconds")
        }
    return [without_times_and_ids(item) for item in value] if isinstance(value, list) else value


def report_of(home: Path) -> Any:
    return without_times_and_ids(json.loads((home / "reports" / "tiny" / "report.json").read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A tiny study, launched once and undisturbed."""
    home = tmp_path_factory.mktemp("finished")
    return home, fairsweep(home, "launch", str(write_study(home)))


def test_a_launch_runs_every_planned_trial_and_ends_with_the_verdicts(
    finished: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    home, done = finished
    assert done.returncode == 0, done.stderr
    study = validate_study(tiny_data(), "tiny")
    trials = read_study(uri(home), "tiny").trials
    assert set(Counter(trials["trial_key"]).values()) == {1}
    assert Counter(zip(trials["arm"], trials["phase"], trials["budget"], strict=True)) == Counter(
        {(p.arm, p.phase, p.cell.budget.amount): p.trials for p in planned_trials(study)}
    )
    assert "control" in done.stdout
    assert re.search(r"better|worse|equivalent|undecided", done.stdout)
    assert "report.html" in done.stdout
    assert "fairsweep ui tiny" in done.stdout
    assert (home / "reports" / "tiny" / "report.html").stat().st_size > 10_000


def test_a_launch_is_quiet_about_its_machinery(finished: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    _, done = finished
    noise = re.compile(r"WARNING|INFO|alembic|ray::|\(pid=|View run|Deprecat|raylet|it/s\]")
    assert not noise.search(done.stdout + done.stderr), done.stdout + done.stderr
    assert max(len(line) for line in done.stdout.splitlines() if "/" not in line) <= 80


def test_a_launch_leaves_no_scratch_files_and_no_token(
    finished: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    home, _ = finished
    assert not (home / "scratch" / "tiny").exists()
    assert not (home / ".ray" / "auth_token").exists()
    assert not list((home / "spool" / "tiny").glob("*.json"))


def test_launching_a_finished_study_again_runs_nothing(
    finished: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    home, _ = finished
    before = tables(home)
    again = fairsweep(home, "launch", str(home / "tiny.yaml"))
    assert again.returncode == 0, again.stderr
    assert "24 of 24 trials are done" in again.stdout
    for table, other in zip(before, tables(home), strict=True):
        pd.testing.assert_frame_equal(table, other)


def test_a_launch_under_changed_rules_is_refused(finished: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    home, _ = finished
    refused = fairsweep(home, "launch", str(home / "tiny.yaml"), "--set", "alpha=0.01")
    assert refused.returncode == 2
    assert "alpha was 0.05, is 0.01" in refused.stderr


def test_a_plan_of_an_edit_that_launch_would_refuse_says_so_and_plans_nothing(
    finished: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    home, _ = finished
    same = fairsweep(home, "plan", str(home / "tiny.yaml"))
    assert "24 trials are done" in same.stdout
    assert "warning" not in same.stderr
    other = fairsweep(home, "plan", str(home / "tiny.yaml"), "--set", "alpha=0.01")
    assert (other.returncode, other.stdout) == (2, "")
    assert "launch would refuse this: study tiny has trials that ran under other rules" in other.stderr
    assert "alpha was 0.05, is 0.01" in other.stderr


def test_the_same_study_again_gives_the_same_report(
    finished: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    home, _ = finished
    assert fairsweep(tmp_path, "launch", str(write_study(tmp_path)), "--max-concurrent", "1").returncode == 0
    assert report_of(tmp_path) == report_of(home)


def running_trials(home: Path) -> int:
    """Count what a launch has recorded so far, delivered or in the spool."""
    import sqlite3

    try:
        with sqlite3.connect(f"file:{home / 'mlflow.db'}?mode=ro", uri=True) as database:
            sql = "select count(*) from runs join tags using (run_uuid) where key = ? and status = 'FINISHED'"
            return int(database.execute(sql, ("fairsweep.trial_key",)).fetchone()[0])
    except sqlite3.Error:
        return 0


def wait_for_trials(home: Path, process: subprocess.Popen[str], number: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while running_trials(home) < number:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "no trials in time"
        time.sleep(0.05)


#: Long enough to be stopped in the middle, and the same results as any other run of it.
SLOW = {"budgets": {"updates": [150, 300]}, "tuning": {"draws": 4}}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("undisturbed")
    assert fairsweep(home, "launch", str(write_study(home, **SLOW))).returncode == 0
    return home


@pytest.mark.parametrize("after", [1, 9])
def test_a_launch_killed_in_the_middle_resumes_to_the_same_results(
    undisturbed: Path, tmp_path: Path, after: int
) -> None:
    path = write_study(tmp_path, **SLOW)
    killed = start(tmp_path, "launch", str(path))
    wait_for_trials(tmp_path, killed, after)
    killed.kill()
    killed.communicate()
    assert 0 < running_trials(tmp_path) < 28

    resumed = fairsweep(tmp_path, "launch", str(path))
    assert resumed.returncode == 0, resumed.stderr
    assert "Resuming study tiny" in resumed.stdout
    for table, other in zip(tables(undisturbed), tables(tmp_path), strict=True):
        pd.testing.assert_frame_equal(table, other)
    assert Counter(tables(tmp_path)[0]["trial_key"]).most_common(1)[0][1] == 1
    assert report_of(tmp_path) == report_of(undisturbed)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_launch_exits_with_130_and_says_how_to_go_on(tmp_path: Path, number: signal.Signals) -> None:
    path = write_study(tmp_path, **SLOW)
    process = start(tmp_path, "launch", str(path), "--set", "question=why [b]eta?")
    wait_for_trials(tmp_path, process, 2)
    process.send_signal(number)
    _, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 130, err
    assert f"go on with: fairsweep launch {path} --set 'question=why [b]eta?'" in err
    assert "Traceback" not in err
    assert not list((tmp_path / "spool" / "tiny").glob("*.json"))  # delivered before the end


def keys(home: Path) -> Counter[str]:
    return Counter(tables(home)[0]["trial_key"])


def test_an_edit_that_asks_for_more_runs_what_is_new_and_nothing_else(tmp_path: Path) -> None:
    first = {"tuning": {"draws": 2}, "budgets": {"updates": [4]}}
    assert fairsweep(tmp_path, "launch", str(write_study(tmp_path, **first))).returncode == 0
    before = keys(tmp_path)
    arms = {**tiny_data()["arms"], "linear": {"schedule": "linear"}}
    more = {"tuning": {"draws": 3}, "budgets": {"updates": [4, 8]}, "confirm": {"seeds": 3}, "arms": arms}
    path = write_study(tmp_path, **more)

    planned = fairsweep(tmp_path, "plan", str(path))
    assert planned.returncode == 0, planned.stderr
    assert "extends the recorded study" in planned.stdout
    assert "tuning.draws was 2, is 3" in planned.stdout

    extended = fairsweep(tmp_path, "launch", str(path))
    assert extended.returncode == 0, extended.stderr
    assert "Extended: budgets.updates was [4], is [4, 8]." in extended.stdout
    after = keys(tmp_path)
    assert before <= after
    assert set(after.values()) == {1}
    assert {key.split("/")[1] for key in after} == {"updates-4", "updates-8"}
    [run] = MlflowClient(uri(tmp_path)).search_runs(["1"], "tags.`fairsweep.role` = 'study'")
    history = json.loads(run.data.tags["fairsweep.rules_history"])
    assert [(entry["version"], entry["trials"], entry["confirm_trials"]) for entry in history] == [
        (1, 0, 0),
        (2, len(before), sum("/confirm/" in key for key in before)),
    ]


def test_an_edit_that_makes_results_incomparable_is_refused_by_launch_and_plan(
    finished: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    home, _ = finished
    path = home / "edited.yaml"
    path.write_text(yaml.safe_dump({**tiny_data(), "alpha": 0.01, "tuning": {"draws": 5}}), encoding="utf-8")
    refused = fairsweep(home, "launch", str(path))
    assert refused.returncode == 2
    assert "alpha was 0.05, is 0.01" in refused.stderr
    assert "give the changed study another name" in " ".join(refused.stderr.split())
    planned = fairsweep(home, "plan", str(path))
    assert "alpha was 0.05, is 0.01" in planned.stderr


def test_a_second_launch_from_elsewhere_is_refused_while_the_first_runs(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for home in (here, there):
        home.mkdir()
    slower = {"budgets": {"updates": [600, 1200]}, "tuning": {"draws": 8}}
    first = start(here, "launch", str(write_study(here, **slower)), "--max-concurrent", "1")
    try:
        wait_for_trials(here, first, 1)
        second = start(there, "launch", str(write_study(there, **slower)), tracking_uri=uri(here))
        out, err = second.communicate(timeout=PATIENCE_SECONDS)
        assert second.returncode == 2, out + err
        assert f"being launched already, by process {first.pid} on" in " ".join(err.split())
        assert "Traceback" not in err
    finally:
        first.kill()
        first.communicate()
    third = start(there, "launch", str(there / "tiny.yaml"), tracking_uri=uri(here))  # its process is gone: no wait
    out, err = third.communicate(timeout=PATIENCE_SECONDS)
    assert third.returncode == 0, err
    assert set(keys(here).values()) == {1}
    assert len(keys(here)) == 44


def test_trials_that_fail_are_reported_and_run_again_by_the_next_launch(tmp_path: Path) -> None:
    workload = {"name": "digits-tiring", "dataset": "digits", "network": "tests.models.toys:tiring"}
    path = write_study(tmp_path, workloads=[workload], faults={"stop_after": 100})
    for launches in (1, 2):
        done = fairsweep(tmp_path, "launch", str(path))
        assert done.returncode == 1, done.stderr
        assert "12 trials failed: ValueError: no more than 3 batches [/batch]" in " ".join(done.stderr.split())
        assert "Traceback" not in done.stderr
        runs = MlflowClient(uri(tmp_path)).search_runs(["1"], "tags.`fairsweep.outcome` = 'failed'")
        assert len(runs) == 12 * launches
        assert fairsweep(tmp_path, "status").stdout.splitlines()[-1].split() == ["tiny", "0/24", "–", "12"]
    report = json.loads((tmp_path / "reports" / "tiny" / "report.json").read_text(encoding="utf-8"))
    assert {row["verdict"] for row in report["comparisons"]} == {"undecided"}
    assert {row["arm"]: row["failed"] for row in report["ledger"] if row["phase"] == "tune"} == {
        "cosine": 12,
        "one_cycle": 12,
        "published": 0,
    }


def test_a_data_set_that_is_not_there_is_named_before_anything_starts(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    workload = {"name": "mnist-mlp", "dataset": "mnist", "network": "mlp", "data_root": str(data)}
    missing = fairsweep(tmp_path, "launch", str(write_study(tmp_path, workloads=[workload])))
    assert missing.returncode == 2
    assert str(data) in missing.stderr
    assert "Traceback" not in missing.stderr


def test_a_request_that_no_machine_here_can_meet_fails_at_once(tmp_path: Path) -> None:
    refused = fairsweep(tmp_path, "launch", str(write_study(tmp_path, resources={"cpu": 1000})))
    assert refused.returncode == 2
    assert "one trial needs 1000 CPU" in refused.stderr


@pytest.mark.parametrize("address", ["nonsense", "ray://127.0.0.1:10001"])
def test_an_address_that_is_none_is_refused(tmp_path: Path, address: str) -> None:
    refused = fairsweep(tmp_path, "launch", str(write_study(tmp_path)), "--address", address)
    assert refused.returncode == 2
    assert "--address must be local, auto, HOST:PORT" in refused.stderr


@pytest.mark.parametrize(
    ("precision", "request_", "said"), [("bf16", {}, 1), ("fp32", {}, 0), ("bf16", {"cpu": 1, "gpu": 1}, 0)]
)
def test_a_precision_that_the_cpu_has_no_instructions_for_is_named(
    monkeypatch: pytest.MonkeyPatch, precision: str, request_: dict[str, int], said: int
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True})
    workloads = [{**tiny_data()["workloads"][0], "precision": precision}]
    resources = {"resources": request_} if request_ else {}
    slow = slow_precisions(tiny_study(workloads=workloads, **resources))
    assert ["precision bf16" in sentence for sentence in slow] == [True] * said
