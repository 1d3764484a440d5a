"""What the models need of ``raw``, and what of it is not there: pure but for reading the project.

Releases of OpenDental differ in tables and columns. A column that is needed, or a table, takes the
models along that are built from it; another column is read as NULL, and a table of which no column
is needed as one without rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ruamel.yaml import YAML

from etl_pipeline.schema.names import DELETED_AT

_SOURCES = Path("models") / "staging" / "sources.yml"
_PARTS = ("dbt_project.yml", "macros", "models", "seeds")


@dataclass(frozen=True, slots=True)
class MissingTables:
    """What of ``raw`` is not there, by table.

    Attributes:
        tables: Tables that are not there at all and cannot be done without.
        empty: Other tables that are not there at all.
        needed: Columns that are not there and cannot be done without.
        missing: Other columns that are not there.
        marked: Tables whose deleted rows stay in ``raw``, marked.
    """

    tables: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()
    needed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    missing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    marked: tuple[str, ...] = ()

    @property
    def unusable(self) -> tuple[str, ...]:
        """Tables that nothing can be built from."""
        return tuple(sorted({*self.tables, *self.needed}))


def read_needs(project: Path) -> dict[str, dict[str, bool]]:
    """The tables and columns that the models read; True is a column that they cannot do without."""
    document = YAML(typ="safe").load((project / _SOURCES).read_text(encoding="utf-8"))
    return {
        table["name"]: {
            column["name"]: bool(column.get("config", {}).get("meta", {}).get("needed"))
            for column in table["columns"]
        }
        for source in document["sources"]
        for table in source["tables"]
    }


def find_lacks(
    needs: Mapping[str, Mapping[str, bool]], raw: Mapping[str, frozenset[str]]
) -> MissingTables:
    """What of *needs* is not in *raw*, whose columns are given by table."""
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


def digest_models(project: Path, lacks: MissingTables) -> str:
    """SHA-256 of all that decides what the models make of the same rows."""
    digest = hashlib.sha256(repr(lacks).encode())
    for part in _PARTS:
        path = project / part
        files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        for file in files:
            digest.update(str(file.relative_to(project)).encode() + b"\0")
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()
