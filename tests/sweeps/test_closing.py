"""When nothing follows any more from the trials that run, so that idle machines may go."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from sweeps.protocol import Outcome, Protocol, Trial
from sweeps.spec import Study
from tests.sweeps.playing import finish
from tests.sweeps.studies import tiny_study
from tests.sweeps.test_protocol import halving_study
from tests.sweeps.test_seeds_until_decided import finish_with_test, sequential_study


def fail_first_draw(trial: Trial) -> Outcome:
    return Outcome(key=trial.key, kind="failed") if trial.key.endswith("/draw-0") else finish(trial)


def play(study: Study, finish: Callable[[Trial], Outcome], seed: int = 0) -> list[bool]:
    """Play a study in which nothing may start once it is closing; return whether it was after each trial started."""
    protocol, order, closing = Protocol(study), random.Random(seed), list[bool]()
    while not protocol.is_done:
        while len(protocol.in_flight) < 3:
            closed = protocol.is_closing and bool(protocol.in_flight)
            if protocol.next_trial() is None:
                break
            assert not closed
            closing.append(protocol.is_closing)
        protocol.record(finish(order.choice(protocol.in_flight)))
    return closing


@pytest.mark.parametrize("study", [tiny_study(), tiny_study(tuning={"draws": 4, "sampler": "tpe"}), halving_study()])
@pytest.mark.parametrize("seed", range(3))
def test_a_study_is_closing_as_soon_as_its_last_trial_has_started(study: Study, seed: int) -> None:
    closing = play(study, finish, seed)
    assert closing == [False] * (len(closing) - 1) + [True]


def test_a_cell_that_may_get_more_seeds_is_not_closing() -> None:
    assert not any(play(sequential_study(max_seeds=60), finish_with_test()))


def test_a_cell_that_has_all_the_seeds_it_may_get_is() -> None:
    undecided = finish_with_test(dict.fromkeys(("cosine", "one_cycle", "published"), 0.0), noise=0.05)
    assert play(sequential_study(max_seeds=4), undecided)[-1]


def test_a_cell_that_waits_for_a_draw_of_another_launch_is_not() -> None:
    assert not any(play(tiny_study(), fail_first_draw))
