"""What schedules and momentum policies say of themselves, and how they look as text."""

from __future__ import annotations

import csv
import io
import json

import pytest

from schedules import SCHEDULES
from sweeps.catalogue import course, policy_course, policy_entries, schedule_entries, search_words
from sweeps.catalogue.entries import value_words
from sweeps.catalogue.markup import markdown, plain
from sweeps.catalogue.text_charts import sparkline, text_chart

ENTRIES = [*schedule_entries(), *policy_entries()]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_every_setting_of_every_entry_has_a_meaning_and_every_entry_a_summary(entry) -> None:
    assert entry.summary.endswith(".") or entry.formula
    assert [setting.name for setting in entry.settings if not setting.meaning] == []


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_the_variants_of_an_entry_are_what_is_searched_apart_from_the_default(entry) -> None:
    defaults = {setting.name: setting.default for setting in entry.settings}
    assert {name for variant in entry.variants for name in variant} <= set(entry.searched)
    assert all(defaults[name] != value for variant in entry.variants for name, value in variant.items())


def test_a_docstring_is_read_as_summary_formula_settings_and_reference() -> None:
    linear = next(entry for entry in schedule_entries() if entry.name == "linear")
    assert linear.summary == "Decay the factor on a straight line."
    assert linear.formula.startswith("``1 + (final_factor - 1) * step / total_steps``.")
    (setting,) = linear.settings
    assert (setting.name, setting.default) == ("final_factor", 0.0)
    assert setting.meaning == "factor at the end of the run, in [0, 1]."
    assert setting.search == {"choice": (0.0, 0.01, 0.1)}
    assert linear.reference.startswith("Li, Yumer and Ramanan")


def test_a_dimension_is_said_in_words() -> None:
    assert search_words({"float": [0.1, 0.5]}) == "0.1 to 0.5"
    assert search_words({"log": [1e-4, 0.1]}) == "log 0.0001 to 0.1"
    assert search_words({"int": [2, 4]}) == "whole 2 to 4"
    assert search_words({"choice": [[0.5], [0.5, 0.75]]}) == "one of [0.5], [0.5, 0.75]"


def test_a_value_is_said_as_a_study_file_has_it() -> None:
    assert [value_words(v) for v in (1e4, (0.5, 1.0), True, "linear", 3)] == [
        "10000",
        "[0.5, 1]",
        "true",
        "linear",
        "3",
    ]


def test_a_course_is_what_the_training_loop_would_do() -> None:
    run = course("linear", "cycled", {"peak_lr": 0.5, "momentum": 0.9, "momentum_drop": 0.1}, total_steps=4)
    assert run.rates == pytest.approx((0.5, 0.375, 0.25, 0.125))
    assert run.momenta == pytest.approx((0.8, 0.825, 0.85, 0.875))
    assert (run.peak_lr, run.total_steps) == (0.5, 4)


def test_a_course_has_the_warm_up_that_its_settings_ask_for() -> None:
    settings = {"warmup_frac": 0.5, "warmup_initial_factor": 0.0}
    assert course("constant", "constant", settings, total_steps=4).rates == (0.0, 0.5, 1.0, 1.0)


def test_a_mistake_in_the_settings_of_a_course_is_named() -> None:
    with pytest.raises(ValueError, match=r"final_factor must be a number in \[0, 1\]; got 2\."):
        course("linear", "constant", {"final_factor": 2}, total_steps=4)
    with pytest.raises(ValueError, match="schedule must be one of"):
        course("cosin", "constant", {}, total_steps=4)


def test_a_policy_is_shown_along_a_cycle() -> None:
    momenta = policy_course("cycled", {}).momenta
    assert min(momenta) == pytest.approx(0.85)
    assert momenta.index(min(momenta)) == 299


def test_a_course_as_a_file_reads_back_exactly() -> None:
    run = course("cosine", "cycled", {"peak_lr": 0.3}, total_steps=7)
    rows = list(csv.DictReader(io.StringIO(run.csv())))
    assert tuple(float(row["lr"]) for row in rows) == run.rates
    assert tuple(float(row["momentum"]) for row in rows) == run.momenta
    assert [row["step"] for row in rows] == [str(step) for step in range(7)]
    assert json.loads(run.json()) == {"peak_lr": 0.3, "lr": list(run.rates), "momentum": list(run.momenta)}


def test_a_sparkline_of_a_straight_line_is_stairs() -> None:
    assert sparkline([0, 1, 2, 3, 4, 5, 6], 7, 0, 6) == "▁▂▃▄▅▆▇"
    assert sparkline([0, 1, 2, 3, 4, 5, 6], 4, 0, 6) == "▁▃▅▇"


def test_a_sparkline_of_one_value_is_level_however_wide() -> None:
    assert sparkline([1.0], 3, 0, 1) == "▇▇▇"
    assert sparkline([0.9, 0.9], 3, 0.9, 0.9) == "▄▄▄"


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_sparkline_of_every_schedule_has_a_peak_and_no_holes(name: str) -> None:
    line = sparkline(course(name, "constant", {}, 1000).rates, 25, 0.0, 1.0)
    assert len(line) == 25
    assert set(line) <= set("▁▂▃▄▅▆▇")
    assert "▇" in line


def test_a_text_chart_fills_columns_from_the_foot() -> None:
    assert text_chart([0.0, 0.5, 1.0], 3, 2, 0.0, 1.0) == ["  █", "▁██"]
    assert text_chart([0.0, 0.25, 0.75], 3, 2, 0.0, 1.0) == ["  ▄", "▁▄█"]


DOCSTRING = """With ``a`` and ``b``::

    one(``x``)   a

    two

and a table

====  ======
name  value
====  ======
``a``  1
``b``  2
====  ======

End."""


def test_a_docstring_as_markdown_has_fences_and_tables() -> None:
    table = "| name | value |\n| --- | --- |\n| `a` | 1 |\n| `b` | 2 |"
    fence = "```text\none(``x``)   a\n\ntwo\n```"
    assert markdown(DOCSTRING) == f"With `a` and `b`:\n\n{fence}\n\nand a table\n\n{table}\n\nEnd."


def test_a_docstring_for_the_terminal_has_no_marks_and_keeps_its_columns() -> None:
    text = plain(DOCSTRING)
    assert "`" not in text
    assert "::" not in text
    assert "a      1\nb      2" in text
