"""The two YAML files as JSON Schemas, and as tables for the reference: made from the models."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etl_pipeline.config.pipeline_file import PipelineConfig
from etl_pipeline.config.tables_file import TablesConfig

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic import BaseModel

FILES: Mapping[str, type[BaseModel]] = {"pipeline": PipelineConfig, "tables": TablesConfig}
"""The models of ``pipeline.yml`` and ``tables.yml``."""

_KINDS = {"boolean": "true or false", "object": "mapping", "integer": "whole number"}
_BOUNDS = {
    "exclusiveMinimum": "above {:,}",
    "minimum": "at least {:,}",
    "maximum": "at most {:,}",
    "maxLength": "at most {:,} characters",
}


@dataclass(frozen=True, slots=True)
class DocumentedKey:
    """A key of a section, in the words of the reference; empty where there is nothing to say."""

    name: str
    kind: str
    default: str
    unit: str
    meaning: str
    example: str


def make_schema(file: str) -> dict[str, Any]:
    """The JSON Schema of ``pipeline.yml`` or ``tables.yml``.

    A section that is there and empty reads as nothing in YAML, and a key without a value counts
    as left out: both are allowed.
    """
    schema = FILES[file].model_json_schema()
    for part in (schema, *schema.get("$defs", {}).values()):
        properties = part.get("properties", {})
        for name, property_ in properties.items():
            properties[name] = _or_nothing(property_)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": f"{file}.yml of etl_pipeline",
        "type": ["object", "null"],
    }


def _or_nothing(property_: dict[str, Any]) -> dict[str, Any]:
    if property_.get("type") == "object":
        values = property_["additionalProperties"]
        empty = {"anyOf": [values, {"type": "null"}]}
        return {**property_, "type": ["object", "null"], "additionalProperties": empty}
    if "$ref" in property_:
        rest = {key: value for key, value in property_.items() if key not in ("$ref", "default")}
        return {"anyOf": [{"$ref": property_["$ref"]}, {"type": "null"}], **rest}
    return property_


def list_models(model: type[BaseModel]) -> dict[str, dict[str, Any]]:
    """The schema of *model* and of every model in it, by the model's name."""
    schema = model.model_json_schema()
    parts = deepcopy(schema.get("$defs", {}))
    return {model.__name__: schema, **parts}


def list_keys(schema: Mapping[str, Any]) -> list[DocumentedKey]:
    """The keys of a section whose *schema* is one of :func:`list_models`."""
    return [_describe(name, property_) for name, property_ in schema["properties"].items()]


def render_keys(keys: Iterable[DocumentedKey]) -> str:
    """A Markdown table of *keys*."""
    lines = ["| key | type | default | unit | meaning | example |", "|---|---|---|---|---|---|"]
    lines += [
        f"| `{key.name}` | {key.kind} | {key.default} | {key.unit} | {key.meaning} | "
        f"{f'`{key.example}`' if key.example else ''} |"
        for key in keys
    ]
    return "\n".join(lines) + "\n"


def _describe(name: str, property_: Mapping[str, Any]) -> DocumentedKey:
    options = [
        option for option in property_.get("anyOf", [property_]) if option.get("type") != "null"
    ]
    examples = property_.get("examples", [])
    return DocumentedKey(
        name,
        " or ".join(_kind(option) for option in options),
        _default(property_),
        property_.get("unit", ""),
        property_.get("description", ""),
        json.dumps(examples[0]).replace('"', "") if examples else "",
    )


def _kind(option: Mapping[str, Any]) -> str:
    if "const" in option:
        return f"`{option['const']}`"
    if "enum" in option:
        return ", ".join(f"`{value}`" for value in option["enum"])
    if "$ref" in option:
        return "mapping"
    if option["type"] == "array":
        return f"list of {_kind(option['items'])}s"
    word = {**_KINDS, "string": "text"}.get(option["type"], option["type"])
    bounds = [words.format(option[key]) for key, words in _BOUNDS.items() if key in option]
    return ", ".join([word, *bounds])


def _default(property_: Mapping[str, Any]) -> str:
    default = property_.get("default")
    if "otherwise" in property_:
        return str(property_["otherwise"])
    if isinstance(default, str):
        return f"`{default}`"
    if default is None or isinstance(default, dict):
        return "none"
    return json.dumps(default).removesuffix(".0")
