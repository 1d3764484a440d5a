"""Builds of the models in schema ``etl``: what each was made from, what the warehouse holds now.

The texts are sent by whoever holds the transaction: dbt's process, or a session of ours that reads.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import psycopg

from etl_pipeline import __version__
from etl_pipeline.load.write_counters import COUNTING_SINCE, READ_COUNTERS
from etl_pipeline.schema.names import quote_postgres
from etl_pipeline.transform.build_plan import BuiltNode, Graph
from etl_pipeline.transform.summary import Node

Statement = tuple[str, Sequence[Any]]

# A table of raw is known where PostgreSQL has counted no write since but those of runs: it has the
# rows of the recorded chunks then. One that was altered has another meaning or another oid.
_READ_RAW = f"""
WITH counted (name, relation, filenode, inserted, updated, deleted, counting_since) AS (
{READ_COUNTERS}
),
chunked AS (
    SELECT table_name, sum(rows) AS rows, sum(raw_digest) AS digest
    FROM etl.chunk GROUP BY table_name
),
version AS (
    SELECT counted.name, md5(concat_ws(' ', counted.relation, counted.filenode, chunked.rows,
                                       chunked.digest, loaded.meaning_digest, loaded.column_types))
           AS version
    FROM counted
    JOIN etl.raw_counter AS expected
      ON (expected.relation_name, expected.relation, expected.filenode, expected.inserted,
          expected.updated, expected.deleted, expected.counting_since)
       = (counted.name, counted.relation, counted.filenode, counted.inserted,
          counted.updated, counted.deleted, counted.counting_since)
    JOIN chunked ON chunked.table_name = counted.name
    JOIN etl.table_schema AS loaded ON loaded.table_name = counted.name
)
SELECT statement_timestamp(),
       (SELECT max(run_id) FROM etl.run WHERE finished_at IS NOT NULL),
       (SELECT json_object_agg(name, version) FROM version)
"""

# What the session itself has written counts too. A transaction sees the counters of the others as
# they were when it first read them.
_READ_DEFINITIONS = f"""
SELECT namespace.nspname || '.' || relation.relname,
       -- The identifier and the name tell whose it is when its model was removed (removed.py).
       concat_ws(' ', relation.oid, format('%%I.%%I', namespace.nspname, relation.relname),
       CASE relation.relkind
       -- Its tree, since its text depends on the search path of who asks.
       WHEN 'v' THEN (SELECT md5(ev_action::text) FROM pg_rewrite
                      WHERE ev_class = relation.oid AND rulename = '_RETURN')
       ELSE concat_ws(
           ' ', pg_relation_filenode(relation.oid),
           pg_stat_get_tuples_inserted(relation.oid)
           + pg_stat_get_xact_tuples_inserted(relation.oid),
           pg_stat_get_tuples_updated(relation.oid)
           + pg_stat_get_xact_tuples_updated(relation.oid),
           pg_stat_get_tuples_deleted(relation.oid)
           + pg_stat_get_xact_tuples_deleted(relation.oid),
           {COUNTING_SINCE})
       END)
FROM pg_class AS relation
JOIN pg_namespace AS namespace ON namespace.oid = relation.relnamespace
WHERE namespace.nspname = ANY(%s) AND relation.relkind IN ('r', 'p', 'v', 'm')"""


def read_raw(schema: str) -> Statement:
    """Return the query for one row: instant, last run, versions.

    It is the first statement of its transaction, so that the instant is that of its snapshot.

    Args:
        schema: Schema of the copied tables.
    """
    return _READ_RAW, (schema,)


@dataclass(frozen=True, slots=True)
class RawState:
    """State of ``raw`` at one instant.

    Attributes:
        shows_at: The instant.
        run_id: The last run that had ended; None if there was none.
        versions: By table; a table of which nothing is known is not there.
    """

    shows_at: datetime
    run_id: int | None
    versions: Mapping[str, str]


def take_raw(row: Sequence[Any]) -> RawState:
    """Return what ``read_raw`` says."""
    shows_at, run_id, versions = row
    if not isinstance(shows_at, datetime):
        shows_at = datetime.fromisoformat(shows_at)
    return RawState(shows_at, run_id, versions or {})


def read_definitions(schemas: Sequence[str]) -> Statement:
    """Return the query for ``schema.name`` and definition of each view and table of *schemas*.

    The definition of a table is what PostgreSQL has counted of its rows, as of
    ``load/write_counters.py``: another one where others have written since.
    """
    return _READ_DEFINITIONS, (list(schemas),)


def read_built(connection: psycopg.Connection) -> dict[str, BuiltNode]:
    """Return the last build of each node, by its id."""
    rows = connection.execute(
        "SELECT node, build_id, status, failures, seconds, code_digest, inputs, definition "
        "FROM etl.build_node"
    ).fetchall()
    return {node: BuiltNode(*rest) for node, *rest in rows}


def drop_older_record(schema: str) -> Statement:
    """Return the statement that drops what an older version kept beside the models."""
    return f"DROP TABLE IF EXISTS {quote_postgres(schema, '_etl_models')}", ()


def record_build(
    raw: RawState,
    *,
    as_of: date | None,
    seconds: float,
    dbt_version: str,
    nodes: Sequence[Node],
    graph: Graph,
    inputs: Mapping[str, Mapping[str, str | None]],
    definitions: Mapping[str, str],
    removed: Iterable[str] = (),
) -> list[Statement]:
    """Return the statements that record a build, in its transaction.

    Args:
        raw: What the build saw.
        as_of: The day that it counts from.
        seconds: How long it took.
        dbt_version: The version of dbt that built.
        nodes: The result of each node that was not reused.
        graph: The project; what is not in it any more is forgotten, unless its relation is there.
        inputs: What each node that did not fail was made from (``inputs_after``).
        definitions: What ``read_definitions`` says at the end.
        removed: Models that are not in the project any more and whose relations are there.
    """
    rows = [
        {
            "node": node.id,
            "kind": node.kind,
            "status": node.status,
            "failures": node.failures,
            "seconds": node.seconds,
            "code_digest": graph[node.id].code_digest,
            "inputs": inputs.get(node.id, {}),
            "definition": definitions.get(graph[node.id].relation or ""),
        }
        for node in nodes
        if node.id in graph
    ]
    outcome = "failed" if any(n.is_failed or n.status == "skipped" for n in nodes) else "succeeded"
    return [
        (
            "INSERT INTO etl.build (shows_at, run_id, as_of, outcome, seconds, etl_version, "
            "dbt_version) VALUES (%s, %s, %s, %s, %s, %s, %s)",
            (raw.shows_at, raw.run_id, as_of, outcome, seconds, __version__, dbt_version),
        ),
        # A node that failed keeps the build that made what is there.
        (
            "INSERT INTO etl.build_node (node, kind, build_id, status, failures, seconds, "
            "code_digest, inputs, definition) "
            "SELECT node, kind, currval(pg_get_serial_sequence('etl.build', 'build_id')), status, "
            "failures, seconds, code_digest, inputs, definition "
            "FROM jsonb_to_recordset(%s::jsonb) AS done (node text, kind text, status text, "
            "failures bigint, seconds double precision, code_digest text, inputs jsonb, "
            "definition text) "
            "ON CONFLICT (node) DO UPDATE SET kind = excluded.kind, status = excluded.status, "
            "failures = excluded.failures, seconds = excluded.seconds, "
            "code_digest = excluded.code_digest, inputs = excluded.inputs, "
            "definition = excluded.definition, "
            "build_id = CASE WHEN excluded.status IN ('success', 'pass', 'warn', 'fail') "
            "THEN excluded.build_id ELSE build_node.build_id END",
            (json.dumps(rows),),
        ),
        ("DELETE FROM etl.build_node WHERE node <> ALL(%s)", ([*graph, *removed],)),
    ]
