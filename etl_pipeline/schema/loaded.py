"""The schema that a target was last loaded with, as a value and as the JSON that is kept of it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from etl_pipeline.schema.catalog import Column, Index, IndexPart, Table
from etl_pipeline.schema.names import postgres_name
from etl_pipeline.schema.types import CarriedColumn


@dataclass(frozen=True, slots=True)
class LoadedTable:
    """A table of ``raw`` as it was last loaded.

    Attributes:
        table: The source's table, without the columns that ``tables.yml`` excludes.
        types: The type in ``raw`` of each of its columns, by name.
        kept: Type of the columns that the source has no more, by their name in ``raw``.
        meaning: What the digests that are recorded of it stand for (``load/digest_meaning.py``);
            None where an older version did not say.
    """

    table: Table
    types: Mapping[str, str]
    kept: Mapping[str, str] = field(default_factory=dict)
    meaning: str | None = None

    @property
    def raw_types(self) -> dict[str, str]:
        """Every column of ``raw`` but ours: its name there, and its type."""
        named = {postgres_name(name): type_ for name, type_ in self.types.items()}
        return {**named, **self.kept}

    def is_recorded_as(self, other: LoadedTable) -> bool:
        """True if the record of both would be the same."""
        return self._as_recorded() == other._as_recorded()

    def _as_recorded(self) -> tuple[object, ...]:
        return table_json(self.table), dict(self.types), dict(self.kept), self.meaning


def loaded_with(
    table: Table,
    columns: Sequence[CarriedColumn],
    kept: Mapping[str, str],
    meaning: str | None = None,
) -> LoadedTable:
    """Return the JSON that is kept of *table*, of which *columns* were loaded."""
    return LoadedTable(table, {c.name: c.postgres_type for c in columns}, dict(kept), meaning)


def table_json(table: Table) -> str:
    """*table* as JSON, without what is no part of its schema: estimates, and how it was seen."""
    plain = dataclasses.asdict(dataclasses.replace(table, rows_estimate=0, data_bytes=0))
    del plain["is_torn"], plain["flaw"]
    return json.dumps(plain, ensure_ascii=False, sort_keys=True)


def read_table_json(kept: str | Mapping[str, Any]) -> Table:
    """The table of which ``table_json`` made *kept*; keys of older versions have their defaults."""
    plain: Mapping[str, Any] = json.loads(kept) if isinstance(kept, str) else kept
    indexes = (
        Index(**{**index, "parts": tuple(IndexPart(**part) for part in index["parts"])})
        for index in plain["indexes"]
    )
    return Table(
        **{
            **plain,
            "columns": tuple(Column(**column) for column in plain["columns"]),
            "primary_key": tuple(plain["primary_key"]),
            "key_prefixes": tuple(plain["key_prefixes"]),
            "indexes": tuple(indexes),
        }
    )
