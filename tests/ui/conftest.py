from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from sweeps.access import Access
from sweeps.server import Server, serve
from tests.ui.pages import new_page
from tests.ui.study import RecordedStudy, record_study


@pytest.fixture(scope="session")
def recorded_study(tmp_path_factory: pytest.TempPathFactory) -> RecordedStudy:
    return record_study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="session")
def server(recorded_study: RecordedStudy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    log_path = tmp_path_factory.mktemp("server") / "server.log"
    with serve(recorded_study.store_uri, log_path=log_path, access=Access(port=0)) as server:
        yield server


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = new_page(browser)
    yield page
    page.close()
