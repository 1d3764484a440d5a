"""Product behind a MySQL server's greeting: MariaDB or MySQL (no I/O)."""

from __future__ import annotations


def is_mariadb(server_version: str) -> bool:
    """True if *server_version*, as the server greets or as ``VERSION()``, is that of MariaDB."""
    return "mariadb" in server_version.lower()
