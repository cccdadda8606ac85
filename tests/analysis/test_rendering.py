import math
import re
from html.parser import HTMLParser

import pytest

from analysis import wording
from analysis.figures import draw_figures
from analysis.figures.accuracy import draw_accuracy
from analysis.rendering import render_html, render_markdown
from analysis.report import build_report, write_report
from tests.analysis.synthetic_study import TWO_ARMS, at, changed, synthetic_record

NASTY = "<script>alert('x')</script> & $a$ |b| _c_"
VOID = {"meta", "br", "img", "hr", "link", "input", "path", "use", "rect", "circle", "wbr"}


class Outline(HTMLParser):
    """Collect tags and ids, and fail where an element is closed that is not the last one open."""

    def __init__(self):
        super().__init__()
        self.open, self.starts, self.ids, self.text = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.starts.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.starts.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id"]

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def report():
    arms = {**TWO_ARMS, "twin": ("piecewise", True, (-0.01, -0.01)), NASTY: ("cosine", False, (0.01, 0.0))}
    record = synthetic_record(arms=arms, workloads=("mnist1d-conv", "other"), budgets=(2, 5), draws=4, seeds=4)
    record = changed(record, lambda t: at(2, "one_cycle")(t) & (t["seed_index"] == 0), diverged=True, test=float("nan"))
    return build_report(record)


@pytest.fixture(scope="module")
def figures(report):
    return draw_figures(report)


@pytest.fixture(scope="module")
def page(report, figures):
    return render_html(report, figures)


@pytest.fixture(scope="module")
def outline(page):
    parser = Outline()
    parser.feed(page)
    return parser


def test_the_page_is_well_formed(outline):
    assert outline.open == []


def test_the_page_asks_for_nothing_from_outside(page, outline):
    assert "http:" not in page
    assert "https:" not in page
    links = [v for _, attrs in outline.starts for k, v in attrs.items() if k in {"href", "src", "xlink:href"}]
    assert all(link.startswith("#") for link in links)
    assert not {"script", "link", "iframe", "img"} & {tag for tag, _ in outline.starts}


def test_names_are_shown_and_never_executed(page, outline, report, figures):
    assert "<script" not in page
    assert NASTY in "".join(outline.text)
    markdown = render_markdown(report, figures)
    assert "<script" not in markdown
    assert "\\|b\\|" in markdown


def test_ids_are_unique_over_all_figures_and_every_reference_has_its_target(page, outline):
    assert len(outline.ids) == len(set(outline.ids))
    references = set(re.findall(r"url\(#([^)]*)\)|href=\"#([^\"]*)\"", page))
    assert {a or b for a, b in references} <= set(outline.ids)


def test_figures_are_described_and_headings_in_order(outline, figures):
    shown = [attrs for tag, attrs in outline.starts if tag == "figure"]
    assert len(shown) == len(figures) > 0
    assert all(attrs["role"] == "img" and attrs["aria-label"] for attrs in shown)
    headings = [tag for tag, _ in outline.starts if re.fullmatch("h[1-6]", tag)]
    assert headings[0] == "h1"
    assert set(headings[1:]) == {"h2"}
    assert ("html", {"lang": "en"}) in outline.starts
    assert "title" in {tag for tag, _ in outline.starts}


def test_text_and_axes_of_figures_follow_the_colour_of_the_page(page):
    assert "currentColor" in page
    assert "#010203" not in page


def test_page_and_markdown_say_the_same_sentences_and_verdicts(report, page, figures):
    markdown = render_markdown(report, figures)
    for row in report.comparisons:
        difference = wording.points_with_interval(row.difference, row.ci_low, row.ci_high)
        assert difference in page
        assert difference in markdown
    assert "without a verdict" in page
    assert "without a verdict" in markdown


def test_figures_are_the_same_every_time(report, figures):
    again = draw_figures(report)
    assert [figure.inline_svg() for figure in again] == [figure.inline_svg() for figure in figures]
    assert again[0].png() == figures[0].png()


def test_every_arm_differs_from_every_other_by_more_than_its_colour(report):
    from analysis.figures.drawing import arm_styles

    styles = arm_styles(report.design).values()
    assert len({(style.line, style.marker) for style in styles}) == len(report.design.arms)


def test_everything_is_written_and_written_again(report, tmp_path):
    files = write_report(report, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    assert write_report(report, tmp_path) == files
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == before
    assert files.html in before
    assert set(files.figures) | set(files.tables) <= set(before)
    assert {path.suffix for path in files.figures} == {".pdf", ".png"}
    assert {path.suffix for path in files.tables} == {".csv", ".tex"}
    assert set(files.by_name(tmp_path)) == {
        path.relative_to(tmp_path).as_posix() for path in before if path.name[0] != "."
    }


def test_figures_for_papers_embed_their_fonts_as_truetype(figures):
    for figure in figures:
        pdf = figure.pdf()
        assert pdf.startswith(b"%PDF")
        assert b"/FontFile2" in pdf
        assert b"/Type3" not in pdf
        assert b"CreationDate" not in pdf


def test_a_figure_is_laid_out_alike_in_whatever_order_it_is_written(report):
    first, second = draw_figures(report), draw_figures(report)
    forward = [(figure.svg, figure.png(), figure.pdf()) for figure in first]
    backward = [(figure.pdf(), figure.png(), figure.svg) for figure in second]
    assert forward == [files[::-1] for files in backward]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (wording.points(0.0231), "+2.31"),
        (wording.points(-0.004), "−0.40"),
        (wording.points(-0.000001), "0.00"),
        (wording.points(None), "–"),
        (wording.plus_minus(0.8612, 0.8582, 0.8642), "86.12 ± 0.30"),
        (wording.plus_minus(0.8612, None, None), "86.12"),
        (wording.points_with_interval(0.0231, 0.015, 0.0312), "+2.31 (+1.50 to +3.12)"),
        (wording.p_value(0.00001), "<0.001"),
        (wording.p_value(0.0123), "0.012"),
        (wording.number(20000), "20000"),
        (wording.number(0.5), "0.5"),
        (wording.confidence(0.05), "95 %"),
        (wording.setting(0.123456), "0.1235"),
        (wording.setting([30, 0.5]), "30, 0.5"),
    ],
)
def test_numbers_in_words(written, expected):
    assert written == expected


def test_arms_at_the_only_budget_stand_near_it():
    report = build_report(synthetic_record(budgets=(5,), arms=TWO_ARMS))
    [drawing] = draw_accuracy(report)
    upper, lower = drawing.figure.axes
    reach = math.log(upper.get_xlim()[1] / 5)
    assert upper.get_xlim() == lower.get_xlim()
    for bar in upper.containers:
        assert abs(math.log(bar.lines[0].get_xdata()[0] / 5)) < reach / 10
