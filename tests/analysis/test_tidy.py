import json
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import TableError, TableOptions, build_report, read_table
from analysis.record import ALL_PARTS, CURVES, PLAN, SECONDS, SEEDS, TUNING, UPDATES
from analysis.samples import Sample, collect_samples
from tests.analysis.result_tables import EVALUATIONS, FULL, SMALL, read, refusal, written


def accuracies(sample: Sample) -> list[float]:
    return [float(value) for value in sample.values]  # noqa: PD011 (no data frame)


def test_an_arm_and_an_accuracy_are_enough_for_a_report(tmp_path):
    report = build_report(read(tmp_path, SMALL))
    (comparison,) = report.comparisons
    assert comparison.difference == pytest.approx(0.03)
    assert (comparison.n, comparison.n_control) == (2, 2)
    assert report.study == "results"
    assert [row.run_ids for row in report.seeds] == [("row 2",), ("row 3",), ("row 4",), ("row 5",)]


def test_every_column_reaches_the_record(tmp_path):
    trials = read(tmp_path, FULL).trials.set_index("run_id")
    diverged, winner = trials.loc["c4"], trials.loc["c2"]
    assert (diverged["outcome"], bool(diverged["diverged"]), np.isnan(diverged["test"])) == ("diverged", True, True)
    expected = {"workload": "mnist", "budget": 5, "budget_unit": "epochs", "arm": "cosine", "phase": "confirm"}
    expected |= {"search": 0, "seed": 13, "validation": 0.91, "test": 0.92, "total_updates": 160, "train_seconds": 1.6}
    assert {name: winner[name] for name in expected} == expected
    assert (winner["setting.peak_lr"], winner["setting.milestones"]) == (0.1, [0.5, 0.75])
    assert list(trials.loc[["t1", "t2"], "draw"]) == [0, 1]


def test_a_seed_has_one_index_in_all_arms_of_a_cell(tmp_path):
    trials = read(tmp_path, FULL).trials.set_index("run_id")
    assert trials.loc["c1", "seed_index"] == trials.loc["c3", "seed_index"]
    assert trials.loc["c2", "seed_index"] == trials.loc["c4", "seed_index"]
    assert trials.loc["c1", "seed_index"] != trials.loc["c2", "seed_index"]


def test_seeds_may_have_any_name(tmp_path):
    text = SMALL.replace("arm,", "seed,arm,").replace("\ncosine,0.90", "\na b,cosine,0.90")
    text = text.replace("\ncosine,0.92", "\nx,cosine,0.92").replace("\none", "\nx,one", 1).replace("\none", "\na b,one")
    samples = collect_samples(read(tmp_path, text))
    assert [accuracies(sample) for sample in samples.values()] == [[0.90, 0.92], [0.95, 0.93]]


def capitals(name: str) -> str:
    return name if "." in name else name.upper()


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("results.csv", lambda frame, path: frame.to_csv(path, index=False, encoding="utf-8-sig")),
        ("results.csv", lambda frame, path: frame.rename(columns=capitals).to_csv(path, index=False, sep=";")),
        ("results.csv", lambda frame, path: path.write_text(frame.to_csv(index=False).replace("\n", "\n\n"))),
        ("results.tsv", lambda frame, path: frame.to_csv(path, index=False, sep="\t")),
        ("results.jsonl", lambda frame, path: frame.to_json(path, orient="records", lines=True)),
        ("results.json", lambda frame, path: frame.to_json(path, orient="records")),
        ("results.parquet", lambda frame, path: frame.to_parquet(path)),
    ],
    ids=["bom", "semicolons and capitals", "blank lines", "tsv", "jsonl", "json", "parquet"],
)
def test_every_kind_of_file_gives_the_same_record(tmp_path, name, write):
    frame = pd.read_csv(Path(written(tmp_path / "plain.csv", FULL)))
    frame["setting.milestones"] = frame["setting.milestones"].map(lambda text: text, na_action="ignore")
    expected = read_table(tmp_path / "plain.csv", options=TableOptions(control="cosine")).trials
    write(frame, tmp_path / name)
    found = read_table(tmp_path / name, options=TableOptions(control="cosine")).trials
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)


def test_a_data_frame_will_do_too(tmp_path):
    frame = pd.DataFrame({"arm": ["a", "a", "b", "b"], "test": [0.1, 0.2, 0.3, 0.4], "seed": [0, 1, 0, 1]})
    record = read_table(frame, options=TableOptions(control="a"))
    assert record.rules.study == "table"
    assert [accuracies(sample) for sample in collect_samples(record).values()] == [[0.1, 0.2], [0.3, 0.4]]


def test_settings_may_stand_in_an_object_of_their_own(tmp_path):
    rows = [{"arm": arm, "test": 0.5, "setting": {"peak_lr": 0.1}} for arm in ("cosine", "linear")]
    text = "\n".join(json.dumps(row) for row in rows)
    assert list(read(tmp_path, text, name="results.jsonl").trials["setting.peak_lr"]) == [0.1, 0.1]


def test_the_order_of_the_rows_does_not_matter_where_the_seeds_are_named(tmp_path):
    header, *rows = FULL.splitlines()
    # The seeds of a cell are numbered as they come, and the draws where they have no number; these rows keep both.
    shuffled = "\n".join([header, *rows[4:6], *rows[:4], *rows[6:]])
    first, second = (build_report(read(tmp_path, text)) for text in (FULL, shuffled))
    assert first.comparisons == second.comparisons
    assert first.arms == second.arms


def test_percent_is_taken_only_when_it_is_said(tmp_path):
    text = SMALL.replace("0.9", "9")
    (problem,) = refusal(tmp_path, text.replace("90", "90.0"))
    assert problem.startswith("test must be a fraction in [0, 1]; got 90.0 in row 2, 92 in row 3")
    assert "--percent" in problem
    assert list(read(tmp_path, text, percent=True).trials["test"]) == pytest.approx([0.90, 0.92, 0.93, 0.95])
    (problem,) = refusal(tmp_path, SMALL, percent=True)
    assert "leave --percent (percent=True) away" in problem


def test_what_a_table_does_not_hold_is_not_recorded(tmp_path):
    assert read(tmp_path, SMALL).recorded == frozenset()
    assert read(tmp_path, FULL).recorded == {SEEDS, TUNING, UPDATES, SECONDS}
    assert read(tmp_path, FULL, EVALUATIONS).recorded == {SEEDS, TUNING, UPDATES, SECONDS, CURVES}
    assert read(tmp_path, FULL, rules={"confirm": {"seeds": 3}}).recorded == {SEEDS, TUNING, UPDATES, SECONDS, PLAN}


def test_without_a_plan_nothing_is_missing_and_with_one_it_is_counted(tmp_path):
    unequal = SMALL + "one_cycle,0.96\n"
    assert [(row.n, row.planned, row.missing) for row in build_report(read(tmp_path, unequal)).arms] == [
        (2, 2, 0),
        (3, 3, 0),
    ]
    planned = build_report(read(tmp_path, unequal, rules={"confirm": {"seeds": 3}}))
    assert [(row.n, row.planned, row.missing) for row in planned.arms] == [(2, 3, 1), (3, 3, 0)]


def test_runs_without_named_seeds_are_not_paired(tmp_path):
    assert [sample.seeds for sample in collect_samples(read(tmp_path, SMALL)).values()] == [(), ()]


def test_failed_attempts_are_counted_and_no_results(tmp_path):
    record = read(
        tmp_path,
        FULL.replace("linear,mnist,5,epochs,confirm,0,,13,,,true", "linear,mnist,5,epochs,confirm,0,,13,,,failed")
        .replace("diverged", "outcome")
        .replace("true", "diverged"),
    )
    assert record.failures == {("mnist", "linear", "confirm"): 1}
    assert "c4" not in set(record.trials["run_id"])


def test_cells_without_runs_are_left_out(tmp_path):
    text = "arm,test,workload,budget\ncosine,0.9,a,5\nlinear,0.9,a,5\ncosine,0.9,b,90\nlinear,0.9,b,90\n"
    report = build_report(read(tmp_path, text))
    assert [(row.workload, row.budget) for row in report.comparisons] == [("a", 5), ("b", 90)]


CELL = st.one_of(
    st.sampled_from(["", "a", "b", "0.5", "0.7", "1", "90", "-1", "nan", "tune", "confirm", "true", "1e400", "0,5"]),
    st.text(max_size=4),
)


NAMES = ["arm", "test", "validation", "seed", "phase", "budget", "diverged", "search", "draw", "updates", "setting.x"]


@settings(max_examples=150)
@given(st.data())
def test_any_table_is_read_or_refused_in_words(data):
    names = data.draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=6, unique=True))
    rows = data.draw(st.lists(st.lists(CELL, min_size=len(names), max_size=len(names)), min_size=1, max_size=6))
    frame = pd.DataFrame(rows, columns=names, dtype=object).replace("", None)
    record = None
    with suppress(TableError):
        record = read_table(frame, options=TableOptions(rules={"control": data.draw(st.sampled_from(["a", "b"]))}))
    if record is not None:
        assert len(record.trials) <= len(rows)
        assert record.recorded <= ALL_PARTS
        assert build_report(record).headline
