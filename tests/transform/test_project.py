"""The project of dbt by its files: nothing is unread, and its parts know of each other."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from etl_pipeline.transform.environment import PROJECT
from tests.docs.pages import read_page

MODELS = PROJECT / "models"
_REFERENCE = re.compile(r"(?:ref|changed_rows|inferred_members)\([^)]*\)")
_NAME = re.compile(r"'(\w+)(?:\.\w+)?'")


def list_models(layer: str) -> set[str]:
    return {path.stem for path in (MODELS / layer).rglob("*.sql")}


@cache
def read_yaml(file: Path) -> Any:
    return YAML(typ="safe").load(file.read_text(encoding="utf-8"))


def find_references(file: Path) -> set[str]:
    text = file.read_text(encoding="utf-8")
    return {name for call in _REFERENCE.findall(text) for name in _NAME.findall(call)}


def find_read_models() -> set[str]:
    files = [*MODELS.rglob("*.sql"), *(PROJECT / "macros").rglob("*.sql")]
    return {name for file in files for name in find_references(file)}


def test_every_model_beneath_the_marts_is_read() -> None:
    unread = (list_models("staging") | list_models("intermediate")) - find_read_models()
    # What the tests dates_out_of_range and rows_left_out count.
    assert unread == {"int_date_outlier", "int_row_left_out"}


def test_only_staging_reads_raw_and_each_table_once() -> None:
    sources = read_yaml(MODELS / "staging" / "sources.yml")["sources"]
    (raw,) = (source for source in sources if source["name"] == "raw")
    tables = sorted(table["name"] for table in raw["tables"])
    assert tables == sorted(name.removeprefix("stg_") for name in list_models("staging"))
    others = [
        file
        for layer in ("intermediate", "marts")
        for file in (MODELS / layer).rglob("*.yml")
        if "sources" in read_yaml(file)
    ]
    assert not others, "sources stand in models/staging/sources.yml"


def test_every_answer_has_a_reader() -> None:
    """A report or dashboard that reads it, in exposures.yml; facts and dimensions are for all."""
    exposures = read_yaml(MODELS / "marts" / "exposures.yml")["exposures"]
    shown = {name for e in exposures for ref in e["depends_on"] for name in _NAME.findall(ref)}
    answers = {m for m in list_models("marts") if not m.startswith(("dim_", "fact_"))}
    assert shown == answers


def test_the_page_says_how_many_tables_staging_has() -> None:
    tables = len(list_models("staging"))
    assert f"one view a table, {tables} of them" in read_page("docs/transform.md")
