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

ER_STATEMENT_TIMEOUT = 1969
"""MariaDB has ended a statement at the time limit."""
ER_QUERY_TIMEOUT = 3024
"""MySQL has."""
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
    0: CONNECTION_LOST,  # PyMySQL: the connection is closed
    3: DISK_FULL,  # EE_WRITE
    5: OUT_OF_MEMORY,  # EE_OUTOFMEMORY
    23: _NO_FILE,  # EE_OUT_OF_FILERESOURCES
    29: _NO_FILE,  # EE_FILENOTFOUND
    126: _CRASHED,  # HA_ERR_CRASHED
    127: _CRASHED,  # HA_ERR_WRONG_IN_RECORD
    134: _CRASHED,  # HA_ERR_RECORD_DELETED
    141: _CRASHED,  # HA_ERR_FOUND_DUPP_UNIQUE
    144: _CRASHED,  # HA_ERR_CRASHED_ON_REPAIR
    145: _CRASHED,  # HA_ERR_CRASHED_ON_USAGE
    1005: _UNSUPPORTED_TABLE,  # ER_CANT_CREATE_TABLE
    1016: _NO_FILE,  # ER_CANT_OPEN_FILE
    1017: _NO_FILE,  # ER_FILE_NOT_FOUND
    1020: TABLE_CHANGED,  # ER_CHECKREAD
    1021: DISK_FULL,  # ER_DISK_FULL
    1033: _NO_FILE,  # ER_NOT_FORM_FILE
    1034: _CRASHED,  # ER_NOT_KEYFILE
    1035: _CRASHED,  # ER_OLD_KEYFILE
    1037: OUT_OF_MEMORY,  # ER_OUTOFMEMORY
    1038: OUT_OF_MEMORY,  # ER_OUT_OF_SORTMEMORY
    1040: TOO_MANY_CONNECTIONS,  # ER_CON_COUNT_ERROR
    1041: OUT_OF_MEMORY,  # ER_OUT_OF_RESOURCES
    1044: _DATABASE_DENIED,  # ER_DBACCESS_DENIED_ERROR
    1045: LOGIN_REFUSED,  # ER_ACCESS_DENIED_ERROR
    1048: VALUE_DOES_NOT_FIT,  # ER_BAD_NULL_ERROR
    1049: NO_DATABASE,  # ER_BAD_DB_ERROR
    1051: NO_TABLE,  # ER_BAD_TABLE_ERROR
    1053: SERVER_DOWN,  # ER_SERVER_SHUTDOWN
    1054: NO_COLUMN,  # ER_BAD_FIELD_ERROR
    1062: DUPLICATE_KEY,  # ER_DUP_ENTRY
    1064: SYNTAX,  # ER_PARSE_ERROR
    1070: _UNSUPPORTED_INDEX,  # ER_TOO_MANY_KEY_PARTS
    1071: _UNSUPPORTED_INDEX,  # ER_TOO_LONG_KEY
    1074: _UNSUPPORTED_TABLE,  # ER_TOO_BIG_FIELDLENGTH
    1114: DISK_FULL,  # ER_RECORD_FILE_FULL
    1117: _UNSUPPORTED_TABLE,  # ER_TOO_MANY_FIELDS
    1118: _UNSUPPORTED_TABLE,  # ER_TOO_BIG_ROWSIZE
    1129: SERVER_DOWN,  # ER_HOST_IS_BLOCKED
    1142: INSUFFICIENT_PRIVILEGE,  # ER_TABLEACCESS_DENIED_ERROR
    1143: INSUFFICIENT_PRIVILEGE,  # ER_COLUMNACCESS_DENIED_ERROR
    1146: NO_TABLE,  # ER_NO_SUCH_TABLE
    1149: SYNTAX,  # ER_SYNTAX_ERROR
    1152: CONNECTION_LOST,  # ER_ABORTING_CONNECTION
    1153: _PACKET,  # ER_NET_PACKET_TOO_LARGE
    1158: CONNECTION_LOST,  # ER_NET_READ_ERROR
    1159: CONNECTION_LOST,  # ER_NET_READ_INTERRUPTED
    1160: CONNECTION_LOST,  # ER_NET_ERROR_ON_WRITE
    1161: CONNECTION_LOST,  # ER_NET_WRITE_INTERRUPTED
    1166: _UNSUPPORTED_TABLE,  # ER_WRONG_COLUMN_NAME
    1167: _UNSUPPORTED_INDEX,  # ER_WRONG_KEY_COLUMN
    1168: _NO_UNION,  # ER_WRONG_MRG_TABLE
    1173: _KEY_FORCED,  # ER_REQUIRES_PRIMARY_KEY
    1184: CONNECTION_LOST,  # ER_NEW_ABORTING_CONNECTION
    1193: _NO_VARIABLE,  # ER_UNKNOWN_SYSTEM_VARIABLE
    1194: _CRASHED,  # ER_CRASHED_ON_USAGE
    1195: _CRASHED,  # ER_CRASHED_ON_REPAIR
    1203: TOO_MANY_CONNECTIONS,  # ER_TOO_MANY_USER_CONNECTIONS
    1205: LOCK_CONFLICT,  # ER_LOCK_WAIT_TIMEOUT
    1213: LOCK_CONFLICT,  # ER_LOCK_DEADLOCK
    1226: _USER_LIMIT,  # ER_USER_LIMIT_REACHED
    1227: INSUFFICIENT_PRIVILEGE,  # ER_SPECIFIC_ACCESS_DENIED_ERROR
    1264: VALUE_DOES_NOT_FIT,  # ER_WARN_DATA_OUT_OF_RANGE
    1265: VALUE_DOES_NOT_FIT,  # ER_WARN_DATA_TRUNCATED
    1286: _NO_ENGINE,  # ER_UNKNOWN_STORAGE_ENGINE
    1290: _READ_ONLY,  # ER_OPTION_PREVENTS_STATEMENT
    1292: VALUE_DOES_NOT_FIT,  # ER_TRUNCATED_WRONG_VALUE
    1317: _STOPPED,  # ER_QUERY_INTERRUPTED
    1366: VALUE_DOES_NOT_FIT,  # ER_TRUNCATED_WRONG_VALUE_FOR_FIELD
    1370: INSUFFICIENT_PRIVILEGE,  # ER_PROCACCESS_DENIED_ERROR
    1406: VALUE_DOES_NOT_FIT,  # ER_DATA_TOO_LONG
    1412: TABLE_CHANGED,  # ER_TABLE_DEF_CHANGED
    1461: _NO_PREPARED,  # ER_MAX_PREPARED_STMT_COUNT_REACHED
    1586: DUPLICATE_KEY,  # ER_DUP_ENTRY_WITH_KEY_NAME
    1615: TABLE_CHANGED,  # ER_NEED_REPREPARE
    1698: LOGIN_REFUSED,  # ER_ACCESS_DENIED_NO_PASSWORD_ERROR
    1712: _CRASHED,  # ER_INDEX_CORRUPT
    1792: _READ_ONLY,  # ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION
    1812: _NO_FILE,  # ER_TABLESPACE_MISSING
    1814: _NO_FILE,  # ER_TABLESPACE_DISCARDED
    1820: LOGIN_REFUSED,  # ER_MUST_CHANGE_PASSWORD
    1836: _READ_ONLY,  # ER_READ_ONLY_MODE
    1862: LOGIN_REFUSED,  # ER_MUST_CHANGE_PASSWORD_LOGIN
    1877: _NO_FILE,  # ER_TABLE_CORRUPT
    1927: CONNECTION_LOST,  # ER_CONNECTION_KILLED of MariaDB
    1932: _NO_FILE,  # ER_NO_SUCH_TABLE_IN_ENGINE of MariaDB
    ER_STATEMENT_TIMEOUT: OVER_LIMIT,
    2002: SERVER_DOWN,  # CR_CONNECTION_ERROR
    2003: SERVER_DOWN,  # CR_CONN_HOST_ERROR
    2005: SERVER_DOWN,  # CR_UNKNOWN_HOST
    2006: CONNECTION_LOST,  # CR_SERVER_GONE_ERROR
    2013: CONNECTION_LOST,  # CR_SERVER_LOST
    2020: _PACKET,  # CR_NET_PACKET_TOO_LARGE
    2026: TLS,  # CR_SSL_CONNECTION_ERROR
    2027: _DAMAGED,  # CR_MALFORMED_PACKET
    2055: CONNECTION_LOST,  # CR_SERVER_LOST_EXTENDED
    2059: LOGIN_REFUSED,  # CR_AUTH_PLUGIN_CANNOT_LOAD
    ER_QUERY_TIMEOUT: OVER_LIMIT,
    3118: LOGIN_REFUSED,  # ER_ACCOUNT_HAS_BEEN_LOCKED
    3159: _TLS_ONLY,  # ER_SECURE_TRANSPORT_REQUIRED
    3572: LOCK_CONFLICT,  # ER_LOCK_NOWAIT
    3750: _KEY_REQUIRED,  # ER_TABLE_WITHOUT_PK
    4031: CONNECTION_LOST,  # ER_CLIENT_INTERACTION_TIMEOUT
    4151: LOGIN_REFUSED,  # ER_ACCOUNT_HAS_BEEN_LOCKED of MariaDB
}
"""In the order of the numbers, with the symbol of each: EE for errors of files, HA for those of a
storage engine, ER for those of the server, CR for those of the client."""
