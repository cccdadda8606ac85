"""The browser of all tests that need one, settings of all property tests, and the order of tests.

Files that start clusters or take long come first, so that two halves end together.
"""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from playwright.sync_api import Browser, sync_playwright

import sweeps.cluster  # noqa: F401 (settings that Ray reads when it is imported, by whichever test comes first)

# Set in the processes of pytest-xdist, and a console keeps the width that it finds when it is made.
os.environ.pop("COLUMNS", None)

# How long an example takes says more of the machine than of the code.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

_LONG = ("slow", "cluster")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# The last one keeps every request on this machine.
BROWSER_ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files with the most tests that take long first; within a file, and where equal, the order stays."""
    long: defaultdict[str, int] = defaultdict(int)
    for item in items:
        long[item.nodeid.partition("::")[0]] += any(item.get_closest_marker(name) for name in _LONG)
    items.sort(key=lambda item: -long[item.nodeid.partition("::")[0]])


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start a browser for the tests of a file; while it runs, no other event loop can run in this thread."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=_browser_path(),
            args=BROWSER_ARGUMENTS,
            env={**os.environ, "LANG": "en_US.UTF-8"},
        )
        yield browser
        browser.close()


def _browser_path() -> str:
    for name in BROWSERS:
        path = shutil.which(name)
        if path is not None:
            return str(Path(path))
    missing = f"No browser found; looked for {', '.join(BROWSERS)}."
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)
