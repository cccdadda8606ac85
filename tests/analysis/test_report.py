import dataclasses
import json

import jsonschema
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.report import build_report, read_report, report_json, verdict_rows, write_report
from analysis.rules import Rules
from analysis.schema import report_schema
from tests.analysis.synthetic_study import ARMS, TWO_ARMS, at, changed, study_json, synthetic_record, without


@pytest.fixture(scope="module")
def record():
    return synthetic_record()


@pytest.fixture(scope="module")
def report(record):
    return build_report(record)


def small(**shape):
    return synthetic_record(**{"arms": TWO_ARMS, "budgets": (2, 5), "draws": 4, "seeds": 6, **shape})


def check(report, name):
    return next(row for row in report.checks if row.name == name)


def comparison(report, budget, arm="one_cycle"):
    return next(row for row in report.comparisons if (row.budget, row.arm) == (budget, arm))


def test_a_complete_fair_study_passes_every_check_but_that_it_searched_once(report):
    assert [row.name for row in report.checks if row.status != "pass"] == ["searches_replicated"]
    assert not any(row.withheld for row in report.comparisons)


def test_every_arm_is_compared_with_the_control_in_every_cell(report):
    assert len(report.arms) == 5 * 4
    assert len(report.comparisons) == 4 * 4
    assert {row.control for row in report.comparisons} == {"piecewise"}


def test_the_numbers_of_a_row_come_from_its_own_runs(record, report):
    row = comparison(report, 5)
    runs = record.trials.set_index("run_id").loc[list(row.run_ids)]
    arm, control = (runs.loc[runs["arm"] == name, "test"] for name in ("one_cycle", "piecewise"))
    expected = stats.ttest_ind(arm, control, equal_var=False).confidence_interval(0.95)
    assert row.difference == pytest.approx(arm.mean() - control.mean())
    assert (row.ci_low, row.ci_high) == pytest.approx(tuple(expected))


def test_holm_runs_over_all_comparisons_of_the_study(report):
    least = min(report.comparisons, key=lambda row: row.p)
    assert least.p_adjusted == pytest.approx(16 * least.p)


def test_final_accuracy_is_the_last_evaluation_not_the_best():
    record = small()
    record.evaluations.loc[record.evaluations["update"] < 60, "test"] = 0.999
    assert build_report(record).arms[0].maximum < 0.9


def test_a_diverged_confirm_run_is_counted_and_withholds_the_verdict_of_that_arm_only():
    record = changed(
        small(arms=ARMS, seeds=8),
        lambda t: at(2, "one_cycle")(t) & (t["seed_index"] == 3),
        diverged=True, outcome="diverged", test=np.nan, validation=np.nan,
    )  # fmt: skip
    report = build_report(record)
    arm = next(row for row in report.arms if (row.budget, row.arm) == (2, "one_cycle"))
    assert (arm.n, arm.diverged, arm.missing, arm.planned) == (7, 1, 0, 8)
    assert comparison(report, 2).withheld
    assert comparison(report, 2).reason == "one_cycle at 2 epochs: 1 of 8 confirm runs diverged"
    assert comparison(report, 2).difference is not None
    assert not comparison(report, 2, "cosine").withheld
    assert not comparison(report, 5).withheld
    assert check(report, "no_divergence").status == "fail"


def test_a_diverged_run_of_the_control_withholds_every_verdict_of_the_cell():
    record = changed(small(), lambda t: at(2, "piecewise")(t) & (t["seed_index"] == 0), diverged=True, test=np.nan)
    report = build_report(record)
    assert comparison(report, 2).withheld
    assert not comparison(report, 5).withheld


def test_a_missing_confirm_run_withholds_the_verdict():
    report = build_report(without(small(), lambda t: at(5, "one_cycle")(t) & (t["seed_index"] == 5)))
    assert comparison(report, 5).reason == "one_cycle at 5 epochs: 1 of 6 confirm trials are missing"
    assert check(report, "planned_trials").remedy.startswith("Launch the study again")


def test_a_confirm_run_without_a_test_accuracy_is_missing_and_not_zero():
    record = changed(small(), lambda t: at(5, "one_cycle")(t) & (t["seed_index"] == 5), test=np.nan)
    report = build_report(record)
    arm = next(row for row in report.arms if (row.budget, row.arm) == (5, "one_cycle"))
    assert (arm.n, arm.missing) == (5, 1)
    assert arm.minimum > 0.5
    assert comparison(report, 5).withheld


def test_unequal_tuning_budgets_withhold_every_verdict_of_the_cell():
    report = build_report(without(small(), lambda t: at(2, "one_cycle", "tune")(t) & (t["draw"] == 0)))
    row = check(report, "equal_tuning_budgets")
    assert row.status == "fail"
    assert "piecewise 4 trials and 256 updates, one_cycle 3 trials and 192 updates" in row.evidence
    assert comparison(report, 2).withheld
    assert not comparison(report, 5).withheld


def test_a_duplicate_is_reported_and_not_averaged_in():
    record = small()
    again = record.trials[at(2, "one_cycle")(record.trials)].iloc[[0]].assign(run_id="again", test=0.1)
    report = build_report(dataclasses.replace(record, trials=pd.concat([record.trials, again])))
    assert check(report, "no_duplicates").status == "fail"
    assert "is recorded 2 times" in comparison(report, 2).reason
    assert "again" in check(report, "no_duplicates").run_ids
    arm = next(row for row in report.arms if (row.budget, row.arm) == (2, "one_cycle"))
    assert arm.n == 6
    assert arm.minimum > 0.5


def test_an_unplanned_trial_fails_the_check():
    record = small()
    stray = record.trials.iloc[[0]].assign(run_id="x", trial_key="x", arm="surprise")
    report = build_report(dataclasses.replace(record, trials=pd.concat([record.trials, stray])))
    assert check(report, "planned_trials").evidence == "1 trials belong to no planned arm and cell"
    assert all(row.withheld for row in report.comparisons)


def test_different_confirm_seeds_fail_the_check():
    record = changed(small(), lambda t: at(2, "one_cycle")(t) & (t["seed_index"] == 0), seed=77)
    assert check(build_report(record), "same_confirm_seeds").status == "fail"


def test_a_seed_that_is_used_twice_by_an_arm_fails_the_check():
    record = changed(small(), lambda t: (t["phase"] == "confirm") & (t["seed_index"] == 0), seed=900_001)
    assert "used twice" in check(build_report(record), "same_confirm_seeds").evidence


def test_a_confirm_seed_from_tuning_fails_the_check():
    record = changed(small(), lambda t: (t["phase"] == "confirm") & (t["seed_index"] == 0), seed=1)
    assert check(build_report(record), "disjoint_seeds").status == "fail"


def test_an_untuned_control_withholds_every_verdict():
    arms = {"fixed": ("piecewise", True, (0.0, 0.0)), "one_cycle": TWO_ARMS["one_cycle"]}
    report = build_report(small(arms=arms))
    assert check(report, "control_is_tuned").status == "fail"
    assert all(row.withheld for row in report.comparisons)
    assert "the untuned control fixed" in report.headline


def test_a_winner_at_the_edge_of_the_search_space_is_a_warning_that_keeps_the_verdict():
    report = build_report(changed(small(), at(2, "one_cycle"), **{"setting.peak_lr": 0.97}))
    assert check(report, "winner_inside_the_space").status == "warn"
    assert "peak_lr 0.97" in check(report, "winner_inside_the_space").evidence
    assert not comparison(report, 2).withheld


@pytest.mark.parametrize(("target", "word"), [(0.999, "ever reaches"), (0.01, "at its first evaluation")])
def test_a_target_that_separates_nobody_is_a_warning(target, word):
    row = check(build_report(small(targets=[target, 0.8])), "targets_informative")
    assert row.status == "warn"
    assert word in row.evidence


def test_identical_seeds_are_a_warning_and_do_not_crash():
    report = build_report(changed(small(), lambda t: t["phase"] == "confirm", test=0.9))
    row = comparison(report, 2)
    assert (row.difference, row.ci_low, row.ci_high, row.p, row.verdict) == (0, 0, 0, 1, "undecided")
    assert check(report, "seeds_vary").status == "warn"


def test_one_seed_gives_a_report_without_intervals_or_verdicts():
    report = build_report(small(seeds=1))
    assert {row.verdict for row in report.comparisons} == {"undecided"}
    assert report.arms[0].mean is not None
    assert report.arms[0].ci_low is None
    assert report.comparisons[0].p is None
    assert "at least two seeds" in report.headline
    assert check(report, "enough_seeds").status == "warn"


def test_a_study_without_a_finished_trial_has_a_report(tmp_path):
    report = build_report(without(small(), lambda t: t["budget"] > 0))
    assert all(row.n == 0 and row.mean is None for row in report.arms)
    assert "without a verdict" in report.headline
    write_report(report, tmp_path)
    assert read_report(tmp_path / "report.json") == report


def test_too_few_seeds_to_reach_significance_are_a_warning():
    row = check(build_report(small(seeds=3)), "enough_seeds")
    assert row.evidence == "with 3 seeds the least p is 0.1; times 2 comparisons it is not below 0.05"
    row = check(build_report(small(seeds=1)), "enough_seeds")
    assert row.evidence == "with one seed there is no p"


def test_winners_of_replicated_searches_share_seeds_so_they_are_averaged_per_seed():
    record = small(searches=2, seeds=4)
    report = build_report(record)
    assert {row.n for row in report.arms} == {4}
    runs = record.trials[at(2, "one_cycle", "confirm")(record.trials)]
    row = next(r for r in report.arms if (r.budget, r.arm) == (2, "one_cycle"))
    assert row.mean == pytest.approx(runs["test"].mean())
    assert row.sd == pytest.approx(runs.groupby("seed_index")["test"].mean().std())
    assert len(report.winners) == 2 * 2 * 2
    assert check(report, "searches_replicated").status == "pass"
    assert check(report, "planned_trials").status == "pass"


def test_an_arm_whose_draws_all_diverged_is_said_to_have_diverged_and_nothing_is_missing():
    lost = changed(small(), at(2, "one_cycle", "tune"), diverged=True, validation=float("nan"))
    lost = dataclasses.replace(lost, trials=lost.trials[~at(2, "one_cycle", "confirm")(lost.trials)])
    report = build_report(lost)
    assert check(report, "planned_trials").status == "pass"
    divergence = check(report, "no_divergence")
    assert divergence.status == "fail"
    assert "draws diverged, so there is no setting to confirm" in divergence.evidence
    row = next(r for r in report.comparisons if (r.budget, r.arm) == (2, "one_cycle"))
    assert row.verdict == "undecided"
    assert "draws diverged" in row.reason


def test_the_ledger_charges_diverged_trials_in_full():
    record = changed(small(), lambda t: at(2, "one_cycle", "tune")(t) & (t["draw"] == 0), diverged=True, updates=7)
    row = next(r for r in build_report(record).ledger if (r.arm, r.phase) == ("one_cycle", "tune"))
    assert (row.trials, row.updates_charged, row.diverged, row.search_dims) == (8, 4 * (64 + 160), 1, 2)
    assert row.updates_run == row.updates_charged - 64 + 7


def test_the_winner_is_traced_to_the_draw_it_came_from(record, report):
    winner = next(row for row in report.winners if (row.budget, row.arm) == (10, "cosine"))
    tuned = record.trials[at(10, "cosine", "tune")(record.trials)]
    best = tuned.loc[tuned["validation"].idxmax()]
    assert (winner.draw, winner.validation) == (best["draw"], best["validation"])
    assert winner.settings["peak_lr"] == best["setting.peak_lr"]


def test_a_large_difference_is_better_a_reversed_one_worse_and_none_equivalent():
    arms = {"piecewise": ("piecewise", False, (0.0,) * 3), "x": ("one_cycle", False, (0.03, -0.03, 0.0))}
    report = build_report(small(arms=arms, budgets=(2, 5, 10), seeds=10, equivalence_margin=0.008))
    assert [row.verdict for row in report.comparisons] == ["better", "worse", "equivalent"]
    assert report.headline.startswith("x is better than the tuned control piecewise at 1 of 3 budgets (+")
    assert ", worse at 1 (−" in report.headline
    assert report.sentences[0].endswith(", equivalent at 1.")


def test_the_headline_says_what_an_untuned_control_would_have_shown():
    arms = {name: ARMS[name] for name in ("piecewise", "piecewise_as_published", "one_cycle")}
    report = build_report(small(arms=arms))
    largest = max(row.difference for row in report.published_gaps)
    assert report.sentences[0].endswith(
        f"; with the control as published instead of tuned the largest gap would be {100 * largest:+.2f} points."
    )


def test_the_headline_of_a_lone_control_says_that_there_is_nothing_to_compare():
    report = build_report(small(arms={"piecewise": TWO_ARMS["piecewise"]}))
    assert report.headline == "There is nothing to compare: piecewise is the only arm."


def test_the_verdict_rows_are_ready_to_be_shown(report):
    control, published = verdict_rows(report)[:2]
    assert (control.budget, control.arm, control.difference, control.verdict) == ("2", "piecewise", "–", "control")
    assert control.accuracy == "83.06 ± 0.26"
    assert published.difference.startswith("−1.")
    assert published.verdict == "worse"


def test_json_is_strict_and_matches_its_schema(report):
    text = report_json(report)
    parsed = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    jsonschema.Draft202012Validator.check_schema(report_schema())
    jsonschema.validate(parsed, report_schema())
    assert parsed["comparisons"][0]["p_exact"] is True


def test_a_report_survives_being_written_and_read(report, tmp_path):
    (tmp_path / "report.json").write_text(report_json(report))
    assert read_report(tmp_path / "report.json") == report


def test_every_row_names_its_runs(report):
    for field in ("arms", "comparisons", "published_gaps", "time_to_target", "seeds", "curves", "winners"):
        assert all(row.run_ids for row in getattr(report, field)), field
    assert sum(len(row.run_ids) for row in report.ledger) == 456


def test_only_seconds_run_ids_and_provenance_depend_on_clock_and_identity(record):
    other = dataclasses.replace(
        record,
        trials=record.trials.assign(run_id="r-" + record.trials["run_id"], train_seconds=9.0),
        evaluations=record.evaluations.assign(run_id="r-" + record.evaluations["run_id"], train_seconds=8.0),
        provenance={"tracking_uri": "elsewhere"},
    )
    first, second = (timeless(json.loads(report_json(build_report(r)))) for r in (record, other))
    assert first == second
    assert json.loads(report_json(build_report(other))) != json.loads(report_json(build_report(record)))


def timeless(value):
    """Return parsed JSON without what may differ between two runs of the same study."""
    if isinstance(value, dict):
        kept = (k for k in value if not k.endswith("_seconds") and k not in {"run_ids", "provenance"})
        return {key: timeless(value[key]) for key in kept}
    return [timeless(item) for item in value] if isinstance(value, list) else value


def test_rules_ignore_what_they_do_not_need_and_name_what_is_wrong():
    assert Rules.model_validate(study_json(resources={"gpus": 4})).budgets.amounts == (2, 5, 10, 20)
    with pytest.raises(ValueError, match="control must be one of piecewise, one_cycle; got 'cosine'"):
        Rules.model_validate(study_json(arms=TWO_ARMS, control="cosine"))
