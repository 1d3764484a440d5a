"""Tables and columns of ``raw`` that the models need, and those of them that are missing.

Releases of OpenDental differ in tables and columns. If a needed column or its table is missing, the
models that read it are not built. Any other missing column is read as NULL, and a missing table
without a needed column as one without rows. The only I/O is to read the project's files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ruamel.yaml import YAML

from etl_pipeline.schema.names import DELETED_AT

_SOURCES = Path("models") / "staging" / "sources.yml"
_PARTS = ("dbt_project.yml", "macros", "models", "seeds", "tests")


@dataclass(frozen=True, slots=True)
class MissingTables:
    """The needs that ``raw`` does not meet, by table.

    ``digest_models`` hashes the ``repr`` of this record: another name of a field makes all rows of
    incremental models anew, once.

    Attributes:
        tables: Missing tables that have a needed column.
        empty: Other missing tables.
        needed: Missing columns without which the models cannot be built.
        missing: Other missing columns.
        marked: Tables whose deleted rows stay in ``raw``, marked.
    """

    tables: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()
    needed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    missing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    marked: tuple[str, ...] = ()

    @property
    def unusable(self) -> tuple[str, ...]:
        """Tables from which nothing can be built."""
        return tuple(sorted({*self.tables, *self.needed}))


def read_needs(project: Path) -> dict[str, dict[str, bool]]:
    """Return the columns that the models read, by table; True marks a needed column."""
    document = YAML(typ="safe").load((project / _SOURCES).read_text(encoding="utf-8"))
    return {
        table["name"]: {
            column["name"]: bool(column.get("config", {}).get("meta", {}).get("needed"))
            for column in table["columns"]
        }
        for source in document["sources"]
        if source["name"] == "raw"
        for table in source["tables"]
    }


def find_missing(
    needs: Mapping[str, Mapping[str, bool]], raw: Mapping[str, frozenset[str]]
) -> MissingTables:
    """Return the *needs* that *raw*, columns by table, does not meet."""
    there = {table: columns for table, columns in needs.items() if table in raw}
    absent = {
        table: {column for column in columns if column not in raw[table]}
        for table, columns in there.items()
    }
    not_there = sorted(needs.keys() - raw.keys())
    return MissingTables(
        tables=tuple(table for table in not_there if any(needs[table].values())),
        empty=tuple(table for table in not_there if not any(needs[table].values())),
        needed={
            table: found
            for table, columns in sorted(absent.items())
            if (found := tuple(sorted(c for c in columns if needs[table][c])))
        },
        missing={
            table: found
            for table, columns in sorted(absent.items())
            if (found := tuple(sorted(c for c in columns if not needs[table][c])))
        },
        marked=tuple(sorted(table for table in there if DELETED_AT in raw[table])),
    )


def digest_models(project: Path, models: Path | None, missing: MissingTables) -> str:
    """Return the SHA-256 of everything that decides what the models make of the same rows.

    Args:
        project: Our project.
        models: The folder of the user's own models, if she has one.
        missing: The needs that raw does not meet.
    """
    digest = hashlib.sha256(repr((missing, models)).encode())
    for path in [*(project / part for part in _PARTS), *([models] if models else [])]:
        files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
        for file in files:
            digest.update(str(file.relative_to(path.parent)).encode() + b"\0")
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()
