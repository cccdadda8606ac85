import pandas as pd
import pytest

from analysis import build_report
from tests.analysis.result_tables import EVALUATIONS, FULL, read, refusal


def test_evaluations_are_joined_by_run_and_put_in_order(tmp_path):
    evaluations = read(tmp_path, FULL, EVALUATIONS).evaluations
    assert list(evaluations["run_id"]) == ["c1", "c1", "c3", "c3"]
    assert list(evaluations["update"]) == [80, 160, 80, 160]
    assert list(evaluations["test"]) == [0.70, 0.90, 0.80, 0.93]
    assert list(evaluations["epoch"]) == [2.5, 5.0, 2.5, 5.0]
    assert list(evaluations["arm"]) == ["cosine", "cosine", "linear", "linear"]


def test_evaluations_may_name_their_run_by_arm_and_seed(tmp_path):
    named = EVALUATIONS.replace("run_id", "arm,seed").replace("c1", "cosine,11").replace("c3", "linear,11")
    found, expected = (read(tmp_path, FULL, text).evaluations for text in (named, EVALUATIONS))
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
def test_evaluations_that_belong_to_no_run_are_refused(tmp_path, change, problem):
    found = refusal(tmp_path, FULL, EVALUATIONS.replace(*change))
    assert any(problem in line for line in found)


def test_a_missing_column_of_updates_is_one_mistake(tmp_path):
    assert len(refusal(tmp_path, FULL, EVALUATIONS.replace("update", "step"))) == 1


def test_time_to_target_comes_from_the_evaluations(tmp_path):
    report = build_report(read(tmp_path, FULL, EVALUATIONS, targets=(0.75,)))
    assert [(row.arm, row.hits, row.n) for row in report.time_to_target] == [("cosine", 1, 1), ("linear", 1, 2)]
