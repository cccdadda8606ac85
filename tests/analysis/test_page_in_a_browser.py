import pytest

from analysis.report import build_report, write_report
from tests.analysis.synthetic_study import ARMS, synthetic_record

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    record = synthetic_record(
        arms=ARMS, workloads=("mnist1d-conv", "a-workload-with-quite-a-long-name"), budgets=(2, 5), draws=2, seeds=3
    )
    return write_report(build_report(record), tmp_path_factory.mktemp("report")).html.as_uri()


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_never_scrolls_sideways_even_with_everything_unfolded(browser, address, width):
    page = browser.new_page(viewport={"width": width, "height": 800})
    page.goto(address)
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(
        "[...document.querySelectorAll('figure svg')].every(s => s.getBoundingClientRect().height > 100)"
    )


def test_no_table_scrolls_sideways_on_a_laptop(browser, address):
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto(address)
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    wide = page.evaluate(
        """() => [...document.querySelectorAll('.scroll')].filter(s => s.scrollWidth > s.clientWidth)
                  .map(s => s.getAttribute('aria-label'))"""
    )
    assert wide == []


def test_the_page_asks_the_network_for_nothing_and_logs_no_error(browser, address):
    page = browser.new_page()
    requests, messages = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: messages.append(message.text))
    page.goto(address)
    assert requests == [address]
    assert messages == []


def test_folded_parts_are_printed(browser, address):
    page = browser.new_page()
    page.emulate_media(media="print")
    page.goto(address)
    guide = page.locator("details", has_text="How to read the verdict").locator("li").first
    assert guide.bounding_box()["height"] > 5


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_in_figures_stands_out_from_the_page(browser, address, scheme):
    page = browser.new_page(color_scheme=scheme)
    page.goto(address)
    ink, paper = page.evaluate(
        """() => [getComputedStyle(document.querySelector('figure svg text')).fill,
                  getComputedStyle(document.body).backgroundColor]"""
    )
    assert contrast(ink, paper) > 10


def contrast(first, second):
    """WCAG 2.1 contrast ratio of two ``rgb(r, g, b)`` colours."""

    def luminance(color):
        parts = [int(part) / 255 for part in color[4:-1].split(",")]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted(map(luminance, (first, second)))
    return (light + 0.05) / (dark + 0.05)
