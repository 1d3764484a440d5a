"""Add choices to the text of ``tables.yml``; comments and hand edits stay (no I/O)."""

from __future__ import annotations

import difflib
import io
from collections.abc import Iterable
from typing import Any

from etl_pipeline.setup.choices import Choice

HEADING = """\
# The tables to copy, and how. Made by etl discover, which adds what is missing and changes nothing
# that stands here: edit at will. docs/configuration.md says what each key means.
"""


def add_choices(text: str, choices: Iterable[Choice]) -> str:
    """Return *text* with the keys of *choices* that it lacks.

    New keys come before a table's other keys: a comment after its last key belongs to the next
    table, and must stay with that.
    """
    yaml = _make_yaml()
    document = yaml.load(text or HEADING + "tables:\n")
    if document is None:
        document = yaml.load(text.rstrip("\n") + "\ntables:\n")
    tables = _open_mapping(document, "tables")
    for choice in choices:
        if tables.get(choice.table) is None:
            tables[choice.table] = _new_table(choice)
        else:
            _complete(_open_mapping(tables, choice.table), choice)
    stream = io.StringIO()
    yaml.dump(document, stream)
    return stream.getvalue()


def _make_yaml() -> Any:
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 10_000
    return yaml


def _open_mapping(parent: Any, key: str) -> Any:
    """Return the mapping under *key*, made if it is missing, in block style (not ``{}``)."""
    from ruamel.yaml.comments import CommentedMap

    if parent.get(key) is None:
        parent[key] = CommentedMap()
    mapping = parent[key]
    if not mapping:
        mapping.fa.set_block_style()
    return mapping


def _new_table(choice: Choice) -> Any:
    from ruamel.yaml.comments import CommentedMap

    table = CommentedMap()
    for key, (value, _) in choice.settings.items():
        table[key] = value
    _explain(table, choice, list(choice.settings))
    table.yaml_set_start_comment(choice.key, indent=4)
    return table


def _complete(table: Any, choice: Choice) -> None:
    """Add the keys of *choice* that the user's *table* lacks."""
    is_other = table.get("extraction_strategy") not in (None, choice.strategy)
    missing = [
        key
        for key in choice.settings
        if key not in table and not (is_other and key == "incremental_column")
    ]
    for key in reversed(missing):
        table.insert(0, key, choice.settings[key][0])
    if not table.fa.flow_style():  # a comment would end a mapping within braces
        _explain(table, choice, missing)


def _explain(table: Any, choice: Choice, keys: Iterable[str]) -> None:
    listed = list(keys)
    width = max((len(f"{key}: {choice.settings[key][0]}") for key in listed), default=0)
    for key in listed:
        table.yaml_add_eol_comment(choice.settings[key][1], key, column=4 + width + 2)


def show_difference(old: str, new: str, name: str) -> str:
    """Return the difference as ``diff -u`` shows it; empty if there is none."""
    lines = difflib.unified_diff(
        old.splitlines(keepends=True), new.splitlines(keepends=True), name, f"{name}, discovered"
    )
    return "".join(lines)
