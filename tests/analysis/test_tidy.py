import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import TableError, TableOptions, build_report, read_table
from analysis.record import ALL_PARTS, CURVES, PLAN, RULES, SECONDS, SEEDS, TUNING, UPDATES, StudyRecord
from analysis.samples import Sample, collect_samples
from tests.analysis.synthetic_study import study_json

SMALL = """\
arm,test
cosine,0.90
cosine,0.92
one_cycle,0.93
one_cycle,0.95
"""
FULL = """\
arm,workload,budget,budget_unit,phase,search,draw,seed,validation,test,diverged,updates,total_updates,train_seconds,\
run_id,setting.peak_lr,setting.milestones
cosine,mnist,5,epochs,tune,0,0,7,0.88,,,160,160,1.5,t1,0.1,"[0.5, 0.75]"
cosine,mnist,5,epochs,tune,0,1,8,,,true,20,160,0.2,t2,1.0,"[0.5, 0.75]"
cosine,mnist,5,epochs,confirm,0,,11,0.89,0.90,,160,160,1.5,c1,0.1,"[0.5, 0.75]"
cosine,mnist,5,epochs,confirm,0,,13,0.91,0.92,,160,160,1.6,c2,0.1,"[0.5, 0.75]"
linear,mnist,5,epochs,tune,0,0,7,0.88,,,160,160,1.5,t3,0.2,
linear,mnist,5,epochs,tune,0,1,8,0.85,,,160,160,1.5,t4,0.4,
linear,mnist,5,epochs,confirm,0,,13,,,true,30,160,0.3,c4,0.2,
linear,mnist,5,epochs,confirm,0,,11,0.92,0.93,,160,160,1.4,c3,0.2,
"""
EVALUATIONS = """\
run_id,update,test,train_seconds
c1,160,0.90,1.5
c1,80,0.70,0.7
c3,80,0.80,0.8
c3,160,0.93,1.4
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def read(folder: Path, text: str, curves: str | None = None, name: str = "results.csv", **choices) -> StudyRecord:
    (folder / name).write_text(text, encoding="utf-8")
    if curves is not None:
        (folder / "curves.csv").write_text(curves, encoding="utf-8")
    options = TableOptions(**{"control": "cosine", **choices})
    return read_table(folder / name, None if curves is None else folder / "curves.csv", options=options)


def refusal(folder: Path, text: str, curves: str | None = None, **choices) -> tuple[str, ...]:
    with pytest.raises(TableError) as caught:
        read(folder, text, curves, **choices)
    return caught.value.problems


def accuracies(sample: Sample) -> list[float]:
    return [float(value) for value in sample.values]  # noqa: PD011 (no data frame)


def test_an_arm_and_an_accuracy_are_enough_for_a_report(folder):
    report = build_report(read(folder, SMALL))
    (comparison,) = report.comparisons
    assert comparison.difference == pytest.approx(0.03)
    assert (comparison.n, comparison.n_control) == (2, 2)
    assert report.study == "results"
    assert [row.run_ids for row in report.seeds] == [("row 2",), ("row 3",), ("row 4",), ("row 5",)]


def test_every_column_reaches_the_record(folder):
    trials = read(folder, FULL).trials.set_index("run_id")
    diverged, winner = trials.loc["c4"], trials.loc["c2"]
    assert (diverged["outcome"], bool(diverged["diverged"]), np.isnan(diverged["test"])) == ("diverged", True, True)
    expected = {"workload": "mnist", "budget": 5, "budget_unit": "epochs", "arm": "cosine", "phase": "confirm"}
    expected |= {"search": 0, "seed": 13, "validation": 0.91, "test": 0.92, "total_updates": 160, "train_seconds": 1.6}
    assert {name: winner[name] for name in expected} == expected
    assert (winner["setting.peak_lr"], winner["setting.milestones"]) == (0.1, [0.5, 0.75])
    assert list(trials.loc[["t1", "t2"], "draw"]) == [0, 1]


def test_a_seed_has_one_index_in_all_arms_of_a_cell(folder):
    trials = read(folder, FULL).trials.set_index("run_id")
    assert trials.loc["c1", "seed_index"] == trials.loc["c3", "seed_index"]
    assert trials.loc["c2", "seed_index"] == trials.loc["c4", "seed_index"]
    assert trials.loc["c1", "seed_index"] != trials.loc["c2", "seed_index"]


def test_seeds_may_have_any_name(folder):
    text = SMALL.replace("arm,", "seed,arm,").replace("\ncosine,0.90", "\na b,cosine,0.90")
    text = text.replace("\ncosine,0.92", "\nx,cosine,0.92").replace("\none", "\nx,one", 1).replace("\none", "\na b,one")
    samples = collect_samples(read(folder, text))
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
def test_every_kind_of_file_gives_the_same_record(folder, name, write):
    frame = pd.read_csv(Path(_written(folder / "plain.csv", FULL)))
    frame["setting.milestones"] = frame["setting.milestones"].map(lambda text: text, na_action="ignore")
    expected = read_table(folder / "plain.csv", options=TableOptions(control="cosine")).trials
    write(frame, folder / name)
    found = read_table(folder / name, options=TableOptions(control="cosine")).trials
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)


def _written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_data_frame_will_do_too(folder):
    frame = pd.DataFrame({"arm": ["a", "a", "b", "b"], "test": [0.1, 0.2, 0.3, 0.4], "seed": [0, 1, 0, 1]})
    record = read_table(frame, options=TableOptions(control="a"))
    assert record.rules.study == "table"
    assert [accuracies(sample) for sample in collect_samples(record).values()] == [[0.1, 0.2], [0.3, 0.4]]


def test_settings_may_stand_in_an_object_of_their_own(folder):
    rows = [{"arm": arm, "test": 0.5, "setting": {"peak_lr": 0.1}} for arm in ("cosine", "linear")]
    text = "\n".join(json.dumps(row) for row in rows)
    assert list(read(folder, text, name="results.jsonl").trials["setting.peak_lr"]) == [0.1, 0.1]


def test_the_order_of_the_rows_does_not_matter_where_the_seeds_are_named(folder):
    header, *rows = FULL.splitlines()
    # The seeds of a cell are numbered as they come, and the draws where they have no number; these rows keep both.
    shuffled = "\n".join([header, *rows[4:6], *rows[:4], *rows[6:]])
    first, second = (build_report(read(folder, text)) for text in (FULL, shuffled))
    assert first.comparisons == second.comparisons
    assert first.arms == second.arms


def test_percent_is_taken_only_when_it_is_said(folder):
    text = SMALL.replace("0.9", "9")
    (problem,) = refusal(folder, text.replace("90", "90.0"))
    assert problem.startswith("test must be a fraction in [0, 1]; got 90.0 in row 2, 92 in row 3")
    assert "--percent" in problem
    assert list(read(folder, text, percent=True).trials["test"]) == pytest.approx([0.90, 0.92, 0.93, 0.95])
    (problem,) = refusal(folder, SMALL, percent=True)
    assert "leave --percent (percent=True) away" in problem


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the file must have a header and at least one row; it is empty."),
        ("arm,test\n", "the table must have a header and at least one row; it has no rows."),
        ("arm,test\n,\n\n", "the table must have a header and at least one row; it has no rows."),
        ("arm,arm,test\na,a,0.5\n", "columns must have different names; arm stands twice."),
        ("arm,Arm,test\na,a,0.5\n", "columns must have different names; arm and Arm are both arm."),
        ("method,test\na,0.5\n", "the table must have a column arm (the contender that the run belongs to); got method,"
         " test. If method is it, rename it to arm."),
        ("method,seed,test\na,1,0.5\nb,1,0.5\n", "the table must have a column arm (the contender that the run belongs"
         " to); got method, seed, test. If method is it, rename it to arm."),
        ("arm,test_acc\na,0.5\n", "the table must have a column test (the final accuracy); got arm, test_acc. If"
         " test_acc is it, rename it to test."),
        ("arm,test\ncosine,high\n", "test must be a number; got high in row 2."),
        ("arm;test\ncosine;0,9\n", "test must be a number; got 0,9 in row 2. Write a decimal point, not a comma."),
        ("arm,test\ncosine,inf\n", "test must be a number; got inf in row 2."),
        ("arm,test\ncosine,-0.1\n", "test must be a fraction in [0, 1]; got -0.1 in row 2."),
        ("arm,test\ncosine,\n", "test must be there for every confirm run that did not diverge; got nothing in row 2. A"
         " run that diverged says so in a column diverged (true); a run that is missing has no row."),
        ("arm,test\ncosine,NaN\n", "test must be there for every confirm run that did not diverge; got NaN in row 2. A"
         " run that diverged says so in a column diverged (true); a run that is missing has no row."),
        ("arm,test\n,0.5\n", "arm must be a name; got nothing in row 2."),
        ("arm,test,phase\ncosine,0.5,x\n", "phase must be tune or confirm; got x in row 2."),
        ("arm,test,phase\ncosine,0.5,confrim\n", "phase must be tune or confirm; got confrim in row 2. Did you mean"
         " confirm?"),
        ("arm,phase,draw\ncosine,tune,0\n", "the table must have a column validation (by which the tune runs were"
         " compared); got arm, phase, draw."),
        ("arm,test,diverged\ncosine,0.5,perhaps\n", "diverged must be true or false; got perhaps in row 2."),
        ("arm,test,budget\ncosine,0.5,0\n", "budget must be greater than 0; got 0 in row 2."),
        ("arm,test,updates\ncosine,0.5,1.5\n", "updates must be a whole number from 0 on; got 1.5 in row 2."),
        ("arm,test,sead\ncosine,0.5,1\n", "column sead is not known. Did you mean seed? Rename it, or remove it."),
        ("arm,test,run_id\ncosine,0.5,x\ncosine,0.5,x\n", "run_id must be different in every row; got x in row 2, x in"
         " row 3."),
        ("arm,test,seed\ncosine,0.5,1\ncosine,0.5,\n", "seed must be there for every confirm run, or for none; got"
         " nothing in row 3."),
        ("arm,test,seed\ncosine,0.5,1\ncosine,0.6,1\n", "every confirm run must differ in arm, workload, budget, search"
         " or seed; got cosine seed 1 in row 2, cosine seed 1 in row 3. Remove the copy, or tell searches apart by a"
         " column search."),
        ("arm,test,budget_unit\ncosine,0.5,epochs\ncosine,0.5,updates\n", "budget_unit must be the same in every row;"
         " got epochs, updates."),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_row_and_what_to_do(folder, text, problem):
    found = refusal(folder, text)
    assert found == (problem,)


def test_all_that_is_wrong_is_said_at_once(folder):
    rows = ["cosine,high,0,2,perhaps", ",0.5,1,-1,", "linear,,1,3,", *[f"linear,{i}7,1,3," for i in range(2, 8)]]
    problems = refusal(folder, "\n".join(["arm,test,seed,updates,diverged", *rows]))
    assert [problem.partition(" must")[0] for problem in problems] == [
        "updates",
        "diverged",
        "test",
        "test",
        "arm",
        "test",
    ]
    fractions = next(problem for problem in problems if "fraction" in problem)
    assert fractions.startswith("test must be a fraction in [0, 1]; got 27 in row 5, 37 in row 6")
    assert " and 2 more." in fractions


def test_ragged_rows_are_named(folder):
    (problem,) = refusal(folder, "arm,test\ncosine,0.5\ncosine,0.6,0.7\n")
    assert "as many cells as the header" in problem
    assert "line 3" in problem


def test_bytes_that_are_no_text_are_refused(folder):
    for name, content in (("results.csv", b"arm,test\n\xff\xfe,0.5\n"), ("results.jsonl", b'{"arm": "\xff"}')):
        (folder / name).write_bytes(content)
        with pytest.raises(TableError, match="must be UTF-8 text"):
            read_table(folder / name)


def test_a_file_that_is_not_there_or_no_table_is_refused(folder):
    (folder / "folder.csv").mkdir()
    _written(folder / "broken.jsonl", '{"arm": 1')
    _written(folder / "numbers.json", "[1, 2]")
    _written(folder / "broken.parquet", "PAR")
    for name, words in (
        ("nothing.csv", "No such file"),
        ("folder.csv", "Is a directory"),
        ("results.xlsx", r"must end in \.csv"),
        ("broken.jsonl", "must be a JSON object"),
        ("numbers.json", "row 1 is not"),
        ("broken.parquet", "must be a parquet table"),
    ):
        with pytest.raises(TableError, match=words) as caught:
            read_table(folder / name)
        assert "\n" not in str(caught.value)


def test_a_table_of_the_wrong_size_is_refused(folder, monkeypatch):
    many = "\n".join(["arm,test", *(f"arm {i},0.5" for i in range(51))])
    assert "at most 50 different values; got 51" in refusal(folder, many)[0]
    monkeypatch.setattr("analysis.tidy.files.MAX_MEBIBYTES", 0)
    assert "must be smaller than 0 MiB" in refusal(folder, SMALL)[0]


def test_the_control_is_asked_for_unless_it_is_clear(folder):
    assert refusal(folder, SMALL, control=None) == (
        "control must be one of cosine, one_cycle; got nothing. Say with which arm the others are compared: "
        "--control NAME (control=NAME in Python).",
    )
    assert "got cosin. Did you mean cosine?" in refusal(folder, SMALL, control="cosin")[0]
    assert read(folder, SMALL.replace("one_cycle", "Baseline"), control=None).rules.control == "Baseline"
    assert read(folder, SMALL.replace("one_cycle", "cosine"), control=None).rules.control == "cosine"


@pytest.mark.parametrize(
    ("choices", "problem"),
    [
        ({"margin": 0.5}, "margin must be a fraction below 0.5; got 0.5. Half a point is 0.005."),
        ({"margin": -1.0}, "equivalence_margin: Input should be greater than 0; got -1.0."),
        ({"alpha": 0.7}, "alpha: Input should be less than 0.5; got 0.7."),
        ({"targets": (0.9, 94.0)}, "targets must be fractions between 0 and 1; got 94. 94 % is 0.94."),
    ],
)
def test_rules_that_cannot_be_are_refused(folder, choices, problem):
    assert refusal(folder, SMALL, **choices) == (problem,)


def test_what_a_table_does_not_hold_is_not_recorded(folder):
    assert read(folder, SMALL).recorded == frozenset()
    assert read(folder, FULL).recorded == {SEEDS, TUNING, UPDATES, SECONDS}
    assert read(folder, FULL, EVALUATIONS).recorded == {SEEDS, TUNING, UPDATES, SECONDS, CURVES}
    assert read(folder, FULL, rules={"confirm": {"seeds": 3}}).recorded == {SEEDS, TUNING, UPDATES, SECONDS, PLAN}


def test_without_a_plan_nothing_is_missing_and_with_one_it_is_counted(folder):
    unequal = SMALL + "one_cycle,0.96\n"
    assert [(row.n, row.planned, row.missing) for row in build_report(read(folder, unequal)).arms] == [
        (2, 2, 0),
        (3, 3, 0),
    ]
    planned = build_report(read(folder, unequal, rules={"confirm": {"seeds": 3}}))
    assert [(row.n, row.planned, row.missing) for row in planned.arms] == [(2, 3, 1), (3, 3, 0)]


def test_runs_without_named_seeds_are_not_paired(folder):
    assert [sample.seeds for sample in collect_samples(read(folder, SMALL)).values()] == [(), ()]


def test_failed_attempts_are_counted_and_no_results(folder):
    record = read(
        folder,
        FULL.replace("linear,mnist,5,epochs,confirm,0,,13,,,true", "linear,mnist,5,epochs,confirm,0,,13,,,failed")
        .replace("diverged", "outcome")
        .replace("true", "diverged"),
    )
    assert record.failures == {("mnist", "linear", "confirm"): 1}
    assert "c4" not in set(record.trials["run_id"])


def test_cells_without_runs_are_left_out(folder):
    text = "arm,test,workload,budget\ncosine,0.9,a,5\nlinear,0.9,a,5\ncosine,0.9,b,90\nlinear,0.9,b,90\n"
    report = build_report(read(folder, text))
    assert [(row.workload, row.budget) for row in report.comparisons] == [("a", 5), ("b", 90)]


def test_rules_are_taken_from_the_options_before_the_file_before_the_table(folder):
    rules = {
        "control": "linear",
        "margin": 0.01,
        "alpha": 0.1,
        "question": "Which?",
        "targets": [0.9],
        "published": ["cosine"],
        "search": {"peak_lr": {"log": [0.01, 1.0]}},
    }
    for name, text in (("rules.yaml", yaml.safe_dump(rules)), ("rules.json", json.dumps(rules))):
        found = read(folder, FULL, rules=_written(folder / name, text), control=None, alpha=0.01).rules
        assert (found.control, found.equivalence_margin, found.alpha) == ("linear", 0.01, 0.01)
        assert (found.question, found.targets, found.tuning.draws) == ("Which?", (0.9,), 2)
        assert found.arms["cosine"].as_published
        assert set(found.search_space("linear")) == {"peak_lr"}


def test_the_study_file_of_the_runs_serves_as_rules(folder):
    text = FULL.replace("cosine", "piecewise").replace("linear", "one_cycle").replace("mnist", "mnist1d-conv")
    study = study_json(budgets=(5,), seeds=2, draws=2)
    record = read(folder, text, rules=study, control=None)
    assert (record.rules.study, record.rules.control, record.rules.confirm.seeds) == ("quickstart", "piecewise", 2)
    assert PLAN in record.recorded
    assert RULES not in record.recorded
    assert RULES in read(folder, text, rules={**study, "protocol_hash": "0a"}, control=None).recorded


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("contrl: a", "key contrl is not known. Did you mean control?"),
        ("[1, 2]", "the rules must be a mapping"),
        ("arms: [a, b]", "arms must be a mapping"),
        ("arms: {cosine: true}", "arms.cosine must be a mapping"),
        (
            "published: [cosin]",
            "published must name arms, which are cosine, one_cycle; got cosin. Did you mean cosine?",
        ),
        ("a: [", "the rules must be YAML or JSON"),
    ],
)
def test_a_file_of_rules_that_is_wrong_is_refused(folder, text, problem):
    rules = _written(folder / "rules.yaml", text)
    assert problem in refusal(folder, SMALL, rules=rules)[0]


def test_evaluations_are_joined_by_run_and_put_in_order(folder):
    evaluations = read(folder, FULL, EVALUATIONS).evaluations
    assert list(evaluations["run_id"]) == ["c1", "c1", "c3", "c3"]
    assert list(evaluations["update"]) == [80, 160, 80, 160]
    assert list(evaluations["test"]) == [0.70, 0.90, 0.80, 0.93]
    assert list(evaluations["epoch"]) == [2.5, 5.0, 2.5, 5.0]
    assert list(evaluations["arm"]) == ["cosine", "cosine", "linear", "linear"]


def test_evaluations_may_name_their_run_by_arm_and_seed(folder):
    named = EVALUATIONS.replace("run_id", "arm,seed").replace("c1", "cosine,11").replace("c3", "linear,11")
    found, expected = (read(folder, FULL, text).evaluations for text in (named, EVALUATIONS))
    pd.testing.assert_frame_equal(found, expected)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("c3,80", "c9,80"), "run_id must be those of a run in the table of runs; got c9 in row 4."),
        (("c3,80", "c3,160"), "every run must have one row per update; got 160.0 in row 4, 160.0 in row 5."),
        (("c3,80", "c3,"), "update must be there in every row; got nothing in row 4."),
        (("c3,80,0.80", "c3,80,80"), "test must be a fraction in [0, 1]; got 80 in row 4."),
        (("run_id", "arm"), "the columns arm do not tell the runs apart."),
        (("run_id", "runs"), "the table must have a column run_id (or arm, workload, budget and seed"),
        (("update", "step"), "the table must have a column update"),
    ],
)
def test_evaluations_that_belong_to_no_run_are_refused(folder, change, problem):
    found = refusal(folder, FULL, EVALUATIONS.replace(*change))
    assert any(problem in line for line in found)


def test_a_missing_column_of_updates_is_one_mistake(folder):
    assert len(refusal(folder, FULL, EVALUATIONS.replace("update", "step"))) == 1


def test_time_to_target_comes_from_the_evaluations(folder):
    report = build_report(read(folder, FULL, EVALUATIONS, targets=(0.75,)))
    assert [(row.arm, row.hits, row.n) for row in report.time_to_target] == [("cosine", 1, 1), ("linear", 1, 2)]


CELL = st.one_of(
    st.sampled_from(["", "a", "b", "0.5", "0.7", "1", "90", "-1", "nan", "tune", "confirm", "true", "1e400", "0,5"]),
    st.text(max_size=4),
)
NAMES = ["arm", "test", "validation", "seed", "phase", "budget", "diverged", "search", "draw", "updates", "setting.x"]


@settings(max_examples=150, deadline=None)
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


BLOCKED = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"ray", "torch", "mlflow", "optuna", "torchvision"}:
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Blocked())
"""


def run_python(folder: Path, program: str) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-c", BLOCKED + program]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_a_report_needs_neither_ray_nor_torch_nor_mlflow(folder):
    _written(folder / "results.csv", SMALL)
    program = "from analysis.__main__ import main\nsys.exit(main(['results.csv', '--control', 'cosine']))"
    done = run_python(folder, program)
    assert done.returncode == 0, done.stderr
    assert "one_cycle is " in done.stdout
    assert {"report.html", "report.md", "report.json"} <= {path.name for path in (folder / "results-report").iterdir()}


def test_bad_input_ends_with_exit_code_2_and_no_traceback(folder):
    _written(folder / "results.csv", SMALL)
    _written(folder / "in-the-way", "")
    call = "from analysis.__main__ import main\nsys.exit(main({}))"
    done = run_python(folder, call.format(["results.csv"]))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: results.csv: control must be one of cosine, one_cycle")
    done = run_python(folder, call.format(["results.csv", "--control", "cosine", "--out", "in-the-way"]))
    assert done.returncode == 2
    assert done.stderr.startswith("error: the report cannot be written to in-the-way")


def test_importing_the_package_imports_nothing_else(folder):
    done = run_python(
        folder, "import analysis\nassert not {'pandas', 'scipy', 'matplotlib', 'analysis.report'} & set(sys.modules)"
    )
    assert done.returncode == 0, done.stderr
