"""Write the measured tables into the page between their markers; the prose around them is written by hand."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tests.calibration.experiments import Table
from tests.calibration.judgement import Claim, Judgement
from tests.calibration.measuring import Tally

PAGE = Path(__file__).parents[2] / "docs" / "statistics.md"
RUN = "run"
_BLOCK = "(<!-- calibration: {name} -->\n).*?(<!-- end of calibration: {name} -->)"
_LEAST_SHARE_TO_MENTION = 0.0005


def markers(text: str) -> list[str]:
    """Return the names of the blocks in a page, in order."""
    return re.findall(r"^<!-- calibration: ([\w-]+) -->$", text, flags=re.MULTILINE)


def with_blocks(text: str, blocks: Mapping[str, str]) -> str:
    """Return the page with the contents of some blocks replaced.

    Raises:
        ValueError: If the page has no such block.
    """
    for name, content in blocks.items():
        pattern = _BLOCK.format(name=re.escape(name))
        text, count = re.subn(pattern, lambda m, c=content: f"{m[1]}\n{c}\n\n{m[2]}", text, flags=re.DOTALL)  # type: ignore[misc]
        if count != 1:
            raise ValueError(f"the page must have one block {name}; got {count}.")
    return text


def table_text(table: Table, tallies: Sequence[Tally]) -> str:
    """Return a table in Markdown, how much was simulated, and every cell that breaks its promise."""
    cells = {(t.experiment.row, column): (t, column) for t in tallies for column in t.experiment.columns}
    heads = [*table.heads, *table.columns]
    lines = [_line(heads), "|" + "---|" * len(table.heads) + "---:|" * len(table.columns)]
    for row in table.rows:
        measured = (_cell(*cells[row, c]) if (row, c) in cells else "" for c in table.columns)
        lines += [_line([*row, *measured])]
    return "\n\n".join(["\n".join(lines), _effort(tallies), *_broken(tallies)])


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(tally: Tally, column: str) -> str:
    if tally.failure:
        return "**failed**"
    judgement = tally.judgement(column)
    claim = tally.experiment.claim(column)
    none = tally.share_without_answer(column)
    text = "-" if math.isnan(judgement.share) else f"{judgement.share:.2f}"
    if claim.promise != "mean" and not math.isnan(judgement.share):
        text = f"{100 * judgement.share:.1f}"
    if claim.promise == "predicted":
        text += f" ({100 * claim.level:.1f} predicted)"
    if judgement.word in {"low", "high"}:
        text = f"**{text} {judgement.word}**"
    elif judgement.word != "pass":
        text = f"{text} {judgement.word}"
    return text + (f", none {100 * none:.1f}" if none >= _LEAST_SHARE_TO_MENTION else "")


def _effort(tallies: Sequence[Tally]) -> str:
    counts = sorted({tally.simulations for tally in tallies if not tally.failure})
    seconds = sum(tally.seconds for tally in tallies)
    simulations = f"{counts[0]:,} to {counts[-1]:,}" if len(counts) > 1 else f"{counts[0]:,}" if counts else "No"
    return f"{simulations} simulations per row and column; {seconds:,.0f} s of one core."


def _broken(tallies: Sequence[Tally]) -> list[str]:
    """Return a paragraph on the cells outside their bounds, one on failures; nothing where there are none."""
    found = [
        _outside(tally, column, tally.judgement(column))
        for tally in tallies
        if not tally.failure
        for column in tally.experiment.columns
        if tally.judgement(column).word in {"low", "high"}
    ]
    failures = [_bullet(f"{_where(t)}: {t.failure}") for t in tallies if t.failure]
    parts = {"Outside what is promised, with 99 % Clopper-Pearson interval:": found, "Failed:": failures}
    return [f"{title}\n\n" + "\n".join(bullets) for title, bullets in parts.items() if bullets]


def _outside(tally: Tally, column: str, judgement: Judgement) -> str:
    return _bullet(
        f"{_where(tally)}; {column}: {100 * judgement.share:.1f} % ({100 * judgement.low:.1f} to "
        f"{100 * judgement.high:.1f}), {judgement.word}; promised {promised(tally.experiment.claim(column))}"
    )


def _where(tally: Tally) -> str:
    return "; ".join(tally.experiment.row)


def _bullet(text: str) -> str:
    """Return a bullet of lines of at most 120 characters; a number stays with its percent sign."""
    whole = text.replace(" %", "\N{NO-BREAK SPACE}%")
    lines = textwrap.wrap(whole, 120, initial_indent="* ", subsequent_indent="  ", break_long_words=False)
    return "\n".join(lines).replace("\N{NO-BREAK SPACE}", " ")


def promised(claim: Claim) -> str:
    """Say what a claim promises: ``93 to 97 %``."""
    least, most = (f"{100 * bound:g}" for bound in claim.bounds)
    return {"at least": f"at least {least} %", "at most": f"at most {most} %"}.get(
        claim.promise, f"{least} to {most} %"
    )
