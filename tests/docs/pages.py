"""The documents, and what is taken out of them."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any, NamedTuple

import typer

from etl_pipeline.cli.main import app

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_SHELLS = ("bash", "sh", "console", "cron")


class Row(NamedTuple):
    """A row of a table: the names in its first cell, and the other cells."""

    names: tuple[str, ...]
    cells: tuple[str, ...]


def read_page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def find_blocks(text: str, *languages: str) -> list[str]:
    """The contents of the fenced blocks of *languages*, without the indent of a list."""
    return [
        textwrap.dedent(content)
        for _, language, content in _FENCE.findall(text)
        if language in languages
    ]


def find_commands(text: str) -> list[str]:
    """Whatever a reader may type: the lines of shell blocks, and short code that calls us."""
    lines = [line for block in find_blocks(text, *_SHELLS) for line in block.splitlines()]
    prose = _FENCE.sub("", text)
    return lines + [code for code in re.findall(r"`([^`\n]+)`", prose) if " " in code]


def find_section(text: str, heading: str) -> str:
    """What stands under *heading* up to the next heading of its level or above."""
    level = len(heading) - len(heading.lstrip("#"))
    pattern = rf"^{re.escape(heading)}\n(.*?)(?=^#{{1,{level}}} |\Z)"
    found = re.search(pattern, text, re.MULTILINE | re.DOTALL)
    assert found, f"no section {heading}"
    return found[1]


def find_rows(text: str) -> list[Row]:
    """The rows of the tables in *text* whose first cell holds names as code."""
    rows = []
    for line in text.splitlines():
        if not line.startswith("|"):
            continue
        first, *cells = (cell.strip() for cell in line.split("|")[1:-1])
        if names := tuple(re.findall(r"`([^`]+)`", first)):
            rows.append(Row(names, tuple(cells)))
    return rows


def read_program() -> Any:
    """The program's tree of commands, as Typer gives it to Click."""
    return typer.main.get_command(app)


def list_commands() -> dict[str, Any]:
    """Every command by its words: ``run``, ``config show``."""
    commands: dict[str, Any] = {}
    for name, command in read_program().commands.items():
        inner = getattr(command, "commands", None)
        if inner is None:
            commands[name] = command
        else:
            commands |= {f"{name} {word}": command for word, command in inner.items()}
    return commands


def options_of(command: Any) -> set[str]:
    """The long options of *command*, without its help."""
    return {
        option
        for parameter in command.params
        for option in parameter.opts
        if option.startswith("--") and not option.endswith("-completion")
    }
