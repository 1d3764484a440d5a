"""The glossary has an entry for each word of the program's names, and no retired word is a name."""

from __future__ import annotations

import ast
import dataclasses
import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any, get_args

import pytest

from etl_pipeline.config.pipeline_file import PipelineConfig
from etl_pipeline.config.tables_file import TablesConfig
from etl_pipeline.pipeline import events as run_events
from etl_pipeline.transform import events as transform_events
from tests.docs.pages import ROOT, find_rows, list_commands, options_of, read_page

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PACKAGE = ROOT / "etl_pipeline"
STATE_FILES = (PACKAGE / "state/warehouse.sql", PACKAGE / "state/replicas.sql")

PLAIN = {
    "words that join others": """
        after any as at before by every first from in is made new of only per since to when
    """,
    "counts, sizes and times": """
        bytes count days done estimate estimated fraction id limit max mb ms oldest pid
        process row rows seconds size time timeout times version
    """,
    "what any program has": """
        allow application args backend background by change changes check checking checks
        child choices cli clock command config connect control core created debug docs
        driver effective error errors explain facts fault file finished folder formatting
        general inspect json key keywords line loading log main manager name names os output
        outside parallel password patients probe problem processes programs providers range
        read reason record recording records reference remove request resolve retried
        running saved screens script secret seen setting settings shell start started stop
        storage threads url urls user wait write yaml
    """,
    "what any database has": """
        ca cert charset column columns create data database databases encoding engine lock
        mode mysql postgres python select singleton sql statement statements table tables
        update
    """,
    "the program's own name": """
        etl pipeline
    """,
}
"""Words that mean what they mean everywhere, by the reason why they need no entry."""

RETIRED = {
    "ballot": "majority",
    "burden": "source usage",
    "claim": "lease",
    "lane": "worker",
    "peace": "throttle",
    "shipment": "copy",
    "stride": "page size",
    "strip": "segment",
    "ledger": "source usage",
    "stands as": "show create digest",
    "twin": "kernel in Python",
    "manner": "session setting",
    "first look": "chunk check",
    "second look": "row check",
    "mended": "correction",
    "beat": "heartbeat",
    "busy": "server load",
    "foreign": "edited, or ownership",
    "look": "ask",
    "mend": "apply",
    "rehearse": "try",
    "renew": "update",
    "unfit": "unsupported",
    "wish": "request",
    "lack": "missing",
    "obstacle": "blocking object",
    "suspect": "row to check",
    "vouched": "evidence",
    "sight": "privilege",
    "wishes": "request",
    "witness": "evidence",
}
"""Words that names had before, with the word now."""


def split_words(name: str) -> list[str]:
    """Return the words of *name*, which is snake_case, CamelCase, dotted or has dashes."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]


def singular(word: str) -> str:
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def normal(words: list[str]) -> tuple[str, ...]:
    return tuple(singular(word) for word in words)


def read_entries() -> set[tuple[str, ...]]:
    rows = find_rows(read_page("docs/glossary.md"))
    return {normal(split_words(name)) for row in rows for name in row.names}


def is_covered(words: tuple[str, ...], entries: set[tuple[str, ...]]) -> bool:
    """True if *words* can be cut into entries, each of one word or more."""
    if not words:
        return True
    lengths = range(1, len(words) + 1)
    return any(words[:n] in entries and is_covered(words[n:], entries) for n in lengths)


def state_names() -> Iterator[tuple[str, str]]:
    """Yield each table and column of the state, with the file that makes it."""
    for file in STATE_FILES:
        text = file.read_text(encoding="utf-8")
        tables = re.findall(r"^CREATE TABLE IF NOT EXISTS (\S+) \((.*?)^\)", text, re.M | re.S)
        added = re.findall(r"ADD COLUMN IF NOT EXISTS (\w+)", text)
        assert tables
        for table, body in tables:
            yield table, file.name
            lines = (line.split() for line in body.splitlines())
            yield from ((words[0], file.name) for words in lines if words and words[0].islower())
        yield from ((column, file.name) for column in added)


def config_keys(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        properties = schema.get("properties")
        yield from properties if isinstance(properties, dict) else ()
        for value in schema.values():
            yield from config_keys(value)


def module_names() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        yield from ((part, path) for part in parts if part != "__init__")


def public_names() -> dict[str, str]:
    """Return every name that a user or a newcomer meets, with where it stands."""
    found = dict(state_names())
    for name, command in list_commands().items():
        found[name] = "command"
        found |= dict.fromkeys(options_of(command), f"option of etl {name}")
    for model in (PipelineConfig, TablesConfig):
        found |= dict.fromkeys(config_keys(model.model_json_schema()), "key of a YAML file")
    for union in (run_events.Event, transform_events.Event):
        for event in get_args(union):
            fields = [field.name for field in dataclasses.fields(event)]
            found |= dict.fromkeys([event.__name__, *fields], "event")
    found |= {part: str(path.relative_to(ROOT)) for part, path in module_names()}
    return found


def test_every_word_of_a_public_name_has_an_entry() -> None:
    entries = read_entries()
    plain = {(singular(word),) for words in PLAIN.values() for word in words.split()}
    missing = {
        f"{name} ({where})"
        for name, where in public_names().items()
        if not is_covered(normal(split_words(name)), entries | plain)
    }
    assert not missing, f"docs/glossary.md lacks a word of: {', '.join(sorted(missing))}"


def test_no_word_has_two_entries() -> None:
    rows = find_rows(read_page("docs/glossary.md"))
    names = [name for row in rows for name in row.names]
    assert sorted(names) == sorted(set(names))


def test_plain_words_have_no_entry_of_their_own() -> None:
    plain = {(singular(word),) for words in PLAIN.values() for word in words.split()}
    assert not plain & read_entries()


def defined_names(tree: ast.Module) -> Iterator[str]:
    """Yield the classes, functions, parameters and attributes that a module defines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id


def retired_in(name: str) -> list[str]:
    """Return the retired words in *name*."""
    text = f" {' '.join(normal(split_words(name)))} "
    return [word for word in RETIRED if f" {word} " in text]


@pytest.mark.parametrize("name", ["find_peace", "LaneCount", "first_looks", "TableTwin"])
def test_retired_words_are_seen_in_a_name(name: str) -> None:
    assert retired_in(name)
    assert not retired_in("planes")


def test_no_retired_word_is_a_name_again() -> None:
    found = defaultdict(set)
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for name in [path.stem, *defined_names(tree)]:
            for word in retired_in(name):
                found[f"{name}: {RETIRED[word]}"].add(str(path.relative_to(ROOT)))
    for name, file in state_names():
        for word in retired_in(name):
            found[f"{name}: {RETIRED[word]}"].add(file)
    assert not found
