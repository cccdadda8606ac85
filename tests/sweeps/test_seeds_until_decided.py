"""Seeds are added to every arm of a cell until it is decided."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping

from hypothesis import given, settings
from hypothesis import strategies as st

from sweeps.board import board_of
from sweeps.protocol import Outcome, Protocol, Trial
from sweeps.spec import Study
from tests.sweeps.playing import run_all, score
from tests.sweeps.studies import tiny_data, tiny_study

#: How far each arm is above the control in the stand-in for a test accuracy; the noise has a standard deviation of 1 %.
GAPS = {"cosine": 0.0, "one_cycle": 0.02, "published": -0.05}


def finish_with_test(gaps: Mapping[str, float] = GAPS, noise: float = 0.01) -> Callable[[Trial], Outcome]:
    """Return a stand-in for a training whose test accuracy depends on the arm and, alone, on the trial's key."""

    def finished(trial: Trial) -> Outcome:
        test = 0.8 + gaps[trial.arm] + random.Random(trial.key).gauss(0, noise) if trial.phase == "confirm" else None
        return Outcome(key=trial.key, kind="finished", validation=score(trial), test=test)

    return finished


def sequential_study(seeds: int = 3, max_seeds: int = 12, **changes: object) -> Study:
    confirm = {"seeds": seeds, "until": "decided", "max_seeds": max_seeds}
    return tiny_study(confirm=confirm, equivalence_margin=0.002, **changes)


def seeds_run(ran: list[Trial]) -> dict[tuple[str, str], int]:
    return Counter((t.cell.slug, t.arm) for t in ran if t.phase == "confirm")


def test_seeds_are_added_to_every_arm_of_a_cell_until_it_is_decided() -> None:
    protocol = Protocol(sequential_study(max_seeds=60))
    counts = seeds_run(run_all(protocol, finish=finish_with_test()))
    for cell in protocol.cells:
        assert len({counts[cell.slug, arm] for arm in GAPS}) == 1
        assert 3 < counts[cell.slug, "cosine"] < 60
        assert protocol.blocks(cell) == (counts[cell.slug, "cosine"],) * 2


def test_a_cell_that_is_never_decided_ends_at_the_largest_number_of_seeds() -> None:
    gaps = dict.fromkeys(GAPS, 0.0)
    protocol = Protocol(sequential_study())
    ran = run_all(protocol, finish=finish_with_test(gaps))
    assert set(seeds_run(ran).values()) == {12}
    assert protocol.is_done


def test_an_arm_as_published_does_not_prolong_a_cell() -> None:
    clear = {"cosine": 0.0, "one_cycle": 0.3, "published": 0.0}
    counts = seeds_run(run_all(Protocol(sequential_study()), finish=finish_with_test(clear)))
    assert max(counts.values()) < 12
    unclear = {"cosine": 0.0, "one_cycle": 0.0, "published": 0.3}
    counts = seeds_run(run_all(Protocol(sequential_study()), finish=finish_with_test(unclear)))
    assert set(counts.values()) == {12}


def test_a_block_starts_only_when_the_one_before_has_ended() -> None:
    protocol, finished = Protocol(sequential_study()), finish_with_test()
    while trial := protocol.next_trial():
        if trial.phase == "confirm" and trial.index >= 3:
            in_flight = [other for other in protocol.in_flight if other.cell == trial.cell]
            assert {other.index for other in in_flight} == {trial.index}
        if len(protocol.in_flight) == 3 or protocol.is_done:
            protocol.record(finished(protocol.in_flight[0]))
        while protocol.in_flight and not protocol.has_work():
            protocol.record(finished(protocol.in_flight[0]))
    assert protocol.is_done


def test_a_diverged_confirm_run_of_the_control_ends_its_cell_and_one_of_an_arm_is_not_waited_for() -> None:
    finished = finish_with_test(dict.fromkeys(GAPS, 0.0))

    def diverging(arm: str) -> Callable[[Trial], Outcome]:
        def outcome(trial: Trial) -> Outcome:
            diverges = (trial.phase, trial.arm, trial.index) == ("confirm", arm, 1)
            return Outcome(key=trial.key, kind="diverged") if diverges else finished(trial)

        return outcome

    for arm, seeds in (("cosine", 3), ("one_cycle", 3), ("published", 12)):
        assert set(seeds_run(run_all(Protocol(sequential_study()), finish=diverging(arm))).values()) == {seeds}


def test_winners_of_several_searches_are_averaged_before_a_cell_is_decided() -> None:
    protocol = Protocol(sequential_study(tuning={"draws": 3, "searches": 2}))
    counts = seeds_run(run_all(protocol, finish=finish_with_test()))
    for cell in protocol.cells:
        blocks, _ = protocol.blocks(cell)
        assert [counts[cell.slug, arm] for arm in GAPS] == [2 * blocks, 2 * blocks, blocks]


def is_second_of_cosine(trial: Trial) -> bool:
    return (trial.cell.budget.amount, trial.arm, trial.phase, trial.index) == (4, "cosine", "confirm", 1)


def test_a_failed_confirm_trial_holds_up_its_cell_until_it_has_run() -> None:
    study, finished = sequential_study(), finish_with_test()
    broken = next(t.key for t in run_all(Protocol(study), finish=finished) if is_second_of_cosine(t))
    protocol, ended = Protocol(study), []
    while trial := protocol.next_trial():
        outcome = Outcome(key=trial.key, kind="failed") if trial.key == broken else finished(trial)
        protocol.record(outcome)
        ended.append(outcome)
    assert protocol.is_done
    again = Protocol(study)
    for outcome in ended:
        again.record(outcome)
    rest = run_all(again, finish=finished)
    assert rest[0].key == broken
    assert {t.cell.slug for t in rest} == {"digits-mlp/updates-4"}
    assert len(rest) > 1


def test_a_new_winner_and_a_new_arm_catch_up_with_the_seeds_that_the_others_had() -> None:
    gaps, draws = {**GAPS, "linear": 0.02}, {"draws": 3}
    finished = finish_with_test(gaps, noise=0.03)
    ran = run_all(Protocol(sequential_study(max_seeds=60, tuning=draws)), finish=finished)
    had = seeds_run(ran)
    assert max(had.values()) > 3

    arms = {**tiny_data()["arms"], "linear": {"schedule": "linear"}}
    study = sequential_study(max_seeds=60, tuning={"draws": 12}, arms=arms)
    again = Protocol(study)
    for trial in ran:
        again.record(finished(trial))
    rest = run_all(again, finish=finished)
    for cell in again.cells:
        assert again.blocks(cell)[0] >= had[cell.slug, "published"]
        new = {t.index for t in rest if (t.cell, t.arm, t.phase) == (cell, "linear", "confirm")}
        assert new == set(range(again.blocks(cell)[0]))


@settings(max_examples=15)
@given(cut=st.integers(0, 80), seed=st.integers(0, 10_000), width=st.integers(1, 5))
def test_resuming_is_replaying_where_seeds_are_added_until_a_cell_is_decided(cut: int, seed: int, width: int) -> None:
    study, finished = sequential_study(), finish_with_test()
    undisturbed = {trial.key: trial for trial in run_all(Protocol(study), finish=finished)}

    killed, order, ended = Protocol(study), random.Random(seed), []
    while len(ended) < cut and not killed.is_done:
        while len(killed.in_flight) < width and killed.next_trial():
            pass
        outcome = finished(order.choice(killed.in_flight))
        killed.record(outcome)
        ended.append(outcome)

    resumed = Protocol(study)
    order.shuffle(ended)
    for outcome in ended:
        resumed.record(outcome)
    rest = run_all(resumed, order, width, finished)
    assert Counter([o.key for o in ended] + [t.key for t in rest]) == Counter(undisturbed.keys())
    assert all(undisturbed[trial.key] == trial for trial in rest)
    assert not resumed.has_work()


def test_the_board_says_how_many_seeds_there_are_at_least_and_at_most() -> None:
    study, finished = sequential_study(), finish_with_test()
    assert (board_of(study, []).total.planned, board_of(study, []).total.most_planned) == (12 + 18, 12 + 72)
    outcomes = [finished(trial) for trial in run_all(Protocol(study), finish=finished)]
    total = board_of(study, outcomes).total
    assert total.ended == total.planned == total.most_planned == len(outcomes)


def test_a_planned_study_reads_no_test_accuracy_to_decide_what_runs() -> None:
    study = tiny_study()
    assert [t.key for t in run_all(Protocol(study), finish=finish_with_test())] == [
        t.key for t in run_all(Protocol(study))
    ]
