from __future__ import annotations

import math

import pytest

from sweeps.errors import StudyError
from sweeps.yaml_reader import read_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("1E5", 1e5),
        (".5", 0.5),
        ("-2", -2),
        ("010", 10),
        ("1:30", "1:30"),
        ("on", "on"),
        ("no", "no"),
        ("true", True),
        ("2020-01-01", "2020-01-01"),
        ("'1e-3'", "1e-3"),
        ("~", None),
    ],
)
def test_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    data = read_yaml(f"x: {text}", "f").data["x"]
    assert data == value
    assert type(data) is type(value)


def test_nan_is_read_so_that_validation_can_refuse_it_by_name() -> None:
    assert math.isnan(read_yaml("x: .nan", "f").data["x"])


def test_lines_are_known_for_every_path() -> None:
    lines = read_yaml("a: 1\nb:\n  - x\n  - y: 2\n", "f").lines
    assert lines["a",] == 1
    assert lines["b", 1, "y"] == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", r"a: must stand once; it stands again on line 3"),
        ("a: [1, 2", r"f: line 1, column \d+: not valid YAML"),
        ("a: !!python/object:os.system x", "could not determine a constructor"),
        ("a: 1\n---\nb: 2", "expected a single document"),
        ("a: &x [*x]", "nested at most"),
        ("[" * 1000, "not valid YAML|nested at most"),
        ("a: " + "9" * 5000, "not valid YAML"),
        ("a: \x00", "not valid YAML"),
        ("x" * 1_000_001, "at most 1,000,000 characters"),
        ("{[1]: 2}", "not valid YAML"),
    ],
)
def test_what_is_no_study_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(StudyError, match=message):
        read_yaml(text, "f")


def test_aliases_that_blow_up_are_refused() -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    with pytest.raises(StudyError, match="at most 20,000 values"):
        read_yaml("\n".join(levels), "bomb")
