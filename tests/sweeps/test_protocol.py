from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeps.board import Board, board_of
from sweeps.protocol import Outcome, Protocol, Trial, cells, confirm_seed, planned_trials, trial_key, tune_seed
from sweeps.spec import Study
from tests.sweeps.studies import tiny_study


def score(trial: Trial) -> float:
    """Stand in for a training: a validation metric that settings and seed decide."""
    return random.Random(str((trial.key.split("/tune")[0], sorted(trial.settings.items())))).random()


def finish(trial: Trial) -> Outcome:
    return Outcome(key=trial.key, kind="finished", validation=score(trial))


def run_all(
    protocol: Protocol,
    order: random.Random | None = None,
    width: int = 3,
    finish: Callable[[Trial], Outcome] = finish,
) -> list[Trial]:
    """Run a protocol with `width` trials at a time that end in random order."""
    ran: list[Trial] = []
    while not protocol.is_done:
        while len(protocol.in_flight) < width and (trial := protocol.next_trial()):
            ran.append(trial)
        if not protocol.in_flight:
            break
        ended = (order or random.Random(0)).choice(protocol.in_flight)
        protocol.record(finish(ended))
    return ran


def everything(study: Study) -> set[str]:
    return {trial_key(*planned) for planned in planned_trials(study)}


def test_every_planned_trial_runs_exactly_once() -> None:
    study = tiny_study()
    ran = run_all(Protocol(study))
    assert Counter(trial.key for trial in ran) == Counter(everything(study))
    assert len(ran) == 2 * (2 * 3 + 3 * 2)


def test_every_arm_gets_the_same_shared_draws_and_the_same_seeds() -> None:
    ran = run_all(Protocol(tiny_study()))
    by_draw: dict[tuple[str, int], set[tuple[object, ...]]] = {}
    for trial in ran:
        if trial.phase == "tune":
            shared = tuple(trial.settings[name] for name in ("peak_lr", "weight_decay", "momentum"))
            by_draw.setdefault((trial.cell.slug, trial.index), set()).add((*shared, trial.seed))
    assert all(len(draws) == 1 for draws in by_draw.values())


def test_winners_are_confirmed_on_fresh_seeds_the_same_for_every_arm_and_cell() -> None:
    study = tiny_study()
    ran = run_all(Protocol(study))
    seeds: dict[tuple[str, str], list[int]] = {}
    for trial in ran:
        if trial.phase == "confirm":
            seeds.setdefault((trial.cell.slug, trial.arm), []).append(trial.seed)
    assert {tuple(sorted(s)) for s in seeds.values()} == {tuple(sorted(confirm_seed(study, i) for i in range(2)))}
    assert not {trial.seed for trial in ran if trial.phase == "tune"} & {s for group in seeds.values() for s in group}


def test_tuning_and_confirm_seeds_differ_in_parity_so_that_they_never_meet() -> None:
    study = tiny_study()
    assert all(tune_seed(study, cell, 0, draw) % 2 == 0 for cell in cells(study) for draw in range(50))
    assert all(confirm_seed(study, index) % 2 == 1 for index in range(50))


def test_the_winner_is_the_best_validation_metric_and_the_first_of_equals() -> None:
    study = tiny_study()
    protocol, cell = Protocol(study), cells(study)[0]
    for draw, value in enumerate((0.5, 0.7, 0.7)):
        protocol.record(Outcome(key=trial_key(cell, "cosine", "tune", 0, draw), kind="finished", validation=value))
    assert protocol.winner(cell, "cosine", 0) == 1


def test_confirm_trials_use_the_settings_of_the_winner() -> None:
    protocol = Protocol(tiny_study())
    ran = {trial.key: trial for trial in run_all(protocol)}
    for cell in cells(protocol.study):
        for arm in ("cosine", "one_cycle"):
            draw = protocol.winner(cell, arm, 0)
            assert draw is not None
            winner = ran[trial_key(cell, arm, "tune", 0, draw)]
            assert ran[trial_key(cell, arm, "confirm", 0, 1)].settings == winner.settings
        assert ran[trial_key(cell, "published", "confirm", 0, 0)].settings == {"peak_lr": 0.1, "momentum": 0.9}


def test_confirm_trials_start_when_their_cell_is_tuned_and_interleave_the_arms() -> None:
    order = run_all(Protocol(tiny_study()), width=1)
    first = [trial for trial in order if trial.cell == order[0].cell]
    assert [trial.phase for trial in first] == ["tune"] * 6 + ["confirm"] * 6
    assert order[:12] == first  # no barrier over cells: confirming goes before tuning the next cell
    assert [trial.arm for trial in first[6:]] == ["cosine", "one_cycle", "published"] * 2


def test_a_diverged_draw_is_spent_and_never_wins() -> None:
    study = tiny_study()
    protocol, cell = Protocol(study), cells(study)[0]
    while trial := protocol.next_trial():
        diverges = trial.arm == "cosine" or (trial.phase == "tune" and trial.index == 0)
        protocol.record(Outcome(key=trial.key, kind="diverged") if diverges else finish(trial))
    assert protocol.is_done
    assert protocol.winner(cell, "cosine", 0) is None
    assert protocol.winner(cell, "one_cycle", 0) != 0


def test_an_arm_whose_draws_all_diverge_leaves_the_others_to_be_confirmed() -> None:
    protocol = Protocol(tiny_study())
    confirmed = []
    while trial := protocol.next_trial():
        if trial.phase == "confirm":
            confirmed.append(trial.arm)
        kind = "diverged" if trial.arm == "cosine" else "finished"
        protocol.record(Outcome(key=trial.key, kind=kind, validation=None if kind == "diverged" else 0.5))
    assert set(confirmed) == {"one_cycle", "published"}


def test_an_arm_without_a_winner_has_no_confirm_trials_left_to_wait_for() -> None:
    study = tiny_study()
    board, protocol = Board(study), Protocol(study)
    while trial := protocol.next_trial():
        outcome = Outcome(key=trial.key, kind="diverged") if trial.arm == "cosine" else finish(trial)
        protocol.record(outcome)
        board.add(outcome)
    assert board.total.ended == board.total.planned == 24 - 2 * 2


def test_a_failed_draw_blocks_its_cell_until_it_has_run() -> None:
    study = tiny_study()
    protocol = Protocol(study)
    ran = []
    while trial := protocol.next_trial():
        ran.append(trial)
        broken = trial.key == trial_key(cells(study)[0], "cosine", "tune", 0, 1)
        protocol.record(Outcome(key=trial.key, kind="failed") if broken else finish(trial))
    assert protocol.is_done
    assert {trial.cell for trial in ran if trial.phase == "confirm"} == {cells(study)[1]}

    again = Protocol(study)
    for trial in ran:
        if trial.key != trial_key(cells(study)[0], "cosine", "tune", 0, 1):
            again.record(finish(trial))
    rest = run_all(again)
    assert {trial.key for trial in rest} == everything(study) - {trial.key for trial in ran if trial.key != rest[0].key}


def test_replicated_searches_draw_anew_and_confirm_their_own_winners() -> None:
    study = tiny_study(tuning={"draws": 3, "searches": 2})
    ran = run_all(Protocol(study))
    assert {t.key for t in ran} == everything(study)
    first, second = (
        next(t for t in ran if t.phase == "tune" and t.search == search and t.arm == "cosine" and t.index == 0)
        for search in (0, 1)
    )
    assert first.settings != second.settings
    assert {t.search for t in ran if t.arm == "published"} == {0}


@pytest.mark.parametrize("sampler", ["sobol", "random", "tpe"])
@settings(max_examples=12, deadline=None)
@given(cut=st.integers(0, 24), seed=st.integers(0, 10_000), width=st.integers(1, 5))
def test_resuming_is_replaying(sampler: str, cut: int, seed: int, width: int) -> None:
    study = tiny_study(tuning={"draws": 3, "sampler": sampler})
    undisturbed = {trial.key: trial for trial in run_all(Protocol(study))}

    killed, order, ended = Protocol(study), random.Random(seed), []
    while len(ended) < cut and not killed.is_done:
        while len(killed.in_flight) < width and killed.next_trial():
            pass
        outcome = finish(order.choice(killed.in_flight))
        killed.record(outcome)
        ended.append(outcome)

    resumed = Protocol(study)
    order.shuffle(ended)  # records come back in any order
    for outcome in ended:
        resumed.record(outcome)
    rest = run_all(resumed, order, width)
    assert Counter([o.key for o in ended] + [t.key for t in rest]) == Counter(undisturbed.keys())
    assert all(undisturbed[trial.key] == trial for trial in rest)


def test_tpe_searches_draw_for_draw_while_arms_and_cells_run_side_by_side() -> None:
    protocol = Protocol(tiny_study(tuning={"draws": 3, "sampler": "tpe"}))
    started = []
    while trial := protocol.next_trial():
        started.append(trial)
    assert [trial.index for trial in started] == [0, 0, 0, 0]  # two arms in two cells
    assert not protocol.is_done
    protocol.record(finish(started[0]))
    following = protocol.next_trial()
    assert following is not None
    assert (following.arm, following.index) == (started[0].arm, 1)


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


def test_a_failed_confirm_trial_holds_up_its_cell_until_it_has_run() -> None:
    study, finished = sequential_study(), finish_with_test()
    broken = "digits-mlp/updates-4/cosine/confirm/search-0/seed-1"
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


@settings(max_examples=15, deadline=None)
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
