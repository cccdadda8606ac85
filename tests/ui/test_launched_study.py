"""From the launch to the pages that ``fairsweep ui`` links to, with nothing made up in between."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.commands import fairsweep, start, write_study
from tests.ui import pages

pytestmark = [pytest.mark.browser, pytest.mark.cluster]

ARMS = ("cosine", "one_cycle", "published")
SEARCHED = ("peak_lr", "weight_decay", "momentum")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("launched")
    done = fairsweep(home, "launch", str(write_study(home)))
    assert done.returncode == 0, done.stderr
    return home


def links_of(process: subprocess.Popen[str]) -> dict[str, str]:
    """Read the links that ``fairsweep ui`` prints, by title."""
    assert process.stdout is not None
    links, title = {}, ""
    for line in process.stdout:
        if "http" in line:
            links[title] = line.strip()
        title = line.strip().rstrip(":")
        if "Ctrl-C" in line:
            return links
    raise AssertionError(process.communicate())


@pytest.fixture(scope="module")
def links(home: Path) -> Iterator[dict[str, str]]:
    process = start(home, "ui", "tiny", "--no-open", "--port", "0")
    try:
        yield links_of(process)
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


def test_the_comparison_shows_every_arm(page: Page, links: dict[str, str]) -> None:
    pages.check_study_comparison(page, links["Comparison, all cells"], arms=ARMS, trials=12)


def test_the_comparison_of_a_cell_shows_the_mean_curve_of_every_arm(page: Page, links: dict[str, str]) -> None:
    pages.check_cell_comparison(page, links["Comparison in digits-mlp/updates-8"], arms=ARMS)


def test_the_search_shows_every_draw(page: Page, links: dict[str, str]) -> None:
    url = links["Search, all cells"]
    pages.check_search(page, url, axes=["arm", "budget", *SEARCHED], scattered=SEARCHED, draws=12)


def test_the_report_is_found_in_the_study_run_with_its_verdict(page: Page, links: dict[str, str]) -> None:
    pages.check_report(page, links["Report"], text="tuned control cosine")


def test_the_report_file_shows_arms_curves_and_verdict_on_a_phone(page: Page, home: Path) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto((home / "reports" / "tiny" / "report.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth <= 390")
    assert page.get_by_text("tuned control cosine").first.is_visible()
    for arm in ARMS:
        assert page.locator("svg text", has_text=re.compile(rf"^{arm}")).count() > 0, arm


def test_ui_stops_at_ctrl_c_and_leaves_no_server(home: Path) -> None:
    process = start(home, "ui", "--no-open", "--port", "0")
    url = next(iter(links_of(process).values())).split("#")[0]
    assert urllib.request.urlopen(url, timeout=10).status == 200
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "Traceback" not in out + err
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url, timeout=1)
        except OSError:
            break
        time.sleep(0.2)
    else:
        raise AssertionError(f"{url} still answers")
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)
