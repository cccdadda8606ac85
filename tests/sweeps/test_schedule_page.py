"""docs/schedules.md and its pictures are what the tables say; `make docs` writes them again."""

from __future__ import annotations

import re

import pytest

from schedules import MOMENTUM, SCHEDULES
from schedules.warmup import WARMUP_SETTINGS
from sweeps.catalogue.entries import value_words
from tests.sweeps.schedule_page import DOCS, PAGE, page, pictures

NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")
REMEDY = "run: make docs"


def test_the_page_says_what_the_tables_say() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert page(text) == text, REMEDY


@pytest.mark.parametrize(
    "path", [f"images/schedules/{n}.svg" for n in SCHEDULES] + [f"images/momentum/{n}.svg" for n in MOMENTUM]
)
def test_a_picture_shows_what_is_in_the_table(path: str) -> None:
    assert (DOCS / path).exists(), REMEDY
    there, drawn = (DOCS / path).read_text(encoding="utf-8"), pictures()[path]
    assert NUMBER.split(there) == NUMBER.split(drawn), REMEDY
    # The last digits of a coordinate may differ between machines.
    assert [float(n) for n in NUMBER.findall(there)] == pytest.approx(
        [float(n) for n in NUMBER.findall(drawn)], abs=0.01
    ), REMEDY


def test_there_is_no_picture_of_what_is_not_in_the_tables() -> None:
    there = {path.relative_to(DOCS).as_posix() for path in DOCS.glob("images/*/*.svg")}
    assert {path for path in there if path.startswith(("images/schedules/", "images/momentum/"))} == set(pictures()), (
        REMEDY
    )


def test_a_picture_is_the_same_however_often_it_is_drawn() -> None:
    before = dict(pictures())
    pictures.cache_clear()
    assert dict(pictures()) == before


def test_the_page_has_the_settings_of_a_warm_up_with_their_defaults() -> None:
    section = PAGE.read_text(encoding="utf-8").partition("## Warm-up")[2].partition("\n## ")[0]
    documented = dict(re.findall(r"^\| `(\w+)` \| (\S+) \|", section, flags=re.MULTILINE))
    assert documented == {name: value_words(default) for name, default in WARMUP_SETTINGS.items()}


def test_the_comparison_with_other_libraries_names_what_there_is() -> None:
    section = PAGE.read_text(encoding="utf-8").partition("## Elsewhere")[2].partition("\n### ")[0]
    compared = re.findall(r"^\| `(\w+)`", section, flags=re.MULTILINE)
    assert [name for name in compared if name not in {*SCHEDULES, *MOMENTUM}] == []
    assert len(compared) > 10
