import dataclasses
import re

import numpy as np
import pytest
from scipy import stats

from analysis.checks import run_checks
from analysis.figures.effects import draw_effects
from analysis.rendering.sections.final import effect_sizes, power
from analysis.report import build_report
from analysis.samples import collect_samples
from analysis.statistics import minimum_detectable_difference, welch_difference
from analysis.tables.comparisons import comparison_rows
from analysis.tables.effects import effect_rows
from analysis.tables.pairs import pair_rows
from analysis.tables.power import power_rows
from analysis.tables.sensitivity import sensitivity_rows
from tests.analysis.synthetic_study import ARMS, TWO_ARMS, at, changed, synthetic_record, without


@dataclasses.dataclass(frozen=True)
class Rows:
    comparisons: tuple
    effects: tuple
    sensitivity: tuple
    power: tuple
    pairs: tuple


def rows_of(record):
    rules, samples = record.rules, collect_samples(record)
    checks = run_checks(record, samples)
    comparisons = comparison_rows(rules, samples, checks)
    return Rows(
        comparisons,
        effect_rows(rules, samples),
        sensitivity_rows(rules, samples, comparisons),
        power_rows(rules, samples),
        pair_rows(rules, samples, checks),
    )


@pytest.fixture(scope="module")
def record():
    return synthetic_record()


@pytest.fixture(scope="module")
def rows(record):
    return rows_of(record)


@pytest.fixture(scope="module")
def report(record):
    return build_report(record)


def small(**shape):
    return synthetic_record(**{"arms": TWO_ARMS, "budgets": (2, 5), "draws": 4, "seeds": 6, **shape})


def find(rows, budget, arm="one_cycle"):
    return next(row for row in rows if (row.budget, row.arm) == (budget, arm))


def accuracies(record, budget, arm):
    return record.trials[at(budget, arm)(record.trials)].sort_values("seed_index")["test"].to_numpy()


def test_every_comparison_has_its_effects_its_other_analyses_and_its_power(rows):
    places = [(row.budget, row.arm) for row in rows.comparisons]
    for others in (rows.effects, rows.sensitivity, rows.power):
        assert [(row.budget, row.arm) for row in others] == places


def test_the_error_ratio_compares_errors_and_not_accuracies(record, rows):
    arm, control = (accuracies(record, 2, name) for name in ("one_cycle", "piecewise"))
    assert find(rows.effects, 2).error_ratio == pytest.approx((1 - arm.mean()) / (1 - control.mean()))


def test_the_equivalence_p_is_below_alpha_exactly_where_the_verdict_is_equivalent(rows):
    for effect, comparison in zip(rows.effects, rows.comparisons, strict=True):
        assert (effect.equivalence_p < 0.05) == (comparison.verdict == "equivalent")


def test_seeds_are_paired_by_their_index_whatever_the_order_of_the_runs(record):
    trials = record.trials.sample(frac=1, random_state=0)
    row = find(rows_of(dataclasses.replace(record, trials=trials)).sensitivity, 5)
    arm, control = (accuracies(record, 5, name) for name in ("one_cycle", "piecewise"))
    assert row.pairs == 10
    assert row.paired_p == pytest.approx(stats.ttest_rel(arm, control).pvalue)
    assert row.seed_correlation == pytest.approx(np.corrcoef(arm, control)[0, 1])


def test_a_seed_that_one_arm_lacks_is_left_out_of_the_pairs():
    record = without(small(), lambda t: at(5, "one_cycle")(t) & (t["seed_index"] == 2))
    row = find(rows_of(record).sensitivity, 5)
    keep = np.array([0, 1, 3, 4, 5])
    arm, control = accuracies(record, 5, "one_cycle"), accuracies(record, 5, "piecewise")[keep]
    assert row.pairs == 5
    assert row.paired_difference == pytest.approx((arm - control).mean())


def test_an_analysis_agrees_where_it_leads_to_the_verdict_of_the_comparison(rows):
    for row, comparison in zip(rows.sensitivity, rows.comparisons, strict=True):
        others = {row.welch_verdict, row.paired_verdict, row.dunnett_verdict}
        assert row.agrees == (others == {comparison.verdict})
    assert {row.agrees for row in rows.sensitivity} == {True, False}


def test_a_withheld_verdict_is_not_given_by_another_analysis_either():
    record = changed(small(), lambda t: at(2, "one_cycle")(t) & (t["seed_index"] == 0), diverged=True, test=np.nan)
    row = find(rows_of(record).sensitivity, 2)
    assert (row.welch_verdict, row.paired_verdict, row.dunnett_verdict, row.agrees) == (None,) * 4
    assert row.welch_p is not None


def test_dunnetts_p_is_multiplied_by_the_number_of_cells(rows):
    for row in rows.sensitivity:
        assert row.dunnett_p_adjusted == pytest.approx(min(4 * row.dunnett_p, 1))


def test_the_detectable_difference_is_that_of_the_spread_that_was_seen(record, rows):
    row = find(rows.power, 2)
    arm, control = (accuracies(record, 2, name) for name in ("one_cycle", "piecewise"))
    assert row.sd == pytest.approx(np.sqrt((arm.var(ddof=1) + control.var(ddof=1)) / 2))
    # Welch's degrees of freedom are a little fewer than 18.
    assert row.minimum_detectable == pytest.approx(row.sd * minimum_detectable_difference(10, 10), rel=0.02)
    assert row.minimum_detectable_adjusted > row.minimum_detectable
    assert row.comparisons == 16
    assert welch_difference(arm, control).degrees_of_freedom < 18


def test_with_too_few_seeds_for_the_comparisons_nothing_can_be_significant_and_nothing_is_detectable():
    row = find(rows_of(synthetic_record(seeds=5)).power, 2)
    assert not row.significance_possible  # 16 times 2 / 252 is above 0.05
    assert row.minimum_detectable is not None
    assert row.minimum_detectable_adjusted is None
    assert row.seeds_for_margin_adjusted >= 6


def test_every_pair_of_tuned_arms_is_tested_and_those_with_the_control_as_in_their_comparison(rows):
    assert len(rows.pairs) == 4 * 6
    assert all("published" not in name for row in rows.pairs for name in (row.arm, row.other))
    pair = next(row for row in rows.pairs if (row.budget, row.arm, row.other) == (2, "one_cycle", "piecewise"))
    comparison = find(rows.comparisons, 2)
    assert (pair.difference, pair.p) == (comparison.difference, comparison.p)
    least = min(rows.pairs, key=lambda row: row.p)
    assert least.p_adjusted == pytest.approx(24 * least.p)


def test_two_tuned_arms_have_no_pairs_beyond_their_comparison():
    assert rows_of(small()).pairs == ()


def test_a_pair_with_a_diverged_run_is_withheld_and_others_are_not():
    record = changed(
        synthetic_record(seeds=6), lambda t: at(2, "cosine")(t) & (t["seed_index"] == 0), diverged=True, test=np.nan
    )
    concerned = [row for row in rows_of(record).pairs if row.budget == 2]
    assert all(row.withheld == ("cosine" in (row.arm, row.other)) for row in concerned)
    assert all(row.differs is None for row in concerned if row.withheld)


DEGENERATE = {
    "one seed": lambda: small(seeds=1),
    "two seeds": lambda: small(seeds=2),
    "no confirm runs": lambda: without(small(), lambda t: t["phase"] == "confirm"),
    "every accuracy equal": lambda: changed(small(), lambda t: t["phase"] == "confirm", test=0.9),
    "never an error": lambda: changed(small(), lambda t: t["phase"] == "confirm", test=1.0),
    "always an error": lambda: changed(small(), lambda t: t["phase"] == "confirm", test=0.0),
    "all diverged": lambda: changed(small(), lambda t: t["phase"] == "confirm", diverged=True, test=np.nan),
    "an arm diverged": lambda: changed(small(), at(2, "one_cycle"), diverged=True, test=np.nan),
    "a constant control": lambda: changed(small(arms=ARMS), at(2, "piecewise"), test=0.8),
}


@pytest.mark.parametrize("record", DEGENERATE.values(), ids=DEGENERATE)
@pytest.mark.filterwarnings("error")
def test_degenerate_studies_give_rows_without_nan_warning_or_verdict(record):
    for group in dataclasses.astuple(rows_of(record())):
        for row in group:
            values = row.values() if isinstance(row, dict) else row
            assert not any(isinstance(value, float) and not np.isfinite(value) for value in values)


def test_accuracies_that_never_vary_are_no_evidence_about_further_seeds():
    rows = rows_of(changed(small(), lambda t: t["phase"] == "confirm", test=0.9))
    assert {row.seeds_for_margin for row in rows.power} == {None}
    assert {row.hedges_g for row in rows.effects} == {None}
    assert {row.dunnett_p for row in rows.sensitivity} == {None}


def test_the_sentences_say_what_the_rows_say(report):
    said = " ".join((*effect_sizes(report).sentences, *power(report).sentences))
    agree = sum(row.agrees for row in report.sensitivity)
    assert f"all lead to the same verdict in {agree} of 16 comparisons" in said
    assert f"{sum(row.differs for row in report.pairs)} differ after Holm's correction" in said
    tuned = [row for row in report.power if "published" not in row.arm]
    needed = [row.seeds_for_margin_adjusted for row in tuned]
    assert f"It would take {min(needed)} to {max(needed)} seeds per arm" in said
    detectable = [100 * row.minimum_detectable_adjusted for row in tuned]
    assert f"below {min(detectable):.2f} to {max(detectable):.2f} points would be missed" in said


def test_too_few_seeds_are_said_to_be_too_few():
    said = " ".join(power(build_report(synthetic_record(seeds=3))).sentences)
    assert "no comparison can ever be significant after the correction for 16 comparisons" in said
    assert "takes at least 6 seeds" in said


@pytest.mark.parametrize("record", DEGENERATE.values(), ids=DEGENERATE)
def test_sections_of_degenerate_studies_show_no_nan_and_no_none(record):
    report = build_report(record())
    for section in (effect_sizes(report), power(report)):
        cells = [cell for table in section.tables for row in table.rows for cell in row]
        assert not [text for text in (*section.sentences, *cells) if re.search(r"\bnan\b|None|inf\b", text)]


def test_the_figure_draws_both_intervals_of_every_comparison_against_the_margin(report):
    (drawing,) = draw_effects(report)
    (axes,) = drawing.figure.axes
    drawn = [(line.get_linewidth(), tuple(line.get_xdata())) for line in axes.lines]
    for row in report.comparisons:
        assert (1.2, (100 * row.ci_low, 100 * row.ci_high)) in drawn
        assert (3.6, (100 * row.equivalence_low, 100 * row.equivalence_high)) in drawn
    band = axes.patches[0].get_extents().transformed(axes.transData.inverted())
    assert (band.x0, band.x1) == pytest.approx((-0.5, 0.5))


def test_a_study_without_accuracies_has_no_figure():
    assert draw_effects(build_report(DEGENERATE["all diverged"]())) == ()
