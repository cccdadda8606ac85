"""docs/tables.md says what is so: its examples are run, and its tables compared with the code."""

import re
from pathlib import Path

import pytest
import yaml

from analysis import TableError, TableOptions, build_report, read_table
from analysis.record import TRIAL_COLUMNS

PAGE = (Path(__file__).parents[2] / "docs" / "tables.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}$\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    runs, curves = blocks("csv")
    (tmp_path / "results.csv").write_text(runs, encoding="utf-8")
    (tmp_path / "curves.csv").write_text(curves, encoding="utf-8")
    (tmp_path / "rules.yaml").write_text(blocks("yaml")[0], encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("number", range(len(blocks("python"))))
def test_the_python_of_the_page_runs_and_prints(folder: Path, number: int, capsys: pytest.CaptureFixture[str]) -> None:
    exec(blocks("python")[number], {})
    assert capsys.readouterr().out


def test_the_rules_of_the_page_are_rules(folder: Path) -> None:
    rules = read_table("results.csv", options=TableOptions(rules="rules.yaml")).rules
    written = yaml.safe_load((folder / "rules.yaml").read_text(encoding="utf-8"))
    assert (rules.control, rules.confirm.seeds, rules.question) == ("cosine", 5, written["question"])
    assert rules.arms["one_cycle"].as_published


def test_every_column_is_on_the_page() -> None:
    section = PAGE.partition("## Columns")[2].partition("\n## ")[0]
    documented = re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE)
    assert set(documented) == set(TRIAL_COLUMNS)


@pytest.mark.parametrize("column", ["arm", "test"])
def test_the_columns_that_the_page_calls_required_are(folder: Path, column: str) -> None:
    text = (folder / "results.csv").read_text(encoding="utf-8").replace(column, f"other_{column}_x", 1)
    (folder / "results.csv").write_text(text, encoding="utf-8")
    with pytest.raises(TableError, match=f"must have a column {column}"):
        read_table("results.csv")


def test_the_smallest_table_gives_the_verdict_that_a_reader_expects(folder: Path) -> None:
    (row,) = build_report(read_table("results.csv", options=TableOptions(control="cosine"))).comparisons
    assert row.difference == pytest.approx(0.0099, abs=1e-4)
    assert row.verdict == "better"
