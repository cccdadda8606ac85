"""Write the lists of schedules and momentum policies into docs/schedules.md, and their pictures; run by `make docs`.

All of it comes from the tables: docstrings, defaults and search spaces. The prose around the lists is written by hand.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from schedules import PRESETS
from sweeps.catalogue import Entry, policy_entries, schedule_entries, search_words
from sweeps.catalogue.entries import value_words
from sweeps.catalogue.markup import markdown
from sweeps.catalogue.pictures import policy_picture, schedule_picture

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "schedules.md"
_WIDTH = 118


@cache
def pictures() -> Mapping[str, str]:
    """Return every picture as SVG, by its file relative to docs/."""
    drawn = {f"images/schedules/{entry.name}.svg": schedule_picture(entry) for entry in schedule_entries()}
    drawn |= {f"images/momentum/{entry.name}.svg": policy_picture(entry) for entry in policy_entries()}
    return {path: drawing.svg for path, drawing in drawn.items()}


def page(text: str) -> str:
    """Return the text of the page with its lists replaced."""
    lists = {
        "schedules": _list(schedule_entries(), "schedules", ""),
        "presets": "\n".join(_preset_rows()),
        "momentum": _list(policy_entries(), "momentum", "Momentum "),
    }
    for name, content in lists.items():
        pattern = rf"(<!-- {name}: written by make docs -->\n).*?(<!-- end of {name} -->)"
        text, count = re.subn(pattern, lambda m, c=content: f"{m[1]}\n{c}\n\n{m[2]}", text, flags=re.DOTALL)  # type: ignore[misc]
        if count != 1:
            raise ValueError(f"{PAGE} must have one list of {name}; got {count}.")
    return text


def _list(entries: Iterable[Entry], folder: str, before: str) -> str:
    return "\n\n".join(part for entry in entries for part in _parts(entry, folder, before))


def _parts(entry: Entry, folder: str, before: str) -> list[str]:
    kind = "momentum" if before else "factor"
    return [
        f"### {before}`{entry.name}`",
        textwrap.fill(markdown(entry.summary), _WIDTH),
        f"![The {kind} of {entry.name} over a run](images/{folder}/{entry.name}.svg)",
        *([markdown(entry.formula)] if entry.formula else []),
        *(["\n".join(_rows(entry))] if entry.settings else []),
        *([textwrap.fill(markdown(f"Reference: {entry.reference}"), _WIDTH)] if entry.reference else []),
    ]


def _rows(entry: Entry) -> Iterable[str]:
    yield "| setting | default | searched by default | meaning |"
    yield "|---|---|---|---|"
    for setting in entry.settings:
        searched = "–" if setting.search is None else search_words(setting.search)
        yield f"| `{setting.name}` | {value_words(setting.default)} | {searched} | {markdown(setting.meaning)} |"


def _preset_rows() -> Iterable[str]:
    yield "| preset | schedule | settings | reference |"
    yield "|---|---|---|---|"
    for name, preset in PRESETS.items():
        settings = ", ".join(f"`{key}: {value_words(value)}`" for key, value in preset.settings.items())
        yield f"| `{name}` | `{preset.schedule}` | {settings} | {preset.reference} |"


def main() -> None:
    """Write the page and the pictures; pictures of what is no longer there are removed."""
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    for stale in {*DOCS.glob("images/schedules/*.svg"), *DOCS.glob("images/momentum/*.svg")}:
        if stale.relative_to(DOCS).as_posix() not in pictures():
            stale.unlink()
    for path, svg in pictures().items():
        (DOCS / path).parent.mkdir(parents=True, exist_ok=True)
        (DOCS / path).write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
