"""What servers tell every session by default bends no run and no comparison."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from etl_pipeline.core import ConnectionFactory
from etl_pipeline.core.cancellation import Cancellation
from etl_pipeline.core.databases import lend_mysql
from etl_pipeline.core.driver_errors import explain
from etl_pipeline.pipeline.summary import RunSummary
from etl_pipeline.pipeline.verify import verify_once
from etl_pipeline.verify.job import VerifyScope
from tests.conftest import Lab
from tests.rows import run_sql
from tests.runs import fill

BENT: Mapping[str, object] = {
    "max_join_size": 2,
    "sql_big_selects": 0,
    "sql_select_limit": 1,
    "completion_type": 1,
    "sql_safe_updates": 1,
    "sql_auto_is_null": 1,
    "sql_mode": "ANSI_QUOTES",
    "time_zone": "+05:00",
    "lock_wait_timeout": 1,
    "innodb_lock_wait_timeout": 1,
    "wait_timeout": 5,
    "autocommit": 0,
}
OF_ONE_KIND: tuple[Mapping[str, object], ...] = (
    {"tx_isolation": "SERIALIZABLE", "tx_read_only": 1, "max_statement_time": 0.01},
    {"transaction_isolation": "SERIALIZABLE", "transaction_read_only": 1, "max_execution_time": 10},
)
ROLE = {
    "statement_timeout": "'10ms'",
    "lock_timeout": "'1ms'",
    "idle_session_timeout": "'1s'",
    "idle_in_transaction_session_timeout": "'100ms'",
    "default_transaction_read_only": "on",
    "default_transaction_isolation": "'serializable'",
    "search_path": "nowhere",
    "DateStyle": "'German, DMY'",
    "IntervalStyle": "'sql_standard'",
    "extra_float_digits": "-10",
    "bytea_output": "'escape'",
    "TimeZone": "'Asia/Tokyo'",
    "standard_conforming_strings": "off",
    "quote_all_identifiers": "on",
}


@contextlib.contextmanager
def bent(connection: Any) -> Iterator[None]:
    """The globals of a server, bent for the block."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW GLOBAL VARIABLES")
        before = dict(cursor.fetchall())
        asked = {**BENT, **next(one for one in OF_ONE_KIND if set(one) <= set(before))}
        kept: dict[str, object] = {}
        try:
            for name, value in asked.items():
                cursor.execute(f"SELECT @@GLOBAL.{name}")
                (kept[name],) = cursor.fetchone()
                cursor.execute(f"SET GLOBAL {name} = %s", (value,))
            yield
        finally:
            for name, value in kept.items():
                cursor.execute(f"SET GLOBAL {name} = %s", (value,))


def test_globals_of_the_servers_and_settings_of_the_role_bend_nothing(
    lab: Lab, run: Callable[..., RunSummary]
) -> None:
    fill(lab)
    user = lab.env["TEST_POSTGRES_ANALYTICS_USER"]
    with bent(lab.source), bent(lab.replication):
        for name, value in ROLE.items():
            lab.analytics.execute(f'ALTER ROLE "{user}" SET {name} = {value}')
        for full in (True, False, True):
            summary = run(full=full)
            assert summary.is_success, [one.error for one in summary.outcomes]
        run_sql(lab.source, "UPDATE patient SET LName = 'other' WHERE PatNum = 1")
        run_sql(lab.source, "COMMIT")
        assert run().is_success
        verified = verify_once(
            lab.settings, [], VerifyScope(deep=True, repair=True), listen=lambda _event: None
        )
        assert verified.is_success


def test_a_time_limit_of_replication_is_not_called_the_sources(lab: Lab) -> None:
    engine = ConnectionFactory.get_replication_connection(lab.settings)
    with pytest.raises(Exception, match=r"1969|3024") as caught:
        _exceed_a_limit(engine)
    words = str(explain(caught.value, "patient"))
    assert "time limit of the replication server" in words
    assert "source" not in words
    engine.dispose()


def _exceed_a_limit(engine: Any) -> None:
    with lend_mysql(engine, Cancellation()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT VERSION()")
        limit = "max_statement_time=0.1"
        if "MariaDB" not in cursor.fetchone()[0]:
            limit = "max_execution_time=100"
        cursor.execute(f"SET SESSION {limit}")
        three = ", ".join(f"information_schema.COLUMNS {name}" for name in "abc")
        cursor.execute(f"SELECT COUNT(*) FROM {three}")
