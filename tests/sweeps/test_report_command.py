"""``fairsweep report`` on tables of results; on a recorded study it is tested with the launch."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.report import read_report
from sweeps.places import Places
from sweeps.recording import Recorder, TrackerError
from sweeps.spec import Study
from sweeps.trial import TrialResult
from tests.sweeps.test_cli import Cli

TABLE = """\
arm,seed,budget,test
cosine,1,5,90.12
cosine,2,5,89.87
cosine,3,5,90.31
one_cycle,1,5,91.05
one_cycle,2,5,91.21
one_cycle,3,5,90.88
"""


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    monkeypatch.setenv("FAIRSWEEP_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    Path("results.csv").write_text(TABLE, encoding="utf-8")
    return Cli(monkeypatch, capsys)


def test_a_table_gets_a_report_beside_you_and_its_verdicts_are_printed(cli: Cli, tmp_path: Path) -> None:
    arguments = ("--control", "cosine", "--percent", "--unit", "epochs", "--margin", "0.002", "--question", "Which?")
    assert cli("report", "results.csv", *arguments) == 0
    assert "results, 5 epochs" in cli.out
    assert "+0.95" in cli.out
    assert "Report:  results-report/report.html" in cli.out
    design = read_report(tmp_path / "results-report" / "report.json").design
    assert (design.control, design.equivalence_margin, design.question) == ("cosine", 0.002, "Which?")
    assert not (tmp_path / "home").exists()


def test_a_budget_that_is_not_recorded_is_not_printed(cli: Cli) -> None:
    Path("results.csv").write_text(TABLE.replace(",5,", ",").replace(",budget", ""), encoding="utf-8")
    assert cli("report", "results.csv", "--control", "cosine", "--percent") == 0
    assert cli.out.splitlines()[1].strip() == "results"


def test_evaluations_and_targets_go_together(cli: Cli, tmp_path: Path) -> None:
    Path("curves.csv").write_text("arm,seed,update,test\ncosine,1,10,80\ncosine,1,20,90.12\n", encoding="utf-8")
    arguments = ("--control", "cosine", "--percent", "--curves", "curves.csv", "--target", "0.7", "--target", "0.9")
    assert cli("report", "results.csv", *arguments, "--out", "out") == 0
    rows = read_report(tmp_path / "out" / "report.json").time_to_target
    assert [(row.target, row.hits) for row in rows if row.arm == "cosine"] == [(0.7, 1), (0.9, 1)]


def test_what_is_wrong_with_a_table_is_bad_input(cli: Cli) -> None:
    assert cli("report", "results.csv") == 2
    assert "results.csv: test must be a fraction in [0, 1]; got 90.12 in row 2" in " ".join(cli.err.split())
    assert cli("report", "results.csv", "--percent") == 2
    assert "control must be one of cosine, one_cycle" in " ".join(cli.err.split())
    assert cli("report", "nothing.csv") == 2
    assert "No such file" in cli.err
    assert not Path("results-report").exists()


def test_a_report_that_cannot_be_written_is_bad_input(cli: Cli) -> None:
    arguments = ("results.csv", "--control", "cosine", "--percent", "--out", "results.csv")
    assert cli("report", *arguments) == 2
    assert "cannot be written to results.csv" in cli.err
    assert Path("results.csv").read_text(encoding="utf-8") == TABLE


def test_two_tables_or_their_reports_are_set_side_by_side(cli: Cli, tmp_path: Path) -> None:
    Path("second.csv").write_text(TABLE.replace(",1,5", ",11,5").replace("91.", "92."), encoding="utf-8")
    options = ("--control", "cosine", "--percent")
    assert cli("report", "results.csv", "--compare", "second.csv", *options) == 0
    assert "Comparison:  results-and-second/comparison.html" in cli.out
    tables = (tmp_path / "results-and-second" / "comparison.json").read_bytes()
    for table in ("results.csv", "second.csv"):
        assert cli("report", table, *options) == 0
    assert cli("report", "results-report", "--compare", "second-report/report.json") == 0
    assert (tmp_path / "results-report-and-second-report" / "comparison.json").read_bytes() == tables


def test_what_cannot_be_compared_is_bad_input(cli: Cli) -> None:
    assert cli("report", "results.csv", "--control", "cosine", "--percent") == 0
    Path("empty").mkdir()
    Path("study.yaml").touch()
    Path("old").mkdir()
    Path("old/report.json").write_text('{"schema_version": "0.1", "comparisons": []}', encoding="utf-8")
    for second, words in (
        ("empty", "The folder of that name has no report.json"),
        ("old", "must be a report of this version of fairsweep"),
        ("nothing.csv", "No such file"),
        ("nothing", "There is no file or folder of that name, and no study is recorded in sqlite:"),
        ("study.yaml", "The file of that name has no results"),
        ("results-report/report.json", "--compare must be another study than the first"),
    ):
        assert cli("report", "results-report", "--compare", second) == 2
        assert words in " ".join(cli.err.split())
    assert cli("report", "nothing", "--compare", "results-report") == 2
    assert "STUDY must be a recorded study, a folder with a report.json, or a table such as results.csv" in cli.err
    assert cli("report", "results-report") == 2
    assert "is a report already" in " ".join(cli.err.split())
    table = ("results.csv", "--control", "cosine", "--percent")
    assert cli("report", "results-report", "--compare", *table, "--out", "results-report") == 2
    assert "--out must be a folder without a report" in " ".join(cli.err.split())
    assert cli("report", "results-report", "--compare", "results-report", "--margin", "0.1") == 2


def test_two_of_one_name_are_told_apart_by_their_folders(cli: Cli) -> None:
    for folder, text in (("a", TABLE), ("b", TABLE.replace("91.", "92."))):
        Path(folder).mkdir()
        Path(folder, "results.csv").write_text(text, encoding="utf-8")
    assert cli("report", "a/results.csv", "--compare", "b/results.csv", "--control", "cosine", "--percent") == 0
    assert "results (a/results.csv) and results (b/results.csv) have 1 comparison in common." in cli.out
    assert "Comparison:  a-results-and-b-results/comparison.html" in cli.out


def test_the_rules_of_a_recorded_study_cannot_be_changed_afterwards(cli: Cli) -> None:
    assert cli("report", "quickstart", "--margin", "0.1", "--percent") == 2
    assert "--margin, --percent must be left away for a recorded study" in " ".join(cli.err.split())


def test_whoever_may_only_read_a_record_gets_the_report_all_the_same(
    cli: Cli, study: Study, places: Places, results: list[TrialResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object) -> None:
        raise TrackerError("it does not allow that")

    writer = Recorder(study, places)
    writer.open({})
    writer.put(results[0])
    assert writer.flush(20)
    writer.close(done=False)
    monkeypatch.setenv("FAIRSWEEP_HOME", str(places.home))
    monkeypatch.setattr("sweeps.recording.record_report", forbidden)
    assert cli("report", study.study, "--out", "mine") == 1
    assert Path("mine/report.html").is_file()
    assert "Report:  mine/report.html" in cli.out
    assert "The report is written, and not kept in MLflow as well: it does not allow that" in cli.err
