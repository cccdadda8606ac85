"""What a report says, and leaves unsaid, about studies of other shapes than the usual one."""

import csv
import dataclasses
import re

import pytest

from analysis import TableOptions, build_report, read_table
from analysis.figures import draw_figures
from analysis.figures.drawing import staggered
from analysis.figures.selection import MOST_FIGURES, drawn_by_cell, drawn_by_workload, omission
from analysis.rendering import render_html, render_markdown
from analysis.rendering.check_groups import alerts, counted, outcome_of
from analysis.rendering.section import MOST_SENTENCES
from analysis.rendering.sections import core, final, report_sections, speedups, time_to_target, tuning
from analysis.rendering.sections.threats import checks_table
from tests.analysis.synthetic_study import TWO_ARMS, synthetic_record, without

BARE = {"cosine": (0.9012, 0.8987, 0.9031), "one_cycle": (0.9105, 0.9121, 0.9088)}


def table_report(folder, accuracies=BARE, **options):
    with (folder / "results.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("arm", "seed", "test"))
        writer.writerows((arm, i, test) for arm, tests in accuracies.items() for i, test in enumerate(tests))
    return build_report(read_table(folder / "results.csv", options=TableOptions(control="cosine", **options)))


def small(**shape):
    return synthetic_record(**{"arms": TWO_ARMS, "budgets": (2, 5), "draws": 4, "seeds": 4, **shape})


@pytest.fixture(scope="module")
def many():
    return build_report(small(workloads=tuple(f"w{i}" for i in range(7)), searches=2))


@pytest.fixture
def bare(tmp_path):
    return table_report(tmp_path)


def test_a_budget_that_is_not_recorded_is_not_named(bare):
    figures = draw_figures(bare)
    text = render_markdown(bare, figures)
    assert "1 training" not in text
    assert "at 1" not in text
    assert "| training |" not in text
    assert "| budgets | not recorded |" in text
    assert not any("1 training" in figure.svg or "budget in" in figure.svg for figure in figures)
    assert [figure.name for figure in figures if figure.kind == "seeds"] == ["seeds-0-results"]


def test_a_single_comparison_is_said_with_its_difference(bare):
    assert bare.sentences[0] == (
        "one_cycle is undecided against the control cosine (+0.95 points, unadjusted 95 % interval +0.49 to +1.40)."
    )


def test_what_a_table_does_not_record_is_not_claimed(bare):
    text = render_markdown(bare, ())
    for claim in ("same number of draws", "fixed beforehand", "as published", "momentum constant", "3 of 3"):
        assert claim not in text
    assert "Winning settings" not in text
    assert "| cosine | confirm | – | 3 | – | – | – | 0 | 0 |" in text


def test_checks_that_could_not_be_made_are_told_from_warnings(bare):
    warned, unknown = alerts(bare)
    assert warned.sentence == "2 checks warn:"
    assert warned.evidence[1].startswith("with 3 seeds the least p")
    assert re.match(r"\d+ checks could not be made: what they need is not recorded", unknown.sentence)
    assert "2 gave a warning" in counted(bare.checks)
    shown = {row[1] for row in checks_table(bare).rows}
    assert shown == {"warn", "unknown", "pass"}
    assert all("not recorded" in check.evidence for check in bare.checks if outcome_of(check) == "unknown")
    assert 'class="chip unknown"' in render_html(bare, ())


def test_a_study_that_records_everything_has_no_unknown_check():
    assert "could not be made" not in counted(build_report(small()).checks)


def test_the_headline_says_when_no_verdict_is_possible_and_what_it_takes(bare):
    assert bare.sentences[-1] == (
        "With 3 seeds per arm no arm can be found better or worse, however large the difference: "
        "that takes at least 4 seeds per arm."
    )
    several = build_report(small(seeds=3))
    assert several.sentences[1] == (
        "With 3 seeds per arm no arm can be found better or worse after the correction for 2 comparisons, however "
        "large the difference: that takes at least 5 seeds per arm, or fewer comparisons."
    )
    assert not any("no arm can be found" in sentence for sentence in build_report(small(seeds=6)).sentences)


def test_the_headline_of_an_unfinished_study_counts_the_seeds_that_are_planned():
    begun = without(small(seeds=6), lambda trials: (trials["phase"] == "confirm") & (trials["seed_index"] > 1))
    assert not any("no arm can be found" in sentence for sentence in build_report(begun).sentences)


def test_a_copied_column_is_said_on_the_first_screen_and_has_no_verdict(tmp_path):
    report = table_report(tmp_path, dict.fromkeys(BARE, (0.9012, 0.8987, 0.9031, 0.9044)))
    assert report.comparisons[0].difference == 0
    first = alerts(report)[0]
    assert first.severe
    assert first.evidence == ("one_cycle on results: the 4 accuracies are those of cosine, to the last digit",)
    assert first.evidence[0] in render_html(report, ())
    assert first.evidence[0].replace("_", r"\_") in render_markdown(report, ())
    assert report.comparisons[0].verdict == "undecided"


def test_arms_that_differ_are_not_called_copies(bare):
    assert not any(alert.severe for alert in alerts(bare))


def test_an_interval_that_excludes_1_beside_an_undecided_verdict_is_called_a_single_one():
    report = build_report(small(seeds=6))
    row = dataclasses.replace(
        report.speed_ups[0],
        ratio=1.3, ci_low=1.1, ci_high=1.5, interval="closed", beyond=None, primary=True,
        tests=tuple(dataclasses.replace(test, excluded=True) for test in report.speed_ups[0].tests),
    )  # fmt: skip
    verdicts = ("undecided", "better")
    said = []
    for verdict in verdicts:
        compared = tuple(dataclasses.replace(other, verdict=verdict) for other in report.comparisons)
        changed = dataclasses.replace(report, speed_ups=(row,), comparisons=compared)
        said.append(speedups.speed_up(changed).sentences[0])
    assert "a single interval, not adjusted for the number of comparisons; the verdict there is undecided" in said[0]
    assert "a single interval" not in said[1]


def test_many_workloads_are_summed_up_in_few_sentences(many):
    for section in (
        speedups.speed_up(many), speedups.baseline(many), tuning.tuning(many), tuning.search_variance(many),
        final.power(many), time_to_target(many),
    ):  # fmt: skip
        assert 0 < len(section.sentences) <= MOST_SENTENCES, section.title
    (sentence,) = speedups.speed_up(many).sentences
    assert re.match(r"one_cycle over 7 workloads, at the longest budget of each: from [\d.]+ \(on w\d\) to ", sentence)


def test_why_fewer_draws_are_not_shown_is_said_once(many):
    lacking = tuple(
        dataclasses.replace(row, reason="fewer draws are not shown, as the tuning trials are not recorded")
        for row in many.skeptic
    )
    sentences = speedups.baseline(dataclasses.replace(many, skeptic=lacking)).sentences
    assert sum("ewer draws are not shown" in sentence for sentence in sentences) == 1


def test_the_verdict_table_comes_before_the_figures_of_many_workloads(many):
    page = render_html(many, draw_figures(drawn_by_workload(many))[:2])
    assert page.index("<table>") < page.index("<figure")
    assert not core.leads(many)


def test_no_more_cells_are_drawn_than_anybody_looks_at_and_the_page_says_so(many):
    cells = drawn_by_cell(many)
    assert {row.budget for row in cells.curves} == {5}
    assert len({row.workload for row in cells.seeds}) == 7
    assert omission(many, ("curves",)).startswith("Figures are drawn for 7 of 14 cells with the longest budgets.")
    [curves] = [section for section in report_sections(many) if section.title == "Learning curves"]
    assert "7 of 14 cells" in curves.note
    assert cells.arms != many.arms


def test_no_more_workloads_are_drawn_than_anybody_looks_at(many):
    names = tuple(f"w{i}" for i in range(20))
    wide = dataclasses.replace(many, design=dataclasses.replace(many.design, workloads=names))
    assert len(drawn_by_workload(wide).design.workloads) == MOST_FIGURES
    assert omission(wide, ("effects",)).startswith("Figures are drawn for the first 12 of 20 workloads.")


def test_a_usual_study_has_all_its_figures():
    report = build_report(small())
    assert drawn_by_cell(report) == drawn_by_workload(report) == report
    assert all(omission(report, section.figures) == "" for section in report_sections(report))


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("num_points", [20, 50, 96])
def test_no_two_curves_have_markers_at_the_same_point(count, num_points):
    marked = [point for position in range(count) for point in staggered(position, count, num_points)]
    assert len(marked) == len(set(marked))
    assert set(marked) <= set(range(num_points))
    assert all(staggered(position, count, num_points) for position in range(count))


def test_a_curve_of_few_points_has_a_marker_at_each():
    assert staggered(1, 3, 2) == [0, 1]
