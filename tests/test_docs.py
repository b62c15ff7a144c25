"""The documentation against the code: what is missing, gone or different fails, with what to do."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec
import pytest
import yaml
from pydantic_settings import BaseSettings

from cli.main import COMMANDS, main
from log_shipper.settings import PREFIX as SHIPPER
from log_shipper.settings import Settings as ShipperSettings
from platforms.azure.settings import AzureSettings
from platforms.settings import ROOT, Settings
from recipes import catalog
from scoring_service.settings import PREFIX
from scoring_service.settings import Settings as ScoringSettings
from tasks import checking
from tasks.areas import AREAS
from tasks.publishing import DEFAULT_RECIPE

REFERENCE = ROOT / "docs" / "reference.md"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EMITTERS = {"emit", "emit_event", "_emit"}
STATES = {"Completed", "Cancelled", "Failed"}
BY_OUTCOME = "ridgeline.data.*"
"""The one event whose last word is the outcome of a validation."""


def section(heading: str) -> str:
    """The text of the reference below a heading, up to the next one of its level or a higher one."""
    level = heading.split()[0]
    found = re.search(
        rf"^{re.escape(heading)}\n(.*?)(?=^#{{1,{len(level)}}} |\Z)", REFERENCE.read_text(), re.M | re.S
    )
    assert found, f"docs/reference.md has no heading {heading!r}: add it"
    return found[1]


def table(heading: str) -> list[list[str]]:
    """The cells of each line of the section's tables, without heads."""
    text = re.sub(r"^\|.*\n\|[-|]+$", "", section(heading), flags=re.M)
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def codes(heading: str, column: int) -> list[str]:
    """A column of the section's tables, without backticks."""
    return [row[column].strip("`") for row in table(heading)]


def calls() -> Iterator[ast.Call]:
    """Every call in flows, tasks and command line."""
    for folder in ("flows", "tasks", "cli"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            yield from (node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call))


def name_of(call: ast.Call) -> str:
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def events() -> set[str]:
    """The names of all events that the code emits; `*` stands for what it fills in."""
    first = [call.args[0] for call in calls() if name_of(call) in EMITTERS and call.args]
    found = {argument.value for argument in first if isinstance(argument, ast.Constant)}
    filled = [argument for argument in first if isinstance(argument, ast.JoinedStr)]
    patterns = {
        "".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in name.values) for name in filled
    }
    return {str(name) for name in found | patterns}


def end_states() -> set[str]:
    """The names that flows give to their end states."""
    named = [
        word.value for call in calls() if name_of(call) in STATES for word in call.keywords if word.arg == "name"
    ]
    fixed = {str(value.value) for value in named if isinstance(value, ast.Constant)}
    computed = {ast.unparse(value) for value in named if not isinstance(value, ast.Constant)}
    assert computed == {"outcome.state"}, "an end state is computed: teach this test where its names come from"
    return fixed | set(AREAS)


def flow_parameters() -> dict[tuple[str, str], str]:
    """The default of every parameter of every flow as the page shows it, but `recipe` and what recipes add."""
    words = {inspect.Parameter.empty: "required", "": "empty", checking.UNIT_TESTS: "the unit tests"}
    found = {}
    for file in (ROOT / "flows").glob("[a-z]*.py"):
        flow = getattr(importlib.import_module(f"flows.{file.stem}"), file.stem)
        for name, parameter in inspect.signature(flow.fn).parameters.items():
            if name not in {"recipe", *catalog.load(DEFAULT_RECIPE).parameters}:
                found[flow.name, name] = words.get(parameter.default, f"`{parameter.default}`")
    return found


def shown(default: object) -> str:
    return "unset" if default in (None, "") else f"`{default}`"


def settings(kind: type[BaseSettings], prefix: str) -> dict[str, str]:
    """Every variable of a platform with its default as the page shows it."""
    return {f"{prefix}{name.upper()}": shown(field.default) for name, field in kind.model_fields.items()}


def shipper_settings() -> dict[str, str]:
    fields = ShipperSettings.model_fields.items()
    return {
        f"{SHIPPER}{name.upper()}": "required" if field.is_required() else shown(field.default)
        for name, field in fields
    }


def scoring_settings() -> dict[str, str]:
    fields = msgspec.structs.fields(ScoringSettings)
    return {
        f"{PREFIX}{field.name.upper()}": "required" if field.default is msgspec.NODEFAULT else shown(field.default)
        for field in fields
    }


def anchors(page: Path) -> set[str]:
    """What `#…` may point to, as GitHub makes it of headings."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def links(page: Path) -> Iterator[str]:
    """Every relative link and image of a page."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"[a-z]+:", target):
            yield target


def test_every_command_is_documented_and_no_other() -> None:
    titles = re.findall(r"^### `ridgeline ([a-z-]+)`$", REFERENCE.read_text(), re.M)
    assert sorted(titles) == sorted(COMMANDS), "docs/reference.md: one `### `ridgeline NAME`` for each command"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_and_exit_code_is_documented(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command
    heading = f"### `ridgeline {name}`"
    options = {text for option in command.params if isinstance(option, click.Option) for text in option.opts}
    assert set(codes(heading, 0)) == options
    assert "exit code" in section(heading).lower(), f"docs/reference.md, {heading}: say what its exit codes mean"


@pytest.mark.parametrize(
    ("heading", "expected"),
    [
        ("### Platform", settings(Settings, "RIDGELINE_")),
        ("### Azure", settings(AzureSettings, "RIDGELINE_AZURE_")),
        ("### Scoring service", scoring_settings()),
        ("### Log shipper", shipper_settings()),
    ],
)
def test_every_setting_is_documented_with_its_default(heading: str, expected: dict[str, str]) -> None:
    rows = {row[0].strip("`"): (row[1], row[2]) for row in table(heading)}
    assert {name: default for name, (default, _) in rows.items()} == expected
    assert all(meaning for _, meaning in rows.values())


def test_every_event_is_documented_and_no_other() -> None:
    emitted = events()
    outcomes = {f"ridgeline.data.{state.lower()}" for state in AREAS}
    expected = emitted - {BY_OUTCOME} | (outcomes if BY_OUTCOME in emitted else set())
    assert set(codes("## Events", 0)) == expected
    assert "*" not in "".join(expected), "an event's name is computed: teach this test where its words come from"


def test_every_end_state_is_documented_and_no_other() -> None:
    rows = [row for row in table("## Flows") if len(row) == 4 and row[2] in STATES]
    assert {row[1].strip("`") for row in rows} == end_states()


def test_every_flow_is_documented() -> None:
    deployed = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    modules = {Path(str(deployment["entrypoint"]).split(":")[0]).stem for deployment in deployed}
    assert {name.replace("-", "_") for name in codes("## Flows", 0)} >= modules


def test_every_parameter_of_a_flow_is_documented_with_its_default() -> None:
    rows = {(flow.strip("`"), name.strip("`")): default for flow, name, default, _ in table("### Parameters")}
    shared = [key for key in rows if key[0].startswith("all")]
    assert shared == [("all but `build` and `provision", "recipe")]
    assert {key: default for key, default in rows.items() if key not in shared} == flow_parameters()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_link_points_to_nothing(page: Path) -> None:
    broken = []
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = page if not path else page.parent / path
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_every_page_is_linked_from_the_readme() -> None:
    linked = {link.partition("#")[0] for link in links(ROOT / "README.md")}
    assert {f"docs/{page.name}" for page in PAGES[1:]} <= linked
