"""SQLSTATEs of PostgreSQL with their meaning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from etl_pipeline.core.encoding import MAKE_UNICODE
from etl_pipeline.core.error_meaning import (
    DOWN,
    FULL_DISK,
    FULL_HOUSE,
    LOCKED,
    LOGIN,
    LOST,
    MEMORY,
    NO_COLUMN,
    NO_DATABASE,
    NO_TABLE,
    PRIVILEGE,
    SYNTAX,
    TWICE,
    VALUE,
    ErrorMeaning,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_TOO_LONG = ErrorMeaning(
    "the statement was ended at its time limit or cancelled",
    "ask who set a limit or cancelled it, then run again",
)
_NOT_LET_IN = ErrorMeaning(
    "the server refused the login: no line of its pg_hba.conf lets this user in from this "
    "machine, or the user may not log in at all",
    "add such a line there, then SELECT pg_reload_conf(); set ssl_mode: require where the line "
    "begins with hostssl; ALTER ROLE … LOGIN where the user may not log in",
)
_READ_ONLY = ErrorMeaning(
    "the server, the database or the user is read-only",
    "name the primary server in the .env_… file where this is a standby; else "
    "ALTER ROLE {role} SET default_transaction_read_only = off",
)
_ENCODING = ErrorMeaning(
    "the warehouse's character set cannot hold a character of the source",
    MAKE_UNICODE,
)
_POOLER = ErrorMeaning(
    "a connection pooler before the server (pgbouncer) refuses what a session of ours needs, or "
    "what is sent was damaged on its way",
    "name host and port of PostgreSQL itself in the .env_… file, not those of the pooler: "
    "a session is needed",
)
_NO_IDENTITY = ErrorMeaning(
    "the table is published and has no replica identity, so no row of it may be changed",
    "ALTER TABLE {target} REPLICA IDENTITY FULL, or take it out of the publication",
)
_FORBIDDEN = ErrorMeaning(
    "a constraint that etl_pipeline did not make forbids a row",
    "drop what others added to {target}: etl_pipeline makes no constraint but the primary key",
)
_RAISED = ErrorMeaning(
    "a trigger that etl_pipeline did not make stopped the statement",
    "look for triggers and event triggers in the warehouse",
)
_TOO_LARGE = ErrorMeaning(
    "a row, or a key, is larger than PostgreSQL can hold", "exclude columns of it in tables.yml"
)
_TOO_MANY_COLUMNS = ErrorMeaning(
    "the table has more columns than a table of PostgreSQL may have, which is 1600",
    "exclude columns of it in tables.yml",
)

POSTGRES: Final[Mapping[str, ErrorMeaning]] = {
    **dict.fromkeys(("28P01",), LOGIN),
    **dict.fromkeys(("28000",), _NOT_LET_IN),
    **dict.fromkeys(("3D000",), NO_DATABASE),
    **dict.fromkeys(("57P03", "08001", "08004"), DOWN),
    **dict.fromkeys(("08000", "08003", "08006", "08007", "57P01", "57P02", "57P05"), LOST),
    **dict.fromkeys(("08P01",), _POOLER),
    **dict.fromkeys(("53300",), FULL_HOUSE),
    **dict.fromkeys(("53200",), MEMORY),
    **dict.fromkeys(("42501",), PRIVILEGE),
    **dict.fromkeys(("42P01",), NO_TABLE),
    **dict.fromkeys(("42703",), NO_COLUMN),
    **dict.fromkeys(("42601",), SYNTAX),
    **dict.fromkeys(("40P01", "40001", "55P03"), LOCKED),
    **dict.fromkeys(("53100",), FULL_DISK),
    **dict.fromkeys(("57014", "25P04"), _TOO_LONG),
    **dict.fromkeys(("25006",), _READ_ONLY),
    **dict.fromkeys(("22P05",), _ENCODING),
    **dict.fromkeys(("55000", "42P10"), _NO_IDENTITY),
    **dict.fromkeys(("23502", "23503", "23514", "23P01"), _FORBIDDEN),
    **dict.fromkeys(("P0001",), _RAISED),
    **dict.fromkeys(("54000",), _TOO_LARGE),
    **dict.fromkeys(("54011",), _TOO_MANY_COLUMNS),
    **dict.fromkeys(("23505",), TWICE),
}
POSTGRES_CLASSES: Final[Mapping[str, ErrorMeaning]] = {"08": LOST, "22": VALUE}
