"""How far a launch is, where nobody watches: in the log of a job or a file."""

from __future__ import annotations

import io
import re
import sys
import threading
import time
from collections.abc import Callable
from itertools import count

import pytest
from rich.console import Console

from sweeps.board import Board
from sweeps.cli import progress
from sweeps.cli.progress import Watch, showing
from sweeps.protocol import Outcome
from tests.sweeps.studies import tiny_study

LINE = re.compile(r"\d\d:\d\d:\d\d  (\d+)/24 trials(, .*)?")


def ended(number: int) -> Outcome:
    return Outcome(key=f"digits-mlp/updates-4/cosine/tune/search-0/draw-{number}", kind="finished", validation=0.5)


def written(
    monkeypatch: pytest.MonkeyPatch, *, every_seconds: float, trouble: Callable[[], str] = lambda: ""
) -> list[str]:
    """Return the lines of a launch in which three trials end, one after the other."""
    monkeypatch.setattr(progress, "_LOOK_EVERY_SECONDS", 0.01)
    monkeypatch.setattr(progress, "_LINE_EVERY_SECONDS", every_seconds)
    file, board = io.StringIO(), Board(tiny_study())
    with showing(Watch(board, 1, trouble), Console(file=file, width=80)):
        for number in range(3):
            time.sleep(0.1)
            board.add(ended(number), 1.0)
        time.sleep(0.1)
    assert "\r" not in file.getvalue()
    assert "\x1b" not in file.getvalue()
    return file.getvalue().splitlines()


def test_trials_that_are_lost_and_run_again_are_counted_before_any_has_ended() -> None:
    board = Board(tiny_study())
    for key in ("a", "b", "a", "a"):
        board.begin(key)
    assert Watch(board, 1, lambda: "").headline() == "0/24 trials, 2 lost and run again"


def test_a_line_is_written_for_every_twentieth_of_the_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 1 <= 0.05 * 24 < 2  # so that every second trial gets its line
    found = [LINE.fullmatch(line) for line in written(monkeypatch, every_seconds=1000)]
    assert [match and match[1] for match in found] == ["2"]


def test_a_line_is_written_now_and_then_even_where_nothing_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = written(monkeypatch, every_seconds=0.04)
    assert len(lines) >= 4
    assert all(LINE.fullmatch(line) for line in lines)


def test_trouble_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = written(monkeypatch, every_seconds=0.04, trouble=lambda: "MLflow takes no results")
    assert len([line for line in lines if "takes no results" in line]) == 1


def test_trouble_that_comes_and_goes_is_said_once_in_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    def said() -> int:
        looks = count()
        lines = written(monkeypatch, every_seconds=1000, trouble=lambda: "MLflow is away" if next(looks) % 2 else "")
        assert next(looks) > 6
        return len([line for line in lines if "MLflow is away" in line])

    assert said() == 1
    monkeypatch.setattr(progress, "_TROUBLE_EVERY_SECONDS", 0.05)
    assert said() > 1


def test_trouble_that_has_passed_is_said_to_have(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = count()
    lines = written(monkeypatch, every_seconds=1000, trouble=lambda: "MLflow is away." if next(looks) < 4 else "")
    assert [line for line in lines if " trials" not in line] == ["MLflow is away.", "That has passed."]


def test_trouble_that_comes_back_and_stays_is_said_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_TROUBLE_EVERY_SECONDS", 0.15)
    looks = count()
    lines = written(monkeypatch, every_seconds=1000, trouble=lambda: "" if 2 < next(looks) < 4 else "MLflow is away.")
    said = [line for line in lines if " trials" not in line]
    assert said == ["MLflow is away.", "That has passed.", "MLflow is away."]


KEY = "digits-mlp/updates-100/cosine/tune/search-0/draw-{}"


def running_board(now: list[float]) -> Board:
    """A study of 4 draws for the arms but the control, and 2 seeds for all three, none longer than another."""
    study = tiny_study(budgets={"updates": [100]}, tuning={"draws": 4}, confirm={"seeds": 2})
    return Board(study, clock=lambda: now[0])


def test_the_time_left_counts_down_while_trials_run() -> None:
    now = [0.0]
    board = running_board(now)
    trials = board.total.planned
    board.train({KEY.format(0), KEY.format(1)})
    board.add(Outcome(key=KEY.format(0), kind="finished", validation=0.5), 100.0)
    assert board.hours_left(1) == pytest.approx((trials - 1) * 100 / 3600)
    now[0] = 30.0
    assert board.hours_left(1) == pytest.approx(((trials - 1) * 100 - 30) / 3600)
    board.progress(KEY.format(1), 0.8)
    now[0] = 35.0
    assert board.hours_left(1) == pytest.approx(((trials - 2) * 100 + 15) / 3600)
    now[0] = 500.0  # it takes longer than others: it may end at any moment
    assert board.hours_left(1) == pytest.approx((trials - 2) * 100 / 3600)


def test_the_time_left_is_known_before_the_first_trial_has_ended_if_one_tells_of_progress() -> None:
    now = [1000.0]
    board = running_board(now)
    board.train({KEY.format(0)})
    assert board.hours_left(1) is None
    now[0] += 60
    board.progress(KEY.format(0), 0.5)  # most of it in an earlier launch, maybe
    assert board.hours_left(1) is None
    now[0] += 20
    board.progress(KEY.format(0), 0.6)
    now[0] += 5
    assert board.hours_left(1) == pytest.approx((board.total.planned * 200 - 120 - 5) / 3600)


def test_the_speed_of_a_long_trial_that_runs_counts_beside_that_of_short_ones_that_have_ended() -> None:
    now = [0.0]
    study = tiny_study(budgets={"updates": [100, 10_000]}, tuning={"draws": 4}, confirm={"seeds": 2})
    board = Board(study, clock=lambda: now[0])
    long = KEY.format(0).replace("updates-100", "updates-10000")
    board.add(Outcome(key=KEY.format(0), kind="finished", validation=0.5), 10.0)  # nearly all of it to get started
    each = board.total.planned // 2
    assert board.hours_left(1) == pytest.approx((10 * (each - 1) + 1000 * each) / 3600)
    board.train({long})
    for now[0], share in ((0.0, 0.1), (10.0, 0.2)):
        board.progress(long, share)
    assert board.hours_left(1) == pytest.approx((10 * (each - 1) + 100 * each - 20) / 3600)


def test_a_trial_that_failed_is_not_left() -> None:
    board = running_board([0.0])
    board.add(Outcome(key=KEY.format(0), kind="finished", validation=0.5), 100.0)
    board.add(Outcome(key=KEY.format(1), kind="failed"))
    assert board.hours_left(1) == pytest.approx((board.total.planned - 2) * 100 / 3600)


def test_the_time_left_is_no_less_than_that_of_the_trial_furthest_from_its_end() -> None:
    now = [0.0]
    board = running_board(now)
    board.add(Outcome(key=KEY.format(0), kind="finished", validation=0.5), 100.0)
    board.train({KEY.format(1)})
    now[0] = 10.0
    assert board.hours_left(1000) == pytest.approx(90 / 3600)


def test_a_trial_that_no_longer_trains_is_left_whole() -> None:
    now = [0.0]
    board = running_board(now)
    board.add(Outcome(key=KEY.format(0), kind="finished", validation=0.5), 100.0)
    before = board.hours_left(1)
    board.train({KEY.format(1)})
    now[0] = 40.0
    board.train(set())
    assert board.hours_left(1) == before


def test_the_time_left_can_be_asked_for_while_trials_end() -> None:
    """A thread of its own asks, while the launching thread counts."""
    budgets = list(range(1, 301))
    board = Board(tiny_study(budgets={"updates": budgets}))

    def count_trials() -> None:
        for budget in budgets:
            key = f"digits-mlp/updates-{budget}/cosine/tune/search-0/draw-0"
            board.add(Outcome(key=key, kind="finished", validation=0.5), 1.0)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        counting = threading.Thread(target=count_trials)
        counting.start()
        while counting.is_alive():
            board.hours_left(1)
        counting.join()
    finally:
        sys.setswitchinterval(before)
    assert board.hours_left(1) is not None
