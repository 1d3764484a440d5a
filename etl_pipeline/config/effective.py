"""Effective values of the configuration, each with its origin."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from etl_pipeline.config.databases import ENV_MAPPINGS, TEST, DatabaseType
from etl_pipeline.config.pipeline_file import PipelineConfig
from etl_pipeline.config.reference import list_models
from etl_pipeline.config.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic import BaseModel

    from etl_pipeline.config.providers import ConfigProvider
    from etl_pipeline.config.settings import Settings

STARS = "***"
DEFAULT = "default"
MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Effective:
    """An effective value.

    Attributes:
        key: Dotted, as in the files: ``general.parallel_tables``.
        value: As text; stars for a secret.
        origin: File and line, ``environment``, ``default`` or ``missing``.
    """

    key: str
    value: str
    origin: str


def list_effective(settings: Settings) -> list[Effective]:
    """Every value of *settings*: the databases, the pipeline, and what is said of tables.

    Raises:
        FaultyConfigurationError: A value is malformed.
    """
    found = [
        value
        for db_type in DatabaseType
        for value in _of_database(settings, db_type, settings.provider.get_config("env"))
    ]
    found += [
        value
        for section in PipelineConfig.model_fields
        if section != "connections"
        for value in _of_section(settings, section, getattr(settings.pipeline, section))
    ]
    return found + list(_of_tables(settings))


def _of_database(
    settings: Settings, db_type: DatabaseType, variables: Mapping[str, Any]
) -> Iterator[Effective]:
    names = ENV_MAPPINGS[settings.environment][db_type]
    bare = ENV_MAPPINGS["production"][db_type]
    may_be_bare = settings.environment == TEST and settings.provider.serves_bare_names_to_test
    section = settings.pipeline_config.get("connections") or {}
    said = section.get(db_type.value) or {}
    for key, value in settings.get_database_config(db_type).items():
        candidates = [names.get(key), bare.get(key) if may_be_bare else None]
        name = next((each for each in candidates if each and variables.get(each)), None)
        if name:
            origin = _place(settings.provider, "env", name)
        elif said.get(key) is not None:
            origin = _place(settings.provider, "pipeline", "connections", db_type.value, key)
        else:
            origin = MISSING if value is None else DEFAULT
        yield Effective(f"connections.{db_type.value}.{key}", _text(value), origin)


def _of_section(settings: Settings, section: str, model: BaseModel) -> Iterator[Effective]:
    said = settings.pipeline_config.get(section) or {}
    if isinstance(said, str):  # drift: freeze
        said = {"policy": said}
    properties = list_models(type(model))[type(model).__name__]["properties"]
    for key in type(model).model_fields:
        value, words = getattr(model, key), properties[key]
        if value is None:
            value = words.get("otherwise", words.get("default"))
        if words.get("writeOnly") and value is not None:
            value = STARS
        is_said = said.get(key) is not None
        origin = _place(settings.provider, "pipeline", section, key) if is_said else DEFAULT
        yield Effective(f"{section}.{key}", _text(value), origin)


def _of_tables(settings: Settings) -> Iterator[Effective]:
    """Return the values of ``tables.yml``; all others are the default for every table."""
    new_tables = "include" if settings.includes_new_tables else "report"
    is_said = settings.tables_config.get("new_tables") is not None
    origin = _place(settings.provider, "tables", "new_tables") if is_said else DEFAULT
    yield Effective("new_tables", new_tables, origin)
    if not settings.tables():
        place = _place(settings.provider, "tables", "tables")
        is_default = place.endswith(".yml")
        yield Effective("tables", "every table of the source", DEFAULT if is_default else place)
    for table in settings.tables():
        said = settings.get_table_config(table).model_dump(exclude_unset=True)
        if not said:
            place = _place(settings.provider, "tables", "tables", table)
            yield Effective(f"tables.{table}", "all defaults", place)
        for path, value in _leaves(said):
            place = _place(settings.provider, "tables", "tables", table, *path)
            yield Effective(".".join(("tables", table, *path)), _text(value), place)


def _leaves(value: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[Any, Any]]:
    for key, inner in value.items():
        if isinstance(inner, dict):
            yield from _leaves(inner, (*path, key))
        else:
            yield (*path, key), inner


def _place(provider: ConfigProvider, config_type: str, *path: str) -> str:
    """File and line without the folder, which is the same for all."""
    place = provider.locate(config_type, path)
    return "environment" if place.startswith("environment ") else PurePath(place).name


def _text(value: Any) -> str:
    if isinstance(value, Secret):
        return STARS
    if value is None:
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return " ".join(map(str, value))
    return str(value)
