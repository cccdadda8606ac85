"""The documents say what the code does: each check compares a page with the table it describes."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from analysis.report import SCHEMA_VERSION
from analysis.schema import report_schema
from models.data import DATASETS
from models.networks import NETWORKS, check_network, network_setting_defaults
from models.networks.options import COMMON_SETTINGS
from schedules import MOMENTUM, PRESETS, SCHEDULES
from schedules.warmup import WARMUP_SETTINGS
from sweeps.cli.app import app
from sweeps.loading import load_study, study_schema
from sweeps.planning import cell_plans, verdict_note

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
CLI: Any = typer.main.get_command(app)
STUDY_SECTIONS = {
    "Workloads": "Workload",
    "Augmentation": "Augmentation",
    "Budgets": "Budgets",
    "Arms": "Arm",
    "Tuning": "Tuning",
    "Halving": "Halving",
    "Confirm": "Confirm",
    "Resources": "Resources",
    "Recording": "Recording",
    "Faults": "Faults",
}
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def sections(text: str) -> dict[str, str]:
    """Return what stands under each heading, up to the next heading of any level."""
    parts = re.split(r"^#+ (.+)$", without_code(text), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def rows(section: str) -> dict[str, str]:
    """Return the table rows of a section by the code in their first cell."""
    found = re.findall(r"^\| `([^`]+)`.*\|$", section, flags=re.MULTILINE)
    lines = [line for line in section.splitlines() if line.startswith("| `")]
    assert len(set(found)) == len(lines), f"a row stands twice, or does not end in |: {lines}"
    return dict(zip(found, lines, strict=True))


def anchors(page: Path) -> set[str]:
    """Return the anchors that a page offers, as GitHub makes them from its headings."""
    headings = sections(page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def numbers(dimension: Mapping[str, Any]) -> Iterator[str]:
    for values in dimension.values():
        for value in values:
            yield as_written(value)


def as_written(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(as_written, value))}]"
    return value if isinstance(value, str) else f"{value:g}"


def test_every_command_has_a_section_and_every_section_is_a_command() -> None:
    documented = {heading.strip("`") for heading in sections(read("docs/cli.md")) if heading.startswith("`")}
    assert documented == {f"fairsweep {name}" for name in CLI.commands}


@pytest.mark.parametrize("name", CLI.commands)
def test_a_commands_section_lists_its_arguments_and_options_and_no_others(name: str) -> None:
    section = sections(read("docs/cli.md"))[f"`fairsweep {name}`"]
    first_cells = [line.split("|")[1] for line in rows(section).values()]
    documented = {word for cell in first_cells for word in re.findall(r"`([^`]+)`", cell)}
    taken = {
        word
        for parameter in CLI.commands[name].params
        for word in [*parameter.opts, *parameter.secondary_opts]
        if word not in {"-h", "--help"}
    }
    assert documented == taken


def test_the_global_options_are_documented() -> None:
    table = rows(sections(read("docs/cli.md"))["The command line"])
    named = {word for line in table.values() for word in re.findall(r"`(--?[^`]+)`", line.split("|")[1])}
    assert named == {"--version", "--debug", "--help", "-h"}
    assert {option for parameter in CLI.params for option in parameter.opts} <= named


@pytest.mark.parametrize("name", CLI.commands)
def test_the_help_of_a_command_ends_with_an_example_that_parses(name: str) -> None:
    assert_parses(re.sub(r"\[/?\w+\]", "", CLI.commands[name].epilog.removeprefix("Example:")), command=name)


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "CHANGELOG.md"], ids=lambda page: page.name)
def test_every_command_line_in_a_page_parses(page: Path) -> None:
    for block in re.findall(r"^```sh$(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            if line.startswith("fairsweep "):
                assert_parses(line)


def assert_parses(line: str, command: str | None = None) -> None:
    program, name, *arguments = shlex.split(line.partition(" > ")[0], comments=True)
    assert program == "fairsweep"
    assert name in CLI.commands
    assert command in {None, name}
    CLI.commands[name].make_context(name, arguments)  # raises for what the command does not take


@pytest.mark.parametrize(
    ("heading", "table"),
    [("Schedules", SCHEDULES), ("Momentum policies", MOMENTUM)],
    ids=["schedules", "momentum policies"],
)
def test_the_readme_has_a_row_for_every_entry_and_its_default_search(heading: str, table: Mapping[str, Any]) -> None:
    documented = rows(sections(read("README.md"))[heading])
    remedy = f"README.md must have a row under {heading} for each entry, with its default search space"
    assert set(documented) == set(table), remedy
    for name, kind in table.items():
        search_cell = documented[name].split("|")[3]
        assert set(re.findall(r"`(\w+)`", search_cell)) == set(kind.default_search), remedy
        for dimension in kind.default_search.values():
            assert [number for number in numbers(dimension) if number not in search_cell] == [], remedy


def test_the_readme_has_a_row_for_every_preset_with_its_schedule_and_settings() -> None:
    documented = rows(sections(read("README.md"))["Presets"])
    assert set(documented) == set(PRESETS)
    for name, preset in PRESETS.items():
        _, _, schedule, settings, *_ = documented[name].split("|")
        assert schedule.strip() == f"`{preset.schedule}`"
        written = ", ".join(f"`{setting}` {as_written(value)}" for setting, value in preset.settings.items())
        assert settings.strip() == written


def test_the_keys_of_a_study_are_documented_with_their_defaults() -> None:
    assert_documented(sections(read("docs/study-file.md"))["Top level"], study_schema()["properties"])


def test_the_settings_of_a_warm_up_are_documented_with_their_defaults() -> None:
    table = rows(sections(read("docs/study-file.md"))["Warm-up"])
    assert {name: line.split("|")[2].strip(" `") for name, line in table.items()} == {
        name: f"{default:g}" if isinstance(default, float) else default for name, default in WARMUP_SETTINGS.items()
    }


@pytest.mark.parametrize(("heading", "part"), STUDY_SECTIONS.items())
def test_the_keys_of_a_part_of_a_study_are_documented_with_their_defaults(heading: str, part: str) -> None:
    section = sections(read("docs/study-file.md"))[heading].partition("A dimension is one of")[0]
    assert_documented(section, study_schema()["$defs"][part]["properties"])


def assert_documented(section: str, properties: Mapping[str, Any]) -> None:
    documented = rows(section)
    assert set(documented) == set(properties)
    for key, line in documented.items():
        default = properties[key].get("default", ...)
        if default is not ...:
            written = default if isinstance(default, str) and default else json.dumps(default)
            assert line.split("|")[3].strip() == f"`{written}`"


def test_every_part_of_the_study_schema_has_a_section() -> None:
    assert set(study_schema()["$defs"]) == set(STUDY_SECTIONS.values())


def test_the_data_sets_and_networks_that_a_study_may_name_are_listed() -> None:
    table = rows(sections(read("docs/study-file.md"))["Workloads"])
    assert set(re.findall(r"`(\w+)`", table["dataset"].split("|")[2])) == set(DATASETS)
    assert set(re.findall(r"`(\w+)`", table["network"].split("|")[2])) == set(NETWORKS)


def test_the_settings_of_every_network_are_documented_with_their_defaults() -> None:
    page = sections(read("docs/workloads.md"))
    assert set(rows(page["Settings that every network has"])) == set(COMMON_SETTINGS)
    table = rows(page["Networks"])
    assert set(table) == set(NETWORKS)
    for name, line in table.items():
        own = {key: value for key, value in network_setting_defaults(name).items() if key not in COMMON_SETTINGS}
        written = {key: f"`{value}`" if isinstance(value, str) else json.dumps(value) for key, value in own.items()}
        assert dict(re.findall(r"`(\w+)` \(([^)]+)\)", line)) == written


def test_the_networks_of_the_publications_have_the_numbers_of_parameters_that_are_listed() -> None:
    lines = [line for line in sections(read("docs/workloads.md"))["Networks"].splitlines() if "| `" in line[2:]]
    listed = [line for line in lines if not line.startswith(("| `", "| known as"))]
    assert len(listed) == 14
    for _, known_as, network, settings, parameters, _ in (line.split("|") for line in listed):
        name, given = network.strip(" `"), settings.strip(" `")
        if name.startswith("timm:") and not find_spec("timm"):
            continue
        shape, classes = ((3, 224, 224), 1000) if "1000 classes" in parameters else ((3, 32, 32), 10)
        facts = check_network(
            name, (28, 28) if name == "lenet" else shape, classes, {} if given == "none" else yaml.safe_load(given)
        )
        assert f"{facts.num_parameters:,}" in parameters.partition(" (")[0].strip().split("; "), known_as


def test_the_whole_study_on_the_page_of_workloads_is_one_as_it_is_printed(tmp_path: Path) -> None:
    blocks = re.findall(r"^```yaml$(.*?)^```$", read("docs/workloads.md"), re.MULTILINE | re.DOTALL)
    (whole,) = [block for block in blocks if "\nstudy: " in block]
    (tmp_path / "my-study.yaml").write_text(whole, encoding="utf-8")
    study = load_study(str(tmp_path / "my-study.yaml"))
    assert not verdict_note(study)
    trainings = sum(plan.trials for plan in cell_plans(study))
    assert f"It counts {trainings} trainings" in " ".join(read("docs/workloads.md").split())


def test_every_field_of_the_report_is_documented() -> None:
    schema, page = report_schema(), sections(read("docs/report.md"))
    parts = {"Report": schema, **schema["$defs"]}
    assert set(page) - {"report.json", "Comparing two studies"} == set(parts)
    for name, part in parts.items():
        assert list(rows(page[name])) == list(part["properties"])


def test_the_report_page_describes_the_current_schema_version() -> None:
    assert f"schema version **{SCHEMA_VERSION}**" in read("docs/report.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(without_code(page.read_text(encoding="utf-8"))):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_readme_names_the_make_targets_that_there_are() -> None:
    readme, contributing = read("README.md"), read("CONTRIBUTING.md")
    assert {"demo", "test"} <= set(re.findall(r"^make (\w+)", readme, re.MULTILINE))
    named = set(re.findall(r"\bmake (demo|test|check|format|bench|install|clean)\b", readme + contributing))
    assert named <= set(re.findall(r"^(\w+):", read("Makefile"), re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_line_of_prose_is_wider_than_120_characters(page: Path) -> None:
    lines = page.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if len(line) > 120 and not line.startswith("|")] == []
