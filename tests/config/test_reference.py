"""Every key has its words, and the reference and the schemas are made from them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_pipeline.config.checking import check_data
from etl_pipeline.config.reference import FILES, list_keys, list_models, make_schema, render_keys
from etl_pipeline.config.yaml_file import parse_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"
MODELS = {name: part for model in FILES.values() for name, part in list_models(model).items()}
OUTER = {"PipelineConfig", "Connections", "TablesConfig"}
"""Their keys are sections, which the page has as headings."""
KEYS = [(section, name) for section, part in MODELS.items() for name in part["properties"]]


def words_of(section: str, name: str) -> dict[str, Any]:
    words = MODELS[section]["properties"][name]
    assert isinstance(words, dict)
    return words


@pytest.mark.parametrize(("section", "name"), KEYS)
def test_every_key_has_its_meaning_and_an_example(section: str, name: str) -> None:
    words = words_of(section, name)
    advice = "give the field a description and examples: see key() in config/keys.py"
    assert words.get("description"), advice
    if section not in OUTER:
        assert words.get("examples"), advice
        kinds = {option.get("type") for option in words.get("anyOf", [words])}
        assert bool(words.get("unit")) == bool(kinds & {"integer", "number"}), "unit of a number"


def wrap(section: str, name: str, value: object) -> Iterator[tuple[str, dict[str, Any]]]:
    """Whole files in which *value* stands under the key."""
    data = {name: value}
    if section in ("MysqlConnectionConfig", "PostgresConnectionConfig"):
        places = ("analytics",) if section.startswith("Postgres") else ("source", "replication")
        for place in places:
            yield "pipeline", {"connections": {place: data}}
    elif section == "ColumnConfig":
        yield "tables", {"tables": {"t": {"columns": {"c": data}}}}
    elif section == "TableConfig":
        yield "tables", {"tables": {"t": data}}
    else:
        yield "pipeline", {section.lower(): data}


@pytest.mark.parametrize(("section", "name"), [key for key in KEYS if key[0] not in OUTER])
def test_the_example_is_valid_for_the_program_and_for_the_schema(section: str, name: str) -> None:
    (example, *_) = words_of(section, name)["examples"]
    for file, data in wrap(section, name, example):
        assert check_data(FILES[file], data, str)[1] == []
        jsonschema.validate(data, make_schema(file))


values = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 10**9), st.floats(), st.text(max_size=9)
)


@settings(deadline=None)
@given(st.sampled_from([key for key in KEYS if key[0] not in OUTER]), values)
def test_the_schema_refuses_what_the_program_refuses(key: tuple[str, str], value: Any) -> None:
    if key[1].endswith("ssl_mode") or value != value:  # upper case is taken too; YAML's .nan
        return
    for file, data in wrap(*key, value):
        is_valid = jsonschema.Draft202012Validator(make_schema(file)).is_valid(data)
        faults = check_data(FILES[file], data, str)[1]
        # A whole number may be written with a point in JSON, and not in YAML.
        if not isinstance(value, float):
            assert is_valid == (not faults), faults


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("text", ["", "general:\n", "tables:\n", "tables:\n  patient:\n", "x: 1"])
def test_empty_sections_are_as_good_as_none(file: str, text: str) -> None:
    data = parse_yaml(text, where="x").data
    faults = check_data(FILES[file], data, str)[1]
    assert jsonschema.Draft202012Validator(make_schema(file)).is_valid(data) == (not faults)


def test_the_schemas_are_schemas() -> None:
    for file in FILES:
        jsonschema.Draft202012Validator.check_schema(make_schema(file))


def test_the_page_holds_every_section(request: pytest.FixtureRequest) -> None:
    """``pytest --rewrite`` renews the tables between the marks."""
    page = PAGE.read_text()
    pattern = re.compile(r"(<!-- keys of (\w+) -->\n).*?(<!-- /keys -->\n)", re.DOTALL)
    assert {name for _, name, _ in pattern.findall(page)} == set(MODELS) - OUTER, (
        "docs/configuration.md: a heading and marks for each section"
    )
    made = pattern.sub(
        lambda m: m[1] + "\n" + render_keys(list_keys(MODELS[m[2]])) + "\n" + m[3], page
    )
    if request.config.getoption("--rewrite"):
        PAGE.write_text(made)
        page = made
    assert page == made, "docs/configuration.md is not the models; pytest --rewrite"
