import dataclasses
import functools
import json
import re
import typing

import jsonschema
import pytest

from analysis import wording
from analysis.checks import run_checks
from analysis.comparing import SCHEMA_VERSION, compare_reports, comparison_schema, read_comparison, write_comparison
from analysis.comparing.forest import draw_forest
from analysis.comparing.rendering import render_comparison_html, render_comparison_markdown
from analysis.comparing.sections import comparison_guide
from analysis.comparing.values import Agreement
from analysis.report import build_report, read_report, report_json
from analysis.samples import collect_samples
from analysis.tables.arms import arm_rows, seed_rows
from analysis.tables.comparisons import comparison_rows
from analysis.tables.contents import describe_design
from analysis.tables.ledger import ledger_rows
from analysis.tidy.trials import WHOLE_RUN_UNIT
from tests.analysis.synthetic_study import ARMS, TWO_ARMS, at, changed, synthetic_record, without
from tests.analysis.test_rendering import Outline


def report_of(name="first", *, seed=0, record=None, **shape):
    """Build a report of runs that are no other study's."""
    shape = {"arms": TWO_ARMS, "budgets": (2, 5), "draws": 4, "seeds": 6, **shape}
    record = record or synthetic_record(seed=seed, **shape)
    rules = record.rules.model_copy(update={"study": name, "protocol_hash": f"hash of {name}"})
    record = dataclasses.replace(
        record,
        rules=rules,
        trials=record.trials.assign(run_id=name + record.trials["run_id"]),
        evaluations=record.evaluations.assign(run_id=name + record.evaluations["run_id"]),
    )
    samples = collect_samples(record)
    # As far as it is compared with others; the rest of a report takes its time.
    return dataclasses.replace(
        any_report(),
        study=name,
        design=describe_design(rules),
        arms=arm_rows(rules, samples),
        comparisons=comparison_rows(rules, samples, run_checks(record, samples)),
        seeds=seed_rows(record),
        ledger=ledger_rows(record),
    )


@functools.cache
def any_report():
    return build_report(synthetic_record(arms=TWO_ARMS, budgets=(2,), draws=2, seeds=2))


def arms(*effects):
    """Return a control and one-cycle at these distances from it."""
    return {"piecewise": ("piecewise", False, (0.0,) * len(effects)), "one_cycle": ("one_cycle", False, effects)}


@pytest.fixture(scope="module")
def first():
    return report_of()


@pytest.fixture(scope="module")
def second():
    return report_of("second", seed=1)


@pytest.fixture(scope="module")
def comparison(first, second):
    return compare_reports(first, second)


def test_each_effect_is_the_one_in_its_own_report(first, second, comparison):
    assert [(cell.budget, cell.arm) for cell in comparison.cells] == [(2, "one_cycle"), (5, "one_cycle")]
    for cell, one, two in zip(comparison.cells, first.comparisons, second.comparisons, strict=True):
        assert (cell.first.difference, cell.first.ci_low, cell.first.verdict) == (
            one.difference,
            one.ci_low,
            one.verdict,
        )
        assert (cell.second.difference, cell.second.run_ids) == (two.difference, two.run_ids)


def test_the_change_is_the_second_difference_minus_the_first_with_an_interval_over_all_four_samples(comparison):
    for cell in comparison.cells:
        assert cell.change == pytest.approx(cell.second.difference - cell.first.difference)
        widths = [effect.ci_high - effect.ci_low for effect in (cell.first, cell.second)]
        # Wider than either, narrower than both together.
        assert max(widths) * 0.9 < cell.change_high - cell.change_low < sum(widths)


def test_the_combined_difference_lies_between_the_two_and_is_more_precise_than_either(comparison):
    for cell in comparison.cells:
        low, high = sorted((cell.first.difference, cell.second.difference))
        assert low <= cell.combined <= high
        width = cell.combined_high - cell.combined_low
        assert width < min(effect.ci_high - effect.ci_low for effect in (cell.first, cell.second))
        assert 0 <= cell.i_squared < 1
        assert cell.not_combined == ""


def test_exchanging_the_studies_mirrors_the_change_and_keeps_the_combination(first, second, comparison):
    mirrored = compare_reports(second, first)
    for cell, other in zip(comparison.cells, mirrored.cells, strict=True):
        assert (other.change, other.change_low) == pytest.approx((-cell.change, -cell.change_high))
        assert (other.combined, other.q) == pytest.approx((cell.combined, cell.q))


def test_studies_of_one_truth_agree_and_say_so(comparison):
    assert comparison.cells[0].agreement == "agree"
    assert "first and second have 2 comparisons in common." in comparison.headline
    assert "none changes effects" not in comparison.headline
    assert "Their reports show no difference between their rules." in comparison.headline
    assert "2 differences could be combined over both studies." in comparison.headline


def test_better_in_one_study_and_worse_in_the_other_contradict_each_other():
    one = report_of(arms=arms(0.03, 0.0))
    two = report_of("second", seed=1, arms=arms(-0.03, 0.0))
    comparison = compare_reports(one, two)
    cell = comparison.cells[0]
    assert (cell.first.verdict, cell.second.verdict, cell.agreement) == ("better", "worse", "contradict")
    assert cell.change_high < 0
    assert "contradict each other (better in one, worse in the other) for 1 comparison" in comparison.headline
    assert "one_cycle on mnist1d-conv at 2 epochs" in comparison.headline
    assert "though for 1 of them the studies are too far apart" in comparison.headline


def test_better_against_equivalent_differ():
    one = report_of(arms=arms(0.03), budgets=(2,), seeds=10, equivalence_margin=0.01)
    two = report_of("second", seed=1, arms=arms(0.0), budgets=(2,), seeds=10, equivalence_margin=0.01)
    assert compare_reports(one, two).cells[0].agreement == "differ"


def test_a_withheld_verdict_is_compared_with_nothing_and_its_difference_not_combined(second):
    lost = changed(
        synthetic_record(arms=TWO_ARMS, budgets=(2, 5), draws=4, seeds=6),
        lambda t: at(2, "one_cycle")(t) & (t["seed_index"] == 0),
        diverged=True,
        test=float("nan"),
    )
    cell = compare_reports(report_of(record=lost), second).cells[0]
    assert (cell.agreement, cell.combined, cell.not_combined) == ("withheld", None, "a verdict is withheld")
    assert cell.change is not None


def test_a_study_compared_with_itself_is_no_further_evidence(first):
    comparison = compare_reports(first, first)
    assert comparison.same_protocol
    for cell in comparison.cells:
        assert cell.same_runs
        assert (cell.change, cell.change_low, cell.combined) == (0, None, None)
    assert "the second repeats the first and is no further evidence" in comparison.headline


def test_the_same_trainings_under_other_run_ids_are_found_by_their_accuracies(first):
    again = report_of("again")
    comparison = compare_reports(first, again)
    assert not comparison.same_protocol
    assert all(cell.same_runs and cell.combined is None for cell in comparison.cells)


def test_a_study_that_was_continued_with_more_seeds_is_found_too(first):
    # Draws of the first six seeds are the same; the synthetic study draws accuracies in order.
    record = synthetic_record(arms=TWO_ARMS, budgets=(2, 5), draws=4, seeds=6)
    fewer = without(record, lambda t: (t["phase"] == "confirm") & (t["seed_index"] >= 4))
    assert all(cell.same_runs for cell in compare_reports(first, report_of("fewer", record=fewer)).cells)


def test_tables_that_number_their_runs_alike_are_of_runs_of_their_own(first, second):
    one, two = ([row.run_ids for row in report.seeds] for report in (first, second))
    assert len(one) == len(two)
    renumbered = dataclasses.replace(
        second, seeds=tuple(dataclasses.replace(row, run_ids=ids) for row, ids in zip(second.seeds, one, strict=True))
    )
    cells = compare_reports(first, renumbered).cells
    assert [cell.same_runs for cell in cells] == [False, False]
    assert cells[0].combined is not None


def test_runs_of_one_id_and_one_accuracy_are_in_both_studies_whatever_their_seeds(first):
    unnamed = tuple(dataclasses.replace(row, seed_index=None) for row in first.seeds)
    other = dataclasses.replace(first, seeds=unnamed, design=dataclasses.replace(first.design, protocol_hash="other"))
    cell = compare_reports(first, other).cells[0]
    assert (cell.same_runs, cell.not_combined) == (True, "runs of the arm or the control are in both studies")


def test_studies_of_one_name_are_told_apart_by_where_they_are_from(first):
    again = report_of("first", seed=1)
    comparison = compare_reports(first, again, ("a/report", "b/report"))
    assert comparison.headline.startswith("first (a/report) and first (b/report) have 2 comparisons in common.")
    assert render_comparison_markdown(comparison, ()).startswith("# first (a/report) and first (b/report)\n")
    assert compare_reports(first, again).second.label == "first (the second)"
    assert compare_reports(first, report_of("second", seed=1), ("a", "b")).first.label == "first"


def test_a_budget_that_is_not_recorded_is_not_named():
    reports = [report_of(name, seed=i, budgets=(1,), arms=arms(effect)) for i, (name, effect) in enumerate(
        (("first", 0.03), ("second", -0.03)))]  # fmt: skip
    one, two = (replaced_design(report, budget_unit=WHOLE_RUN_UNIT) for report in reports)
    comparison = compare_reports(one, two)
    assert comparison.cells[0].agreement == "contradict"
    texts = [render_comparison_markdown(comparison, draw_forest(comparison)), draw_forest(comparison)[0].alt]
    assert not any(re.search(rf"\b(budget|{WHOLE_RUN_UNIT})\b", text.partition("Ledgers")[0]) for text in texts)


def replaced_design(report, **changes):
    return dataclasses.replace(report, design=dataclasses.replace(report.design, **changes))


def test_what_a_record_holds_is_no_rule_but_is_shown(first, second):
    poorer = replaced_design(second, recorded=("plan", "rules", "seeds", "tuning", "updates"))
    comparison = compare_reports(first, poorer)
    assert [rule.rule for rule in comparison.rules] == ["protocol_hash"]
    assert "Their reports show no difference between their rules." in comparison.headline
    assert "curves, seconds" in render_comparison_markdown(comparison, ())


def test_equal_accuracies_of_all_seeds_do_not_make_two_studies_one():
    constant = [
        report_of(name, record=changed(synthetic_record(arms=TWO_ARMS, budgets=(2,), draws=4, seeds=4, seed=seed),
                                       lambda t: t["phase"] == "confirm", test=0.9))
        for seed, name in enumerate(("first", "second"))
    ]  # fmt: skip
    cell = compare_reports(*constant).cells[0]
    assert not cell.same_runs
    assert (cell.change, cell.change_low, cell.change_high) == (0, 0, 0)
    assert cell.not_combined == "the spread over seeds is unknown or zero in a study"


def test_every_differing_rule_is_listed_with_both_values(first):
    other = report_of("other", seed=1, arms=ARMS, budgets=(2, 20), draws=8, seeds=4, targets=[0.7], alpha=0.1)
    comparison = compare_reports(first, other)
    rules = {rule.rule: (rule.first, rule.second, rule.changes_effects) for rule in comparison.rules}
    assert rules["draws"] == ("4", "8", True)
    assert rules["confirm_seeds"] == ("6", "4", False)
    assert rules["targets"] == ("0.8, 0.9", "0.7", False)
    assert rules["alpha"] == ("0.05", "0.1", False)
    assert rules["budgets"] == ("2, 5", "2, 20", False)
    assert rules["arms.cosine"] == ("no", "yes", False)
    assert list(rules)[-1] == "protocol_hash"
    assert "metric" not in rules


def test_a_rule_that_changes_effects_forbids_combining_where_it_applies(first):
    more_draws = compare_reports(first, report_of("other", seed=1, draws=8))
    assert {cell.not_combined for cell in more_draws.cells} == {"the studies differ in draws"}
    assert more_draws.cells[0].change_low is not None
    assert "1 of them changes what a difference means" in more_draws.headline


def test_rules_of_one_arm_concern_its_own_comparisons_only():
    three = {name: ARMS[name] for name in ("piecewise", "cosine", "one_cycle")}
    other = {**three, "cosine": ("linear", False, three["cosine"][2])}
    comparison = compare_reports(report_of(arms=three), report_of("other", seed=1, arms=other))
    reasons = {cell.arm: cell.not_combined for cell in comparison.cells}
    assert reasons == {"cosine": "the studies differ in arms.cosine.schedule", "one_cycle": ""}


def test_studies_without_a_common_comparison_say_so(first):
    other = report_of("other", seed=1, budgets=(10, 20))
    comparison = compare_reports(first, other)
    assert comparison.cells == ()
    assert comparison.sentences[0] == (
        "first and other have no comparison in common: they are matched by name, and differ in budgets (2, 5 in one, "
        "10, 20 in the other)."
    )
    assert [(cell.budget, cell.study) for cell in comparison.unshared] == [
        (2, "first"), (5, "first"), (10, "second"), (20, "second"),
    ]  # fmt: skip


def test_budgets_in_other_units_are_never_matched(first):
    other = report_of("other", seed=1, budgets=(2, 5))
    other = dataclasses.replace(other, design=dataclasses.replace(other.design, budget_unit="updates"))
    assert compare_reports(first, other).cells == ()


def test_differences_to_another_control_are_never_matched(first):
    reversed_arms = dict(reversed(TWO_ARMS.items()))
    comparison = compare_reports(first, report_of("other", seed=1, arms=reversed_arms))
    assert comparison.cells == ()
    assert ("control", "piecewise", "one_cycle") in [(r.rule, r.first, r.second) for r in comparison.rules]


def test_one_seed_gives_a_change_without_an_interval(second):
    cell = compare_reports(report_of(seeds=1), second).cells[0]
    assert cell.change is not None
    assert (cell.change_low, cell.combined) == (None, None)


def test_no_runs_at_all_give_no_change_and_no_crash(second):
    empty = without(synthetic_record(arms=TWO_ARMS, budgets=(2, 5), draws=4, seeds=6), lambda t: t["budget"] > 0)
    comparison = compare_reports(report_of(record=empty), second)
    assert [cell.change for cell in comparison.cells] == [None, None]
    assert {cell.agreement for cell in comparison.cells} == {"withheld"}


def test_the_ledgers_stand_side_by_side_and_an_arm_of_one_study_alone(first):
    other = report_of("other", seed=1, arms=ARMS, draws=8)
    pairs = {(pair.arm, pair.phase): pair for pair in compare_reports(first, other).ledger}
    assert (pairs["one_cycle", "tune"].first.trials, pairs["one_cycle", "tune"].second.trials) == (8, 16)
    assert pairs["one_cycle", "confirm"].first.updates_charged == 6 * (64 + 160)
    assert pairs["cosine", "tune"].first is None
    assert pairs["cosine", "tune"].second.trials == 16
    assert json.dumps(dataclasses.asdict(pairs["one_cycle", "tune"]), allow_nan=False)


NASTY = "<script>alert('x')</script> & $a$ |b| _c_"


@pytest.fixture(scope="module")
def nasty():
    shape = {"arms": {**TWO_ARMS, NASTY: ("cosine", False, (0.01, 0.0))}, "workloads": ("mnist1d-conv", NASTY)}
    return compare_reports(report_of("first", **shape), report_of(NASTY, seed=1, draws=5, **shape))


def test_the_page_is_well_formed_and_asks_for_nothing_from_outside(nasty):
    page = render_comparison_html(nasty, draw_forest(nasty))
    outline = Outline()
    outline.feed(page)
    assert outline.open == []
    assert len(outline.ids) == len(set(outline.ids))
    assert not {"script", "link", "iframe", "img"} & {tag for tag, _ in outline.starts}
    assert "http:" not in page
    assert "https:" not in page
    assert NASTY in "".join(outline.text)
    assert all(attrs["aria-label"] for tag, attrs in outline.starts if tag == "figure")


def test_page_and_markdown_say_the_same_sentences_and_numbers(nasty):
    figures = draw_forest(nasty)
    page, markdown = render_comparison_html(nasty, figures), render_comparison_markdown(nasty, figures)
    assert "<script" not in markdown
    assert "\\|b\\|" in markdown
    for cell in nasty.cells:
        change = wording.points_with_interval(cell.change, cell.change_low, cell.change_high)
        assert change in page
        assert change in markdown
    assert "1 of them changes what a difference means" in page
    assert "1 of them changes what a difference means" in markdown


def test_there_is_one_figure_per_workload_and_none_without_shared_comparisons(nasty, first):
    figures = draw_forest(nasty)
    assert [figure.name.split("-")[:2] for figure in figures] == [["forest", "0"], ["forest", "1"]]
    assert draw_forest(compare_reports(first, report_of("other", seed=1, budgets=(10, 20)))) == ()


def test_a_comparison_survives_being_written_and_read_and_matches_its_schema(comparison, tmp_path):
    files = write_comparison(comparison, tmp_path)
    assert read_comparison(files.json) == comparison
    jsonschema.Draft202012Validator.check_schema(comparison_schema())
    parsed = json.loads(files.json.read_text(), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    jsonschema.validate(parsed, comparison_schema())
    assert parsed["schema_version"] == SCHEMA_VERSION
    assert {path.suffix for path in files.figures} == {".svg", ".pdf", ".png"}
    assert all(path.exists() for path in (files.html, files.markdown, *files.figures))


def test_a_comparison_is_written_the_same_every_time(comparison, tmp_path):
    write_comparison(comparison, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    write_comparison(comparison, tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == before


def test_a_comparison_never_replaces_a_report(comparison, tmp_path):
    (tmp_path / "report.json").write_text("{}")
    with pytest.raises(ValueError, match="out_dir must be a folder without a report"):
        write_comparison(comparison, tmp_path)


def test_reports_that_were_read_from_files_compare_like_those_in_memory(first, second, comparison, tmp_path):
    read = []
    for report in (first, second):
        (tmp_path / "report.json").write_text(report_json(report))
        read.append(read_report(tmp_path / "report.json"))
    assert compare_reports(*read) == comparison
    assert compare_reports(first, read[0]).rules == ()


def test_every_agreement_is_explained(comparison):
    guide = " ".join(comparison_guide(comparison))
    assert all(f"{word}:" in guide for word in typing.get_args(Agreement))
