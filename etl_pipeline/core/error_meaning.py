"""Causes of servers' errors and their fixes, in our words.

``mysql_errors.py`` and ``postgres_errors.py`` map error numbers and SQLSTATEs to them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class ErrorMeaning:
    """Meaning of an error for a user: cause, fix, and what it leaves behind.

    Texts may hold the names of ``driver_errors.ErrorPlace`` in braces: ``{table}``, ``{grant}``.

    Attributes:
        what: In our words.
        fix: One line of advice.
        is_passing: Whether the same statement may succeed in a moment.
        is_connection_gone: Whether the server may still be working on what nobody waits for.
        fix_at: Other advice where the error came from that database: ``source``, ``replication``
            or ``analytics``.
    """

    what: str
    fix: str
    is_passing: bool = False
    is_connection_gone: bool = False
    fix_at: Mapping[str, str] = field(default_factory=dict)


LOGIN_REFUSED = ErrorMeaning(
    "the server refused the login", "check user and password in the .env_… file"
)
NO_DATABASE = ErrorMeaning(
    "there is no such database", "check the database's name in the .env_… file, or CREATE it"
)
SERVER_DOWN = ErrorMeaning(
    "the server does not answer",
    "check host, port and that the server is running",
    is_passing=True,
)
CONNECTION_LOST = ErrorMeaning(
    "the connection was lost",
    "see the server's log and the line to it for what ended the connection, then run again",
    is_passing=True,
    is_connection_gone=True,
)
SERVER_SILENT = ErrorMeaning(
    "the server has fallen silent",
    "find out what became of the server or of the network, then run again",
    is_passing=True,
    is_connection_gone=True,
)
TOO_MANY_CONNECTIONS = ErrorMeaning(
    "the server takes no more connections",
    "end idle sessions there, raise max_connections, or lower pool_size in pipeline.yml",
    is_passing=True,
)
INSUFFICIENT_PRIVILEGE = ErrorMeaning(
    "the user lacks a privilege",
    "GRANT what the statement needs",
    fix_at={"source": "{grant}", "replication": "{grant}", "analytics": "{grant}"},
)
NO_TABLE = ErrorMeaning("there is no such table", "check the name; the table may have been dropped")
NO_COLUMN = ErrorMeaning("there is no such column", "the table may have changed: read it again")
SYNTAX = ErrorMeaning(
    "the server does not understand a statement of ours",
    "see by etl doctor that its version is one that is supported, and that no proxy changes "
    "statements; else report it with what --debug prints",
)
LOCK_CONFLICT = ErrorMeaning("the statement met a lock and gave way", "run again", is_passing=True)
TABLE_CHANGED = ErrorMeaning("the table changed under the statement", "run again", is_passing=True)
DISK_FULL = ErrorMeaning("the server's disk is full", "free space on the server")
OUT_OF_MEMORY = ErrorMeaning(
    "the server has no memory left for the statement", "give the server more memory, or less work"
)
TLS = ErrorMeaning("the encrypted connection could not be made", "check ssl_mode and certificates")
CLEARTEXT = ErrorMeaning(
    "the server asks for the password itself, and nothing proves that it is the server that is "
    "meant; the password was not sent",
    "connections.analytics.ssl_ca in pipeline.yml: the file of who signed the server's "
    "certificate; or, on a network that you trust, "
    "connections.analytics.allow_cleartext_password: true",
)
POOL_EXHAUSTED = ErrorMeaning(
    "no connection of the pool was free in time", "raise pool_size or pool_timeout"
)
VALUE_DOES_NOT_FIT = ErrorMeaning(
    "a value does not fit the column", "compare the types of both sides"
)
DUPLICATE_KEY = ErrorMeaning("a key would stand twice", "look for rows that others wrote")
UNKNOWN_ERROR = ErrorMeaning(
    "the server reported an error",
    "look the number up in the server's manual; --debug shows which step it was",
)
