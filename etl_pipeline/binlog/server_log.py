"""Questions to the source about its log: its files, its end, and what is visible of it."""

from __future__ import annotations

from typing import Any, TypeAlias

from pymysql import err
from pymysql.connections import Connection
from pymysql.constants import ER

from etl_pipeline.binlog.gtid import MariadbGtids, MysqlGtids
from etl_pipeline.binlog.keys import Cascades
from etl_pipeline.binlog.position import Position
from etl_pipeline.core.server_version import is_mariadb
from etl_pipeline.errors import LogError

Source: TypeAlias = "Connection[Any]"
"""A connection to the source, by way of its guard."""

_UNKNOWN_STATEMENTS = (ER.PARSE_ERROR, ER.SYNTAX_ERROR)
_LOGS_CASCADES = (9, 6)
"""The version of MySQL whose log holds what foreign keys do, first."""


def read_position(source: Source) -> Position:
    """Return the end of the source's log now, with the GTID that belongs to it, or an older one.

    Raises:
        LogError: The source keeps no binary log.
        pymysql.err.MySQLError: The user lacks a privilege, or the connection was lost.
    """
    is_maria = _is_mariadb(source)
    gtid = ""
    if is_maria:
        # Before the end is asked for, so that it is no younger: reading again does no harm. What
        # gtid_current_pos adds comes from other servers, and is in no log of this one.
        gtid = str(MariadbGtids.parse(_read_value(source, "SELECT @@GLOBAL.gtid_binlog_pos")))
    row = _read_status(source)
    if row is None or not row[0]:
        raise LogError(
            "the source keeps no binary log",
            where="source",
            fix="log_bin, binlog_format=ROW and a server_id in the server's configuration, and a "
            "restart",
        )
    if not is_maria and len(row) > 4 and _has_gtids(source):
        gtid = str(MysqlGtids.parse(_text(row[4])))
    return Position(_text(row[0]), int(row[1]), gtid)


def list_files(source: Source) -> dict[str, int]:
    """Return the size of each file of the source's log, by its name."""
    try:
        rows = _read(source, "SHOW BINARY LOGS")
    except err.MySQLError as error:
        if error.args and error.args[0] == ER.NO_BINARY_LOGGING:
            return {}
        raise
    return {_text(row[0]): int(row[1]) for row in rows}


def refuse_unlogged(source: Source, schema: str) -> None:
    """Raise LogError if the source's log leaves out *schema*: its changes would never come."""
    row = _read_status(source)
    if row is None:
        return
    logged, left_out = ({part.strip() for part in _text(c).split(",")} - {""} for c in row[2:4])
    if (logged and schema not in logged) or schema in left_out:
        raise LogError(
            f"the source's log leaves out the database {schema} (binlog_do_db, binlog_ignore_db)",
            where="source",
            fix="take these options out of the server's configuration, and restart it",
        )


def read_name_case(source: Source) -> bool:
    """True if the source takes names of tables in any case (``lower_case_table_names``)."""
    return int(_read_value(source, "SELECT @@GLOBAL.lower_case_table_names")) > 0


def snapshot_end(source: Source) -> Position:
    """Return up to where the log may hold what the open consistent snapshot shows.

    MariaDB and Percona know the place that belongs to the snapshot itself. Of other servers it is
    the end of the log now, which is later; what comes too early is read again with no harm.
    """
    return _read_snapshot_place(source) or read_position(source)


def shows(source: Source, position: Position) -> bool | None:
    """True if all transactions up to *position* are visible to the source's snapshot.

    A server sends an event of its log before the engine has committed, so that a snapshot which
    begins right after the event may not show it yet.

    Args:
        source: In a consistent snapshot (MariaDB, Percona), or before it begins (MySQL).
        position: The end of a transaction that changed rows.

    Returns:
        None where the server cannot tell.
    """
    place = _read_snapshot_place(source)
    if place is not None and not position.is_in_innodb:
        return place.has_reached(position)
    if _is_mariadb(source) or not position.gtid or not _has_gtids(source):
        return None
    executed = MysqlGtids.parse(_read_value(source, "SELECT @@GLOBAL.gtid_executed"))
    return executed.covers(MysqlGtids.parse(position.gtid))


def _has_gtids(source: Source) -> bool:
    """True if every transaction of a MySQL server has a GTID; it may have some of former times."""
    return _read_value(source, "SELECT @@GLOBAL.gtid_mode").upper() == "ON"


def _read_snapshot_place(source: Source) -> Position | None:
    rows = _read(source, "SHOW STATUS LIKE 'binlog_snapshot_%'")
    found = {_text(row[0]).lower(): _text(row[1]) for row in rows}
    file = found.get("binlog_snapshot_file")
    place = Position(file, int(found["binlog_snapshot_position"])) if file else None
    return None if place is None or place.is_in_innodb else place


_CASCADES = """
SELECT k.referenced_table_name, k.table_name, r.delete_rule, r.update_rule
FROM information_schema.referential_constraints AS r
JOIN (
    SELECT DISTINCT constraint_schema, constraint_name, table_name, referenced_table_name,
           referenced_table_schema
    FROM information_schema.key_column_usage
    WHERE referenced_table_name IS NOT NULL
) AS k
  ON k.constraint_schema = r.constraint_schema AND k.constraint_name = r.constraint_name
 AND k.table_name = r.table_name
WHERE r.constraint_schema = %s AND k.referenced_table_schema = %s"""
_CHANGING_RULES = ("CASCADE", "SET NULL", "SET DEFAULT")


def read_cascades(source: Source, schema: str) -> dict[str, Cascades]:
    """Return the tables whose foreign keys let other tables change past the log, by name.

    InnoDB follows the rules of foreign keys by itself, and what it does so stands in no log before
    MySQL 9.6.
    """
    if not _is_mariadb(source) and _read_version(source) >= _LOGS_CASCADES:
        return {}
    on_delete: dict[str, set[str]] = {}
    on_update: dict[str, set[str]] = {}
    for parent, child, delete_rule, update_rule in _read(source, _CASCADES, schema, schema):
        for rule, found in ((delete_rule, on_delete), (update_rule, on_update)):
            if _text(rule).upper() in _CHANGING_RULES:
                found.setdefault(_text(parent), set()).add(_text(child))
    return {
        parent: Cascades(
            tuple(sorted(on_delete.get(parent, ()))), tuple(sorted(on_update.get(parent, ())))
        )
        for parent in sorted({*on_delete, *on_update})
    }


def _read_status(source: Source) -> tuple[Any, ...] | None:
    """Return file and offset of the log's end, and what else the server says of it."""
    statements = ("SHOW MASTER STATUS", "SHOW BINARY LOG STATUS")
    if not _is_mariadb(source) and _read_version(source) >= (8, 2):
        statements = statements[::-1]
    try:
        rows = _read(source, statements[0])
    except err.ProgrammingError as error:
        if error.args[0] not in _UNKNOWN_STATEMENTS:
            raise
        rows = _read(source, statements[1])
    return rows[0] if rows else None


def _read(source: Source, statement: str, *values: str) -> list[tuple[Any, ...]]:
    with source.cursor() as cursor:
        cursor.execute(statement, values or None)
        return list(cursor.fetchall())


def _read_value(source: Source, statement: str) -> str:
    return _text(_read(source, statement)[0][0])


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value if value is not None else "")


def _is_mariadb(source: Source) -> bool:
    return is_mariadb(_server_version(source))


def _read_version(source: Source) -> tuple[int, int]:
    major, minor, *_ = _server_version(source).split(".")
    return int(major), int(minor)


def _server_version(source: Any) -> str:
    """Return the version in the server's greeting, which no type stub has."""
    return str(source.server_version)
