import json

import pytest

from analysis import TableError, TableOptions, read_table
from tests.analysis.result_tables import SMALL, refusal, written


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
        ("arm,test\ncosine,0.5\ncosine,94\n", "test must be a fraction in [0, 1]; got 94 in row 3. Other rows have"
         " fractions: write all of them alike."),
        ("arm,test\ncosine,250\n", "test must be a fraction in [0, 1]; got 250 in row 2. An accuracy is a share of"
         " correct answers; no other metric can be compared."),
        ("arm,tset\ncosine,0.5\n", "column tset is not known. Did you mean test? Rename it, or remove it."),
        ("arm,0.5\ncosine,0.6\n", "the table must have a column test (the final accuracy); got arm, 0.5. The first row"
         " must name the columns."),
        ("arm,test\ncos\u200bine,0.5\n", "arm must have no invisible characters; got 'cos\\u200bine' in row 2."),
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
def test_what_is_wrong_is_said_with_its_row_and_what_to_do(tmp_path, text, problem):
    found = refusal(tmp_path, text)
    assert found == (problem,)


def test_all_that_is_wrong_is_said_at_once(tmp_path):
    rows = ["cosine,high,0,2,perhaps", ",0.5,1,-1,", "linear,,1,3,", *[f"linear,{i}7,1,3," for i in range(2, 8)]]
    problems = refusal(tmp_path, "\n".join(["arm,test,seed,updates,diverged", *rows]))
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


def test_rows_with_too_few_and_with_too_many_cells_are_both_named(tmp_path):
    rows = ["arm,seed,test", "cosine,1,0.5", "cosine,0.6", "", ",,", "cosine,3,0,7", "linear,1", "linear,2,0.5,a,b"]
    assert refusal(tmp_path, "\n".join(rows)) == (
        "no row may have fewer cells than the header, which has 3; got 2 in row 3, 2 in row 7. An empty cell needs its "
        "separator too.",
        "no row may have more cells than the header, which has 3; got 4 in row 6, 5 in row 8. Put a text with the "
        "separator in it into quotation marks, and write decimal points.",
    )
    assert len(refusal(tmp_path, "arm,test\ncosine,0.5\ncosine\n")) == 1


def test_a_quotation_mark_that_is_not_closed_is_named(tmp_path):
    assert refusal(tmp_path, 'arm,test\ncosine,0.5\n"cosine,0.6\n') == (
        "every quotation mark must be closed; that opened in row 3 is not.",
    )


def test_bytes_that_are_no_text_are_refused(tmp_path):
    for name, content in (("results.csv", b"arm,test\n\xff\xfe,0.5\n"), ("results.jsonl", b'{"arm": "\xff"}')):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(TableError, match="must be UTF-8 text"):
            read_table(tmp_path / name)


def test_a_file_that_is_not_there_or_no_table_is_refused(tmp_path):
    (tmp_path / "folder.csv").mkdir()
    written(tmp_path / "broken.jsonl", '{"arm": 1')
    written(tmp_path / "numbers.json", "[1, 2]")
    written(tmp_path / "5.json", "5")
    written(tmp_path / "broken.parquet", "PAR")
    for name, words in (
        ("nothing.csv", "No such file"),
        ("folder.csv", "must be a file; got a folder"),
        ("results.xlsx", r"must end in \.csv.*; got \.xlsx\. Save the sheet as CSV UTF-8\."),
        ("results", "got no suffix"),
        ("5.json", "must be a list of objects, one per run; got 5"),
        ("broken.jsonl", "must be a JSON object"),
        ("numbers.json", "row 1 is not"),
        ("broken.parquet", "must be a parquet table"),
    ):
        with pytest.raises(TableError, match=words) as caught:
            read_table(tmp_path / name)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"arm": "a", "test": 0.5}, "one object with the keys arm, test. Write a list, even of one run"),
        ({"made": "today", "runs": [{"arm": "a", "test": 0.5}]}, "the keys made, runs. Write the list runs alone"),
    ],
)
@pytest.mark.parametrize("indent", [None, 1])
def test_a_json_file_with_one_object_is_no_table(tmp_path, content, words, indent):
    written(tmp_path / "results.json", json.dumps(content, indent=indent))
    with pytest.raises(TableError, match="must be a list of objects, one per run; got one object") as caught:
        read_table(tmp_path / "results.json")
    assert words in str(caught.value)


def test_json_lines_may_be_in_a_file_called_json(tmp_path):
    rows = [{"arm": "cosine", "test": 0.5}, {"arm": "linear", "test": 0.6}]
    written(tmp_path / "results.json", "\n".join(map(json.dumps, rows)))
    assert len(read_table(tmp_path / "results.json", options=TableOptions(control="cosine")).trials) == 2


def test_a_table_of_the_wrong_size_is_refused(tmp_path, monkeypatch):
    many = "\n".join(["arm,test", *(f"arm {i},0.5" for i in range(51))])
    assert "at most 50 different values; got 51" in refusal(tmp_path, many)[0]
    monkeypatch.setattr("analysis.tidy.files.MAX_MEBIBYTES", 0)
    assert "must be smaller than 0 MiB" in refusal(tmp_path, SMALL)[0]
