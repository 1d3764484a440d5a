"""Error numbers of MySQL and MariaDB, servers and clients, with their meaning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

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
    TABLE_CHANGED,
    TLS,
    TOO_MANY_CONNECTIONS,
    VALUE_DOES_NOT_FIT,
    ErrorMeaning,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

OVER_LIMIT = ErrorMeaning(
    "the statement was ended at the source's time limit",
    "wait until the source is less busy, or raise source.max_seconds_per_statement in pipeline.yml",
)
TARGET_LIMIT = ErrorMeaning(
    "the statement was ended at a time limit of the replication server",
    "sessions there are told that there is none; find out who sets max_statement_time meanwhile",
)
_DATABASE_DENIED = ErrorMeaning(
    "the user may not use this database, or there is none of that name",
    "check the database's name in the .env_… file, and GRANT the user its privileges",
    fix_at={
        "source": "check the database's name in the .env_… file; else {grant}",
        "replication": "check the database's name in the .env_… file; else {grant}",
    },
)
_USER_LIMIT = ErrorMeaning(
    "the user has used up what its account may do in an hour, or may have open at once",
    "ALTER USER {account} WITH MAX_QUERIES_PER_HOUR 0 MAX_UPDATES_PER_HOUR 0 "
    "MAX_CONNECTIONS_PER_HOUR 0 MAX_USER_CONNECTIONS 0",
)
_STOPPED = ErrorMeaning("somebody ended the statement at the server", "ask who, then run again")
_READ_ONLY = ErrorMeaning(
    "the server or session is read-only",
    "write to a database of ours",
    fix_at={
        "replication": "SET GLOBAL read_only = OFF there, or name a server that is no replica "
        "of another in the .env_… file"
    },
)
_NO_VARIABLE = ErrorMeaning(
    "the server does not know a setting that every session needs",
    "use MariaDB 10.1, MySQL 5.7.8 or later",
)
_KEY_REQUIRED = ErrorMeaning(
    "the server takes no table without a primary key",
    "SET GLOBAL sql_require_primary_key = OFF at the replication server, or exclude the table",
)
_KEY_FORCED = ErrorMeaning(
    "the server takes no table without a primary key",
    "SET GLOBAL innodb_force_primary_key = OFF at the replication server, or exclude the table",
)
_NO_PREPARED = ErrorMeaning(
    "the server prepares no more statements, and rows are read by such",
    "SET GLOBAL max_prepared_stmt_count = 16382 at the server, which is its default",
)
_NO_FILE = ErrorMeaning(
    "the server cannot open a file of the table",
    "let its administrator see that the table's files are there and the server may read them, and "
    "raise open_files_limit if it has too many open; CHECK TABLE {table} tells more",
)
_CRASHED = ErrorMeaning(
    "the table is damaged",
    "let that server's administrator mend it: CHECK TABLE {table}, then REPAIR TABLE {table} "
    "(MyISAM, Aria; mysqlcheck --repair does both) or a backup (InnoDB)",
)
_NO_ENGINE = ErrorMeaning(
    "the server has not loaded the table's storage engine",
    "let its administrator load it: INSTALL SONAME (MariaDB) or INSTALL PLUGIN; or exclude it",
)
_NO_UNION = ErrorMeaning(
    "the tables under this MERGE table differ from it, or one of them is no MyISAM table",
    "let the source's administrator mend it: CHECK TABLE {table} names them; or exclude it",
)
_UNSUPPORTED_TABLE = ErrorMeaning(
    "InnoDB cannot hold a table with these columns",
    "exclude columns of it in tables.yml",
)
_UNSUPPORTED_INDEX = ErrorMeaning(
    "the server cannot hold one of the table's indexes",
    "report it: an index that does not fit is to be left out",
)
_PACKET = ErrorMeaning(
    "a row, or a statement, is larger than the server's max_allowed_packet",
    "SET GLOBAL max_allowed_packet = 1073741824 there, and keep it in the server's configuration",
)
_TLS_ONLY = ErrorMeaning(
    "the server takes encrypted connections only",
    "set ssl_mode: required, or a stricter one, for this connection in pipeline.yml",
)
_DAMAGED = ErrorMeaning(
    "what the server sent cannot be understood: it is damaged, or no MySQL server sent it",
    "see that host and port are the server's and that nothing between changes what is sent: with "
    "TLS (ssl_mode) damage is noticed",
)
BROKEN_OFF: Final = ErrorMeaning(
    "the server broke off in the middle of an exchange, or what it sent is damaged",
    "compare max_allowed_packet of both servers: a packet that is larger ends the connection; with "
    "TLS (ssl_mode) damage on the line is noticed",
)
"""For errors of PyMySQL without a number: an answer came out of order."""

MEANING_OF_ERROR_NUMBER: Final[Mapping[int, ErrorMeaning]] = {
    **dict.fromkeys((1045, 1698, 1862, 1820, 2059, 3118, 4151), LOGIN_REFUSED),
    **dict.fromkeys((1049,), NO_DATABASE),
    **dict.fromkeys((2002, 2003, 2005, 1053, 1129), SERVER_DOWN),
    **dict.fromkeys(
        (0, 2006, 2013, 2055, 1152, 1158, 1159, 1160, 1161, 1184, 1927, 4031), CONNECTION_LOST
    ),
    **dict.fromkeys((1040, 1203), TOO_MANY_CONNECTIONS),
    **dict.fromkeys((1226,), _USER_LIMIT),
    **dict.fromkeys((1044,), _DATABASE_DENIED),
    **dict.fromkeys((1142, 1143, 1227, 1370), INSUFFICIENT_PRIVILEGE),
    **dict.fromkeys((1146, 1051), NO_TABLE),
    **dict.fromkeys((1054,), NO_COLUMN),
    **dict.fromkeys((1064, 1149), SYNTAX),
    **dict.fromkeys((1205, 1213, 3572), LOCK_CONFLICT),
    **dict.fromkeys((1020, 1412, 1615), TABLE_CHANGED),
    **dict.fromkeys((1021, 1114, 3), DISK_FULL),
    **dict.fromkeys((5, 1037, 1038, 1041), OUT_OF_MEMORY),
    **dict.fromkeys((1969, 3024), OVER_LIMIT),
    **dict.fromkeys((1317,), _STOPPED),
    **dict.fromkeys((1290, 1792, 1836), _READ_ONLY),
    **dict.fromkeys((1193,), _NO_VARIABLE),
    **dict.fromkeys((3750,), _KEY_REQUIRED),
    **dict.fromkeys((1173,), _KEY_FORCED),
    **dict.fromkeys((1461,), _NO_PREPARED),
    **dict.fromkeys((23, 29, 1016, 1017, 1033, 1812, 1814, 1877, 1932), _NO_FILE),
    **dict.fromkeys((126, 127, 134, 141, 144, 145, 1034, 1035, 1194, 1195, 1712), _CRASHED),
    **dict.fromkeys((1286,), _NO_ENGINE),
    **dict.fromkeys((1168,), _NO_UNION),
    **dict.fromkeys((1005, 1074, 1117, 1118, 1166), _UNSUPPORTED_TABLE),
    **dict.fromkeys((1070, 1071, 1167), _UNSUPPORTED_INDEX),
    **dict.fromkeys((1153, 2020), _PACKET),
    **dict.fromkeys((2027,), _DAMAGED),
    **dict.fromkeys((2026,), TLS),
    **dict.fromkeys((3159,), _TLS_ONLY),
    **dict.fromkeys((1062, 1586), DUPLICATE_KEY),
    **dict.fromkeys((1048, 1264, 1265, 1292, 1366, 1406), VALUE_DOES_NOT_FIT),
}
