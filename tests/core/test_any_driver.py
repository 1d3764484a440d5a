"""The manager works on engines of any driver, also where a session has no number."""

from __future__ import annotations

import logging

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from etl_pipeline.core import create_connection_manager
from tests.conftest import Lab


def test_an_engine_without_sessions_is_as_good_as_any() -> None:
    with create_connection_manager(create_engine("sqlite://"), spacing_seconds=0) as manager:
        manager.execute_with_retry("CREATE TABLE t (k int)")
        manager.execute_with_retry("INSERT INTO t VALUES (:k)", {"k": 7})
        manager.commit()
        assert manager.execute_with_retry("SELECT k FROM t").scalar_one() == 7


def test_a_lost_statement_is_repeated_with_another_driver_of_postgresql(
    lab: Lab, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = lab.env
    url = (
        f"postgresql+psycopg2://{env['TEST_POSTGRES_ANALYTICS_USER']}:"
        f"{env['TEST_POSTGRES_ANALYTICS_PASSWORD']}@{env['TEST_POSTGRES_ANALYTICS_HOST']}:"
        f"{env['TEST_POSTGRES_ANALYTICS_PORT']}/{env['TEST_POSTGRES_ANALYTICS_DB']}"
    )
    monkeypatch.setattr("etl_pipeline.core.manager.read_server_id", lambda _connection: None)
    engine = create_engine(url, poolclass=NullPool)
    with (
        create_connection_manager(engine, spacing_seconds=0, first_wait_seconds=0) as manager,
        caplog.at_level(logging.WARNING, "etl_pipeline.core"),
    ):
        pid = manager.execute_with_retry("SELECT pg_backend_pid()").scalar_one()
        manager.rollback()
        lab.analytics.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
        assert manager.execute_with_retry("SELECT 1").scalar_one() == 1
    assert "does not tell the session's number" in caplog.text
