from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeps.board import Board
from sweeps.protocol import (
    Outcome,
    Protocol,
    Trial,
    cells,
    confirm_key,
    confirm_seed,
    tune_key,
    tune_seed,
)
from sweeps.space import setting_text
from sweeps.spec import Study
from tests.sweeps.playing import counts_of, finish, planned_counts, run_all, score
from tests.sweeps.studies import tiny_study


def test_every_planned_trial_runs_exactly_once() -> None:
    study = tiny_study()
    ran = run_all(Protocol(study))
    assert counts_of(ran) == planned_counts(study)
    assert len({trial.key for trial in ran}) == len(ran) == 2 * (2 * 3 + 3 * 2)


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
        protocol.record(Outcome(key=tune_key(cell, "cosine", 0, draw), kind="finished", validation=value))
    assert protocol.winner(cell, "cosine", 0) == 1


def test_confirm_trials_use_the_settings_of_the_winner() -> None:
    protocol = Protocol(tiny_study())
    ran = {trial.key: trial for trial in run_all(protocol)}
    for cell in cells(protocol.study):
        for arm in ("cosine", "one_cycle"):
            draw = protocol.winner(cell, arm, 0)
            assert draw is not None
            winner = ran[tune_key(cell, arm, 0, draw)]
            assert ran[confirm_key(cell, arm, 0, draw, 1)].settings == winner.settings
        assert ran[confirm_key(cell, "published", 0, None, 0)].settings == {"peak_lr": 0.1, "momentum": 0.9}


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
        board.follow(protocol)
    assert board.total.ended == board.total.planned == 24 - 2 * 2


def test_a_search_without_a_winner_has_none_either_while_the_other_searches_are_confirmed() -> None:
    study = tiny_study(tuning={"draws": 3, "searches": 2})
    board, protocol = Board(study), Protocol(study)
    while trial := protocol.next_trial():
        lost = (trial.phase, trial.arm, trial.search) == ("tune", "cosine", 1)
        outcome = Outcome(key=trial.key, kind="diverged") if lost else finish(trial)
        protocol.record(outcome)
        board.add(outcome)
        board.follow(protocol)
    assert board.total.ended == board.total.planned == 2 * (2 * 2 * 3 + 2 + 2 * 2 + 2)


def test_a_failed_draw_blocks_its_cell_until_it_has_run() -> None:
    study = tiny_study()
    protocol = Protocol(study)
    ran = []
    while trial := protocol.next_trial():
        ran.append(trial)
        broken = trial.key == tune_key(cells(study)[0], "cosine", 0, 1)
        protocol.record(Outcome(key=trial.key, kind="failed") if broken else finish(trial))
    assert protocol.is_done
    assert {trial.cell for trial in ran if trial.phase == "confirm"} == {cells(study)[1]}

    again = Protocol(study)
    for trial in ran:
        if trial.key != tune_key(cells(study)[0], "cosine", 0, 1):
            again.record(finish(trial))
    rest = run_all(again)
    assert rest[0].key == tune_key(cells(study)[0], "cosine", 0, 1)
    assert counts_of(ran + rest[1:]) == planned_counts(study)


def test_replicated_searches_draw_anew_and_confirm_their_own_winners() -> None:
    study = tiny_study(tuning={"draws": 3, "searches": 2})
    ran = run_all(Protocol(study))
    assert counts_of(ran) == planned_counts(study)
    first, second = (
        next(t for t in ran if t.phase == "tune" and t.search == search and t.arm == "cosine" and t.index == 0)
        for search in (0, 1)
    )
    assert first.settings != second.settings
    assert {t.search for t in ran if t.arm == "published"} == {0}


@pytest.mark.parametrize("sampler", ["sobol", "random", "tpe"])
@settings(max_examples=10)
@given(draws=st.integers(1, 13), more=st.integers(1, 6), searches=st.integers(1, 2), seed=st.integers(0, 10_000))
def test_a_longer_or_repeated_search_begins_with_the_shorter_one(
    sampler: str, draws: int, more: int, searches: int, seed: int
) -> None:
    def draws_of(**tuning: object) -> dict[str, Trial]:
        study = tiny_study(tuning={"sampler": sampler, **tuning}, budgets={"updates": [4]}, seed=seed)
        return {t.key: t for t in run_all(Protocol(study)) if t.phase == "tune"}

    short, long = draws_of(draws=draws), draws_of(draws=draws + more, searches=searches)
    assert short.items() <= long.items()
    assert len(long) == 2 * searches * (draws + more)


@pytest.mark.parametrize("sampler", ["sobol", "random", "tpe"])
@settings(max_examples=12)
@given(cut=st.integers(0, 60), seed=st.integers(0, 10_000), width=st.integers(1, 5))
def test_resuming_is_replaying(sampler: str, cut: int, seed: int, width: int) -> None:
    study = tiny_study(tuning={"draws": 12 if sampler == "tpe" else 3, "sampler": sampler})
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


def test_tpe_searches_draw_for_draw_once_it_has_a_model_while_arms_and_cells_run_side_by_side() -> None:
    protocol = Protocol(tiny_study(tuning={"draws": 12, "sampler": "tpe"}))
    started = []
    while trial := protocol.next_trial():
        started.append(trial)
    # two arms in two cells, each with the ten draws that no model proposes
    assert Counter(trial.index for trial in started) == dict.fromkeys(range(10), 4)
    assert not protocol.is_done
    mine = [trial for trial in started if (trial.cell, trial.arm) == (started[0].cell, started[0].arm)]
    for trial in mine[:-1]:
        protocol.record(finish(trial))
        assert protocol.next_trial() is None
    protocol.record(finish(mine[-1]))
    following = protocol.next_trial()
    assert following is not None
    assert (following.arm, following.index) == (started[0].arm, 10)
    assert protocol.next_trial() is None


def test_what_is_recorded_of_an_adaptive_search_holds_whatever_the_sampler_would_propose_today() -> None:
    study = tiny_study(tuning={"draws": 12, "sampler": "tpe"})
    cell = cells(study)[0]
    ran = [t for t in run_all(Protocol(study)) if (t.cell, t.arm, t.phase) == (cell, "cosine", "tune")]
    again = Protocol(study)
    for trial in ran:
        texts = {name: setting_text(value) for name, value in trial.settings.items()}
        other = texts if trial.index != 10 else {**texts, "peak_lr": "0.123"}
        validation = 0.999 if trial.index == 10 else 0.5
        again.record(Outcome(key=trial.key, kind="finished", validation=validation, recorded=other))
    confirm = next(t for t in run_all(again) if (t.cell, t.arm, t.phase) == (cell, "cosine", "confirm"))
    assert (confirm.winner, confirm.settings["peak_lr"]) == (10, 0.123)
    assert confirm.settings["momentum"] == ran[10].settings["momentum"]


def resumed(study: Study, edit: Callable[[Trial, dict[str, str]], dict[str, str]]) -> Protocol:
    """Return a protocol that reads back a whole study whose recorded settings are edited."""
    again = Protocol(study)
    for trial in run_all(Protocol(study)):
        texts = {name: setting_text(value) for name, value in trial.settings.items()}
        again.record(Outcome(key=trial.key, kind="finished", validation=score(trial), recorded=edit(trial, texts)))
    again.replay()
    return again


@pytest.mark.parametrize("sampler", ["sobol", "random", "tpe"])
def test_draws_on_record_that_another_installation_made_are_found(sampler: str) -> None:
    study = tiny_study(tuning={"draws": 12, "sampler": sampler})
    assert resumed(study, lambda _, texts: texts).other_draws() == ()

    def otherwise(trial: Trial, texts: dict[str, str]) -> dict[str, str]:
        is_it = (trial.phase, trial.arm, trial.index) == ("tune", "cosine", 3)
        return {**texts, "peak_lr": "0.123"} if is_it else texts

    others = resumed(study, otherwise).other_draws()
    edited = {(tune_key(cell, "cosine", 0, 3), "peak_lr", "0.123") for cell in cells(study)}
    assert {(other.key, other.name, other.recorded) for other in others} == edited
    drawn = {trial.key: str(trial.settings["peak_lr"]) for trial in run_all(Protocol(study))}
    assert all(other.drawn == drawn[other.key] for other in others)


def test_the_last_digit_of_a_recorded_fraction_may_come_from_another_machines_logarithm() -> None:
    def rounded(_: Trial, texts: dict[str, str]) -> dict[str, str]:
        return {**texts, "peak_lr": str(float(texts["peak_lr"]) * (1 + 2e-6))}

    assert resumed(tiny_study(), rounded).other_draws() == ()


def test_draws_added_later_continue_the_sequence_and_only_a_new_winner_is_confirmed_anew() -> None:
    ran = run_all(Protocol(tiny_study(tuning={"draws": 4})))
    wider = tiny_study(tuning={"draws": 16})
    again, board = Protocol(wider), Board(wider)
    for trial in ran:
        again.record(finish(trial))
    again.replay()
    board.follow(again)
    assert (board.total.tuned, board.total.early, board.total.ended) == (16, 12, 28)  # all count until a draw is better
    rest = run_all(again)
    board.follow(again)

    tuned = [t for t in rest if t.phase == "tune"]
    assert {t.index for t in tuned} == set(range(4, 16))
    assert counts_of([t for t in ran if t.phase == "tune"] + tuned) == Counter(
        {k: n for k, n in planned_counts(wider).items() if k[2] == "tune"}
    )
    before = {(t.cell, t.arm): t.winner for t in ran if t.phase == "confirm"}
    changed = {place for place, winner in before.items() if winner is not None and again.winner(*place, 0) != winner}
    assert changed
    assert {(t.cell, t.arm) for t in rest if t.phase == "confirm"} == changed
    for trial in rest:
        board.add(finish(trial))
    total = board.total
    assert (total.confirmed, total.tuned, total.early) == (12, 64, 0)  # the runs of former winners do not count


def test_seeds_added_later_are_the_only_ones_that_run() -> None:
    ran = run_all(Protocol(tiny_study()))
    again = Protocol(tiny_study(confirm={"seeds": 5}))
    for trial in ran:
        again.record(finish(trial))
    rest = run_all(again)
    assert {(t.phase, t.index) for t in rest} == {("confirm", index) for index in (2, 3, 4)}
    assert len(rest) == 3 * 2 * 3


def halving_study(draws: int = 16, factor: int = 4, rungs: int = 2) -> Study:
    return tiny_study(
        tuning={"draws": draws, "halving": {"factor": factor, "rungs": rungs}}, budgets={"updates": [16, 64]}
    )


def test_halving_trains_every_draw_at_a_shorter_budget_and_the_best_of_each_arm_at_the_next() -> None:
    study = halving_study(rungs=3)
    ran = run_all(Protocol(study))
    assert counts_of(ran) == planned_counts(study)
    for cell in cells(study):
        for arm in ("cosine", "one_cycle"):
            mine = [t for t in ran if (t.cell, t.arm, t.phase) == (cell, arm, "tune")]
            by_rung = {r: [t for t in mine if t.rung == r] for r in (0, 1, None)}
            amounts = {r: {t.budget.amount for t in trials} for r, trials in by_rung.items()}
            assert amounts == {0: {cell.budget.amount // 16}, 1: {cell.budget.amount // 4}, None: {cell.budget.amount}}
            assert [len(by_rung[r]) for r in (0, 1, None)] == [16, 4, 1]
            best = sorted(by_rung[0], key=score, reverse=True)[:4]
            assert {t.index for t in by_rung[1]} == {t.index for t in best}
            assert {t.index for t in by_rung[None]} == {max(by_rung[1], key=score).index}


def test_where_few_draws_survive_a_rung_diverged_ones_fill_the_next_so_that_all_arms_spend_the_same() -> None:
    study, protocol = halving_study(), Protocol(halving_study())
    ran = []
    while trial := protocol.next_trial():
        ran.append(trial)
        lost = trial.phase == "tune" and trial.arm == "cosine" and trial.index != 5
        protocol.record(Outcome(key=trial.key, kind="diverged") if lost else finish(trial))
    assert counts_of(ran) == planned_counts(study)
    assert {protocol.winner(cell, "cosine", 0) for cell in cells(study)} == {5}


def test_halving_resumes_where_it_was() -> None:
    study = halving_study(rungs=3)
    undisturbed = run_all(Protocol(study))
    for cut in (10, 40, 70, len(undisturbed)):
        again = Protocol(study)
        for trial in undisturbed[:cut]:
            again.record(finish(trial))
        assert {t.key for t in run_all(again)} == {t.key for t in undisturbed[cut:]}


def test_draws_added_to_a_halving_study_compete_for_every_rung_and_all_arms_are_chosen_from_as_many() -> None:
    before, after = halving_study(draws=16), halving_study(draws=32)
    ran = run_all(Protocol(before))
    again, board = Protocol(after), Board(after)
    for trial in ran:
        again.record(finish(trial))
    again.replay()
    board.follow(again)
    assert board.total.early == sum(trial.phase == "confirm" for trial in ran)
    rest = run_all(again)
    board.follow(again)
    for trial in rest:
        board.add(finish(trial))
    assert {t.key for t in run_all(Protocol(after))} <= {t.key for t in ran + rest}
    assert {(t.cell, t.arm, t.search): t.winner for t in run_all(Protocol(after)) if t.phase == "confirm"} == {
        (cell, arm, 0): None if arm == "published" else again.winner(cell, arm, 0)
        for cell in cells(after)
        for arm in after.arms
    }
    assert board.total.ended == board.total.planned


def test_the_best_of_the_board_is_one_at_the_cells_own_budget() -> None:
    study = halving_study()
    board, cell = Board(study), cells(study)[0]
    board.add(Outcome(key=tune_key(cell, "cosine", 0, 3, 0), kind="finished", validation=0.9))
    board.add(Outcome(key=tune_key(cell, "cosine", 0, 3), kind="finished", validation=0.8))
    assert board.tallies[cell, "cosine"].best == 0.8


def test_the_time_left_counts_the_trainings_on_rungs_by_their_own_length() -> None:
    study = tiny_study(
        budgets={"updates": [64]}, tuning={"draws": 8, "halving": {"factor": 4, "rungs": 2}}, confirm={"seeds": 2}
    )
    board, [cell] = Board(study), cells(study)
    assert board.hours_left(1) is None
    board.add(Outcome(key=tune_key(cell, "cosine", 0, 0, 0), kind="finished", validation=0.5), seconds=16.0)
    # 16 updates took 16 s. Left are 15 draws of 16, 2 of 64 in both tuned arms, and 2 seeds of 64 in three arms.
    assert board.hours_left(1) == pytest.approx((15 * 16 + 4 * 64 + 6 * 64) / 3600)
    board.add(Outcome(key=tune_key(cell, "cosine", 0, 0), kind="finished", validation=0.5), seconds=50.0)
    assert board.hours_left(2) == pytest.approx((15 * 16 + 3 * 50 + 6 * 50) / 2 / 3600)


def test_a_trial_that_failed_says_nothing_about_the_time_left() -> None:
    study = tiny_study()
    board = Board(study)
    board.add(Outcome(key=tune_key(cells(study)[0], "cosine", 0, 0), kind="failed"), seconds=0.1)
    assert board.hours_left(1) is None


def test_the_longest_trainings_start_first() -> None:
    order = run_all(Protocol(tiny_study(budgets={"updates": [4, 64, 16]})), width=1)
    assert list(dict.fromkeys(trial.cell.budget.amount for trial in order)) == [64, 16, 4]


def test_no_cell_waits_for_another_so_that_the_slots_stay_busy_until_the_last_trial_starts() -> None:
    study = tiny_study(budgets={"updates": [10, 20, 40, 80]}, tuning={"draws": 48}, confirm={"seeds": 24})
    protocol, slots, durations = Protocol(study), 64, random.Random(1)
    running: list[tuple[float, str]] = []
    spans: list[tuple[float, float]] = []
    clock = 0.0
    while not protocol.is_done:
        while len(running) < slots and (trial := protocol.next_trial()):
            end = clock + trial.budget.amount * durations.lognormvariate(0, 0.15)
            heapq.heappush(running, (end, trial.key))
            spans.append((clock, end))
        clock, key = heapq.heappop(running)
        protocol.record(finish(next(trial for trial in protocol.in_flight if trial.key == key)))
    last = max(start for start, _ in spans)
    assert last > 0.8 * clock
    assert sum(min(end, last) - start for start, end in spans) / (slots * last) >= 0.95
