"""SQLSTATEs of PostgreSQL with their meaning for a user; driver_errors.py reads the tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from etl_pipeline.core.encoding import MAKE_UNICODE
from etl_pipeline.core.error_meaning import (
    CONNECTION_LOST,
    DISK_FULL,
    DUPLICATE_KEY,
    INSUFFICIENT_PRIVILEGE,
    LOCK_CONFLICT,
    LOGIN_REFUSED,
    NO_COLUMN,
    NO_DATABASE,
    NO_TABLE,
    OUT_OF_MEMORY,
    SERVER_DOWN,
    SYNTAX,
    TOO_MANY_CONNECTIONS,
    VALUE_DOES_NOT_FIT,
    ErrorMeaning,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_CANCELED = ErrorMeaning(
    "the statement was ended at its time limit or cancelled",
    "ask who set a limit or cancelled it, then run again",
)
_NO_HBA_ENTRY = ErrorMeaning(
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
_UNTRANSLATABLE = ErrorMeaning(
    "the warehouse's character set cannot hold a character of the source",
    MAKE_UNICODE,
)
_POOLER = ErrorMeaning(
    "a connection pooler before the server (pgbouncer) refuses what a session of ours needs, or "
    "what is sent was damaged on its way",
    "name host and port of PostgreSQL itself in the .env_… file, not those of the pooler: "
    "a session is needed",
)
_NO_REPLICA_IDENTITY = ErrorMeaning(
    "the table is published and has no replica identity, so no row of it may be changed",
    "ALTER TABLE {target} REPLICA IDENTITY FULL, or take it out of the publication",
)
_OTHERS_CONSTRAINT = ErrorMeaning(
    "a constraint that etl_pipeline did not make forbids a row",
    "drop what others added to {target}: etl_pipeline makes no constraint but the primary key",
)
_OTHERS_TRIGGER = ErrorMeaning(
    "a trigger that etl_pipeline did not make stopped the statement",
    "look for triggers and event triggers in the warehouse",
)
_ROW_TOO_LARGE = ErrorMeaning(
    "a row, or a key, is larger than PostgreSQL can hold", "exclude columns of it in tables.yml"
)
_TOO_MANY_COLUMNS = ErrorMeaning(
    "the table has more columns than a table of PostgreSQL may have, which is 1600",
    "exclude columns of it in tables.yml",
)

MEANING_OF_SQLSTATE: Final[Mapping[str, ErrorMeaning]] = {
    "08000": CONNECTION_LOST,  # connection_exception
    "08001": SERVER_DOWN,  # sqlclient_unable_to_establish_sqlconnection
    "08003": CONNECTION_LOST,  # connection_does_not_exist
    "08004": SERVER_DOWN,  # sqlserver_rejected_establishment_of_sqlconnection
    "08006": CONNECTION_LOST,  # connection_failure
    "08007": CONNECTION_LOST,  # transaction_resolution_unknown
    "08P01": _POOLER,  # protocol_violation
    "22P05": _UNTRANSLATABLE,  # untranslatable_character
    "23502": _OTHERS_CONSTRAINT,  # not_null_violation
    "23503": _OTHERS_CONSTRAINT,  # foreign_key_violation
    "23505": DUPLICATE_KEY,  # unique_violation
    "23514": _OTHERS_CONSTRAINT,  # check_violation
    "23P01": _OTHERS_CONSTRAINT,  # exclusion_violation
    "25006": _READ_ONLY,  # read_only_sql_transaction
    "25P04": _CANCELED,  # transaction_timeout
    "28000": _NO_HBA_ENTRY,  # invalid_authorization_specification
    "28P01": LOGIN_REFUSED,  # invalid_password
    "3D000": NO_DATABASE,  # invalid_catalog_name
    "40001": LOCK_CONFLICT,  # serialization_failure
    "40P01": LOCK_CONFLICT,  # deadlock_detected
    "42501": INSUFFICIENT_PRIVILEGE,  # insufficient_privilege
    "42601": SYNTAX,  # syntax_error
    "42703": NO_COLUMN,  # undefined_column
    "42P01": NO_TABLE,  # undefined_table
    "42P10": _NO_REPLICA_IDENTITY,  # invalid_column_reference
    "53100": DISK_FULL,  # disk_full
    "53200": OUT_OF_MEMORY,  # out_of_memory
    "53300": TOO_MANY_CONNECTIONS,  # too_many_connections
    "54000": _ROW_TOO_LARGE,  # program_limit_exceeded
    "54011": _TOO_MANY_COLUMNS,  # too_many_columns
    "55000": _NO_REPLICA_IDENTITY,  # object_not_in_prerequisite_state
    "55P03": LOCK_CONFLICT,  # lock_not_available
    "57014": _CANCELED,  # query_canceled
    "57P01": CONNECTION_LOST,  # admin_shutdown
    "57P02": CONNECTION_LOST,  # crash_shutdown
    "57P03": SERVER_DOWN,  # cannot_connect_now
    "57P05": CONNECTION_LOST,  # idle_session_timeout
    "P0001": _OTHERS_TRIGGER,  # raise_exception
}
"""In the order of the SQLSTATEs, with PostgreSQL's name of each condition (manual, appendix A)."""
MEANING_OF_SQLSTATE_CLASS: Final[Mapping[str, ErrorMeaning]] = {
    "08": CONNECTION_LOST,
    "22": VALUE_DOES_NOT_FIT,
}
"""By the first two characters, for a SQLSTATE that is not above."""
