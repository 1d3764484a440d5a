"""What an error of a server means to a user; the tables by number are filled with these."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Meaning:
    """What an error means to a user, and what it leaves behind.

    Texts may hold the names of ``faults.Place`` in braces: ``{table}``, ``{grant}``.

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


LOGIN = Meaning("the server refused the login", "check user and password in the .env_… file")
NO_DATABASE = Meaning(
    "there is no such database", "check the database's name in the .env_… file, or CREATE it"
)
DOWN = Meaning(
    "the server does not answer",
    "check host, port and that the server is running",
    is_passing=True,
)
LOST = Meaning(
    "the connection was lost",
    "see the server's log and the line to it for what ended the connection, then run again",
    is_passing=True,
    is_connection_gone=True,
)
SILENCE = Meaning(
    "the server has fallen silent",
    "find out what became of the server or of the network, then run again",
    is_passing=True,
    is_connection_gone=True,
)
FULL_HOUSE = Meaning(
    "the server takes no more connections",
    "end idle sessions there, raise max_connections, or lower pool_size in pipeline.yml",
    is_passing=True,
)
PRIVILEGE = Meaning(
    "the user lacks a privilege",
    "GRANT what the statement needs",
    fix_at={"source": "{grant}", "replication": "{grant}", "analytics": "{grant}"},
)
NO_TABLE = Meaning("there is no such table", "check the name; the table may have been dropped")
NO_COLUMN = Meaning("there is no such column", "the table may have changed: read it again")
SYNTAX = Meaning(
    "the server does not understand a statement of ours",
    "see by etl doctor that its version is one that is supported, and that no proxy changes "
    "statements; else report it with what --debug prints",
)
LOCKED = Meaning("the statement met a lock and gave way", "run again", is_passing=True)
CHANGED = Meaning("the table changed under the statement", "run again", is_passing=True)
FULL_DISK = Meaning("the server's disk is full", "free space on the server")
MEMORY = Meaning(
    "the server has no memory left for the statement", "give the server more memory, or less work"
)
TLS = Meaning("the encrypted connection could not be made", "check ssl_mode and certificates")
CLEARTEXT = Meaning(
    "the server asks for the password itself, and nothing proves that it is the server that is "
    "meant; the password was not sent",
    "connections.analytics.ssl_ca in pipeline.yml: the file of who signed the server's "
    "certificate; or, on a network that you trust, "
    "connections.analytics.allow_cleartext_password: true",
)
POOL = Meaning("no connection of the pool was free in time", "raise pool_size or pool_timeout")
VALUE = Meaning("a value does not fit the column", "compare the types of both sides")
TWICE = Meaning("a key would stand twice", "look for rows that others wrote")
OTHER = Meaning(
    "the server reported an error",
    "look the number up in the server's manual; --debug shows which step it was",
)
