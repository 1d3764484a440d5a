"""What dbt sends goes through one session and one transaction."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import psycopg2  # type: ignore[import-untyped]
import pytest

from etl_pipeline.transform.transaction import Handle, OneTransaction
from tests.conftest import Lab


@pytest.fixture
def session(lab: Lab) -> Iterator[Any]:
    info = lab.analytics.info
    lab.analytics.execute(b"CREATE TABLE kept (n int PRIMARY KEY)")
    connection = psycopg2.connect(
        host=info.host, port=info.port, user=info.user, password=info.password, dbname=info.dbname
    )
    yield connection
    connection.close()


def count(lab: Lab) -> int:
    ((rows,),) = lab.analytics.execute(b"SELECT count(*) FROM kept").fetchall()
    return int(rows)


def test_others_see_all_of_it_at_the_end(lab: Lab, session: Any) -> None:
    shared = OneTransaction(session)
    for number in (1, 2):
        handle = Handle(shared)  # dbt closes its connection after each node
        cursor = handle.cursor()
        cursor.execute("INSERT INTO kept VALUES (%s)", (number,))
        cursor.execute("COMMIT")
        handle.close()
    assert count(lab) == 0
    shared.commit()
    assert count(lab) == 2


def test_a_node_that_fails_takes_nothing_along_and_tells_no_value(lab: Lab, session: Any) -> None:
    shared = OneTransaction(session)
    cursor = Handle(shared).cursor()
    cursor.execute("INSERT INTO kept VALUES (1)")
    cursor.execute("COMMIT")
    cursor.execute("INSERT INTO kept VALUES (2)")
    with pytest.raises(psycopg2.Error) as refused:
        cursor.execute("INSERT INTO kept VALUES (1)")
    assert str(refused.value) == "unique violation (SQLSTATE 23505)"
    with pytest.raises(psycopg2.Error) as refused:
        cursor.execute("SELECT secret FROM kept")
    assert str(refused.value) == 'column "secret" does not exist (SQLSTATE 42703)'
    handle = Handle(shared)
    handle.cursor().execute("INSERT INTO kept VALUES (3)")
    handle.close()  # without COMMIT
    handle.cursor().execute("INSERT INTO kept VALUES (4)")
    handle.rollback()
    handle.cursor().execute("INSERT INTO kept VALUES (5)")
    handle.cursor().execute("COMMIT;")
    shared.commit()
    assert lab.analytics.execute(b"SELECT n FROM kept ORDER BY n").fetchall() == [(1,), (5,)]


def test_every_statement_sees_the_same_instant(lab: Lab, session: Any) -> None:
    shared = OneTransaction(session)
    assert shared.query("SELECT count(*) FROM kept") == [(0,)]
    lab.analytics.execute(b"INSERT INTO kept VALUES (1)")
    cursor = Handle(shared).cursor()
    cursor.execute("SELECT count(*) FROM kept")
    cursor.execute("COMMIT")
    cursor.execute("SELECT count(*) FROM kept")
    assert cursor.fetchall() == [(0,)]


def test_a_statement_at_work_can_be_cancelled(session: Any) -> None:
    shared = OneTransaction(session)
    timer = threading.Timer(0.5, shared.cancel)
    timer.start()
    with pytest.raises(psycopg2.Error) as cancelled:
        Handle(shared).cursor().execute("SELECT pg_sleep(60)")
    assert str(cancelled.value) == "query canceled (SQLSTATE 57014)"
