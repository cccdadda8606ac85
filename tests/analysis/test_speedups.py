import dataclasses
import json
import math
import re
from itertools import pairwise

import numpy as np
import pytest

from analysis.checks import run_checks
from analysis.figures.frontier import draw_frontier
from analysis.figures.skeptic import draw_skeptic
from analysis.rendering.sections import speedups
from analysis.report import build_report, report_json
from analysis.samples import collect_samples
from analysis.statistics import welch_difference
from analysis.tables.arms import arm_rows
from analysis.tables.contents import describe_design
from analysis.tables.skeptic import skeptic_rows, winner_curse_rows
from analysis.tables.speedups import speed_up_rows
from tests.analysis.planted import CONTENDER, CONTROL, PUBLISHED, planted_record
from tests.analysis.synthetic_study import at, changed, without


class Found:
    """The rows of one record."""

    def __init__(self, record):
        samples = collect_samples(record)
        checks = run_checks(record, samples)
        self.samples = samples
        self.speed_ups = speed_up_rows(record.rules, samples, checks)
        self.skeptic = skeptic_rows(record, samples, checks)
        self.curses = winner_curse_rows(record)

    def speed_up(self, budget=40, arm=CONTENDER):
        return next(row for row in self.speed_ups if (row.budget, row.arm) == (budget, arm))

    def against(self, draws):
        return next(row for row in self.skeptic if row.draws == draws)


def excluded(row):
    return {test.ratio for test in row.tests if test.excluded}


@pytest.fixture(scope="module")
def record():
    return planted_record(1.3)


@pytest.fixture(scope="module")
def found(record):
    return Found(record)


@pytest.fixture(scope="module")
def report(record):
    return build_report(record)


@pytest.fixture
def report_of(report):
    """Return a report whose rows on speed-ups, and what is drawn beside them, are those of another record."""

    def replaced(record):
        found = Found(record)
        return dataclasses.replace(
            report,
            design=describe_design(record.rules),
            arms=arm_rows(record.rules, found.samples),
            speed_ups=found.speed_ups,
            skeptic=found.skeptic,
            winner_curses=found.curses,
        )

    return replaced


@pytest.mark.parametrize("truth", [1.0, 1.3, 2.0, 8.0])
def test_a_planted_speed_up_is_recovered_and_the_skeptics_curve_falls_to_it(truth):
    found = Found(planted_record(truth, seed=1))
    row = found.speed_up()
    assert row.ci_low < truth < row.ci_high
    assert row.ratio == pytest.approx(truth, rel=0.15)
    assert truth not in excluded(row)
    ratios = [math.inf if row.beyond == "above" else row.ratio for row in found.skeptic if row.draws]
    untuned = found.skeptic[0]
    if truth < 2.5:
        assert untuned.ci_low < 8 * truth < untuned.ci_high
    else:
        assert (untuned.beyond, untuned.ci_low, untuned.interval) == ("above", 20, "open_above")
    assert all(before > after for before, after in pairwise(ratios))
    assert ratios[-1] == row.ratio


def test_intervals_hold_a_planted_speed_up_at_their_rate():
    rows = [
        row
        for seed in range(5)
        for row in Found(planted_record(1.3, seed=seed, seeds=5, draws=8)).speed_ups
        if row.arm == CONTENDER
    ]
    assert len(rows) == 5 * 4
    # Of Binomial(20, 0.05), with an expectation of 1, more than 4 misses have a probability of 0.003.
    assert sum(not row.ci_low < 1.3 < row.ci_high for row in rows) <= 4


def test_every_arm_but_the_control_has_a_row_at_every_budget_but_the_shortest(found):
    assert [(row.arm, row.budget) for row in found.speed_ups] == [
        (arm, budget) for budget in (5, 10, 20, 40) for arm in (PUBLISHED, CONTENDER)
    ]
    assert [row.primary for row in found.speed_ups] == [False] * 6 + [True] * 2


def test_the_p_value_of_a_ratio_of_one_is_that_of_the_welch_test(found):
    arm, control = (found.samples["mnist1d-conv", 40, name].values for name in (CONTENDER, CONTROL))
    welch = welch_difference(arm, control)
    low, high = welch.interval(1 - found.speed_up().tests[0].p)
    assert min(abs(low), abs(high)) == pytest.approx(0, abs=1e-9)


def test_budget_saved_is_the_anchor_less_what_the_faster_arm_needs(found):
    row = found.speed_up()
    assert row.saved == pytest.approx(40 - 40 / row.ratio)
    assert row.saved_low < row.saved < row.saved_high


def test_rows_name_every_run_that_they_rest_on(record, found):
    runs = record.trials.set_index("run_id")
    row = found.speed_up()
    assert len(row.run_ids) == len(set(row.run_ids)) == 2 * 5 * 10
    assert set(runs.loc[list(row.run_ids), "phase"]) == {"confirm"}
    estimated = found.against(4)
    assert (runs.loc[list(estimated.run_ids), "phase"] == "tune").sum() == 5 * 32
    curse = found.curses[0]
    assert runs.loc[curse.run_ids[0], "validation"] == curse.validation_chosen


def test_a_diverged_run_at_the_budget_itself_withholds_the_ratio_with_its_reason():
    record = changed(
        planted_record(), lambda t: at(40, CONTROL)(t) & (t["seed_index"] == 0), diverged=True, test=np.nan
    )
    found = Found(record)
    row = found.speed_up()
    assert (row.ratio, row.beyond, row.ci_low, row.ci_high, row.interval) == (None, None, None, None, "none")
    assert row.reason == "piecewise at 40 epochs: 1 of 10 confirm runs diverged"
    assert row.run_ids
    assert found.speed_up(20).ratio is not None
    assert [row.draws for row in found.skeptic] == [None, 32]
    assert found.skeptic[1].reason == row.reason


def test_a_diverged_run_at_a_shorter_budget_ends_the_curve_there():
    record = changed(
        planted_record(), lambda t: at(5, CONTENDER)(t) & (t["seed_index"] == 0), diverged=True, test=np.nan
    )
    row = Found(record).speed_up()
    assert row.arm_budgets == (10, 20, 40)
    assert row.control_budgets == (2, 5, 10, 20, 40)
    assert (row.least, row.most) == (0.05, 4)
    assert row.reason.startswith("shorter budgets are left out (one_cycle at 5 epochs: 1 of 10 confirm runs diverged")


def test_a_missing_run_of_an_arm_does_not_touch_the_ratios_of_others():
    record = without(planted_record(), lambda t: at(40, PUBLISHED)(t) & (t["seed_index"] == 0))
    found = Found(record)
    assert found.speed_up().ratio is not None
    assert found.speed_up(arm=PUBLISHED).ratio is None
    assert "missing" in found.skeptic[0].reason


def test_unequal_tuning_budgets_withhold_the_ratio():
    record = without(planted_record(draws=8), lambda t: at(40, CONTENDER, "tune")(t) & (t["draw"] == 0))
    assert "unequal tuning budgets" in Found(record).speed_up().reason


def test_one_budget_gives_no_ratio_and_says_why(report_of):
    record = planted_record(budgets=(5,), draws=8)
    assert Found(record).speed_ups == Found(record).skeptic == ()
    report = report_of(record)
    assert "needs at least two budgets" in speedups.speed_up(report).sentences[0]
    assert draw_frontier(report) == draw_skeptic(report) == ()


def test_one_seed_gives_ratios_without_intervals_or_p_values():
    row = Found(planted_record(2.0, seeds=1)).speed_up()
    assert row.ratio is not None
    assert (row.interval, row.ci_low, row.ci_high) == ("none", None, None)
    assert {test.p for test in row.tests} == {test.excluded for test in row.tests} == {None}
    assert row.reason == "at least two seeds per arm are needed for an interval"


def test_seeds_that_do_not_vary_give_ratios_without_intervals():
    row = Found(planted_record(2.0, noise=0.0)).speed_up()
    assert row.ratio == pytest.approx(2, rel=0.02)
    assert (row.interval, row.reason) == ("none", "the seeds do not vary, so there is no interval")


def test_a_sampler_whose_draws_depend_on_each_other_has_no_ratios_in_between():
    record = planted_record(tuning={"draws": 8, "searches": 1, "sampler": "tpe"}, draws=8)
    found = Found(record)
    assert [row.draws for row in found.skeptic] == [None, 8]
    assert found.skeptic[1].reason == "fewer draws are not shown, as the draws of tpe depend on those before them"
    assert found.skeptic[1].ratio == found.speed_up().ratio


def test_without_tuning_trials_the_ratio_stands_but_not_the_curve():
    record = without(planted_record(draws=8), lambda t: t["phase"] == "tune")
    samples = collect_samples(record)
    rows = skeptic_rows(record, samples, [])
    assert [row.draws for row in rows] == [None, None]
    assert rows[1].ratio == speed_up_rows(record.rules, samples, [])[-1].ratio
    assert rows[1].reason == "fewer draws are not shown, as the tuning trials are not recorded"
    assert winner_curse_rows(record) == ()


def test_without_validation_accuracies_of_confirm_runs_there_is_no_curve():
    record = planted_record(draws=8)
    record = changed(record, lambda t: t["phase"] == "confirm", validation=np.nan)
    found = Found(record)
    assert "validation accuracy of the confirm runs is not recorded" in found.skeptic[-1].reason
    assert found.curses[0].curse is None


def test_draws_that_diverged_leave_the_band_against_few_draws_open():
    record = planted_record(draws=8)
    tuned = record.trials[record.trials["phase"] == "tune"]
    best = tuned.loc[tuned.groupby(["budget", "arm"])["validation"].idxmax(), "run_id"]
    record = changed(
        record,
        lambda t: (t["phase"] == "tune") & (t["draw"] % 2 == 0) & ~t["run_id"].isin(best),
        diverged=True, validation=np.nan,
    )  # fmt: skip
    found = Found(record)
    assert found.against(1).interval == "open_above"
    assert found.against(8).interval == "closed"


def test_the_winners_curse_of_a_search_is_chosen_less_confirmed(record, found):
    row = next(row for row in found.curses if (row.budget, row.arm) == (10, CONTENDER))
    tuned = record.trials[at(10, CONTENDER, "tune")(record.trials)]
    confirmed = record.trials[at(10, CONTENDER)(record.trials)]
    assert row.validation_chosen == tuned["validation"].max()
    assert row.curse == pytest.approx(tuned["validation"].max() - confirmed["validation"].mean())
    assert row.ci_low < row.curse < row.ci_high
    assert (row.draws, row.n, row.search) == (32, 10, 0)


def test_several_searches_have_a_curse_each_and_one_curve():
    found = Found(planted_record(1.3, searches=2, draws=8))
    assert len(found.curses) == 2 * 2 * 5
    assert [row.draws for row in found.skeptic] == [None, 1, 2, 4, 8]


def test_sentences_say_the_same_as_the_rows(report):
    section = speedups.speed_up(report)
    row = next(row for row in report.speed_ups if row.primary and row.arm == CONTENDER)
    assert section.sentences == (
        f"At 40 epochs one_cycle is {row.ratio:.2f} times as fast as piecewise (95 % interval {row.ci_low:.2f} to "
        f"{row.ci_high:.2f}), which excludes 1, 2 and 8; epochs saved at equal accuracy: {row.saved:.1f} "
        f"({row.saved_low:.1f} to {row.saved_high:.1f}).",
    )
    fall = speedups.baseline(report).sentences[0]
    assert fall.startswith("Against piecewise as published one_cycle is 10.4 times as fast (95 % interval")
    assert re.search(
        r"against the best of 32 draws 1\.\d\d times \(95 % interval .*\), which excludes 1, 2 and 8\.$", fall
    )


def test_bounds_are_said_as_bounds(report_of):
    report = report_of(planted_record(8.0, budgets=(5, 10, 20), draws=8))
    assert speedups.speed_up(report).sentences[0] == (
        "At 20 epochs one_cycle is more than 4 times as fast as piecewise, which excludes 1 and 2; "
        "epochs saved at equal accuracy: more than 15.0."
    )
    row = speedups.speed_up_table(report).rows[-1]
    assert row[2:4] == ("more than 4", "more than 15.0")


def test_tables_have_a_cell_for_every_column(report):
    for section in (speedups.speed_up(report), speedups.baseline(report)):
        for table in section.tables:
            assert table.rows
            assert {len(row) for row in table.rows} == {len(table.columns)}
            assert set(table.numeric) <= set(table.columns)


def test_each_figure_is_described_with_the_numbers_of_its_rows(report):
    (frontier,), (skeptic,) = draw_frontier(report), draw_skeptic(report)
    row = next(row for row in report.speed_ups if row.primary and row.arm == CONTENDER)
    assert f"one_cycle {row.ratio:.2f} ({row.ci_low:.2f} to {row.ci_high:.2f}) at 40" in frontier.alt
    assert "one_cycle against the best of 4 draws" in skeptic.alt
    assert frontier.svg == draw_frontier(report)[0].svg
    assert skeptic.inline_svg().startswith("<svg")


def test_figures_are_drawn_for_open_and_missing_intervals(report_of):
    for record in (
        planted_record(8.0, budgets=(5, 20), draws=4),
        planted_record(2.0, seeds=1, draws=4),
        planted_record(1.0, noise=0.02, draws=4, seeds=3),
    ):
        report = report_of(record)
        assert "</svg>" in draw_frontier(report)[0].inline_svg()
        assert "</svg>" in draw_skeptic(report)[0].inline_svg()


def test_rows_are_plain_json_without_nan_or_infinity(report_of):
    report = report_of(planted_record(8.0, budgets=(5, 20), draws=4, seeds=2))
    parsed = json.loads(report_json(report), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert parsed["skeptic"][0]["interval"] == "open_above"
    assert parsed["speed_ups"][-1]["beyond"] == "above"
    assert parsed["winner_curses"][0]["curse"] is not None
