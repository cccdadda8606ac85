import dataclasses
import json
import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import qmc

from analysis.record import SEEDS
from analysis.rules import Rules
from analysis.statistics import search_variance as variance
from analysis.tables.dimensions import Dimension, dimensions_of
from analysis.tables.response import importance_rows, response_rows
from analysis.tables.search_variance import search_variance_rows
from analysis.tables.tuning import collect_draws, tuning_curve_rows, tuning_summary_rows
from tests.analysis.synthetic_study import ARMS, TWO_ARMS, at, changed, study_json, synthetic_record, without

NAN = math.nan


def small(**shape):
    return synthetic_record(**{"arms": TWO_ARMS, "budgets": (5,), "draws": 8, "seeds": 4, **shape})


def drawn(record, arm, validation, **columns):
    """Return the record with these validation accuracies of the arm's draws; NaN for one that diverged."""
    diverged = np.isnan(validation)
    outcomes = np.where(diverged, "diverged", "finished")
    return changed(record, at(5, arm, "tune"), validation=validation, diverged=diverged, outcome=outcomes, **columns)


def summary(record, arm="one_cycle"):
    return next(row for row in tuning_summary_rows(record.rules, collect_draws(record)) if row.arm == arm)


def curve(record, arm="one_cycle"):
    return next(row for row in tuning_curve_rows(record.rules, collect_draws(record)) if row.arm == arm)


def response(record, arm="one_cycle", dimension="peak_lr"):
    rows = response_rows(record.rules, collect_draws(record))
    return next(row for row in rows if (row.arm, row.dimension) == (arm, dimension))


def importance(record, arm="one_cycle"):
    return next(row for row in importance_rows(record.rules, collect_draws(record)) if row.arm == arm)


def every_row(record):
    draws = collect_draws(record)
    return [
        *tuning_summary_rows(record.rules, draws),
        *tuning_curve_rows(record.rules, draws),
        *response_rows(record.rules, draws),
        *importance_rows(record.rules, draws),
        *search_variance_rows(record),
    ]


def test_every_tuned_arm_has_its_rows_in_every_cell_and_an_arm_as_published_has_none():
    record = synthetic_record(arms=ARMS, budgets=(2, 5), draws=12, seeds=4)
    draws = collect_draws(record)
    tuned = {(place.budget, place.arm) for place in record.rules.places if place.arm != "piecewise_as_published"}
    for rows in (tuning_summary_rows, tuning_curve_rows, response_rows, importance_rows):
        assert {(row.budget, row.arm) for row in rows(record.rules, draws)} == tuned


def test_a_curve_rests_on_the_draws_of_its_own_arm():
    record = small()
    row = curve(record)
    runs = record.trials.set_index("run_id").loc[list(row.run_ids)]
    assert set(zip(runs["arm"], runs["phase"], strict=True)) == {("one_cycle", "tune")}
    assert row.draws == tuple(range(1, 9))
    assert row.median[-1] == runs["validation"].max()
    assert row.expected[0] == pytest.approx(runs["validation"].mean())
    assert row.expected[-1] == pytest.approx(runs["validation"].max())


def test_several_searches_make_one_curve_as_long_as_one_search():
    record = small(searches=3)
    row = curve(record)
    assert (len(row.draws), row.tried, len(row.run_ids)) == (8, 24, 24)
    assert (summary(record).searches, summary(record).draws, summary(record).tried) == (3, 8, 24)


def test_diverged_draws_count_and_are_worse_than_any_other():
    record = drawn(small(draws=4), "one_cycle", np.array([NAN, 0.5, NAN, 0.6]))
    row = curve(record)
    assert row.median == (None, 0.5, 0.6, 0.6)
    assert row.expected[:2] == (None, None)  # two draws may both have diverged
    assert row.expected[2] == pytest.approx(0.75 * 0.6 + 0.25 * 0.5)
    assert (row.tried, row.diverged) == (4, 2)
    assert (summary(record).share_diverged, summary(record).best) == (0.5, 0.6)


def test_where_every_draw_diverged_there_is_a_row_without_numbers():
    record = drawn(small(), "one_cycle", np.full(8, NAN))
    row = summary(record)
    assert (row.best, row.draws_to_near_best, row.share_diverged) == (None, None, 1.0)
    assert set(curve(record).median) == {None}
    assert (response(record).near_low, response(record).width_decades, response(record).near) == (None, None, 0)
    assert importance(record).shares is None


def test_the_draws_to_come_near_the_best_are_read_off_the_median_curve():
    # Medians of 1, 2, 3 draws: the 4th, 6th and 7th of eight, 0.84, 0.86 and 0.866; the best is 0.87.
    record = drawn(small(), "one_cycle", np.array([0.81, 0.82, 0.83, 0.84, 0.85, 0.86, 0.866, 0.87]))
    assert summary(record).draws_to_near_best == 3


def test_a_crossing_with_the_control_is_found_and_not_shown_by_eight_draws():
    record = drawn(small(), "piecewise", np.linspace(0.80, 0.81, 8))
    record = drawn(record, "one_cycle", np.linspace(0.70, 0.85, 8))
    [crossing] = summary(record).crossings
    assert crossing.overtakes
    assert not crossing.shown
    assert 1 < crossing.draws <= 8
    assert summary(record, "piecewise").crossings == ()


def test_many_draws_show_a_crossing():
    record = drawn(small(draws=128), "piecewise", np.linspace(0.80, 0.81, 128))
    record = drawn(record, "one_cycle", np.linspace(0.70, 0.85, 128))
    [crossing] = summary(record).crossings
    assert (crossing.overtakes, crossing.shown) == (True, True)


def test_an_adaptive_sampler_has_no_curve_and_says_why():
    record = small()
    tuning = record.rules.tuning.model_copy(update={"sampler": "tpe"})
    record = dataclasses.replace(record, rules=record.rules.model_copy(update={"tuning": tuning}))
    assert tuning_curve_rows(record.rules, collect_draws(record)) == ()
    assert summary(record).no_curve_because == "draws of tpe depend on what earlier draws found"
    assert summary(record).draws_to_near_best is None
    assert summary(record).crossings == ()
    assert response(record).near_low is not None


def test_dimensions_per_arm_are_counted_at_equal_draws():
    row = summary(small())
    assert (row.dimensions, row.shared_dimensions, row.draws_per_dimension) == (2, 1, 4)


def test_the_near_optimal_region_is_measured_in_powers_of_ten():
    values = np.logspace(-2, 0, 8)
    accuracies = np.array([0.5, 0.6, 0.9, 0.9, 0.9, 0.6, 0.5, 0.5])
    row = response(drawn(small(), "one_cycle", accuracies, **{"setting.peak_lr": values}))
    assert (row.near_low, row.near_high) == pytest.approx((values[2], values[4]))
    assert row.width_decades == pytest.approx(4 / 7)
    assert row.width_share == pytest.approx(2 / 7)
    assert (row.near, row.share_near) == (3, 3 / 8)
    assert (row.space_low, row.space_high, row.scale) == (0.01, 1.0, "log")


def test_every_draw_is_a_point_of_the_response_with_its_run():
    record = drawn(small(), "one_cycle", np.array([0.8, NAN, 0.8, 0.8, 0.9, 0.8, 0.8, 0.8]))
    row = response(record)
    runs = record.trials.set_index("run_id").loc[list(row.run_ids)]
    assert dataclasses.asdict(row)["values"] == tuple(runs["setting.peak_lr"])
    assert row.validation[:3] == (0.8, None, 0.8)


def test_choices_have_importance_but_no_response():
    record = small(draws=64)
    assert {row.dimension for row in response_rows(record.rules, collect_draws(record))} == {"peak_lr"}
    shares = importance(record).shares
    assert set(shares) == {"peak_lr", "factor"}
    assert shares["peak_lr"] > 0.5 > shares["factor"]


def test_importances_cannot_be_told_from_noise_or_a_handful_of_draws():
    noise = np.random.default_rng(2).random(64)
    found = importance(drawn(small(draws=64), "one_cycle", noise))
    assert found.shares is None
    assert found.r2 <= 0
    few = importance(small())
    assert (few.shares, few.r2, few.draws) == (None, None, 8)


def test_equal_accuracies_have_no_importances_and_the_widest_region():
    record = drawn(small(draws=16), "one_cycle", np.full(16, 0.8))
    assert importance(record).shares is None
    row = response(record)
    assert (row.open_low, row.open_high, row.share_near) == (True, True, 1.0)
    assert summary(record).draws_to_near_best == 1


def test_a_study_without_tuning_trials_has_no_rows_about_tuning():
    record = without(small(), lambda trials: trials["phase"] == "tune")
    assert every_row(record) == []


def test_one_draw_is_shown_without_bounds():
    record = small(draws=1)
    assert (curve(record).low, curve(record).high) == ((None,), (None,))
    assert (response(record).width_decades, summary(record).draws_to_near_best) == (0.0, 1)


def test_settings_that_are_not_recorded_are_left_out():
    record = small(draws=12)
    record = dataclasses.replace(record, trials=record.trials.drop(columns=["setting.factor"]))
    assert importance(record).shares.keys() == {"peak_lr"}
    bare = dataclasses.replace(record, trials=record.trials.drop(columns=["setting.peak_lr"]))
    draws = collect_draws(bare)
    assert response_rows(bare.rules, draws) == importance_rows(bare.rules, draws) == ()
    assert len(tuning_curve_rows(bare.rules, draws)) == 2


def test_a_draw_without_the_setting_is_left_out_of_its_response_only():
    record = small()
    values = np.logspace(-2, 0, 8)
    values[3] = NAN
    record = changed(record, at(5, "one_cycle", "tune"), **{"setting.peak_lr": values})
    assert len(response(record).validation) == len(response(record).run_ids) == 7
    assert curve(record).tried == 8


def test_a_draw_without_an_accuracy_that_did_not_diverge_says_nothing():
    record = changed(small(), lambda t: at(5, "one_cycle", "tune")(t) & (t["draw"] == 0), validation=NAN)
    assert (summary(record).tried, summary(record).diverged) == (7, 0)


def test_a_table_from_elsewhere_without_a_search_space_shows_what_varied():
    record = small(draws=12)
    study = {**study_json(arms=TWO_ARMS, budgets=(5,), draws=12), "search": {}}
    study["arms"] = {name: {**arm, "search": {}} for name, arm in study["arms"].items()}
    record = dataclasses.replace(record, rules=Rules.model_validate(study))
    row = response(record)
    assert (row.scale, row.space_low, row.width_share) == ("log", None, None)
    assert row.width_decades > 0
    assert (summary(record).dimensions, summary(record).draws_per_dimension) == (0, None)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"log": [0.01, 1]}, Dimension(name="x", kind="log", low=0.01, high=1)),
        ({"float": [0, 1]}, Dimension(name="x", kind="float", low=0, high=1)),
        ({"int": [1, 5]}, Dimension(name="x", kind="int", low=1, high=5)),
        ({"choice": ["a", "b"]}, Dimension(name="x", kind="choice", options=("a", "b"))),
        ({"choices": [0.1, 0.2]}, Dimension(name="x", kind="choice", options=(0.1, 0.2))),
        ("anything", None),
    ],
)
def test_dimensions_are_read_as_study_files_write_them(raw, expected):
    rules = Rules.model_validate({**study_json(arms=TWO_ARMS), "search": {"x": raw}})
    found = dimensions_of(rules, "one_cycle", pd.DataFrame({"setting.x": [1]}))
    assert found == (() if expected is None else (expected,))


def test_logarithms_are_encoded_as_searched_and_nonpositive_values_are_missing():
    draws = pd.DataFrame({"setting.x": [0.01, 100, 0, "?"]}, dtype=object)
    encoded = Dimension(name="x", kind="log").encoded(draws)
    np.testing.assert_array_equal(encoded, [[-2], [2], [NAN], [NAN]])


def test_options_with_an_order_are_one_column_and_others_one_each():
    draws = pd.DataFrame({"setting.x": [0.5, 0.1, 0.2]}, dtype=object)
    ordered = Dimension(name="x", kind="choice", options=(0.5, 0.1, 0.2))
    assert ordered.encoded(draws).tolist() == [[2], [0], [1]]
    words = pd.DataFrame({"setting.x": ["a", [1, 2.0], "elsewhere"]}, dtype=object)
    unordered = Dimension(name="x", kind="choice", options=("a", (1, 2), "b"))
    np.testing.assert_array_equal(unordered.encoded(words), [[1, 0, 0], [0, 1, 0], [NAN] * 3])


def test_two_words_need_one_column_only():
    draws = pd.DataFrame({"setting.x": ["b", "a"]}, dtype=object)
    assert Dimension(name="x", kind="choice", options=("a", "b")).encoded(draws).tolist() == [[1], [0]]


def test_one_search_has_no_variance_between_searches():
    assert search_variance_rows(small()) == ()


def test_replicated_searches_tell_search_and_seed_apart():
    record = small(searches=3)
    row = next(row for row in search_variance_rows(record) if row.arm == "one_cycle")
    confirmed = record.trials[at(5, "one_cycle")(record.trials)]
    layout = confirmed.pivot_table(index="search", columns="seed_index", values="test").to_numpy()
    control = record.trials[at(5, "piecewise")(record.trials)]
    other = control.pivot_table(index="search", columns="seed_index", values="test").to_numpy()
    expected, gap = variance.search_variance(layout), variance.search_variance(layout - other)
    assert (row.searches, row.seeds, row.left_out) == (3, 4, 0)
    assert (row.mean, row.search_sd, row.seed_sd) == pytest.approx(
        (expected.mean, expected.search.sd, expected.seed.sd)
    )
    assert (row.difference, row.difference_low, row.difference_high) == pytest.approx((gap.mean, gap.low, gap.high))
    assert set(row.run_ids) == {*confirmed["run_id"], *control["run_id"]}


def test_the_control_has_no_difference_to_itself():
    row = search_variance_rows(small(searches=2))[0]
    assert (row.arm, row.difference, row.difference_low) == ("piecewise", None, None)
    assert row.search_sd is not None


def test_a_seed_on_which_a_winner_diverged_is_left_out_of_all_searches_and_counted():
    record = changed(
        small(searches=2),
        lambda t: at(5, "one_cycle")(t) & (t["seed_index"] == 1) & (t["search"] == 0),
        diverged=True, outcome="diverged", test=NAN,
    )  # fmt: skip
    row = next(row for row in search_variance_rows(record) if row.arm == "one_cycle")
    assert (row.searches, row.seeds, row.left_out) == (2, 3, 2)


def test_a_lost_search_is_left_out_and_the_others_are_paired_by_their_index():
    record = without(small(searches=3), lambda t: at(5, "one_cycle")(t) & (t["search"] == 1))
    row = next(row for row in search_variance_rows(record) if row.arm == "one_cycle")
    means = {
        arm: record.trials[at(5, arm)(record.trials) & (record.trials["search"] != 1)]["test"].mean()
        for arm in ("one_cycle", "piecewise")
    }
    assert (row.searches, row.left_out) == (2, 4)
    assert row.difference == pytest.approx(means["one_cycle"] - means["piecewise"])


def test_runs_whose_seed_is_not_recorded_are_not_paired():
    record = small(searches=2)
    assert search_variance_rows(dataclasses.replace(record, recorded=record.recorded - {SEEDS})) == ()


def test_every_row_is_strict_json_without_nan():
    records = [
        small(searches=2),
        small(draws=1, seeds=1, searches=2),
        drawn(small(), "one_cycle", np.full(8, NAN)),
        drawn(small(draws=16), "piecewise", np.full(16, 0.5)),
    ]
    for record in records:
        rows = every_row(record)
        assert rows
        for row in rows:
            json.dumps(dataclasses.asdict(row), allow_nan=False)


def test_rows_are_the_same_every_time():
    unit = qmc.Sobol(2, rng=np.random.default_rng(0)).random(16)
    record = drawn(small(draws=16), "one_cycle", unit[:, 0])
    assert every_row(record) == every_row(record)
