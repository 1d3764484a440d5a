"""What a MySQL user may write, from ``SHOW GRANTS``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Engine

# Everything else may change data, structure, files, users or the server.
HARMLESS = frozenset(
    {
        "SELECT",
        "USAGE",
        "SHOW VIEW",
        "SHOW DATABASES",
        "PROCESS",
        "REPLICATION CLIENT",
        "BINLOG MONITOR",
        "REPLICATION SLAVE",
        "REPLICA MONITOR",
        "SLAVE MONITOR",
        "SHOW CREATE ROUTINE",
        "SHOW_ROUTINE",
        "REFERENCES",
    }
)
_GRANT = re.compile(r"GRANT (?P<privileges>.+?) ON (?P<object>.+?) TO ", re.DOTALL)
_COLUMNS = re.compile(r"\s*\((?:`(?:[^`]|``)*`|[^)`])*\)")


def parse_write_privileges(grants: Iterable[str]) -> tuple[str, ...]:
    """The privileges in the lines of ``SHOW GRANTS`` that are more than reading.

    Returns:
        Texts such as ``INSERT ON `opendental`.*``, in the order of the lines, each once. A
        role that is granted without ``ON`` is none: its privileges have lines of their own when
        it is active.
    """
    found: dict[str, None] = {}
    for line in grants:
        match = _GRANT.match(line)
        if match is None:
            continue
        target = match["object"]
        for privilege in _COLUMNS.sub("", match["privileges"]).split(","):
            name = privilege.strip().upper()
            if name not in HARMLESS and name != "PROXY":
                found[f"{name} ON {target}"] = None
        if line.rstrip().endswith("WITH GRANT OPTION"):
            found[f"GRANT OPTION ON {target}"] = None
    return tuple(found)


def read_write_privileges(engine: Engine) -> tuple[str, ...]:
    """What the user of *engine* may write; empty for a user who can only read."""
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SHOW GRANTS").all()
    return parse_write_privileges(str(row[0]) for row in rows)
