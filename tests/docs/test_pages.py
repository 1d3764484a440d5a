"""The pages agree with the program: commands, options, keys, columns, links."""

from __future__ import annotations

import json
import re
import shlex
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from etl_pipeline.cli.screens.plan import plan_json
from etl_pipeline.cli.screens.run import run_json
from etl_pipeline.cli.screens.verify import verify_json
from etl_pipeline.config.checking import check_data
from etl_pipeline.config.pipeline_file import PipelineConfig
from etl_pipeline.config.tables_file import TablesConfig
from etl_pipeline.config.yaml_file import parse_yaml
from etl_pipeline.pipeline.plan import Preview, TablePreview
from etl_pipeline.pipeline.summary import RunSummary, VerifySummary
from etl_pipeline.schema.drift_decision import DriftEvent
from etl_pipeline.state.records import TableOutcome
from etl_pipeline.transform.build_plan import BuildPlan, GraphNode
from etl_pipeline.transform.preview import BuildPreview, PlannedBuild
from etl_pipeline.verify.job import VerifyScope
from etl_pipeline.verify.result import (
    Discrepancy,
    Repaired,
    RowDifference,
    SideBySide,
    VerifyResult,
)
from tests.docs.pages import (
    PAGES,
    ROOT,
    find_blocks,
    find_commands,
    find_rows,
    find_section,
    list_commands,
    options_of,
    read_page,
    read_program,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMMANDS = read_page("docs/commands.md")
NOW = datetime(2024, 6, 28, tzinfo=UTC)


def documented(text: str) -> list[str]:
    return [name for row in find_rows(text) for name in row.names]


@pytest.mark.parametrize("name", sorted(list_commands()))
def test_every_option_of_a_command_has_a_line_and_no_other(name: str) -> None:
    command = list_commands()[name]
    section = find_section(COMMANDS, f"## etl {name}")
    lines = {option for option in documented(section) if option.startswith("--")}
    assert lines == options_of(command) - {"--help"}
    arguments = {p.metavar for p in command.params if p.param_type_name == "argument"}
    assert all(argument in documented(section) for argument in arguments)
    assert ("TABLE" in documented(section)) == ("TABLE" in arguments)


def test_every_command_has_a_section_and_no_other() -> None:
    headings = re.findall(r"^## etl ?(.*)$", COMMANDS, re.MULTILINE)
    assert sorted(headings) == ["", *sorted(list_commands())]
    documented_options = set(documented(find_section(COMMANDS, "## etl")))
    assert documented_options == {"--version", "--install-completion", "-h", "--help"}
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
    program, commands = read_program(), list_commands()
    targets = set(re.findall(r"^([\w-]+):", read_page("Makefile"), re.M))
    for line in find_commands(page.read_text(encoding="utf-8")):
        for caller, *words in called(line):
            if caller == "make":
                assert {word for word in words if "=" not in word} <= targets, line
                continue
            named = (" ".join(words[:length]) for length in (2, 1))
            command = next((commands[name] for name in named if name in commands), None)
            known = options_of(command or program) | {"--help"}
            assert command or words[0] in known, line
            if words[:1] == ["dbt"] and not "".join(words[1:]).startswith("-"):
                continue  # all else is dbt's
            assert {word.split("=")[0] for word in words if word.startswith("--")} <= known, line


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
    outcome.drift = [DriftEvent("t", "column_added", "c", "int", "follow")]
    run = run_json(RunSummary(1, "test", NOW, 1.0, [outcome]))
    row = RowDifference("1", "missing", (), SideBySide((), (), None))
    result = VerifyResult("t", discrepancies=[Discrepancy("raw", "x", (row,))])
    result.repaired.append(Repaired("raw", Counter({"missing": 1})))
    verify = verify_json(VerifySummary("test", NOW, 1.0, VerifyScope(), [result]))
    table = TablePreview("t", "fingerprint", None, ddl=(("analytics", "x"),))
    node = GraphNode("model.m", "model", "m", "marts.m", False, (), (), "")
    build = PlannedBuild({node.id: node}, {}, BuildPlan({node.id: "never built"}), frozenset(), [])
    plan = plan_json(Preview("test", (table,)), BuildPreview(build))
    for name, text in (("run", run), ("verify", verify), ("plan", plan)):
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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_of_the_project_that_a_page_names_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for path in re.findall(r"`((?:\w+/)+\w+\.(?:py|sql|c|md|yml))`", text):
        if path.split("/")[0] not in ("config", "demo"):  # of a user, of a demo
            assert (ROOT / path).exists() or (ROOT / "etl_pipeline" / path).exists(), path


def test_names_that_contributing_points_to_are_defined_there() -> None:
    section = find_section(
        (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), "## Where is it?"
    )
    places = re.findall(r"`([\w/]+\.py)`: (`\w+`(?:, `\w+`)*)", section)
    assert len(places) > 10
    for path, names in places:
        source = (ROOT / "etl_pipeline" / path).read_text(encoding="utf-8")
        for name in re.findall(r"\w+", names):
            assert re.search(rf"^(?: *(?:def|class) )?{name}\b", source, re.MULTILINE), (path, name)


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
