"""How a job that failed is told of, from its log."""

from __future__ import annotations

import pytest
import typer

from sweeps.cli import remote
from sweeps.jobs.endings import last_words, own_lines, rays_reason, remedy
from sweeps.jobs.names import Job, JobName, find_job, jobs_of, refused_since
from tests.sweeps.test_jobs import HASH

ERROR = ["error: study tiny has trials that ran under other rules:", "  alpha was 0.05, is 0.01", "Undo this."]
LOG = "\n".join(
    ["2026-01-01 INFO job_manager.py:1 -- ...", "Running entrypoint for job x: python", "note: 1", *ERROR, ""]
)


def job(attempt: int, started_at: float, exit_code: int | None = 0, state: str = "SUCCEEDED") -> Job:
    name = JobName(study="tiny", rules=HASH[:8], attempt=attempt)
    return Job(name=name, state=state, started_at=started_at, exit_code=exit_code)


def refused(attempt: int, started_at: float) -> Job:
    return job(attempt, started_at, 2, "FAILED")


def test_the_error_of_a_launch_is_shown_whole_and_nothing_before_it() -> None:
    assert last_words(own_lines(LOG)) == ERROR


def test_a_launch_without_an_error_is_shown_by_its_last_lines() -> None:
    assert last_words([f"line {number}" for number in range(30)]) == [f"line {number}" for number in range(10, 30)]
    assert last_words([]) == []


def test_python_without_fairsweep_has_its_remedy() -> None:
    assert "must be installed on the cluster's nodes" in remedy(["python: No module named sweeps.cli"])
    assert remedy(ERROR) == ""


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("Job entrypoint command failed with exit code 2, last available logs (truncated):\nerror: no\n", "code 2"),
        ("Traceback (most recent call last):\n  x\nRuntimeError: no such image", "RuntimeError: no such image"),
        ("", "gives no reason"),
    ],
)
def test_what_ray_says_of_a_job_is_one_line_without_the_log(message: str, reason: str) -> None:
    assert rays_reason(message).endswith(reason)


@pytest.mark.parametrize("shown", [True, False])
def test_an_error_is_printed_once_whether_the_log_was_followed_or_not(
    capsys: pytest.CaptureFixture[str], shown: bool
) -> None:
    with pytest.raises(typer.Exit) as ended:
        remote._show_end(refused(1, 1.0), own_lines(LOG), shown=shown)
    said = capsys.readouterr().err
    assert ended.value.exit_code == 2
    assert said.count("error:") == (0 if shown else 1)
    assert said.splitlines()[-1] == "Job fairsweep-tiny-01234567-1 failed with exit code 2."
    assert shown or said.splitlines()[:-1] == ERROR


def test_a_job_that_never_ran_is_told_with_rays_reason(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit):
        remote._show_end(job(1, 1.0, None, "FAILED"), [], shown=True)
    assert "did not run: Ray gives no reason." in " ".join(capsys.readouterr().err.split())


def test_a_refused_submission_hides_no_job_that_ran() -> None:
    ran, later = job(1, 10), refused(2, 20)
    assert find_job("tiny", [ran, later]) is ran
    assert refused_since(ran, [ran, later]) is later
    newest = job(3, 30)
    assert find_job("tiny", [ran, later, newest]) is newest
    assert refused_since(newest, [ran, later, newest]) is None


def test_a_refused_submission_is_found_by_its_id_and_where_there_is_no_other() -> None:
    ran, later = job(1, 10), refused(2, 20)
    assert find_job(later.submission_id, [ran, later]) is later
    assert jobs_of("tiny", [later]) == [later]


def test_a_launch_whose_trials_failed_is_the_latest_job() -> None:
    failed = job(2, 20, 1, "FAILED")
    assert find_job("tiny", [job(1, 10), failed]) is failed
