"""Read YAML the way people expect: safely, by the YAML 1.2 core schema, with line numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

from analysis.core_yaml import CoreLoader
from sweeps.errors import Problem, StudyError

Path = tuple[str | int, ...]

MAX_BYTES = 1_000_000
MAX_VALUES = 20_000
MAX_DEPTH = 40


@dataclass(frozen=True)
class Document:
    """The content of a YAML file, and the 1-based line on which each path in it stands."""

    data: Any
    lines: dict[Path, int]


def read_yaml(text: str, source: str) -> Document:
    """Parse one YAML document.

    Args:
        text: the document, at most `MAX_BYTES` long.
        source: the name to use in messages.

    Raises:
        StudyError: the text is no YAML, has duplicate keys, unsafe tags, or is unreasonably large or deep.
    """
    if len(text) > MAX_BYTES:
        raise StudyError(
            source,
            [Problem((), f"a study file must be at most {MAX_BYTES:,} characters; got {len(text):,}.")],
        )
    try:
        loader = CoreLoader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return Document(data=None, lines={})
            lines = _lines(node, source)
            return Document(data=loader.construct_document(node), lines=lines)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise StudyError(source, [Problem((), f"{where}not valid YAML: {_reason(error)}.")]) from error
    except yaml.YAMLError as error:
        raise StudyError(source, [Problem((), f"not valid YAML: {' '.join(str(error).split())}.")]) from error
    except RecursionError as error:
        raise StudyError(source, [_too_deep(())]) from error
    except (ValueError, OverflowError, TypeError) as error:
        raise StudyError(source, [Problem((), f"not valid YAML: {error}.")]) from error


def _reason(error: yaml.MarkedYAMLError) -> str:
    return ", ".join(part for part in (error.context, error.problem) if part)


def _too_deep(path: Path) -> Problem:
    return Problem(path[:3], f"a study file must be nested at most {MAX_DEPTH} deep; simplify it.")


def _lines(root: yaml.Node, source: str) -> dict[Path, int]:
    """Map each path to its line; refuse duplicate keys and documents that aliases blow up."""
    lines: dict[Path, int] = {}
    problems: list[Problem] = []
    pending: list[tuple[yaml.Node, Path]] = [(root, ())]
    while pending:
        node, path = pending.pop()
        lines[path] = node.start_mark.line + 1
        if len(path) > MAX_DEPTH:
            raise StudyError(source, [_too_deep(path)], lines)
        if len(lines) > MAX_VALUES:
            raise StudyError(
                source, [Problem((), f"a study file must hold at most {MAX_VALUES:,} values; simplify it.")]
            )
        if isinstance(node, yaml.SequenceNode):
            pending.extend((item, (*path, index)) for index, item in enumerate(node.value))
        elif isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in node.value:
                name = str(key.value) if isinstance(key, yaml.ScalarNode) else "?"
                if name in seen:
                    again = key.start_mark.line + 1
                    problems.append(Problem((*path, name), f"must stand once; it stands again on line {again}."))
                seen.add(name)
                pending.append((value, (*path, name)))
    if problems:
        raise StudyError(source, problems, lines)
    return lines
