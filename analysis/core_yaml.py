"""The scalars of YAML 1.2, by which study files and files of rules are read."""

from __future__ import annotations

import re
from typing import Any

import yaml


class CoreLoader(yaml.SafeLoader):
    """SafeLoader with the scalars of YAML 1.2: ``1e-3`` is a number, ``on`` and ``1:30`` are text."""


CoreLoader.yaml_implicit_resolvers = {}

CoreLoader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
CoreLoader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
CoreLoader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?[0-9]+$"), list("-+0123456789"))
CoreLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
    ),
    list("-+.0123456789"),
)
CoreLoader.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile(r"^<<$"), ["<"])


def _plain_int(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    # YAML 1.1, which SafeLoader follows, reads 010 as octal; YAML 1.2 does not.
    return int(loader.construct_scalar(node))


CoreLoader.add_constructor("tag:yaml.org,2002:int", _plain_int)


def read_core(text: str) -> Any:
    """Return the content of a document as plain values.

    Raises:
        yaml.YAMLError: it is no YAML, or asks for anything but plain values.
    """
    loader = CoreLoader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()
