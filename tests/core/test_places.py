"""An error names the server that it came from, also where two are at work at once."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from etl_pipeline.core import ConnectionFactory
from etl_pipeline.core.cancellation import Cancellation
from etl_pipeline.core.databases import lend_mysql, lend_postgres
from etl_pipeline.core.driver_errors import explain
from tests.conftest import Lab

DATABASES = ("source", "replication", "analytics")


@pytest.mark.parametrize("inner", DATABASES)
@pytest.mark.parametrize("failing", DATABASES)
def test_an_error_is_of_the_server_that_reported_it(lab: Lab, failing: str, inner: str) -> None:
    engines = {
        "source": ConnectionFactory.get_source_connection(lab.settings),
        "replication": ConnectionFactory.get_replication_connection(lab.settings),
        "analytics": ConnectionFactory.get_analytics_raw_connection(lab.settings),
    }
    lends = {name: lend_postgres if name == "analytics" else lend_mysql for name in DATABASES}
    with (
        pytest.raises(Exception, match="nowhere") as raised,
        lends[failing](engines[failing], Cancellation()) as connection,
        lends[inner](engines[inner], Cancellation()),
    ):
        connection.cursor().execute("SELECT 1 FROM nowhere")
    assert str(explain(raised.value, "patient")).startswith(f"patient: {failing} ")
    for engine in engines.values():
        engine.dispose()


@pytest.mark.parametrize("failing", DATABASES)
def test_so_does_one_that_is_met_by_the_way_of_sqlalchemy(lab: Lab, failing: str) -> None:
    makes: dict[str, Callable[[Any], Engine]] = {
        "source": ConnectionFactory.get_source_connection,
        "replication": ConnectionFactory.get_replication_connection,
        "analytics": ConnectionFactory.get_analytics_raw_connection,
    }
    engine = makes[failing](lab.settings)
    with pytest.raises(SQLAlchemyError) as raised, engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1 FROM nowhere")
    assert str(explain(raised.value, "etl")).startswith(f"etl: {failing} ")
    with pytest.raises(SQLAlchemyError) as raised:
        _lose(engine)
    assert str(explain(raised.value, "etl")).startswith(f"etl: {failing} ")
    engine.dispose()


def _lose(engine: Engine) -> None:
    """Cut a connection that has done its work; it is noticed by the ROLLBACK at its end."""
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1")
        driver: Any = connection.connection.driver_connection
        if isinstance(driver, psycopg.Connection):
            driver.pgconn.finish()
        else:
            driver._sock.shutdown(socket.SHUT_RDWR)
