"""Modes of servers that a run may meet: what is said to the server, and what a run may say."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mode:
    """A mode, as statements of an administrator; ``{user}`` and ``{database}`` are the run's.

    Attributes:
        says: What a run that fails must say; empty where no run may fail of it.
    """

    role: str
    begin: str
    end: str
    says: str = ""


def _global(role: str, name: str, value: str, says: str = "") -> Mode:
    return Mode(role, f"SET GLOBAL {name} = {value}", f"SET GLOBAL {name} = @was", says)


def _role(name: str, value: str, says: str = "") -> Mode:
    return Mode(
        "analytics",
        f"ALTER ROLE {{user}} SET {name} = {value}",
        f"ALTER ROLE {{user}} RESET {name}",
        says,
    )


_STRICT = "'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,TRADITIONAL'"
_ODD = "'ANSI,NO_BACKSLASH_ESCAPES,PAD_CHAR_TO_FULL_LENGTH,HIGH_NOT_PRECEDENCE,ORACLE'"

MODES = {
    "strict": _global("replication", "sql_mode", _STRICT),
    "odd": _global("replication", "sql_mode", _ODD),
    "odd at the source": _global("source", "sql_mode", _ODD),
    "read only": _global("replication", "read_only", "ON", "read-only"),
    "small packet": _global("replication", "max_allowed_packet", "16384", "max_allowed_packet"),
    "small packet at the source": _global(
        "source", "max_allowed_packet", "16384", "max_allowed_packet"
    ),
    "no local_infile": _global("replication", "local_infile", "OFF"),
    "one session": Mode(
        "replication",
        "ALTER USER {user} WITH MAX_USER_CONNECTIONS 1",
        "ALTER USER {user} WITH MAX_USER_CONNECTIONS 0",
        "no more connections|MAX_USER_CONNECTIONS",
    ),
    "one session at the source": Mode(
        "source",
        "ALTER USER {user} WITH MAX_USER_CONNECTIONS 1",
        "ALTER USER {user} WITH MAX_USER_CONNECTIONS 0",
        "no more connections|MAX_USER_CONNECTIONS",
    ),
    "time limit": _global("replication", "max_statement_time", "0.001"),
    "time limit at the source": _global("source", "max_statement_time", "0.001"),
    "select limit": _global("source", "sql_select_limit", "3"),
    "select limit at replication": _global("replication", "sql_select_limit", "3"),
    "join size": _global("source", "max_join_size", "10"),
    "join size at replication": _global("replication", "max_join_size", "10"),
    "completion": _global("source", "completion_type", "CHAIN"),
    "completion at replication": _global("replication", "completion_type", "CHAIN"),
    "safe updates": _global("replication", "sql_safe_updates", "ON"),
    "serializable": _global("replication", "tx_isolation", "'SERIALIZABLE'"),
    "no autocommit": _global("replication", "autocommit", "OFF"),
    "no autocommit at the source": _global("source", "autocommit", "OFF"),
    "read only transactions": _global("replication", "tx_read_only", "ON"),
    "time zone": _global("replication", "time_zone", "'+09:00'"),
    "time zone at the source": _global("source", "time_zone", "'-07:00'"),
    "read only warehouse": _role("default_transaction_read_only", "on", "read-only"),
    "time limit of the warehouse": _role("statement_timeout", "'5ms'"),
    "lock limit of the warehouse": _role("lock_timeout", "'5ms'"),
    "idle limit of the warehouse": _role("idle_in_transaction_session_timeout", "'30ms'"),
    "quoted names": _role("quote_all_identifiers", "on"),
    "styles": _role("datestyle", "'SQL, DMY'"),
    "escaped bytes": _role("bytea_output", "'escape'"),
    "few digits": _role("extra_float_digits", "-15"),
    "old strings": _role("standard_conforming_strings", "off"),
    "serializable warehouse": _role("default_transaction_isolation", "'serializable'"),
    "one session of the warehouse": Mode(
        "analytics",
        "ALTER ROLE {user} CONNECTION LIMIT 1",
        "ALTER ROLE {user} CONNECTION LIMIT -1",
        "no more connections|connection limit|too many",
    ),
}
