"""The order of the tests: files that start clusters or take long come first, so that two halves end together."""

from __future__ import annotations

from collections import defaultdict

import pytest

_LONG = ("slow", "cluster")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files with the most tests that take long first; within a file, and where equal, the order stays."""
    long: defaultdict[str, int] = defaultdict(int)
    for item in items:
        long[item.nodeid.partition("::")[0]] += any(item.get_closest_marker(name) for name in _LONG)
    items.sort(key=lambda item: -long[item.nodeid.partition("::")[0]])
