"""Killed between any two steps while it follows the source's schema, and run again: equal."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import psycopg
import pymysql
import pytest

from etl_pipeline.config.tables_file import ColumnConfig
from etl_pipeline.load.drift_log import TableDrift
from etl_pipeline.load.job import LoadResult
from etl_pipeline.schema.adopt import REPLACED_SUFFIX
from tests.conftest import Lab
from tests.hops import Bench
from tests.pipeline.drift_rows import CREATE, FILL, ROWS, Row
from tests.rows import make_table, run_sql

EVERY = 12
"""Of the steps of each row, every so many is the one before which the run is killed."""


class KilledError(BaseException):
    """Stands for the end of the process: connections close, and what is uncommitted is gone."""


class Countdown:
    """Counts what is sent to the targets, reads apart, and ends the process before one of them."""

    def __init__(self, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left = -1
        self.steps = 0
        self._mine = {lab.env["TEST_MYSQL_REPLICATION_USER"].encode()}
        query, commit = pymysql.connections.Connection.query, pymysql.connections.Connection.commit
        execute, ends = psycopg.Connection.execute, psycopg.Transaction.__exit__

        def count_query(connection: Any, statement: Any, *rest: Any) -> Any:
            text = statement if isinstance(statement, str) else bytes(statement).decode()
            if connection.user in self._mine and not text.startswith(("SELECT", "SHOW", "SET")):
                self._step()
            return query(connection, statement, *rest)

        def count_commit(connection: Any) -> Any:
            if connection.user in self._mine:
                self._step()
            return commit(connection)

        def count_execute(connection: Any, statement: Any, *rest: Any, **options: Any) -> Any:
            text = statement if isinstance(statement, str) else bytes(statement).decode()
            user = lab.env["TEST_POSTGRES_ANALYTICS_USER"]
            words = ("ALTER", "DROP", "DELETE", "CREATE VIEW", "INSERT", "UPDATE", "REFRESH")
            if connection.info.user == user and text.startswith(words):
                self._step()
            return execute(connection, statement, *rest, **options)

        def count_end(transaction: Any, *error: Any) -> Any:
            user = lab.env["TEST_POSTGRES_ANALYTICS_USER"]
            if error[0] is None and transaction.connection.info.user == user:
                try:
                    self._step()
                except KilledError:
                    transaction.connection.close()
                    raise
            return ends(transaction, *error)

        monkeypatch.setattr(pymysql.connections.Connection, "query", count_query)
        monkeypatch.setattr(pymysql.connections.Connection, "commit", count_commit)
        monkeypatch.setattr(psycopg.Connection, "execute", count_execute)
        monkeypatch.setattr(psycopg.Transaction, "__exit__", count_end)

    def _step(self) -> None:
        self.steps += 1
        self.left -= 1
        if self.left == 0:
            raise KilledError


class Target:
    """A table, what is built upon it, and the row of the table that befalls it."""

    def __init__(self, bench: Bench, name: str, row: Row) -> None:
        self.bench, self.name, self.row = bench, name, row
        self.choices = {n: ColumnConfig.model_validate(c) for n, c in row.columns.items()}

    def make(self) -> None:
        lab, t = self.bench.lab, self.name
        drop = f"DROP TABLE IF EXISTS raw.{t}, raw.{t}{REPLACED_SUFFIX} CASCADE"
        lab.analytics.execute(drop.encode())
        lab.analytics.execute("DELETE FROM etl.table_schema WHERE table_name = %s", (t,))
        run_sql(lab.source, f"DROP TABLE IF EXISTS {t}")
        run_sql(lab.replication, f"DROP TABLE IF EXISTS {t}")
        make_table(lab.source, CREATE.format(t=t), FILL.format(t=t))
        self.copy(is_before=True)
        user = lab.env["TEST_POSTGRES_ANALYTICS_USER"]
        for statement in (
            f"CREATE VIEW public.{t} AS SELECT {self.row.shown} FROM raw.{t}",
            f"ALTER VIEW public.{t} OWNER TO {user}",
            f"GRANT SELECT ON public.{t} TO PUBLIC",
            *(change.format(t=t) for change in self.row.by_others),
        ):
            lab.analytics.execute(statement.encode())
        run_sql(lab.source, *(change.format(t=t) for change in self.row.changes))

    def copy(self, *, is_before: bool = False) -> LoadResult:
        drift = TableDrift() if is_before else TableDrift(self.row.policy)
        text = self.bench.read_text(self.name, {} if is_before else self.choices)
        replicated = self.bench.replicate(text, drift=drift.policy)
        return self.bench.load(text, replicated, drift=drift)

    def assert_equal(self) -> None:
        lab = self.bench.lab
        with lab.source.cursor() as cursor:
            cursor.execute(f"SHOW COLUMNS FROM {self.name}")
            names = [n for n, *_ in cursor.fetchall() if n not in self.row.policy.excluded]
        expected = self._rows(lab.source, self.name, names, "`")
        assert expected
        assert self._rows(lab.replication, self.name, names, "`") == expected
        assert self._rows(lab.analytics, f"raw.{self.name}", names, '"') == expected
        shown = self._rows(lab.analytics, f"public.{self.name}", ["*"], "")
        assert shown.total() == expected.total()
        acl = lab.analytics.execute(
            "SELECT relacl::text FROM pg_class WHERE oid = %s::regclass", (f"public.{self.name}",)
        ).fetchone()
        assert acl is not None
        assert re.search("[{,]=r/", acl[0])

    def _rows(self, connection: Any, table: str, names: list[str], quote: str) -> Counter[Any]:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {', '.join(f'{quote}{n}{quote}' for n in names)} FROM {table}")
            return Counter(cursor.fetchall())


@pytest.fixture(scope="module")
def bench(servers: Any) -> Iterator[Bench]:
    from tests.conftest import open_lab

    with open_lab(servers) as lab:
        made = Bench(lab)
        yield made
        made.close()


@pytest.mark.parametrize("name", ROWS)
def test_a_run_that_is_killed_between_two_steps_and_begun_again_ends_equal(
    bench: Bench, name: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    stride = 1 if request.config.getoption("--long") else EVERY
    target = Target(bench, name, ROWS[name])
    target.make()
    countdown = Countdown(bench.lab, monkeypatch)
    before = countdown.steps
    target.copy()
    steps = countdown.steps - before
    assert steps > 3
    target.assert_equal()
    for step in range(1 + list(ROWS).index(name) % stride, steps + 1, stride):
        target.make()
        countdown.left = step
        with contextlib.suppress(KilledError):
            target.copy()
        # A connection that is made anew needs a step more or less than one of a pool.
        assert countdown.left == 0 or step > steps - 3, f"step {step} of {steps} was not reached"
        countdown.left = -1
        target.copy()
        target.assert_equal()
    assert target.copy() == LoadResult()
