"""What a fault means, without a cluster."""

from __future__ import annotations

import traceback
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps.faults import Silence, fault_of, halt_message, runs_again, signature


class RayLikeError(Exception):
    """An exception with the attributes by which Ray's are told apart."""

    def __init__(self, text: str, **attributes: bool) -> None:
        super().__init__(text)
        for name, value in attributes.items():
            setattr(self, name, value)


def last_line(error: BaseException | None, silent_minutes: float = 0.0) -> str:
    return fault_of(error, silent_minutes=silent_minutes).message.splitlines()[-1]


def test_a_process_that_died_is_lost_and_the_last_line_says_so() -> None:
    error = RayLikeError("The actor died unexpectedly before finishing this task.\n\tpid: 17", preempted=False)
    assert fault_of(error).kind == "lost"
    assert "pid: 17" in fault_of(error).message
    assert last_line(error) == "The trial's process died (killed, crashed, or out of memory)."


def test_a_process_that_was_ended_for_memory_says_so() -> None:
    assert "ran low on memory" in last_line(RayLikeError("Task was killed due to the node running low on memory."))


def test_a_lost_node_says_so() -> None:
    assert (
        last_line(RayLikeError("The actor died because its node has died. Node Id: 77")) == "The trial's node was lost."
    )


def test_a_preempted_node_is_told_apart() -> None:
    assert fault_of(RayLikeError("its node has died", preempted=True)).kind == "preempted"


def test_silence_counts_before_the_death_that_ended_it() -> None:
    fault = fault_of(RayLikeError("The actor is dead because it was killed by `ray.kill`."), silent_minutes=30)
    assert (fault.kind, fault.message) == ("lost", "The trial was ended: it made no progress for 30 minutes.")


def test_an_actor_that_cannot_start_is_broken() -> None:
    error = RayLikeError("raised in its creation task, ModuleNotFoundError: no module", actor_init_failed=True)
    assert fault_of(error).kind == "broken"


def test_a_process_that_died_idle_never_began_the_trial_it_was_given() -> None:
    died = RayLikeError("The actor died unexpectedly before finishing this task.")
    assert fault_of(died, begun=False).kind == "unbegun"
    assert fault_of(died, begun=False, silent_minutes=3).kind == "lost"


def test_what_raises_before_the_trial_begins_is_broken_all_the_same() -> None:
    raised = RayLikeError("ModuleNotFoundError: no module", as_instanceof_cause=True)
    assert fault_of(raised, begun=False).kind == "broken"


def test_an_unknown_end_is_lost() -> None:
    assert fault_of(None).kind == "lost"


@pytest.mark.parametrize(
    ("kind", "losses", "retries", "again"),
    [
        ("lost", 1, 2, True),
        ("lost", 2, 2, True),
        ("lost", 3, 2, False),
        ("lost", 1, 0, False),
        ("preempted", 0, 0, True),
        ("unbegun", 0, 0, True),
        ("broken", 0, 9, False),
    ],
)
def test_what_runs_again(kind: str, losses: int, retries: int, again: bool) -> None:
    assert runs_again(kind, losses, retries) is again  # type: ignore[arg-type]


def boom(text: str) -> str:
    try:
        _refuse(text)
    except ValueError:
        return traceback.format_exc()
    return ""


def elsewhere(text: str) -> str:
    try:
        _refuse_too(text)
    except ValueError:
        return traceback.format_exc()
    return ""


def _refuse(text: str) -> None:
    raise ValueError(text)


def _refuse_too(text: str) -> None:
    raise ValueError(text)


def test_equal_failures_have_one_signature_whatever_they_say() -> None:
    assert signature(boom("shape (3, 4)")) == signature(boom("shape (5, 6)\nand more"))
    assert signature(boom("x")) != signature(elsewhere("x"))
    assert signature(boom("x")).startswith("ValueError in sweeps/test_faults.py, line ")


def test_a_chained_failure_is_that_of_its_last_frame() -> None:
    try:
        try:
            int("x")
        except ValueError as error:
            raise KeyError("name") from error
    except KeyError:
        assert signature(traceback.format_exc()).startswith("KeyError in ")


def test_what_follows_a_traceback_does_not_change_its_signature() -> None:
    assert signature(boom("x") + "\nOut of memory on cuda with batch_size 512.\n") == signature(boom("x"))


def test_a_message_is_its_own_signature() -> None:
    assert signature("details\n\nThe trial's node was lost.\n") == "The trial's node was lost."
    assert signature("") == "no message"


@given(st.dictionaries(st.text(min_size=1), st.integers(1, 9)), st.integers(1, 9))
def test_a_study_stops_when_one_failure_is_frequent_and_not_for_many_different_ones(
    failures: dict[str, int], stop_after: int
) -> None:
    halted = halt_message(Counter(failures), stop_after)
    assert bool(halted) == any(number >= stop_after for number in failures.values())


def test_the_message_names_the_failure_and_the_setting() -> None:
    message = halt_message({"KeyError in a.py, line 3": 5}, 5)
    assert "5 equal failures: KeyError in a.py, line 3" in message
    assert "stop_after" in message
    assert "3 equal failures: The trial's node was lost. No more" in halt_message({"The trial's node was lost.": 3}, 3)


def looks(silence: Silence, times: list[float], running: list[str]) -> list[str]:
    return [trial for time in times for trial in silence.look(running, time)]


def test_a_silent_trial_is_named_once_the_limit_is_reached() -> None:
    assert looks(Silence(10), [float(t) for t in range(10)], ["a"]) == []
    assert looks(Silence(10), [float(t) for t in range(16)], ["a"]) == ["a"]


def test_a_sign_of_life_starts_the_count_again() -> None:
    silence = Silence(10)
    assert looks(silence, [float(t) for t in range(9)], ["a", "b"]) == []
    silence.heard("a")
    assert looks(silence, [float(t) for t in range(9, 14)], ["a", "b"]) == ["b"]


def test_a_trial_is_counted_from_its_own_start_and_not_after_its_end() -> None:
    silence = Silence(10)
    assert looks(silence, [float(t) for t in range(9)], ["a"]) == []
    silence.ended("a")
    assert looks(silence, [float(t) for t in range(9, 18)], ["b"]) == []


def test_a_driver_that_slept_blames_nobody() -> None:
    silence = Silence(60)
    assert looks(silence, [0.0, 1.0, 4000.0, 4001.0, 8000.0], ["a"]) == []
