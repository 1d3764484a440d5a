"""What a server gives every session must not change what a run reads or writes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import closing

from etl_pipeline.demo.server_databases import connect_mysql
from etl_pipeline.demo.server_record import Endpoint
from etl_pipeline.pipeline.summary import RunSummary
from tests.conftest import Lab
from tests.rows import make_table, numbers, read_mysql, read_postgres

WORDS = "CREATE TABLE words (id int PRIMARY KEY, word varchar(40))"
WORD_ROWS = f"INSERT INTO words SELECT seq, left(sha2(seq, 256), 32) FROM {numbers(2000)}"


@contextlib.contextmanager
def server_default(server: Endpoint, name: str, value: str) -> Iterator[None]:
    with closing(connect_mysql(server)) as admin, admin.cursor() as cursor:
        cursor.execute(f"SELECT @@global.{name}")
        (before,) = cursor.fetchone()
        cursor.execute(f"SET GLOBAL {name} = {value}")
        try:
            yield
        finally:
            cursor.execute(f"SET GLOBAL {name} = %s", (before,))


def test_a_limit_of_rows_at_the_source_loses_none(
    lab: Lab,
    run: Callable[..., RunSummary],
) -> None:
    make_table(lab.source, WORDS, WORD_ROWS)
    with server_default(lab.servers.source, "sql_select_limit", "1000"):
        summary = run()
    assert summary.total("rows") == 2000
    assert read_postgres(lab.analytics, "words") == read_mysql(lab.source, "words")


def test_a_limit_of_rows_at_the_replication_server_is_no_obstacle(
    lab: Lab,
    run: Callable[..., RunSummary],
) -> None:
    make_table(lab.source, WORDS, WORD_ROWS)
    with server_default(lab.servers.replication, "sql_select_limit", "1000"):
        assert run().is_success


def test_a_replication_server_that_speaks_german_is_understood(
    lab: Lab,
    run: Callable[..., RunSummary],
) -> None:
    make_table(lab.source, WORDS, WORD_ROWS)
    with server_default(lab.servers.replication, "lc_messages", "'de_DE'"):
        assert run().is_success
