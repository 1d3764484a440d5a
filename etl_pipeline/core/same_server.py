"""Refusing to copy a database onto itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl_pipeline.errors import ConfigurationError

if TYPE_CHECKING:
    from sqlalchemy import Engine

_IDENTITY = "SELECT @@hostname, @@port, @@datadir, DATABASE()"


def refuse_same_server_database(source: Engine, replication: Engine) -> None:
    """Ask both servers who they are, and return if they are not the same database.

    Two names of one host, a tunnel and a container's port all hide it from the configuration.

    Raises:
        ConfigurationError: Both are the same database of the same server.
    """
    place = _read_identity(source)
    if place == _read_identity(replication):
        host, port, _, database = place
        raise ConfigurationError(
            "source and replication are the same database",
            where=f"{host}:{port}/{database}",
            fix="give replication a database of its own in the .env_… file",
        )


def _read_identity(engine: Engine) -> tuple[str, ...]:
    with engine.connect() as connection:
        row = connection.exec_driver_sql(_IDENTITY).one()
    *server, database = (str(value) for value in row)
    return *server, database.casefold()
