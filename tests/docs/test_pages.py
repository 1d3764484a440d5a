"""The pages agree with the program: commands, options, keys, columns, links."""

from __future__ import annotations

import json
import re
import shlex
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

import pytest

from etl_pipeline.cli.screens import run_json, verify_json
from etl_pipeline.config import DatabaseType, create_test_settings
from etl_pipeline.config.checking import check_data
from etl_pipeline.config.models import (
    ColumnConfig,
    General,
    MysqlConnection,
    PipelineConfig,
    PostgresConnection,
    Source,
    TableConfig,
    TablesConfig,
)
from etl_pipeline.config.yaml_file import parse_yaml
from etl_pipeline.pipeline.summary import RunSummary, VerifySummary
from etl_pipeline.sync.proof import TableOutcome
from etl_pipeline.sync.verify import Discrepancy, Verdict
from tests.docs.pages import (
    PAGES,
    ROOT,
    find_blocks,
    find_commands,
    find_rows,
    find_section,
    options_of,
    read_page,
    read_program,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pydantic import BaseModel

COMMANDS = read_page("docs/commands.md")
CONFIGURATION = read_page("docs/configuration.md")
SECTIONS: dict[str, type[BaseModel]] = {
    "### connections.source, connections.replication": MysqlConnection,
    "### connections.analytics": PostgresConnection,
    "### general": General,
    "### source": Source,
    "### tables.\\<name\\>": TableConfig,
    "### tables.\\<name\\>.columns.\\<column\\>": ColumnConfig,
}
WORDS = {
    int: "whole number",
    float: "number",
    str: "text",
    bool: "true or false",
    dict: "mapping",
}
NOW = datetime(2024, 6, 28, tzinfo=UTC)


def documented(text: str) -> list[str]:
    return [name for row in find_rows(text) for name in row.names]


@pytest.mark.parametrize("name", sorted(read_program().commands))
def test_every_option_of_a_command_has_a_line_and_no_other(name: str) -> None:
    command = read_program().commands[name]
    section = find_section(COMMANDS, f"## etl {name}")
    lines = {option for option in documented(section) if option.startswith("--")}
    assert lines == options_of(command) - {"--help"}
    takes_tables = any(parameter.param_type_name == "argument" for parameter in command.params)
    assert takes_tables == ("TABLE" in documented(section))


def test_every_command_has_a_section_and_no_other() -> None:
    headings = re.findall(r"^## etl ?(.*)$", COMMANDS, re.MULTILINE)
    assert sorted(headings) == ["", *sorted(read_program().commands)]
    assert set(documented(find_section(COMMANDS, "## etl"))) == {"--version", "-h", "--help"}
    assert options_of(read_program()) == {"--version"}


def called(line: str) -> Iterator[list[str]]:
    """The words of each call of ``etl`` or ``make`` in a line that may be typed."""
    for part in re.split(r"&&|;|\|", line):
        try:
            words = shlex.split(part, comments=True)
        except ValueError:
            continue
        for place, word in enumerate(words):
            if word == "make" or word.rsplit("/", 1)[-1] == "etl":
                yield ["etl" if word != "make" else "make", *words[place + 1 :]]
                break


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_can_be_typed_exists(page: Path) -> None:
    program, targets = read_program(), set(re.findall(r"^([\w-]+):", read_page("Makefile"), re.M))
    for line in find_commands(page.read_text(encoding="utf-8")):
        for caller, *words in called(line):
            if caller == "make":
                assert {word for word in words if "=" not in word} <= targets, line
                continue
            command = program.commands.get(words[0]) if words else None
            known = options_of(command or program) | {"--help"}
            assert command or words[0] in known, line
            assert {word.split("=")[0] for word in words if word.startswith("--")} <= known, line


@pytest.mark.parametrize("heading", SECTIONS)
def test_every_key_has_a_line_with_its_type_and_default(heading: str) -> None:
    model = SECTIONS[heading]
    rows = {row.names[0]: row.cells for row in find_rows(find_section(CONFIGURATION, heading))}
    assert set(rows) == set(model.model_fields)
    for key, field in model.model_fields.items():
        kind, default, unit, meaning = rows[key]
        assert meaning
        choices, types = split_annotation(field.annotation)
        assert re.findall(r"`([^`]+)`", kind) == choices, key
        assert all(WORDS[one] in kind for one in types if not choices), key
        assert bool(unit) == (int in types or float in types), key
        plain = field.get_default(call_default_factory=True)
        assert shown(default) == effective_default(heading, key, plain), key


def split_annotation(annotation: Any) -> tuple[list[str], set[type]]:
    """The literals and the plain types in *annotation*, whatever wraps them."""
    if get_origin(annotation) is Literal:
        return list(get_args(annotation)), set()
    if get_origin(annotation) is dict:
        return [], {dict}
    if annotation in WORDS:
        return [], {annotation}
    choices: list[str] = []
    types: set[type] = set()
    for part in get_args(annotation):
        inner = split_annotation(part)
        choices += inner[0]
        types |= inner[1]
    return choices, types


def shown(default: str) -> str:
    """The default that holds when nothing else is said: what stands before a semicolon."""
    return default.partition(";")[0].strip("` ")


def effective_default(heading: str, key: str, default: object) -> str:
    if "connections" in heading:
        analytics = "analytics" in heading
        db_type = DatabaseType.ANALYTICS if analytics else DatabaseType.REPLICATION
        default = create_test_settings().get_database_config(db_type).get(key)
        default = default or {"charset": "utf8mb4", "application_name": "etl_pipeline"}.get(key)
    if (heading == "### source" and key == "connections") or key == "parallel_tables":
        return "number of cores"
    return str(default).removesuffix(".0").lower() if default not in (None, {}) else "none"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_of_the_two_files_are_valid(page: Path) -> None:
    for block in find_blocks(page.read_text(encoding="utf-8"), "yaml"):
        data = parse_yaml(block, where=page.name).data
        model = TablesConfig if "tables" in data else PipelineConfig
        assert check_data(model, data, str)[1] == []


def paths_of(value: Any, prefix: str = "") -> set[str]:
    """Every key of a JSON value: ``tables[].altered[].column``."""
    if isinstance(value, list):
        return {path for item in value for path in paths_of(item, prefix + "[]")}
    if not isinstance(value, dict):
        return set()
    dot = prefix and prefix + "."
    found = {dot + key for key in value}
    return found.union(*(paths_of(item, dot + key) for key, item in value.items()))


def test_every_json_key_has_a_line_and_no_other() -> None:
    outcome = TableOutcome("t", "full_table")
    outcome.altered["d", "zero dates"] = 1
    run = run_json(RunSummary(1, "test", NOW, 1.0, [outcome]))
    verdict = Verdict("t", discrepancies=[Discrepancy("raw", "x", ("1",))])
    verify = verify_json(VerifySummary("test", NOW, 1.0, True, [verdict]))
    for name, text in (("run", run), ("verify", verify)):
        section = find_section(COMMANDS, f"### JSON of etl {name}")
        keys = [key for row in find_rows(section) for key in row.names]
        assert sorted(keys) == sorted(paths_of(json.loads(text)))


def anchors(text: str) -> set[str]:
    """The anchors of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_resolve(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)]+)\)", re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.is_relative_to(ROOT), target
        assert linked.is_file(), target
        assert not anchor or anchor in anchors(linked.read_text(encoding="utf-8")), target


def test_the_readme_leads_to_every_page() -> None:
    readme = read_page("README.md")
    for page in PAGES:
        assert page.name == "README.md" or f"{page.relative_to(ROOT)})" in readme


def test_the_readme_stays_short() -> None:
    assert len(read_page("README.md").splitlines()) <= 150


def test_exit_codes_are_the_same_on_both_pages() -> None:
    for page in ("README.md", "docs/commands.md"):
        codes = re.findall(r"^\| (\d+) \|", read_page(page), re.MULTILINE)
        assert codes == ["0", "1", "2", "130"]
