"""The warehouse's character set: in UTF8 alone every character of a source has a place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl_pipeline.errors import DatabaseError
from etl_pipeline.schema.names import quote_postgres

if TYPE_CHECKING:
    from sqlalchemy import Engine

UNICODE = "UTF8"
MAKE_UNICODE = (
    "CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0, under another name or after "
    "dropping this one"
)


def explain_encoding(encoding: str, database: str) -> DatabaseError | None:
    """Return why a warehouse of *encoding* cannot be used; None if it can (pure)."""
    if encoding == UNICODE:
        return None
    what = f"the character set of the database is {encoding}, where a text of the source "
    what += (
        "is bytes, whatever was meant by them"
        if encoding == "SQL_ASCII"
        else "may have characters that it cannot hold"
    )
    fix = MAKE_UNICODE.format(name=quote_postgres(database))
    return DatabaseError(what, where="analytics", fix=fix)


def refuse_encoding(analytics: Engine) -> None:
    """Refuse a warehouse that is not in UTF8.

    Raises:
        DatabaseError: It is in another character set.
    """
    with analytics.connect() as connection:
        row = connection.exec_driver_sql(
            "SELECT current_setting('server_encoding'), current_database()"
        ).one()
    error = explain_encoding(*row)
    if error is not None:
        raise error
