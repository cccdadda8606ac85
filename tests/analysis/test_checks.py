import dataclasses

import numpy as np
import pytest

from analysis.checks import run_checks
from analysis.record import ALL_PARTS, StudyRecord
from analysis.samples import collect_samples
from analysis.tables.comparisons import comparison_rows
from analysis.tables.null_pairs import null_pairs_rows
from analysis.tables.sequences import sequence_rows
from tests.analysis.synthetic_study import TWO_ARMS, at, changed, synthetic_record, without


def small(**shape) -> StudyRecord:
    return synthetic_record(**{"arms": TWO_ARMS, "budgets": (2, 5), "draws": 8, "seeds": 6, **shape})


def sequential(seeds=12, **shape) -> StudyRecord:
    """Return a study of which ``seeds`` blocks are recorded and at least five were planned."""
    record = small(seeds=seeds, **shape)
    confirm = record.rules.confirm.model_copy(update={"seeds": 5, "until": "decided", "max_seeds": 30})
    return dataclasses.replace(record, rules=record.rules.model_copy(update={"confirm": confirm}))


def checks(record):
    samples = collect_samples(record)
    return {row.name: row for row in run_checks(record, samples, null_pairs_rows(record.rules, samples))}


def comparisons(record):
    samples = collect_samples(record)
    return comparison_rows(record.rules, samples, tuple(checks(record).values()))


def with_arm(record, arm, **changes):
    arms = {n: a.model_copy(update=changes) if n == arm else a for n, a in record.rules.arms.items()}
    return dataclasses.replace(record, rules=record.rules.model_copy(update={"arms": arms}))


def test_best_draws_that_crowd_an_edge_are_a_warning_though_the_winner_is_inside():
    record = small(search={"weight_decay": {"log": [1e-5, 1e-2]}})
    is_draw = at(2, "one_cycle", "tune")
    values = {"setting.weight_decay": [9e-3, 3e-5, 4e-4, 8e-3, 7e-3, 1e-3, 2e-4, 6e-5], "validation": 0.5}
    record = changed(changed(record, lambda t: t["phase"] != "", **{"setting.weight_decay": 1e-3}), is_draw, **values)
    record = changed(record, lambda t: is_draw(t) & (t["setting.weight_decay"] > 6e-3), validation=0.9)
    row = checks(record)["winner_inside_the_space"]
    assert row.status == "warn"
    assert "weight_decay 0.001 is not at the upper edge" in row.evidence
    assert "3 of the 3 best draws" in row.evidence


def test_a_winner_alone_at_the_edge_of_a_number_that_may_not_matter_is_no_warning():
    record = small(search={"weight_decay": {"log": [1e-5, 1e-2]}})
    record = changed(record, lambda t: t["phase"] != "", **{"setting.weight_decay": 3e-4})
    record = changed(record, at(2, "one_cycle"), **{"setting.weight_decay": 1.01e-5})
    assert checks(record)["winner_inside_the_space"].status == "pass"


def test_an_arm_that_lost_most_of_its_draws_is_a_warning():
    record = changed(small(), lambda t: at(2, "one_cycle", "tune")(t) & (t["draw"] < 5), diverged=True)
    row = checks(record)["enough_feasible_draws"]
    assert (row.status, row.evidence) == (
        "warn",
        "one_cycle at 2 epochs: 5 of 8 draws diverged, 3 were left to choose from",
    )


def test_an_adaptive_sampler_and_unequal_dimensions_are_warnings():
    record = small(tuning={"draws": 8, "sampler": "tpe"})
    record = with_arm(record, "one_cycle", search={"factor": {"float": [0, 1]}, "warmup_frac": {"float": [0, 1]}})
    found = checks(record)
    assert found["independent_draws"].evidence == "the sampler tpe learns from earlier draws"
    assert found["equal_dimensions"].evidence.endswith("different numbers of dimensions: piecewise 2, one_cycle 3")


def test_trainings_of_different_lengths_withhold_the_verdicts_of_their_cell():
    record = changed(small(), at(2, "one_cycle"), total_updates=65, updates=65)
    assert checks(record)["equal_horizons"].evidence == "trainings at 2 epochs were planned for 64, 65 updates"
    assert [row.withheld for row in comparisons(record)] == [True, False]


def test_a_training_that_stopped_short_withholds_and_one_that_diverged_does_not():
    short = changed(small(), lambda t: at(2, "one_cycle")(t) & (t["seed_index"] == 0), updates=60)
    assert "1 trainings ended before their last update" in checks(short)["equal_horizons"].evidence
    diverged = changed(short, lambda t: t["updates"] == 60, diverged=True, outcome="diverged")
    assert checks(diverged)["equal_horizons"].status == "pass"


def copied(record, source, target):
    """Return the record with the curve of one run in place of another's."""
    rows = record.evaluations[record.evaluations["run_id"] == source].assign(run_id=target)
    others = record.evaluations[record.evaluations["run_id"] != target]
    return dataclasses.replace(record, evaluations=type(rows)(np.vstack([others, rows]), columns=rows.columns))


def test_a_copied_run_withholds_and_twins_in_two_arms_are_a_warning():
    record = small()
    runs = record.trials[at(2, "one_cycle")(record.trials)]["run_id"].tolist()
    row = checks(copied(record, runs[0], runs[1]))["no_copies"]
    assert (row.status, row.evidence) == ("fail", "one_cycle at 2 epochs: 2 confirm runs have exactly the same curve")
    assert set(row.run_ids) == set(runs[:2])
    other = record.trials[at(2, "piecewise")(record.trials)]["run_id"].iloc[0]
    found = checks(copied(record, other, runs[0]))
    assert (found["no_copies"].status, found["arms_differ"].status) == ("pass", "warn")


def test_a_final_accuracy_that_is_not_the_last_of_its_curve_is_a_warning():
    record = changed(small(), lambda t: at(2, "one_cycle")(t) & (t["seed_index"] == 0), test=0.99)
    assert "of 1 runs is not that of their last evaluation" in checks(record)["final_is_last"].evidence


def test_few_evaluations_before_a_target_are_a_warning():
    record = small()
    sparse = record.evaluations.groupby("run_id").tail(2)
    row = checks(dataclasses.replace(record, evaluations=sparse))["evaluations_dense_enough"]
    assert row.status == "warn"
    assert "the evaluation before the first at 80 % lies" in row.evidence


def test_accuracy_that_rises_with_the_seeds_is_a_warning():
    record = small(seeds=12)
    rising = [0.80 + 0.001 * index for index in range(12)]
    assert "one_cycle at 2 epochs" in checks(changed(record, at(2, "one_cycle"), test=rising))["no_drift"].evidence


def spread_over(record, epochs, arm, deviation):
    """Return the record with accuracies of an arm that are evenly spread about 0.8, this many points on each side."""
    return changed(record, at(epochs, arm), test=list(0.8 + deviation / 100 * np.linspace(-1, 1, 6)))


def test_an_arm_that_spreads_far_wider_than_the_control_is_a_warning_that_withholds_nothing():
    wide = spread_over(spread_over(small(), 2, "piecewise", 0.1), 2, "one_cycle", 1.0)
    row = checks(wide)["equal_spreads"]
    assert (row.status, row.evidence) == (
        "warn",
        "one_cycle at 2 epochs: spreads 10.0 times as far as piecewise "
        "(standard deviations 0.75 and 0.07 points, p <0.001 over all comparisons)",
    )
    assert set(row.run_ids) == set(
        wide.trials[(wide.trials["budget"] == 2) & (wide.trials["phase"] == "confirm")].run_id
    )
    assert not any(comparison.withheld for comparison in comparisons(wide))
    narrow = checks(spread_over(spread_over(small(), 2, "piecewise", 1.0), 2, "one_cycle", 0.1))["equal_spreads"]
    assert narrow.evidence.startswith("one_cycle at 2 epochs: piecewise spreads 10.0 times as far (")


def test_the_more_comparisons_the_more_unequal_spreads_must_be_for_a_warning():
    def status(budgets):
        record = small(budgets=budgets)
        for epochs in budgets:
            for arm, deviation in (("piecewise", 0.3), ("one_cycle", 0.3 if epochs != 2 else 1.1)):
                record = spread_over(record, epochs, arm, deviation)
        return checks(record)["equal_spreads"].status

    assert (status((2,)), status((2, 5, 10, 20))) == ("warn", "pass")


def test_spreads_that_differ_little_or_rest_on_three_seeds_or_none_are_no_warning():
    alike = spread_over(spread_over(small(), 2, "piecewise", 0.5), 2, "one_cycle", 0.9)
    assert checks(alike)["equal_spreads"].status == "pass"
    assert checks(small(seeds=3))["equal_spreads"].status == "pass"
    constant = changed(small(), at(2, "piecewise"), test=0.8)
    assert checks(constant)["equal_spreads"].status == "pass"


def test_many_seeds_may_show_a_ratio_of_spreads_below_two_without_a_warning():
    record = small(seeds=200)
    for arm, deviation in (("piecewise", 1.0), ("one_cycle", 1.8)):
        values = 0.8 + deviation / 100 * np.linspace(-1, 1, 200)
        record = changed(record, at(2, arm), test=list(values))
    assert checks(record)["equal_spreads"].status == "pass"


def test_unequal_spreads_are_no_threat_to_a_sequential_study():
    assert "equal_spreads" not in checks(sequential())


def test_a_control_below_its_published_accuracy_withholds_every_verdict_and_another_arm_is_warned_of():
    weak = with_arm(small(), "piecewise", reference_accuracy=0.95)
    row = checks(weak)["control_reaches_reference"]
    assert row.status == "fail"
    assert "published are 95.00 %" in row.evidence
    assert all(row.withheld for row in comparisons(weak))
    assert "arms_reach_reference" not in checks(weak)
    assert checks(with_arm(small(), "one_cycle", reference_accuracy=0.95))["arms_reach_reference"].status == "warn"
    assert checks(with_arm(small(), "piecewise", reference_accuracy=0.5))["control_reaches_reference"].status == "pass"
    assert "control_reaches_reference" not in checks(small())


def test_runs_left_out_are_a_warning():
    record = dataclasses.replace(small(), provenance={"unfinished_runs_left_out": "3"})
    assert checks(record)["no_unfinished_runs"].evidence == "3 runs had not ended and are left out"


@pytest.mark.parametrize(
    ("part", "names"),
    [
        (
            "tuning",
            {
                "equal_tuning_budgets",
                "disjoint_seeds",
                "control_is_tuned",
                "enough_feasible_draws",
                "searches_replicated",
            },
        ),
        ("plan", {"planned_trials"}),
        ("seeds", {"same_confirm_seeds", "disjoint_seeds", "no_drift"}),
        ("updates", {"equal_horizons"}),
        ("curves", {"targets_informative", "no_copies", "arms_differ", "final_is_last", "evaluations_dense_enough"}),
        ("rules", {"rules_fixed_first", "rules_not_extended"}),
        ("seconds", {"same_hardware"}),
    ],
)
def test_what_was_not_recorded_is_a_warning_and_never_passes(part, names):
    found = checks(dataclasses.replace(small(), recorded=ALL_PARTS - {part}))
    assert {name for name, row in found.items() if row.evidence.startswith("not recorded: ")} == names
    assert {found[name].status for name in names} == {"warn"}
    assert all(found[name].remedy for name in names)


def test_the_control_against_itself_is_said_to_be_impossible_with_three_seeds():
    row = checks(small(seeds=3))["control_against_itself"]
    assert row.status == "warn"
    assert "fewer than 4 seeds" in row.evidence


def test_a_sequential_study_takes_interval_p_and_verdict_from_the_e_process():
    record = sequential()
    rows = {row.budget: row for row in sequence_rows(record.rules, collect_samples(record))}
    for row in comparisons(record):
        assert (row.p, row.p_adjusted, row.ci_low, row.ci_high) == (
            rows[row.budget].p, rows[row.budget].p_adjusted, rows[row.budget].ci_low, rows[row.budget].ci_high,
        )  # fmt: skip
        assert row.p_adjusted == pytest.approx(min(1, 2 * row.p))
        assert row.verdict == rows[row.budget].state
    assert comparisons(record)[0].verdict == "better"
    assert sequence_rows(small().rules, collect_samples(small())) == ()


def test_cells_of_a_sequential_study_may_have_different_numbers_of_seeds_but_arms_of_a_cell_may_not():
    record = without(sequential(), lambda t: (t["budget"] == 2) & (t["seed_index"].fillna(-1) >= 9))
    assert checks(record)["planned_trials"].status == "pass"
    assert collect_samples(record)[record.rules.places[0]].planned == 9
    ragged = without(record, lambda t: at(2, "one_cycle")(t) & (t["seed_index"] == 8))
    assert checks(ragged)["planned_trials"].evidence == "one_cycle at 2 epochs: 1 of 9 confirm trials are missing"
    beyond = changed(sequential(seeds=6), lambda t: t["seed_index"] == 5, seed_index=30)
    assert "were not planned" in checks(beyond)["planned_trials"].evidence


def test_a_sequence_that_was_interrupted_is_a_warning_and_keeps_what_is_decided():
    row = checks(sequential(seeds=5))["sequence_ended"]
    assert row.status == "warn"
    assert "after 5 of at most 30 seeds" in row.evidence
    assert not any(row.withheld for row in comparisons(sequential(seeds=5)))


def test_differences_far_from_normal_are_a_warning_in_a_sequential_study():
    record = sequential()
    outlier = changed(record, lambda t: at(2, "one_cycle")(t) & (t["seed_index"] == 3), test=0.2)
    assert checks(outlier)["differences_near_normal"].status == "warn"
    equal = changed(record, lambda t: t["phase"] == "confirm", test=0.8)
    assert "all 12 differences are equal" in checks(equal)["differences_near_normal"].evidence
    assert {row.verdict for row in comparisons(equal)} == {"undecided"}


def test_too_many_comparisons_for_the_seeds_of_a_sequential_study_are_a_warning():
    record = sequential(seeds=5)
    confirm = record.rules.confirm.model_copy(update={"max_seeds": 5})
    record = dataclasses.replace(record, rules=record.rules.model_copy(update={"confirm": confirm}))
    assert "nothing is decided before 6 seeds" in checks(record)["enough_seeds"].evidence


def test_runs_of_launches_with_other_versions_are_a_warning_that_withholds_nothing():
    record = changed(small(), lambda t: at(2, "one_cycle")(t) & (t["seed_index"] > 3), launch="2")
    ran_with = {"python": "3.11", "version_torch": "2.11.0", "import.my_nets:small": "0123456789abcdef"}
    assert (
        checks(dataclasses.replace(record, launches={"1": ran_with, "2": ran_with}))["same_software"].status == "pass"
    )
    other = {"1": ran_with, "2": {**ran_with, "version_torch": "2.12.0", "import.my_nets:small": "fedcba9876543210"}}
    record = dataclasses.replace(record, launches=other)
    row = checks(record)["same_software"]
    assert row.status == "warn"
    assert row.evidence == (
        "torch: 2.11.0 for 54 runs (launch 1), 2.12.0 for 2 runs (launch 2); "
        "my_nets:small: 0123456789ab for 54 runs (launch 1), fedcba987654 for 2 runs (launch 2)"
    )
    assert {row.withheld for row in comparisons(record)} == {False}


def test_versions_that_were_not_recorded_are_a_warning():
    row = checks(dataclasses.replace(small(), launches={}))["same_software"]
    assert (row.status, row.evidence) == ("warn", "not recorded: with which versions every run was trained")
