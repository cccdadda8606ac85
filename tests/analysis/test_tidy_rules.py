import json

import pytest
import yaml

from analysis.record import PLAN, RULES
from tests.analysis.result_tables import FULL, SMALL, read, refusal, written
from tests.analysis.synthetic_study import study_json


def test_the_control_is_asked_for_unless_it_is_clear(tmp_path):
    assert refusal(tmp_path, SMALL, control=None) == (
        "control must be one of cosine, one_cycle; got nothing. Say with which arm the others are compared: "
        "--control NAME (control=NAME in Python).",
    )
    assert "got cosin. Did you mean cosine?" in refusal(tmp_path, SMALL, control="cosin")[0]
    assert read(tmp_path, SMALL.replace("one_cycle", "Baseline"), control=None).rules.control == "Baseline"
    assert read(tmp_path, SMALL.replace("one_cycle", "cosine"), control=None).rules.control == "cosine"


@pytest.mark.parametrize(
    ("choices", "problem"),
    [
        ({"margin": 0.5}, "margin must be a fraction below 0.5; got 0.5. Half a point is 0.005."),
        ({"margin": -1.0}, "equivalence_margin: Input should be greater than 0; got -1.0."),
        ({"alpha": 0.7}, "alpha: Input should be less than 0.5; got 0.7."),
        ({"targets": (0.9, 94.0)}, "targets must be fractions between 0 and 1; got 94. 94 % is 0.94."),
    ],
)
def test_rules_that_cannot_be_are_refused(tmp_path, choices, problem):
    assert refusal(tmp_path, SMALL, **choices) == (problem,)


def test_rules_are_taken_from_the_options_before_the_file_before_the_table(tmp_path):
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
        found = read(tmp_path, FULL, rules=written(tmp_path / name, text), control=None, alpha=0.01).rules
        assert (found.control, found.equivalence_margin, found.alpha) == ("linear", 0.01, 0.01)
        assert (found.question, found.targets, found.tuning.draws) == ("Which?", (0.9,), 2)
        assert found.arms["cosine"].as_published
        assert set(found.search_space("linear")) == {"peak_lr"}


def test_the_study_file_of_the_runs_serves_as_rules(tmp_path):
    text = FULL.replace("cosine", "piecewise").replace("linear", "one_cycle").replace("mnist", "mnist1d-conv")
    study = study_json(budgets=(5,), seeds=2, draws=2)
    record = read(tmp_path, text, rules=study, control=None)
    assert (record.rules.study, record.rules.control, record.rules.confirm.seeds) == ("quickstart", "piecewise", 2)
    assert PLAN in record.recorded
    assert RULES not in record.recorded
    assert RULES in read(tmp_path, text, rules={**study, "protocol_hash": "0a"}, control=None).recorded


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
def test_a_file_of_rules_that_is_wrong_is_refused(tmp_path, text, problem):
    rules = written(tmp_path / "rules.yaml", text)
    assert problem in refusal(tmp_path, SMALL, rules=rules)[0]
