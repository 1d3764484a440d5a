"""Read what depends on each table in the warehouse (views, dbt models), and how long runs took."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from etl_pipeline.errors import EtlError
from etl_pipeline.schema.names import postgres_name

# A view depends on a table by way of its rule; views on views are followed.
_DEPENDENTS = """
WITH RECURSIVE used (name, oid) AS (
    SELECT c.relname, c.oid
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = %(schema)s AND c.relkind IN ('r', 'p')
    UNION
    SELECT used.name, r.ev_class
    FROM used
    JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = used.oid
        AND d.classid = 'pg_rewrite'::regclass
    JOIN pg_rewrite r ON r.oid = d.objid
)
SELECT DISTINCT used.name, n.nspname || '.' || c.relname AS dependent
FROM used
JOIN pg_class c ON c.oid = used.oid AND c.relkind IN ('v', 'm')
JOIN pg_namespace n ON n.oid = c.relnamespace
ORDER BY used.name, dependent"""

_HISTORY = """
SELECT DISTINCT ON (table_name, strategy) table_name, strategy, seconds
FROM etl.table_run WHERE grade IS NOT NULL
ORDER BY table_name, strategy, run_id DESC"""

_READABLE = """
SELECT EXISTS (
    SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'etl' AND c.relname = 'table_run'
    AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
)"""


@dataclass(frozen=True, slots=True)
class Warehouse:
    """Views on the tables of the warehouse by their names there, and the duration of the last runs.

    Attributes:
        views: Views that need the table, directly or by way of others, with their schema.
        seconds: Duration of the last run that succeeded, by table of the source and strategy.
    """

    views: Mapping[str, Sequence[str]] = field(default_factory=dict)
    seconds: Mapping[tuple[str, str], float] = field(default_factory=dict)

    def views_of(self, table: str) -> Sequence[str]:
        """Return the views that need *table* of the source."""
        return self.views.get(postgres_name(table), ())


def read_warehouse(connection: psycopg.Connection, schema: str) -> Warehouse:
    """Read what depends on the tables of *schema*; ends no transaction."""
    views: dict[str, list[str]] = defaultdict(list)
    values = {"schema": schema}
    for table, view in connection.execute(_DEPENDENTS, values):
        views[table].append(view)
    row: Any = connection.execute(_READABLE).fetchone()
    history = connection.execute(_HISTORY).fetchall() if row[0] else []
    seconds = {(table, strategy): float(taken) for table, strategy, taken in history}
    return Warehouse(dict(views), seconds)


def find_models(manifest: Mapping[str, Any], schema: str) -> dict[str, list[str]]:
    """Return the dbt models that need each table of *schema*, directly or through others.

    Args:
        manifest: What dbt wrote as ``manifest.json``.
        schema: The schema that is loaded.
    """
    children: Mapping[str, Sequence[str]] = manifest.get("child_map", {})
    found: dict[str, list[str]] = {}
    for identity, source in manifest.get("sources", {}).items():
        if source.get("schema") != schema:
            continue
        todo, seen = list(children.get(identity, ())), set()
        while todo:
            node = todo.pop()
            if node not in seen:
                seen.add(node)
                todo += children.get(node, ())
        models = sorted(node.rpartition(".")[2] for node in seen if node.startswith("model."))
        if models:
            found[source.get("identifier") or source["name"]] = models
    return found


def read_models(folder: Path, schema: str) -> dict[str, list[str]]:
    """Return the dbt models by the table that they need; none where dbt never ran in *folder*.

    Raises:
        EtlError: What dbt wrote there cannot be read.
    """
    manifest = folder / "manifest.json"
    if not manifest.exists():
        return {}
    try:
        return find_models(json.loads(manifest.read_text(encoding="utf-8")), schema)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise EtlError(
            f"dbt's manifest cannot be read ({type(error).__name__})",
            where=str(manifest),
            fix=f"remove {manifest}; dbt makes it anew",
        ) from error
