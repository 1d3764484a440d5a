"""A connection on loan that was lost leaves nothing at work in the server."""

from __future__ import annotations

from typing import Any

import pymysql
import pytest

from etl_pipeline.core.cancellation import Cancellation
from etl_pipeline.core.connections import ConnectionFactory
from etl_pipeline.core.databases import lend_mysql
from tests.conftest import Lab


def test_the_statement_of_a_lost_connection_is_ended_before_the_error_goes_on(lab: Lab) -> None:
    """So a retry does not run beside it; the server would work on for a minute."""
    engine = ConnectionFactory.get_source_connection(
        lab.settings_with(
            pipeline={
                "connections": {"source": {"read_timeout": 0.5}},
                "source": {"max_seconds_per_statement": 60},
            }
        )
    )
    columns = ", ".join(f"information_schema.COLUMNS AS {name}" for name in "abcd")
    with (
        pytest.raises(pymysql.err.OperationalError),
        lend_mysql(engine, Cancellation()) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(f"SELECT COUNT(*) FROM {columns}")
    assert not _at_work(lab)
    engine.dispose()


def _at_work(lab: Lab) -> list[Any]:
    with lab.source.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM information_schema.processlist WHERE user = %s AND command = 'Query'",
            (lab.env["TEST_OPENDENTAL_SOURCE_USER"],),
        )
        return list(cursor.fetchall())
