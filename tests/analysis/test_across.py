import dataclasses
import functools
import math

import pytest

from analysis import wording
from analysis.checks import run_checks
from analysis.figures.critical_difference import draw_critical_differences
from analysis.figures.profiles import draw_profiles
from analysis.record import ALL_PARTS, CURVES
from analysis.rendering.sections import report_sections
from analysis.rendering.sections.across import across_workloads as section
from analysis.report import build_report
from analysis.samples import collect_samples
from analysis.tables.across import AcrossWorkloads, across_workloads
from analysis.tables.arms import arm_rows
from analysis.tables.comparisons import comparison_rows
from analysis.tables.contents import describe_design
from analysis.tables.target_runs import collect_target_runs
from tests.analysis.synthetic_study import TWO_ARMS, UPDATES_PER_EPOCH, changed, synthetic_record, without

THREE = ("first", "second", "third")


def small(**shape):
    shape = {"arms": TWO_ARMS, "workloads": THREE, "budgets": (5, 10), "draws": 4, "seeds": 5, **shape}
    return synthetic_record(**shape)


def across(record):
    samples = collect_samples(record)
    comparisons = comparison_rows(record.rules, samples, run_checks(record, samples))
    return across_workloads(record, samples, collect_target_runs(record, samples), comparisons)


def on(workload, arm, phase="confirm"):
    return lambda t: (t["workload"] == workload) & (t["arm"] == arm) & (t["phase"] == phase) & (t["budget"] == 10)


def with_curves(record, accuracy):
    """Return the record with 16 evaluations of every run, their accuracy set by workload, arm and share of training."""
    runs = record.evaluations.drop_duplicates("run_id")
    table = runs.loc[runs.index.repeat(16)].reset_index(drop=True)
    share = (table.groupby("run_id").cumcount() + 1) / 16
    points = table.assign(share=share).itertuples()
    updates = (share * table["budget"].astype(int) * UPDATES_PER_EPOCH).astype(int)
    evaluations = table.assign(update=updates, test=[accuracy(point) for point in points])
    return dataclasses.replace(record, evaluations=evaluations)


def twice_as_fast(point):
    """Rise to 1 in proportion to training, one-cycle in half of it."""
    return min(1.0, point.share * (2 if point.arm == "one_cycle" else 1))


@pytest.fixture(scope="module")
def record():
    return small()


@pytest.fixture(scope="module")
def rows(record):
    return across(record)


def score_of(rows, arm, target=None):
    return next(row for row in rows.scores if (row.arm, row.target) == (arm, target))


def test_a_study_with_one_workload_has_no_rows_across_workloads():
    assert across(small(workloads=("only",))) == AcrossWorkloads()


def test_times_are_taken_at_the_longest_budget_and_for_every_target_of_the_study(rows):
    assert {row.budget for row in rows.scores} == {10}
    assert list(dict.fromkeys(row.target for row in rows.scores)) == [None, 0.8, 0.9]
    assert [row.arm for row in rows.scores if row.target is None] == ["piecewise", "one_cycle"]


def test_the_target_of_a_workload_is_the_highest_that_the_median_run_of_the_control_reaches(record):
    # The control ends at 0.95, 0.85 and 0.95; one-cycle reaches everything.
    levels = {"first": 0.95, "second": 0.85, "third": 0.95}
    rows = across(with_curves(record, lambda p: 0.99 if p.arm == "one_cycle" else levels[p.workload] * p.share))
    row = score_of(rows, "one_cycle")
    assert row.workloads == THREE
    assert row.targets == (0.9, 0.8, 0.9)
    assert row.n == row.hits == (5, 5, 5)


def test_without_a_target_that_the_control_reaches_on_every_workload_there_are_fixed_targets_only(record):
    rows = across(with_curves(record, lambda p: 0.5 if p.workload == "second" else 0.95))
    assert {row.target for row in rows.scores} == {0.8, 0.9}
    assert score_of(rows, "piecewise", 0.8).median_updates[1] is None


def test_times_ratios_score_and_speed_up_of_known_curves_by_hand(record):
    # 0.9 is due after 288 and 144 of 320 updates; evaluations are 20 updates apart.
    rows = across(with_curves(record, twice_as_fast))
    control, arm = score_of(rows, "piecewise"), score_of(rows, "one_cycle")
    assert control.median_updates == (300, 300, 300)
    assert arm.median_updates == (160, 160, 160)
    assert control.ratios == pytest.approx((1.875,) * 3)
    assert arm.score == 1
    assert control.score == pytest.approx((4 - 1.875) / 3)
    speed_up = next(row for row in rows.geometric_speed_ups if row.target is None)
    assert (speed_up.arm, speed_up.control, speed_up.workloads, speed_up.entered) == ("one_cycle", "piecewise", 3, 3)
    assert (speed_up.speed_up, speed_up.ci_low, speed_up.ci_high) == pytest.approx((1.875,) * 3)


def test_profiles_rise_at_the_ratios_and_have_the_tests_of_all_arms_on_one_grid(record):
    rows = across(with_curves(record, twice_as_fast))
    profiles = {row.arm: row for row in rows.profiles if row.target is None}
    assert profiles["piecewise"].tau == profiles["one_cycle"].tau == pytest.approx((1, 1.875))
    assert (profiles["piecewise"].rho, profiles["one_cycle"].rho) == ((0, 1), (1, 1))


def test_a_diverged_run_is_a_miss_wherever_it_was_before(record):
    lost = changed(record, on("first", "one_cycle"), diverged=True, test=math.nan)
    row = score_of(across(lost), "one_cycle")
    assert (row.n, row.hits) == ((5, 5, 5), (0, 5, 5))
    assert row.median_updates[0] is row.ratios[0] is None
    assert row.score < score_of(across(record), "one_cycle").score


def test_a_miss_leaves_no_geometric_mean_and_says_what_is_left(record):
    lost = changed(record, on("first", "one_cycle"), diverged=True, test=math.nan)
    row = next(row for row in across(lost).geometric_speed_ups if row.target is None)
    assert (row.workloads, row.entered, row.speed_up, row.ci_low) == (3, 2, None, None)
    assert row.restricted is not None


def test_a_search_without_a_winner_misses_and_ranks_last_instead_of_dropping_out(record):
    hopeless = changed(record, on("first", "one_cycle", "tune"), diverged=True, validation=math.nan)
    hopeless = without(hopeless, on("first", "one_cycle"))
    rows = across(hopeless)
    assert score_of(rows, "one_cycle").n == (5, 5, 5)
    assert score_of(rows, "one_cycle").hits[0] == 0
    ranks = {row.arm: row for row in rows.ranks if row.budget == 10}
    assert ranks["one_cycle"].ranks[0] == 2
    assert ranks["one_cycle"].workloads == THREE


def test_an_arm_without_runs_on_a_workload_has_no_score_and_the_workload_is_not_ranked(record):
    rows = across(without(record, on("second", "one_cycle")))
    assert score_of(rows, "one_cycle").score is None
    assert score_of(rows, "piecewise").score is not None
    assert "one_cycle" not in {row.arm for row in rows.profiles}
    assert {row.workloads for row in rows.ranks if row.budget == 10} == {("first", "third")}


def test_one_seed_gives_scores_without_intervals():
    row = score_of(across(small(seeds=1)), "one_cycle")
    assert row.score is not None
    assert row.ci_low is row.ci_high is None


def test_without_targets_there_are_ranks_only():
    rows = across(small(targets=[]))
    assert rows.scores == rows.profiles == rows.geometric_speed_ups == ()
    assert rows.ranks


def test_without_recorded_curves_there_are_ranks_only(record):
    rows = across(dataclasses.replace(record, recorded=ALL_PARTS - {CURVES}))
    assert rows.scores == ()
    assert rows.ranks


def test_ranks_are_of_mean_accuracy_and_average_over_the_workloads(record, rows):
    samples = collect_samples(record)
    for row in rows.ranks:
        for name, rank in zip(row.workloads, row.ranks, strict=True):
            here = {place.arm: s.values.mean() for place, s in samples.items() if place[:2] == (name, row.budget)}
            assert rank == sorted(here.values(), reverse=True).index(here[row.arm]) + 1
        assert row.average_rank == pytest.approx(sum(row.ranks) / 3)


def test_a_diverged_run_ranks_an_arm_behind_all_without(record):
    lost = changed(record, lambda t: on("first", "piecewise")(t) & (t["seed_index"] == 0), diverged=True, test=math.nan)
    rank = next(row for row in across(lost).ranks if (row.budget, row.arm) == (10, "piecewise"))
    assert rank.ranks[0] == 2


def test_fewer_than_six_workloads_are_not_tested_and_the_reason_is_given(rows):
    test = next(row for row in rows.rank_tests if row.budget == 10)
    assert (test.blocks, test.chi2, test.f_p, test.critical_difference, test.groups) == (3, None, None, None, ())
    assert test.withheld == "3 of at least 6 workloads could be ranked"


def test_six_workloads_are_tested_and_grouped():
    arms = {
        "piecewise": ("piecewise", False, (0.0,)),
        "worse": ("cosine", False, (-0.05,)),
        "better": ("one_cycle", False, (0.05,)),
    }
    six = tuple(f"workload-{i}" for i in range(6))
    rows = across(small(arms=arms, workloads=six, budgets=(5,)))
    (test,) = rows.rank_tests
    assert {row.arm: row.average_rank for row in rows.ranks} == {"better": 1, "piecewise": 2, "worse": 3}
    # All blocks agree: chi2 = N (k - 1), and one in 3! to the 5 by chance; CD = 2.343 sqrt(12 / 36).
    assert (test.chi2, test.f) == (pytest.approx(12), None)
    assert test.f_p == pytest.approx(6.0**-5)
    assert test.critical_difference == pytest.approx(2.343 / math.sqrt(3), abs=1e-3)
    assert test.groups == (("better", "piecewise"), ("piecewise", "worse"))
    assert test.withheld == ""


def test_a_withheld_verdict_withholds_the_groups_but_not_the_ranks():
    six = tuple(f"workload-{i}" for i in range(6))
    record = small(workloads=six, budgets=(10,), seeds=3)
    lost = changed(record, lambda t: on(six[0], "one_cycle")(t) & (t["seed_index"] == 0), diverged=True, test=math.nan)
    (test,) = across(lost).rank_tests
    assert test.f_p is not None
    assert test.groups == ()
    assert test.withheld == "the verdicts of 1 of its comparisons are withheld"


def test_every_row_names_its_runs(rows):
    for kind in dataclasses.fields(rows):
        assert all(row.run_ids for row in getattr(rows, kind.name)), kind.name


def test_rows_are_the_same_every_time(record, rows):
    assert across(record) == rows


def report_of(record):
    """Build the report of a record as far as it is about several workloads."""
    samples = collect_samples(record)
    rows = across(record)
    return dataclasses.replace(
        any_report(),
        design=describe_design(record.rules),
        arms=arm_rows(record.rules, samples),
        algoperf_scores=rows.scores,
        performance_profiles=rows.profiles,
        geometric_speed_ups=rows.geometric_speed_ups,
        average_ranks=rows.ranks,
        rank_tests=rows.rank_tests,
    )


@functools.cache
def any_report():
    return build_report(small(workloads=("only",), budgets=(5,), draws=2, seeds=2))


def section_of(record):
    return section(report_of(record))


def test_the_report_has_the_rows(record):
    small_one = small(workloads=("a", "b"), budgets=(5,), draws=2, seeds=2)
    report, rows = build_report(small_one), across(small_one)
    assert (report.algoperf_scores, report.rank_tests) == (rows.scores, rows.rank_tests)
    assert "Across workloads" in [part.title for part in report_sections(report) if part.tables and part.tables[0].rows]


def test_the_section_is_empty_for_one_workload():
    assert section_of(small(workloads=("only",))).is_empty(frozenset())


def test_the_section_says_speed_ups_scores_and_why_ranks_are_not_grouped(record):
    said = " ".join(section_of(with_curves(record, twice_as_fast)).sentences)
    assert "one_cycle against piecewise over 3 workloads at 10 epochs: 1.88 times as fast" in said
    assert "Highest AlgoPerf score: one_cycle with 1.00 (1.00 to 1.00)." in said
    assert "Arms are not grouped by rank: 3 of at least 6 workloads could be ranked." in said


def test_a_miss_is_told_instead_of_a_mean_speed_up(record):
    lost = with_curves(changed(record, on("first", "one_cycle"), diverged=True, test=math.nan), twice_as_fast)
    shown = section_of(lost)
    said = " ".join(shown.sentences)
    assert "no mean speed-up, since a median run missed the target on 1 of them; 1.88 times as fast on those" in said
    scores = shown.tables[0]
    assert scores.columns[-1] == "speed-up where both reach"
    assert scores.rows[1][3] == wording.NOTHING
    assert wording.NOTHING in shown.tables[1].rows[1]


def test_a_target_that_is_every_workloads_own_is_shown_once(record):
    rows = section_of(with_curves(record, twice_as_fast)).tables[0].rows
    assert [row[:2] for row in rows] == [
        ("own", "piecewise"), ("own", "one_cycle"), ("80", "piecewise"), ("80", "one_cycle")
    ]  # fmt: skip


def test_figures_are_drawn_for_profiles_and_for_ranks_that_may_be_grouped(record):
    assert [drawing.name for drawing in draw_profiles(report_of(record))] == ["profiles-0"]
    assert draw_critical_differences(report_of(record)) == ()
    six = report_of(small(workloads=tuple(f"workload-{i}" for i in range(6)), budgets=(10,), draws=2, seeds=3))
    assert [drawing.name for drawing in draw_critical_differences(six)] == ["ranks-10"]
    assert draw_profiles(any_report()) == ()


def test_names_of_ten_arms_in_a_diagram_do_not_overlap():
    names = [f"an-arm-with-a-long-name-{i}" for i in range(9)]
    arms = {"piecewise": ("piecewise", False, (0.0,))}
    arms |= {name: ("cosine", False, (0.004 * (i - 4),)) for i, name in enumerate(names)}
    six = tuple(f"workload-{i}" for i in range(6))
    report = report_of(small(arms=arms, workloads=six, budgets=(5,), draws=2, seeds=2, targets=[]))
    (drawing,) = draw_critical_differences(report)
    (axes,) = drawing.figure.axes
    drawing.figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in axes.texts if text.get_text()]
    assert len(boxes) == 10 + 5 + 2  # arms, every second rank, the axis and the critical difference
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    width = drawing.figure.bbox.width
    assert all(box.x0 >= 0 and box.x1 <= width for box in boxes)
