import csv
import dataclasses
import errno
import io
import json
import re
import threading
from pathlib import Path

import pandas as pd
import pytest

from analysis import TableOptions, build_report, read_table
from analysis.exporting import csv_tables, rules_json, tex_escaped, tex_table, trials_csv
from analysis.rendering.text_table import TextTable
from analysis.rendering.text_tables import verdict_table
from analysis.tables.contents import Report
from analysis.writing import MANIFEST, replace_files
from tests.analysis.synthetic_study import ARMS, at, changed, synthetic_record, without

SHAPE = {
    "arms": {name: ARMS[name] for name in ("piecewise", "piecewise_as_published", "one_cycle")},
    "budgets": (2, 5),
    "draws": 4,
    "seeds": 5,
}


@pytest.fixture(scope="module")
def record():
    record = changed(synthetic_record(**SHAPE), at(5, "one_cycle", "tune"), **{"setting.factor": 0.1})
    place = record.trials["trial_key"].str.contains("one_cycle/confirm/search-0/seed-3")
    return changed(record, lambda _: place, diverged=True, outcome="diverged", diverged_at_update=9, test=float("nan"))


@pytest.fixture(scope="module")
def report(record):
    return build_report(record)


@pytest.fixture(scope="module")
def tables(report):
    return {name: list(csv.DictReader(io.StringIO(text))) for name, text in csv_tables(report).items()}


def test_every_kind_of_row_becomes_a_table_with_every_number_as_it_is(report, tables):
    for name in ("arms", "comparisons", "time_to_target", "ledger", "checks", "seeds", "winners"):
        rows = getattr(report, name)
        assert len(tables[name]) == len(rows)
        for line, row in zip(tables[name], rows, strict=True):
            for field, value in dataclasses.asdict(row).items():
                assert line[field] == _shown(value), (name, field)


def _shown(value):
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple) and all(isinstance(item, str) for item in value):
        return " ".join(value)
    if isinstance(value, dict | tuple):
        return json.dumps(value)
    return str(value)


def test_a_curve_becomes_one_line_per_evaluation(report, tables):
    row = report.curves[0]
    lines = [line for line in tables["curves"] if (line["arm"], line["budget"]) == (row.arm, str(row.budget))]
    assert [float(line["mean"]) for line in lines] == list(row.mean)
    assert [int(line["updates"]) for line in lines] == list(row.updates)
    assert "run_ids" not in lines[0]


def test_kinds_without_rows_are_left_out(report):
    assert "time_to_target" not in csv_tables(dataclasses.replace(report, time_to_target=()))


def read_back(record, folder: Path) -> Report:
    (folder / "trials.csv").write_text(trials_csv(record), encoding="utf-8")
    (folder / "rules.json").write_text(rules_json(record), encoding="utf-8")
    return build_report(read_table(folder / "trials.csv", options=TableOptions(rules=folder / "rules.json")))


def test_the_exported_trials_are_read_back_to_the_same_report(record, report, tmp_path):
    again = read_back(record, tmp_path)
    # What rests on evaluations is not in the table of trials.
    for name in ("headline", "sentences", "arms", "comparisons", "seeds", "winners", "ledger"):
        assert getattr(again, name) == getattr(report, name), name
    recorded = tuple(part for part in report.design.recorded if part != "curves")
    assert again.design == dataclasses.replace(report.design, recorded=recorded)


def test_the_trials_of_an_unfinished_study_are_read_back_too(tmp_path):
    record = without(synthetic_record(**SHAPE), lambda t: (t["arm"] == "one_cycle") & (t["seed_index"] == 1))
    assert read_back(record, tmp_path).comparisons == build_report(record).comparisons


def test_settings_are_read_back_as_what_they_were(tmp_path):
    record = synthetic_record(**{**SHAPE, "budgets": (2,)})
    values = [0.1, "0.1", "true", True, [0.5, 0.75], "plain", "a,b", 3, None, '"']
    trials = record.trials.copy()
    trials["setting.x"] = pd.Series([values[i % len(values)] for i in range(len(trials))], dtype=object)
    (tmp_path / "trials.csv").write_text(trials_csv(dataclasses.replace(record, trials=trials)), encoding="utf-8")
    again = read_table(tmp_path / "trials.csv", options=TableOptions(control="piecewise")).trials
    found = dict(zip(again["run_id"], again["setting.x"], strict=True))
    for run_id, value in zip(trials["run_id"], trials["setting.x"], strict=True):
        assert type(found[run_id]) is type(value) or value is None
        assert found[run_id] == value or value is None


def test_no_plan_is_exported_where_none_was_recorded(record):
    assert "confirm" in json.loads(rules_json(record))
    assert "confirm" not in json.loads(rules_json(dataclasses.replace(record, recorded=frozenset())))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5 % & more", r"5 \% \& more"),
        ("a_b^c~d", r"a\_b\textasciicircum{}c\textasciitilde{}d"),
        (r"\input{x}", r"\textbackslash{}input\{x\}"),
        ("$x$ #1", r"\$x\$ \#1"),
        ("−0.40 ± 0.1 – …", r"$-$0.40 $\pm$ 0.1 -- \ldots{}"),
        ("[1] *", "{[}1] {*}"),
        ("two\nlines", "two lines"),
        ("<0.001", "$<$0.001"),
        ("Zoë", "Zoë"),
    ],
)
def test_text_is_escaped_for_latex(text, expected):
    assert tex_escaped(text) == expected


def test_no_name_can_leave_its_cell_in_latex():
    nasty = TextTable(
        name="x",
        caption="100 %",
        columns=("a & b", "x"),
        num_keys=1,
        rows=((r"\end{tabular} & % $ # _ { } \\", "1"),),
        numeric=frozenset({"x"}),
    )
    text = tex_table(nasty)
    body = text[text.index(r"\toprule") : text.index(r"\bottomrule")]
    for line in [line for line in body.splitlines() if line.endswith(r"\\")]:
        cells = line.strip().removesuffix(r" \\")
        assert len(re.findall(r"(?<!\\)&", cells)) == 1
        assert not re.search(r"(?<!\\)[%#_$]", cells)
    assert text.count(r"\end{tabular}") == 1


def test_a_table_for_a_paper_shows_the_numbers_of_the_report(report):
    table = verdict_table(report)
    lines = tex_table(table).splitlines()
    assert r"  \begin{tabular}{lllrrr}" in lines
    rows = [line.strip().removesuffix(r" \\").split(" & ") for line in lines if line.endswith(r"\\")]
    assert rows == [[tex_escaped(cell) for cell in row] for row in (table.columns, *table.rows)]
    depth = 0
    for line in lines:
        depth += line.count("{") - line.count("}")
    assert depth == 0


def test_files_of_an_older_report_are_removed_and_those_of_others_kept(tmp_path):
    replace_files(tmp_path, {"report.html": b"1", "figures/old.png": b"1", "figures/both.png": b"1"})
    (tmp_path / "figures" / "mine.png").write_bytes(b"mine")
    (tmp_path / "notes.txt").write_bytes(b"mine")
    replace_files(tmp_path, {"report.html": b"2", "figures/both.png": b"2", "figures/new.png": b"2"})
    assert {str(p.relative_to(tmp_path)): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == {
        MANIFEST: (tmp_path / MANIFEST).read_bytes(),
        "report.html": b"2",
        "figures/both.png": b"2",
        "figures/new.png": b"2",
        "figures/mine.png": b"mine",
        "notes.txt": b"mine",
    }


def test_a_list_of_files_that_was_tampered_with_removes_nothing_outside(tmp_path):
    outside = tmp_path / "outside.txt"
    outside.write_bytes(b"mine")
    folder = tmp_path / "report"
    (folder / "figures").mkdir(parents=True)
    (folder / "elsewhere").symlink_to(tmp_path)
    for names in (["../outside.txt", str(outside), "elsewhere/outside.txt", 5], {"a": 1}, "x", None):
        (folder / MANIFEST).write_text(json.dumps(names), encoding="utf-8")
        replace_files(folder, {"report.html": b"2"})
        assert outside.read_bytes() == b"mine"
    (folder / MANIFEST).write_text("{", encoding="utf-8")
    replace_files(folder, {"report.html": b"2"})


def test_a_full_disk_leaves_the_old_report_whole(tmp_path, monkeypatch):
    old = {"report.html": b"1", "figures/a.png": b"1"}
    replace_files(tmp_path, old)
    write, left = Path.write_bytes, [2]

    def full(path, content):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        replace_files(tmp_path, {"report.html": b"2", "figures/a.png": b"2", "figures/b.png": b"2"})
    assert {name: (tmp_path / name).read_bytes() for name in old} == old
    assert sorted(path.name for path in tmp_path.iterdir()) == [MANIFEST, "figures", "report.html"]


def test_a_folder_that_cannot_be_written_is_an_error_and_changes_nothing(tmp_path):
    (tmp_path / "file").write_bytes(b"mine")
    with pytest.raises(OSError):
        replace_files(tmp_path / "file", {"report.html": b"1"})
    (tmp_path / "report" / "report.md").mkdir(parents=True)
    with pytest.raises(IsADirectoryError, match=r"report\.md is a folder"):
        replace_files(tmp_path / "report", {"report.html": b"1", "report.md": b"1"})
    assert [path.name for path in (tmp_path / "report").iterdir()] == ["report.md"]


def test_what_a_killed_writer_left_is_cleared_away(tmp_path):
    (tmp_path / ".fairsweep-writing-x").mkdir()
    (tmp_path / ".fairsweep-writing-x" / "report.html").write_bytes(b"half")
    replace_files(tmp_path, {"report.html": b"1"})
    assert sorted(path.name for path in tmp_path.iterdir()) == [MANIFEST, "report.html"]


def test_of_two_writers_at_once_one_report_is_whole(tmp_path):
    names = [f"figures/{i}.png" for i in range(30)]

    def write(content: bytes) -> None:
        for _ in range(20):
            replace_files(tmp_path, dict.fromkeys([*names, f"only-{content.decode()}"], content))

    threads = [threading.Thread(target=write, args=(content,)) for content in (b"1", b"2")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != MANIFEST]
    assert len(files) == len(names) + 1
    assert len({path.read_bytes() for path in files}) == 1
