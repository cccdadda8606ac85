from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from sweeps.access import Access
from sweeps.server import Server, serve
from tests.ui.pages import new_page
from tests.ui.study import RecordedStudy, record_study

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


@pytest.fixture(scope="session")
def recorded_study(tmp_path_factory: pytest.TempPathFactory) -> RecordedStudy:
    return record_study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="session")
def server(recorded_study: RecordedStudy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    log_path = tmp_path_factory.mktemp("server") / "server.log"
    with serve(recorded_study.store_uri, log_path=log_path, access=Access(port=0)) as server:
        yield server


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=_browser_path(),
            args=BROWSER_ARGUMENTS,
            env={**os.environ, "LANG": "en_US.UTF-8"},
        )
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = new_page(browser)
    yield page
    page.close()


def _browser_path() -> str:
    for name in BROWSERS:
        path = shutil.which(name)
        if path is not None:
            return str(Path(path))
    missing = f"No browser found; looked for {', '.join(BROWSERS)}."
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)
