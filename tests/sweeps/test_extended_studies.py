"""What the protocol runs of an extended study is what the analysis counts."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import TableOptions, read_table
from analysis.checks import run_checks
from analysis.exporting import rules_json, trials_csv
from analysis.record import EVALUATION_COLUMNS, TRIAL_COLUMNS, StudyRecord, typed
from analysis.report import build_report
from analysis.rules import Rules, RulesVersion
from analysis.samples import collect_samples
from sweeps.protocol import Outcome, Protocol, Trial
from sweeps.spec import Study
from tests.sweeps.playing import run_all, score
from tests.sweeps.studies import tiny_study

HALVING = {"factor": 2, "rungs": 3}


def study(draws: int, *, halving: bool, seeds: int = 2, **changes: Any) -> Study:
    tuning = {"draws": draws, **({"halving": HALVING} if halving else {})}
    return tiny_study(tuning=tuning, confirm={"seeds": seeds}, budgets={"updates": [16]}, **changes)


def ended(trial: Trial) -> Outcome:
    """Let a tenth of the tuning trials diverge."""
    value = score(trial)
    if trial.phase == "tune" and value < 0.1:
        return Outcome(key=trial.key, kind="diverged")
    return Outcome(key=trial.key, kind="finished", validation=value)


def ran(wanted: Study, before: Iterable[Trial] = ()) -> list[Trial]:
    """Run what a study asks for beyond what has run before."""
    protocol = Protocol(wanted)
    for trial in before:
        protocol.record(ended(trial))
    return run_all(protocol, finish=ended)


def record_of(wanted: Study, trials: Iterable[Trial]) -> StudyRecord:
    rules = Rules.model_validate(wanted.recorded()).model_copy(update={"protocol_hash": "0123abcd"})
    return StudyRecord(
        rules=rules,
        trials=typed([_row(trial) for trial in trials], TRIAL_COLUMNS),
        evaluations=typed([], EVALUATION_COLUMNS),
        provenance={},
    )


def _row(trial: Trial) -> dict[str, object]:
    outcome, tuned = ended(trial), trial.phase == "tune"
    return {
        "trial_key": trial.key,
        "run_id": trial.key,
        "workload": trial.cell.workload,
        "budget": trial.cell.budget.amount,
        "budget_unit": trial.cell.budget.unit,
        "arm": trial.arm,
        "phase": trial.phase,
        "search": trial.search,
        "draw": trial.index if tuned else None,
        "rung": trial.rung,
        "winner": trial.winner,
        "seed_index": None if tuned else trial.index,
        "seed": trial.seed,
        "outcome": outcome.kind,
        "diverged": outcome.kind == "diverged",
        "validation": outcome.validation,
        "test": None if tuned else outcome.validation,
        "updates": trial.budget.amount,
        "total_updates": trial.budget.amount,
        "train_seconds": 0.1,
        "attempts": 1,
        "hardware": "CPU",
        "data": "11d1a1ab8fed3c04" if tuned else "11d1a1ab8fed3c04 52be2f29de1c38b5",
    }


@pytest.mark.parametrize("halving", [False, True])
@settings(max_examples=25)
@given(draws=st.integers(4, 12), more=st.integers(1, 12), seed=st.integers(0, 10_000))
def test_what_counts_of_an_extended_study_is_what_it_would_have_run_from_the_start(
    halving: bool, draws: int, more: int, seed: int
) -> None:
    wider = study(draws + more, halving=halving, seed=seed)
    first = ran(study(draws, halving=halving, seed=seed))
    record = record_of(wider, [*first, *ran(wider, first)])
    counted = set(record.trials["trial_key"]) - record.superseded_keys
    assert counted == {trial.key for trial in ran(wider)}


def extended(*, halving: bool) -> StudyRecord:
    """Return a study to which draws and seeds were added, some of whose winners have changed."""
    wider = study(24, halving=halving, seeds=4)
    first = ran(study(8, halving=halving))
    record = record_of(wider, [*first, *ran(wider, first)])
    assert record.superseded_keys
    return record


@pytest.mark.parametrize("halving", [False, True])
def test_an_extended_study_is_complete_and_its_arms_had_equal_budgets(halving: bool) -> None:
    record = extended(halving=halving)
    checks = {check.name: check for check in run_checks(record, collect_samples(record))}
    assert not {name: check.evidence for name, check in checks.items() if check.status == "fail"}
    assert ("tuned_at_full_length" in checks) == halving


@pytest.mark.parametrize("halving", [False, True])
def test_a_missing_draw_on_any_rung_is_missed_and_makes_budgets_unequal(halving: bool) -> None:
    record = extended(halving=halving)
    for rung in {None, *record.trials["rung"].dropna()}:
        on_rung = record.trials["rung"].isna() if rung is None else record.trials["rung"] == rung
        draws = record.trials[on_rung & (record.trials["phase"] == "tune") & (record.trials["arm"] == "cosine")]
        current = draws[~draws["trial_key"].isin(record.superseded_keys)]
        worst = current.sort_values("validation", na_position="first").index[0]
        lacking = StudyRecord(
            rules=record.rules, trials=record.trials.drop(worst), evaluations=record.evaluations, provenance={}
        )
        failed = {c.name for c in run_checks(lacking, collect_samples(lacking)) if c.status == "fail"}
        assert {"planned_trials", "equal_tuning_budgets"} <= failed


@pytest.mark.parametrize("halving", [False, True])
def test_confirm_runs_of_former_winners_are_in_the_ledger_and_in_nothing_else(halving: bool) -> None:
    record = extended(halving=halving)
    report = build_report(record)
    former = {key for key in record.superseded_keys if "/confirm/" in key}
    assert former
    confirms = [row for row in report.ledger if row.phase == "confirm"]
    assert sum(row.superseded for row in confirms) == len(former)
    assert sum(row.trials for row in confirms) == 3 * 4 + len(former)
    used = {run for rows in (report.arms, report.seeds, report.comparisons) for row in rows for run in row.run_ids}
    assert not used & former
    assert {(row.n, row.planned) for row in report.arms} == {(4, 4)}


def test_draws_on_rungs_are_spent_but_neither_draws_nor_winners_of_the_cell() -> None:
    report = build_report(extended(halving=True))
    tuned = [row for row in report.ledger if row.phase == "tune" and not row.as_published]
    assert all(24 + 12 <= row.on_rungs <= row.trials - 6 for row in tuned)
    assert all(row.trials - row.superseded == 24 + 12 + 6 for row in tuned)
    assert all(row.tried == 6 for row in report.tuning)
    assert not report.tuning_curves
    assert "successive halving" in report.tuning[0].no_curve_because
    assert all(len(row.values) == 6 for row in report.responses)


def test_rules_that_were_extended_after_results_are_a_warning_that_says_what_was_added_and_when() -> None:
    record = extended(halving=False)
    change = RulesVersion(version=2, time=0, trials=30, confirm_trials=6, changes=("confirm.seeds was 2, is 4",))
    versions = (RulesVersion(version=1, time=0), change)
    late = StudyRecord(
        rules=record.rules.model_copy(update={"versions": versions}),
        trials=record.trials,
        evaluations=record.evaluations,
        provenance={},
    )
    found = {c.name: c for c in run_checks(late, collect_samples(late))}["rules_not_extended"]
    assert found.status == "warn"
    assert found.evidence == (
        "on 1970-01-01 00:00 UTC, when 30 trials had ended, 6 of them confirm runs: confirm.seeds was 2, is 4"
    )
    assert "confirm.until: decided" in found.remedy
    before = {c.name: c for c in run_checks(record, collect_samples(record))}["rules_not_extended"]
    assert before.status == "pass"


def test_arms_that_ran_on_different_hardware_are_a_warning() -> None:
    record = extended(halving=False)
    trials = record.trials.copy()
    moved = (trials["arm"] == "one_cycle") & (trials["seed_index"] == 3)
    trials.loc[moved, "hardware"] = "H200"
    mixed = StudyRecord(rules=record.rules, trials=trials, evaluations=record.evaluations, provenance={})
    found = {c.name: c for c in run_checks(mixed, collect_samples(mixed))}["same_hardware"]
    assert found.status == "warn"
    assert "one_cycle 3 on CPU, 1 on H200" in found.evidence
    alike = {c.name: c for c in run_checks(record, collect_samples(record))}["same_hardware"]
    assert alike.status == "pass"


@pytest.mark.parametrize(
    ("used", "part"),
    [("ffffffffffffffff 52be2f29de1c38b5", "training"), ("11d1a1ab8fed3c04 ffffffffffffffff", "test")],
)
def test_runs_on_other_data_than_the_rest_withhold_the_verdict(used: str, part: str) -> None:
    record = extended(halving=False)
    trials = record.trials.copy()
    moved = (trials["arm"] == "one_cycle") & (trials["seed_index"] == 3)
    trials.loc[moved, "data"] = used
    mixed = StudyRecord(rules=record.rules, trials=trials, evaluations=record.evaluations, provenance={})
    found = {c.name: c for c in run_checks(mixed, collect_samples(mixed))}["same_data"]
    assert found.status == "fail"
    assert f"on other {part} data than the rest: 1 of one_cycle" in found.evidence
    assert set(found.run_ids) <= set(trials.loc[moved, "run_id"])
    alike = {c.name: c for c in run_checks(record, collect_samples(record))}["same_data"]
    assert alike.status == "pass"


@pytest.mark.parametrize("halving", [False, True])
def test_an_extended_study_that_is_exported_is_read_back_with_what_counts_and_what_does_not(
    tmp_path: Path, halving: bool
) -> None:
    record = extended(halving=halving)
    (tmp_path / "trials.csv").write_text(trials_csv(record), encoding="utf-8")
    (tmp_path / "rules.json").write_text(rules_json(record), encoding="utf-8")
    again = read_table(tmp_path / "trials.csv", options=TableOptions(rules=tmp_path / "rules.json"))
    assert again.superseded_keys == record.superseded_keys
    before, after = build_report(record), build_report(again)
    assert [(row.arm, row.n, row.mean) for row in after.arms] == [(row.arm, row.n, row.mean) for row in before.arms]
    for old, new in zip(before.ledger, after.ledger, strict=True):
        assert (new.trials, new.on_rungs, new.superseded) == (old.trials, old.on_rungs, old.superseded)
