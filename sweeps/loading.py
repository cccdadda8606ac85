"""Turn a study file into a `Study`, or into one clear message per mistake."""

from __future__ import annotations

import json
import re
import types
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from sweeps.errors import InputError, Problem, StudyError, name_options, suggest
from sweeps.yaml_reader import MAX_BYTES, Document, read_yaml

if TYPE_CHECKING:
    from sweeps.spec import Study

STUDIES = Path(__file__).parent / "studies"


class UnknownStudyError(InputError):
    """There is neither a study file nor a shipped study of that name."""


def shipped_studies() -> dict[str, Path]:
    """Return the studies that come with fairsweep, by name."""
    return {path.stem: path for path in sorted(STUDIES.glob("*.yaml"), key=_by_number)}


def _by_number(path: Path) -> list[str | int]:
    """Order names as people do: figure 9 comes before figure 10."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", path.stem)]


def load_study(name_or_path: str, overrides: Sequence[str] = ()) -> Study:
    """Load and validate a study.

    Args:
        name_or_path: a study file, or the name of a shipped study.
        overrides: ``key=value`` pairs that replace values of the file, e.g. ``tuning.draws=8``.

    Raises:
        InputError: there is no such file or study (`UnknownStudyError`), or it cannot be read.
        StudyError: the study has mistakes; all of them are listed.
    """
    path = _find(name_or_path)
    document = read_yaml(_read_text(path), str(path))
    data = document.data
    if not isinstance(data, dict):
        got = "nothing" if data is None else f"a {type(data).__name__}"
        raise StudyError(
            str(path), [Problem((), f"a study file must be a mapping with workloads and arms; got {got}.")]
        )
    for override in overrides:
        _apply(data, override)
    data.setdefault("study", re.sub(r"[^a-z0-9._-]+", "-", path.stem.lower()).strip("-._") or "study")
    return validate_study(data, str(path), document)


def study_from(data: dict[str, Any], source: str, overrides: Sequence[str] = ()) -> Study:
    """Validate the plain content of a study file with some values replaced.

    Raises:
        StudyError: the study has mistakes; all of them are listed.
    """
    for override in overrides:
        _apply(data, override)
    return validate_study(data, source)


def read_override(override: str, example: str = "tuning.draws=8", option: str = "--set") -> tuple[str, Any]:
    """Read one ``key=value`` of the command line, the value as in a study file.

    Raises:
        InputError: it has another form; the message shows the example.
        StudyError: the value is no YAML.
    """
    key, equals, text = override.partition("=")
    if not equals or not all(key.split(".")):
        raise InputError(f"{option} must be key=value, e.g. {example}; got {override!r}.")
    return key, read_yaml(text, f"{option} {key}").data


def validate_study(data: dict[str, Any], source: str, document: Document | None = None) -> Study:
    """Validate the plain content of a study file.

    Raises:
        StudyError: the study has mistakes; all of them are listed.
    """
    lines = document.lines if document else {}
    try:
        return _model().model_validate(data)
    except ValidationError as error:
        found = [details for details in error.errors() if not _is_echo(details, error.errors())]
        problems = [problem for details in found for problem in _problems(details)]
        raise StudyError(source, sorted(dict.fromkeys(problems), key=lambda p: lines.get(p.path, 0)), lines) from None


def study_schema() -> dict[str, Any]:
    """Return the JSON Schema of study files, for editors that complete and check them."""
    schema = _model().model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "fairsweep study"
    schema["required"] = ["workloads", "arms"]  # the name defaults to the file's
    return schema


def _model() -> type[Study]:
    """Return the model of study files, which knows all networks and optimizers; torch takes seconds to import."""
    from sweeps.spec import Study  # noqa: PLC0415

    return Study


def _find(name_or_path: str) -> Path:
    path = Path(name_or_path)
    if path.is_file():
        return path
    shipped = shipped_studies()
    if name_or_path in shipped:
        return shipped[name_or_path]
    if path.is_dir():
        raise UnknownStudyError(f"a study must be a YAML file; {name_or_path} is a folder.")
    raise UnknownStudyError(
        f"no study file {name_or_path!r}, and no shipped study of that name.{suggest(name_or_path, shipped)} "
        f"Shipped studies are {name_options(shipped)}; `fairsweep init` writes a study to start from."
    )


def _read_text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path}: a study file must be at most {MAX_BYTES:,} bytes; got {path.stat().st_size:,}.")
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise StudyError(str(path), [Problem((), f"not UTF-8 text: {error.reason} at byte {error.start}.")]) from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}.") from error


def _apply(data: dict[str, Any], override: str) -> None:
    """Replace one value of `data` in place, e.g. by ``tuning.draws=8``."""
    key, value = read_override(override)
    *parents, last = key.split(".")
    place: Any = data
    for part in parents:
        place = _descend(place, part, key)
    if isinstance(place, list):
        place[_index(place, last, key)] = value
    elif isinstance(place, dict):
        place[last] = value
    else:
        raise InputError(f"--set {key}: {'.'.join(parents)} is a plain value and has no {last}.")


def _descend(place: Any, part: str, key: str) -> Any:
    if isinstance(place, list):
        return place[_index(place, part, key)]
    if isinstance(place, dict):
        if not isinstance(place.get(part, {}), dict | list):
            raise InputError(f"--set {key}: {part} is a plain value and has nothing inside.")
        return place.setdefault(part, {})
    raise InputError(f"--set {key}: there is nothing at {part}.")


def _index(place: list[Any], part: str, key: str) -> int:
    if not part.isdecimal() or int(part) >= len(place):
        raise InputError(f"--set {key}: {part} must be an index from 0 to {len(place) - 1}.")
    return int(part)


def _is_echo(details: ErrorDetails, all_details: list[ErrorDetails]) -> bool:
    """Tell whether an error only follows from others: a default that needs them, a list short of its bad items."""
    path = details["loc"]
    inside = any(other["loc"][: len(path)] == path and len(other["loc"]) > len(path) for other in all_details)
    return details["type"] == "default_factory_not_called" or (details["type"] == "too_short" and inside)


def _problems(details: ErrorDetails) -> Iterator[Problem]:
    """Translate one pydantic error into our words."""
    path = tuple(part for part in details["loc"] if part != "[key]")
    context = details.get("ctx", {})
    kind = details["type"]
    if kind == "fairsweep_problems":
        for problem in context["problems"]:
            yield Problem((*path, *problem.path), problem.message)
    elif kind == "value_error":
        yield Problem(path, str(context["error"]))
    elif kind == "extra_forbidden":
        options = _keys_at(path[:-1])
        yield Problem(path, f"unknown key; must be {name_options(options)}.{suggest(str(path[-1]), options)}")
    elif kind == "missing":
        yield Problem(path, "must be given; it has no default.")
    else:
        yield Problem(path, _sentence(kind, details["msg"], context, details["input"]))


_CONDITIONS = {
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "too_short": "must have at least {min_length} entries",
    "too_long": "must have at most {max_length} entries",
    "string_too_long": "must have at most {max_length} characters",
    "literal_error": "must be one of {expected}",
    "finite_number": "must be a finite number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "string_type": "must be text",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "dict_type": "must be a mapping of names to values",
    "model_type": "must be a mapping of names to values",
    "enum": "must be one of {expected}",
}


def _name_rule(pattern: str) -> str:
    """Say in words what a pattern of the form ``^[...][...]*$`` asks of a name."""
    first, rest = re.findall(r"\[(.*?)\]", pattern)
    letters = "letters" if "A-Z" in rest else "lower-case letters"
    marks = " ".join(mark for mark in "-._" if mark in rest.replace("a-z", "").replace("A-Z", "").replace("0-9", ""))
    return f"must be {letters}, digits and {marks}, with a letter {'or digit ' if '0-9' in first else ''}first"


def _sentence(kind: str, message: str, context: dict[str, Any], value: object) -> str:
    condition = _name_rule(context["pattern"]) if kind == "string_pattern_mismatch" else _CONDITIONS.get(kind)
    text = condition.format(**context) if condition else message[:1].lower() + message[1:]
    hint = suggest(value, re.findall(r"'([^']+)'", str(context.get("expected", "")))) if isinstance(value, str) else ""
    return f"{text}; got {_short(value)}.{hint}"


def _short(value: object, limit: int = 80) -> str:
    try:
        text = json.dumps(value, default=str)
    except (ValueError, RecursionError):
        text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _keys_at(path: tuple[str | int, ...]) -> list[str]:
    """Return the keys that the study model knows at `path`."""
    kind: Any = _model()
    for part in path:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            kind = kind.model_fields[str(part)].annotation
        else:
            kind = typing.get_args(kind)[-1 if typing.get_origin(kind) is dict else 0]
        while typing.get_origin(kind) in {typing.Annotated, types.UnionType, typing.Union}:
            kind = typing.get_args(kind)[0]
    return list(kind.model_fields) if isinstance(kind, type) and issubclass(kind, BaseModel) else []
