import dataclasses
import math
import re

import numpy as np
import pytest

from analysis.figures.response import draw_response
from analysis.figures.tuning import draw_tuning
from analysis.rendering.sections.tuning import response_table
from analysis.rendering.sections.tuning_sentences import search_variance_sentences, tuning_sentences
from analysis.report import build_report
from tests.analysis.synthetic_study import TWO_ARMS, at, changed, study_json, synthetic_record, without

NAN = math.nan
RISING = np.array([0.81, 0.82, 0.83, 0.84, 0.85, 0.86, 0.866, 0.87])


def small(**shape):
    return synthetic_record(**{"arms": TWO_ARMS, "budgets": (5,), "draws": 8, "seeds": 4, **shape})


def drawn(record, arm, validation, **columns):
    """Return the record with these validation accuracies of the arm's draws; NaN for one that diverged."""
    diverged = np.isnan(validation)
    outcomes = np.where(diverged, "diverged", "finished")
    return changed(record, at(5, arm, "tune"), validation=validation, diverged=diverged, outcome=outcomes, **columns)


def with_sampler(record, sampler):
    tuning = record.rules.tuning.model_copy(update={"sampler": sampler})
    return dataclasses.replace(record, rules=record.rules.model_copy(update={"tuning": tuning}))


@pytest.fixture(scope="module")
def record():
    """Two searches of eight draws with one peak each, and two divergences of one_cycle."""
    plain = drawn(small(), "piecewise", RISING, **{"setting.peak_lr": np.logspace(-2, 0, 8)})
    validation = np.array([0.5, 0.6, 0.9, 0.9, 0.9, 0.6, NAN, NAN])
    return drawn(plain, "one_cycle", validation, **{"setting.peak_lr": np.logspace(-2, 0, 8)})


@pytest.fixture(scope="module")
def report(record):
    return build_report(record)


def test_a_sentence_says_how_many_draws_an_arm_needs(report):
    assert tuning_sentences(report)[0] == (
        "At 5 epochs piecewise needs 3 draws to come within 0.5 points of what 8 draws reach; one_cycle 2."
    )


def test_a_sentence_says_where_an_arm_is_near_its_best(report):
    assert tuning_sentences(report)[1] == (
        "At 5 epochs the usual draw is within 0.5 points of its best for these values of peak_lr: "
        "piecewise 0.52 to 1 or more (0.3 decades); one_cycle 0.037 to 0.14 (0.6 decades)."
    )


def test_a_setting_without_a_share_of_the_variance_gets_no_region():
    # peak_lr is drawn in an order that has nothing to do with the accuracies, which factor decides.
    record = small(draws=32)
    accuracies = np.tile([0.80, 0.85], 16) + 0.001 * np.random.default_rng(0).random(32)
    report = build_report(drawn(record, "one_cycle", accuracies))
    [sentence] = [sentence for sentence in tuning_sentences(report) if "peak_lr" in sentence]
    assert sentence.endswith("one_cycle no clear effect.")
    assert any("no clear effect" in row for row in response_table(report).rows)


def test_a_sentence_counts_the_draws_that_diverged_and_none_does_where_none_did(report):
    assert "Draws that diverged: 0 of 8 with piecewise, 2 of 8 with one_cycle." in tuning_sentences(report)
    assert not any("diverged" in sentence for sentence in tuning_sentences(build_report(small())))


def test_a_crossing_without_separate_bands_is_called_possible_noise(report):
    [sentence] = [sentence for sentence in tuning_sentences(report) if "cross" in sentence]
    assert sentence.startswith("Curves cross that of piecewise once without bands")
    assert sentence.endswith("may be noise.")


def test_a_crossing_with_separate_bands_is_said():
    record = drawn(small(draws=128), "piecewise", np.linspace(0.80, 0.81, 128))
    report = build_report(drawn(record, "one_cycle", np.linspace(0.70, 0.85, 128)))
    [sentence] = [sentence for sentence in tuning_sentences(report) if "overtakes" in sentence]
    assert re.fullmatch(
        r"At 5 epochs one_cycle overtakes piecewise from \d draws on, and the bands separate on both sides of that\.",
        sentence,
    )


def test_arms_with_different_numbers_of_dimensions_are_named():
    study = study_json(arms=TWO_ARMS, budgets=(5,), draws=8, seeds=4)
    arms = {**study["arms"], "one_cycle": {**study["arms"]["one_cycle"], "search": {}}}
    changed_rules = small().rules.model_validate({**study, "arms": arms})
    sentences = tuning_sentences(build_report(dataclasses.replace(small(), rules=changed_rules)))
    assert sentences[-1] == (
        "All arms had the same number of draws, but not the same number of dimensions to tune: "
        "piecewise 2, one_cycle 1."
    )


def test_an_adaptive_sampler_is_given_as_the_reason_for_no_curves(record):
    report = build_report(with_sampler(record, "tpe"))
    assert tuning_sentences(report)[-1] == (
        "There are no tuning curves: draws of tpe depend on what earlier draws found, and a curve would hold for "
        "independent draws only."
    )
    assert draw_tuning(report) == ()
    assert len(draw_response(report)) == 1


def test_the_longest_budget_of_each_workload_speaks_for_the_others():
    report = build_report(small(workloads=("first", "second"), budgets=(2, 5)))
    starts = [sentence for sentence in tuning_sentences(report) if " needs " in sentence]
    assert [sentence[:26] for sentence in starts] == ["On first at 5 epochs piece", "On second at 5 epochs piec"]


def test_replicated_searches_are_told_apart_from_seeds_in_a_sentence():
    [sentence] = search_variance_sentences(build_report(small(searches=3)))
    assert sentence.startswith(
        "At 5 epochs the standard deviations of accuracy in points, between searches and between seeds of one winner, "
    )
    assert "Differences to piecewise for new searches on new seeds: one_cycle +" in sentence
    assert search_variance_sentences(build_report(small())) == ()


def test_without_tuning_trials_nothing_is_said_or_drawn():
    report = build_report(without(small(), lambda trials: trials["phase"] == "tune"))
    assert tuning_sentences(report) == search_variance_sentences(report) == ()
    assert draw_tuning(report) == draw_response(report) == ()


def test_there_is_one_figure_of_each_kind_per_cell(report):
    several = build_report(small(budgets=(2, 5)))
    assert [f.name for f in draw_tuning(several)] == [
        "tuning-0-mnist1d-conv-2-epochs",
        "tuning-1-mnist1d-conv-5-epochs",
    ]
    assert [f.kind for f in draw_response(several)] == ["response"] * 2


def test_figures_say_in_words_what_they_show(report):
    [tuning], [response] = draw_tuning(report), draw_response(report)
    assert "piecewise from 84.0 % with one draw to 87.0 % with 8" in tuning.alt
    assert "one_cycle: best at 0.0373, near it from 0.0373 to 0.139, 2 of 8 diverged" in response.alt


def test_diverged_draws_are_marked_and_explained_only_where_there_are_some(report):
    assert "peak_lr (× diverged)" in draw_response(report)[0].svg
    assert "diverged" not in draw_response(build_report(small()))[0].svg


def test_one_draw_has_no_tuning_curve_to_draw():
    assert draw_tuning(build_report(small(draws=1))) == ()


@pytest.mark.parametrize(
    "record",
    [
        small(draws=1),
        small(draws=2),
        drawn(small(), "one_cycle", np.full(8, NAN)),
        drawn(drawn(small(), "one_cycle", np.full(8, NAN)), "piecewise", np.full(8, NAN)),
        drawn(small(), "piecewise", np.full(8, 0.5)),
        small(arms={"piecewise": TWO_ARMS["piecewise"]}),
    ],
    ids=["one draw", "two draws", "an arm diverged", "all diverged", "equal accuracies", "one arm"],
)
@pytest.mark.filterwarnings("error::RuntimeWarning", "error::UserWarning")
def test_degenerate_searches_are_said_and_drawn_without_a_word_about_nan(record):
    report = build_report(record)
    assert not any(re.search(r"\b(nan|None|inf)\b", sentence) for sentence in tuning_sentences(report))
    for figure in (*draw_tuning(report), *draw_response(report)):
        assert figure.svg.startswith("<?xml")
        assert not re.search(r"\b(nan|None|inf)\b", figure.alt)


def test_figures_are_the_same_every_time(record, report):
    again = build_report(record)
    assert [f.svg for f in draw_tuning(again)] == [f.svg for f in draw_tuning(report)]
    assert [f.svg for f in draw_response(again)] == [f.svg for f in draw_response(report)]
