"""What others put on a table of ``raw`` that keeps rows out of it, or bends them: named."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg

from etl_pipeline.errors import EtlError, SchemaError, TransferError
from etl_pipeline.schema.names import postgres_name, quote_postgres, raw_key_name

_KEYLESS = ("55000", "42P10")
_CONSTRAINTS = ("23503", "23514", "23505", "23P01")
_NOT_NULL, _RAISED, _DENIED, _TOO_LARGE = "23502", "P0001", "42501", "54000"

_FOUND = """
SELECT 'trigger', t.tgname
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_trigger AS t ON t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D'
WHERE n.nspname = %(schema)s AND c.relname = %(table)s
UNION ALL
SELECT 'rule', r.rulename
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_rewrite AS r ON r.ev_class = c.oid AND r.ev_enabled <> 'D'
WHERE n.nspname = %(schema)s AND c.relname = %(table)s AND c.relkind IN ('r', 'p')
UNION ALL
SELECT 'row security', 'row security'
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s AND c.relname = %(table)s AND c.relforcerowsecurity
UNION ALL
SELECT 'event trigger', e.evtname FROM pg_event_trigger AS e WHERE e.evtenabled <> 'D'"""


@dataclass(frozen=True, slots=True)
class BlockingObjects:
    """What others made that acts on the rows of a table, by name."""

    triggers: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    event_triggers: tuple[str, ...] = ()
    forces_row_security: bool = False

    def describe(self) -> str:
        """What acts on rows, for a message; empty where nothing does."""
        parts = [f"trigger {name}" for name in self.triggers]
        parts += [f"rule {name}" for name in self.rules]
        parts += ["forced row security"] if self.forces_row_security else []
        return ", ".join(parts)


def find_blocking_objects(
    analytics: psycopg.Connection, schema: str, table: str
) -> BlockingObjects:
    """What of others acts on the rows of *table*; the caller ends the transaction."""
    found = analytics.execute(_FOUND, {"schema": schema, "table": postgres_name(table)}).fetchall()

    def names(kind: str) -> tuple[str, ...]:
        return tuple(str(name) for one, name in found if one == kind)

    return BlockingObjects(
        names("trigger"), names("rule"), names("event trigger"), bool(names("row security"))
    )


def explain_blocked_load(
    error: Exception, analytics: psycopg.Connection, schema: str, table: str
) -> EtlError | None:
    """The error that names what stood in the way of loading *table*; None where nothing is known.

    Args:
        error: What loading it was ended by: PostgreSQL's error, or rows that came out otherwise.
        analytics: The connection, whose transaction was rolled back.
        schema: The schema that is loaded.
        table: The table.
    """
    try:
        found = find_blocking_objects(analytics, schema, table)
        analytics.rollback()
    except psycopg.Error:
        return None  # the connection is gone: its error says so
    if isinstance(error, psycopg.Error):
        return explain_sqlstate(error.sqlstate or "", error.diag, found, schema, table)
    if not found.describe():
        return None
    return TransferError(
        f"{schema} does not hold the rows that were sent, and there are on the table: "
        f"{found.describe()}",
        where=table,
        fix=_remove(found, quote_postgres(schema, table)),
    )


def explain_sqlstate(
    state: str, diag: object, found: BlockingObjects, schema: str, table: str
) -> EtlError | None:
    """The error for an SQLSTATE that somebody's object is the cause of, with its name; pure.

    Args:
        state: The SQLSTATE.
        diag: PostgreSQL's names of the objects concerned; values are not looked at.
        found: What acts on the table.
        schema: The schema that is loaded.
        table: The table.
    """
    target = quote_postgres(schema, table)
    constraint = getattr(diag, "constraint_name", None)
    if state in _KEYLESS:
        what = "the table is published and has no replica identity, so no row may be changed"
        fix = f"ALTER TABLE {target} REPLICA IDENTITY FULL"
    elif state == _NOT_NULL:
        column = getattr(diag, "column_name", None) or ""
        what = f"column {column} of {schema} was made NOT NULL, and the source has NULL there"
        fix = f"ALTER TABLE {target} ALTER COLUMN {quote_postgres(column)} DROP NOT NULL"
    elif state in _CONSTRAINTS and constraint and constraint != raw_key_name(table):
        place = getattr(diag, "schema_name", None), getattr(diag, "table_name", None)
        holder = quote_postgres(*(str(part) for part in place)) if all(place) else target
        what = f"constraint {constraint} on {holder}, which others made, forbids a row"
        fix = f"ALTER TABLE {holder} DROP CONSTRAINT {quote_postgres(constraint)}"
        if state == "23505":
            fix += f", or DROP INDEX {quote_postgres(str(place[0] or schema), constraint)}"
    elif state.startswith("P0") and (found.describe() or found.event_triggers):
        acting = found.describe() or ", ".join(f"event trigger {e}" for e in found.event_triggers)
        what = f"others made what stopped the statement: {acting}"
        fix = _remove(found, target)
    elif state == _DENIED and found.forces_row_security:
        what = "row security is forced on the table, and its policies forbid the loader a row"
        fix = _remove(found, target)
    elif state == _TOO_LARGE:
        what, fix = _too_large(constraint, schema, table)
    else:
        return None
    return SchemaError(f"{what} ({state})", where=table, fix=fix)


def _too_large(constraint: str | None, schema: str, table: str) -> tuple[str, str]:
    if constraint is None:
        return (
            "a row is wider than a page of PostgreSQL, which is 8 kB, even with its long values "
            "put elsewhere",
            f"exclude columns of {table} in tables.yml",
        )
    if constraint in (raw_key_name(table), postgres_name(f"{table}_pkey")):
        return (
            "a primary key is longer than PostgreSQL can index, which is 2704 bytes",
            f"take {table} out of tables.yml, or shorten the key at the source",
        )
    index = quote_postgres(schema, constraint)
    return (
        f"a value is too long for the index {constraint}, which others made",
        f"DROP INDEX {index}",
    )


def _remove(found: BlockingObjects, target: str) -> str:
    """Statements that take away what acts on the rows of *target*."""
    statements = [
        f"ALTER TABLE {target} DISABLE TRIGGER {quote_postgres(name)}" for name in found.triggers
    ]
    statements += [
        f"ALTER TABLE {target} DISABLE RULE {quote_postgres(name)}" for name in found.rules
    ]
    if found.forces_row_security:
        statements.append(f"ALTER TABLE {target} NO FORCE ROW LEVEL SECURITY")
    if not statements:
        statements = [
            f"ALTER EVENT TRIGGER {quote_postgres(name)} DISABLE" for name in found.event_triggers
        ]
    return "; ".join(statements)
