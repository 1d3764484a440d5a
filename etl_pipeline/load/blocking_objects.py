"""Name the trigger, rule, constraint or policy of others that refuses or alters raw's rows."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg

from etl_pipeline.errors import EtlError, SchemaError, TransferError
from etl_pipeline.schema.names import RawNames, quote_postgres

_KEYLESS = ("55000", "42P10")
_CONSTRAINTS = ("23503", "23514", "23505", "23P01")
_NOT_NULL, _RAISED, _DENIED, _TOO_LARGE = "23502", "P0001", "42501", "54000"

_FOUND = """
SELECT 'trigger', tgname
FROM pg_class AS relation JOIN pg_namespace AS namespace ON namespace.oid = relation.relnamespace
JOIN pg_trigger ON tgrelid = relation.oid AND NOT tgisinternal AND tgenabled <> 'D'
WHERE namespace.nspname = %(schema)s AND relation.relname = %(table)s
UNION ALL
SELECT 'rule', rulename
FROM pg_class AS relation JOIN pg_namespace AS namespace ON namespace.oid = relation.relnamespace
JOIN pg_rewrite ON ev_class = relation.oid AND ev_enabled <> 'D'
WHERE namespace.nspname = %(schema)s AND relation.relname = %(table)s
    AND relation.relkind IN ('r', 'p')
UNION ALL
SELECT 'row security', 'row security'
FROM pg_class AS relation JOIN pg_namespace AS namespace ON namespace.oid = relation.relnamespace
WHERE namespace.nspname = %(schema)s AND relation.relname = %(table)s
    AND relation.relforcerowsecurity
UNION ALL
SELECT 'primary key', key.conname
FROM pg_class AS relation JOIN pg_namespace AS namespace ON namespace.oid = relation.relnamespace
JOIN pg_constraint AS key ON key.contype = 'p' AND (key.conrelid = relation.oid
    OR key.conrelid IN (SELECT relid FROM pg_partition_tree(relation.oid)))
WHERE namespace.nspname = %(schema)s AND relation.relname = %(table)s
UNION ALL
SELECT 'event trigger', evtname FROM pg_event_trigger WHERE evtenabled <> 'D'"""


@dataclass(frozen=True, slots=True)
class BlockingObjects:
    """Objects that others made and that act on the rows of a table, by name.

    Attributes:
        primary_keys: The table's own, which the load needs, and those of its partitions. It may
            have been made under another name than ``raw_key_name`` gives: by another tool, or by
            an older version.
    """

    triggers: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    event_triggers: tuple[str, ...] = ()
    forces_row_security: bool = False
    primary_keys: tuple[str, ...] = ()

    def describe(self) -> str:
        """Return the objects that act on rows, for a message; empty where none does."""
        parts = [f"trigger {name}" for name in self.triggers]
        parts += [f"rule {name}" for name in self.rules]
        parts += ["forced row security"] if self.forces_row_security else []
        return ", ".join(parts)


def find_blocking_objects(analytics: psycopg.Connection, table: RawNames) -> BlockingObjects:
    """Return what others made that acts on the rows of *table*; the caller ends the transaction."""
    found = analytics.execute(_FOUND, {"schema": table.schema, "table": table.table}).fetchall()

    def names(kind: str) -> tuple[str, ...]:
        return tuple(str(name) for found_kind, name in found if found_kind == kind)

    return BlockingObjects(
        names("trigger"),
        names("rule"),
        names("event trigger"),
        bool(names("row security")),
        names("primary key"),
    )


def explain_blocked_load(
    error: Exception, analytics: psycopg.Connection, table: RawNames
) -> EtlError | None:
    """Return an error that names what blocked the load of *table*; None where nothing is known.

    Args:
        error: What ended the load: PostgreSQL's error, or a difference between rows sent and held.
        analytics: Its transaction was rolled back.
        table: The table.
    """
    try:
        found = find_blocking_objects(analytics, table)
        analytics.rollback()
    except psycopg.Error:
        return None  # the connection is gone: its error says so
    if isinstance(error, psycopg.Error):
        return explain_sqlstate(error.sqlstate or "", error.diag, found, table)
    if not found.describe():
        return None
    return TransferError(
        f"{table.schema} does not hold the rows that were sent, and there are on the table: "
        f"{found.describe()}",
        where=table.source,
        fix=_remove(found, table.target),
    )


def explain_sqlstate(
    state: str, diag: object, found: BlockingObjects, table: RawNames
) -> EtlError | None:
    """Return the error for an SQLSTATE that others' object caused, with its name (no I/O).

    Args:
        state: The SQLSTATE.
        diag: PostgreSQL's names of the objects concerned; values are not looked at.
        found: What acts on the table.
        table: The table.
    """
    target = table.target
    constraint = getattr(diag, "constraint_name", None)
    acting = found.describe() or ", ".join(f"event trigger {e}" for e in found.event_triggers)
    if state in _KEYLESS:
        what = "the table is published and has no replica identity, so no row may be changed"
        fix = f"ALTER TABLE {target} REPLICA IDENTITY FULL"
    elif state == _NOT_NULL:
        column = getattr(diag, "column_name", None) or ""
        what = f"column {column} of {table.schema} was made NOT NULL, and the source has NULL there"
        fix = f"ALTER TABLE {target} ALTER COLUMN {quote_postgres(column)} DROP NOT NULL"
    elif state in _CONSTRAINTS and constraint and not _is_our_key(constraint, found, table):
        place = getattr(diag, "schema_name", None), getattr(diag, "table_name", None)
        holder = quote_postgres(*(str(part) for part in place)) if all(place) else target
        what = f"constraint {constraint} on {holder}, which others made, forbids a row"
        fix = f"ALTER TABLE {holder} DROP CONSTRAINT {quote_postgres(constraint)}"
        if state == "23505":
            fix += f", or DROP INDEX {quote_postgres(str(place[0] or table.schema), constraint)}"
    elif state in _CONSTRAINTS and constraint and found.describe():
        # The source's keys are unique, so the rows were altered before they met the key.
        what = f"others made what altered rows, so that a primary key refused one: {acting}"
        fix = _remove(found, target)
    elif state.startswith("P0") and acting:
        what = f"others made what stopped the statement: {acting}"
        fix = _remove(found, target)
    elif state == _DENIED and found.forces_row_security:
        what = "row security is forced on the table, and its policies forbid the loader a row"
        fix = _remove(found, target)
    elif state == _TOO_LARGE:
        what, fix = _explain_too_large(constraint, found, table)
    else:
        return None
    return SchemaError(f"{what} ({state})", where=table.source, fix=fix)


def _is_our_key(constraint: str, found: BlockingObjects, table: RawNames) -> bool:
    return constraint in (table.key, *found.primary_keys)


def _explain_too_large(
    constraint: str | None, found: BlockingObjects, table: RawNames
) -> tuple[str, str]:
    if constraint is None:
        return (
            "a row is wider than a page of PostgreSQL, which is 8 kB, even with its long values "
            "put elsewhere",
            f"exclude columns of {table.source} in tables.yml",
        )
    if _is_our_key(constraint, found, table):
        return (
            "a primary key is longer than PostgreSQL can index, which is 2704 bytes",
            f"take {table.source} out of tables.yml, or shorten the key at the source",
        )
    index = quote_postgres(table.schema, constraint)
    return (
        f"a value is too long for the index {constraint}, which others made",
        f"DROP INDEX {index}",
    )


def _remove(found: BlockingObjects, target: str) -> str:
    """Return the statements that disable what acts on the rows of *target*."""
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
