"""A range of peak rates into the study file of the user, of which all else stays as it is."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from sweeps.errors import InputError
from sweeps.loading import load_study
from sweeps.range_testing.proposal import Range
from sweeps.space import LogUniform
from sweeps.yaml_reader import read_yaml

_ANY = Range(0.01, 1.0)  # to see beforehand whether a range can be written


def with_range(text: str, wanted: Range) -> str:
    """Return the text of a study file with this range of peak rates; all else stays as it is, letter by letter.

    Args:
        text: the study file.
        wanted: the range.

    Raises:
        InputError: the file has no ``search.peak_lr`` of one line that could be replaced, or other parts of it would
            change, too.
    """
    remedy = f"Write a line such as `peak_lr: {wanted}` there, or leave --write out"
    dimension = _value(_value(yaml.compose(text, yaml.SafeLoader), "search"), "peak_lr")
    pair = dimension.value[0] if isinstance(dimension, yaml.MappingNode) and len(dimension.value) == 1 else None
    if pair is None or not isinstance(pair[1], yaml.SequenceNode) or not pair[1].flow_style:
        raise InputError(
            "--write needs peak_lr below search as a list in brackets, and the file has none. "
            f"{remedy}; search, given, replaces the default as a whole."
        )
    kind, bounds = pair
    if bounds.start_mark.line != bounds.end_mark.line:
        raise InputError(f"--write needs the list of search.peak_lr on one line. {remedy}.")
    before, between, after = (
        text[: kind.start_mark.index],
        text[kind.end_mark.index : bounds.start_mark.index],
        text[bounds.end_mark.index :],
    )
    written = f"{before}log{between}[{wanted.low:g}, {wanted.high:g}]{after}"
    if _all_else(written) != _all_else(text):
        raise InputError(
            f"--write would change more than search.peak_lr, whose line is used elsewhere (& and *). {remedy}."
        )
    return written


def _value(node: yaml.Node | None, key: str) -> yaml.Node | None:
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return next((value for name, value in pairs if name.value == key), None)


def _all_else(text: str) -> Any:
    """Return the content of a study file less ``search.peak_lr``."""
    data = read_yaml(text, "the study file").data
    search = {name: dimension for name, dimension in data["search"].items() if name != "peak_lr"}
    return {**data, "search": search}


def check_writable(path: Path, overrides: Sequence[str] = ()) -> None:
    """Refuse a study file into which no range can be written, before anything is trained.

    Args:
        path: the study file.
        overrides: ``key=value`` pairs with which the file is read.

    Raises:
        InputError: as `write_range` does.
    """
    _write(path, _ANY, overrides, only_try=True)


def write_range(path: Path, wanted: Range, overrides: Sequence[str] = ()) -> None:
    """Write the range into a study file, whole or not at all; what a link points to is written, and the link stays.

    Args:
        path: the study file.
        wanted: the range.
        overrides: ``key=value`` pairs with which the file is read.

    Raises:
        InputError: the file has no such line, cannot be written, or would not be the study that was meant.
    """
    _write(path, wanted, overrides, only_try=False)


def _write(link: Path, wanted: Range, overrides: Sequence[str], *, only_try: bool) -> None:
    try:
        path = link.resolve(strict=True)
        content = with_range(path.read_bytes().decode(), wanted).encode()  # as bytes: ends of lines stay what they are
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".fairsweep-") as folder:
            beside = Path(folder) / path.name
            beside.write_bytes(content)
            if load_study(str(beside), overrides).search.get("peak_lr") != LogUniform(wanted.low, wanted.high):
                raise InputError("--write would have no effect: --set replaces search.peak_lr; leave one of them out.")
            beside.chmod(path.stat().st_mode)
            if not only_try:
                beside.replace(path)
    except OSError as error:
        raise InputError(f"--write needs a file that can be written; got {link}: {error.strerror}.") from error
