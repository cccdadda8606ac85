"""Turn the text of a docstring into plain text or into Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator

_LITERAL = re.compile(r"``(.+?)``", re.DOTALL)
_INDENT = "    "
_RULE = "=="
"""What a table begins with: a rule over each of its columns."""


def plain(text: str) -> str:
    """Return the text for a terminal, without marks."""
    return "\n\n".join(_plain_block(block) for block in _blocks(text))


def markdown(text: str) -> str:
    """Return the text as Markdown: literals in single backticks, literal blocks fenced, tables as tables."""
    blocks = [*_blocks(text)]
    return "\n\n".join(_markdown_block(block, before) for before, block in zip(["", *blocks], blocks, strict=False))


def is_set(block: str) -> bool:
    """Tell whether the line breaks of a block have to stay: in a table or a literal block."""
    return block.startswith((_INDENT, _RULE))


def _plain_block(block: str) -> str:
    if block.startswith(_RULE):  # without marks the columns still stand below each other
        return _LITERAL.sub(r"\1    ", block)
    return _LITERAL.sub(r"\1", re.sub(r"::$", ":", block))


def _markdown_block(block: str, before: str) -> str:
    if block.startswith(_RULE):
        return _markdown_table(block)
    if block.startswith(_INDENT) and before.endswith("::"):
        lines = [line.removeprefix(_INDENT) for line in block.splitlines()]
        return "\n".join(["```text", *lines, "```"])
    return _LITERAL.sub(r"`\1`", re.sub(r"::$", ":", block))


def _markdown_table(block: str) -> str:
    rule, *lines = block.splitlines()
    starts = [match.start() for match in re.finditer("=+", rule)]
    rows = [[line[a:b].strip() for a, b in zip(starts, [*starts[1:], None], strict=True)] for line in lines]
    cells = [["---"] * len(starts) if line.startswith(_RULE) else row for line, row in zip(lines, rows, strict=True)]
    return _LITERAL.sub(r"`\1`", "\n".join(f"| {' | '.join(row)} |" for row in cells[:-1]))


def _blocks(text: str) -> Iterator[str]:
    """Split at empty lines, but not inside an indented block."""
    held = ""
    for block in re.split(r"\n\s*\n", text.strip("\n")):
        if held.startswith(_INDENT) and block.startswith(_INDENT):
            held = f"{held}\n\n{block}"
            continue
        if held:
            yield held
        held = block
    if held:
        yield held
