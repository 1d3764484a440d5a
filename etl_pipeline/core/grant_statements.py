"""The privileges that suffice for each database, as statements to paste."""

from __future__ import annotations

from etl_pipeline.schema.names import quote_mysql, quote_postgres

LOG_PRIVILEGES = ("REPLICATION SLAVE", "REPLICATION CLIENT")
"""The second is called BINLOG MONITOR by MariaDB, which takes either name."""
REPLICATION_PRIVILEGES = ("SELECT", "INSERT", "DELETE", "CREATE", "DROP", "ALTER")


def grant_source(database: str, user: str, table: str | None = None) -> str:
    """Return the least GRANT for the source's user; with *table*, for that table alone."""
    what = quote_mysql(database, table) if table else f"{_pattern(database)}.*"
    return f"GRANT SELECT ON {what} TO {mysql_account(user)}"


def grant_log(user: str) -> str:
    """Return the GRANT that lets the source's user read the binary log, and find its end."""
    return f"GRANT {', '.join(LOG_PRIVILEGES)} ON *.* TO {mysql_account(user)}"


def grant_replication(database: str, user: str) -> str:
    """Return the least GRANT for the user of replication."""
    privileges = ", ".join(REPLICATION_PRIVILEGES)
    return f"GRANT {privileges} ON {_pattern(database)}.* TO {mysql_account(user)}"


def grant_analytics(database: str, user: str) -> str:
    """Return the least GRANT for the user of the warehouse."""
    return (
        f"GRANT CONNECT, CREATE, TEMPORARY ON DATABASE {quote_postgres(database)} "
        f"TO {quote_postgres(user)}"
    )


def grant_on_schema(schema: str, user: str, table: str | None = None) -> str:
    """Return the statement that lets the user work in *schema*, or change *table* of others."""
    role = quote_postgres(user)
    if table:
        return f"ALTER TABLE {quote_postgres(schema, table)} OWNER TO {role}"
    return f"GRANT CREATE, USAGE ON SCHEMA {quote_postgres(schema)} TO {role}"


def _pattern(database: str) -> str:
    """In GRANT the name of a database is a pattern, in which an underscore is any character."""
    return quote_mysql(database.replace("\\", "\\\\").replace("_", r"\_").replace("%", r"\%"))


def mysql_account(user: str) -> str:
    """*user* as MySQL lists it (``etl_reader@%``), quoted; without a host, that of any."""
    name, at, host = user.rpartition("@")
    return f"{quote_mysql(name)}@{quote_mysql(host)}" if at else quote_mysql(user)
