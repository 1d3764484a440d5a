"""Stopped in the middle, politely or by force: nothing half-loaded is seen, nothing runs on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from etl_pipeline.pipeline.summary import RunSummary
from tests.conftest import Lab
from tests.rows import make_table, numbers, read_mysql, read_postgres, run_sql

ROWS = 150_000
LOG = """
CREATE TABLE securitylog (
  SecurityLogNum bigint NOT NULL PRIMARY KEY, LogText text, LogDateTime datetime NOT NULL,
  KEY (LogDateTime)
) ENGINE={engine} DEFAULT CHARSET=utf8mb3"""
LOG_ROWS = f"""
INSERT INTO securitylog SELECT seq, repeat(sha2(seq, 256), 3), '2024-01-01' + INTERVAL seq SECOND
FROM {numbers(ROWS)}"""


@pytest.fixture(params=["InnoDB", "MyISAM"])
def big(lab: Lab, request: pytest.FixtureRequest) -> Lab:
    """A table that takes a few seconds, after a run that copied a smaller one."""
    make_table(lab.source, LOG.format(engine=request.param), LOG_ROWS)
    return lab


def start_run(lab: Lab, folder: Path) -> subprocess.Popen[str]:
    config = lab.write_config(folder, pipeline={"source": {"max_seconds_per_statement": 3}})
    env = {**os.environ, "ETL_ENVIRONMENT": "test", "ETL_CONFIG_DIR": str(config)}
    command = [sys.executable, "-c", "from etl_pipeline.cli.main import main; main()", "run"]
    return subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_for(lease: Callable[[], Any], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not lease():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)


def replica_rows(lab: Lab) -> int:
    with lab.replication.cursor() as cursor:
        cursor.execute("SHOW TABLES LIKE '%securitylog'")
        names = [name for (name,) in cursor.fetchall()]
        if not names:
            return 0
        cursor.execute(f"SELECT count(*) FROM `{names[0]}`")
        return int(cursor.fetchone()[0])


def is_copying_into_raw(lab: Lab) -> bool:
    return bool(
        lab.analytics.execute(
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() "
            "AND query LIKE 'COPY %' AND state = 'active'"
        ).fetchone()
    )


def sessions_at_source(lab: Lab) -> list[Any]:
    with lab.source.cursor() as cursor:
        cursor.execute(
            "SELECT id, command, time FROM information_schema.processlist WHERE user = %s",
            (lab.env["TEST_OPENDENTAL_SOURCE_USER"],),
        )
        return list(cursor.fetchall())


def raw_rows(lab: Lab) -> int | None:
    """Rows that a reader of ``raw`` sees; None where there is no table."""
    if lab.analytics.execute("SELECT to_regclass('raw.securitylog')").fetchone() == (None,):
        return None
    row = lab.analytics.execute("SELECT count(*) FROM raw.securitylog").fetchone()
    return int(row[0]) if row else None


MOMENTS: dict[str, Callable[[Lab], Any]] = {
    "in the first hop": lambda lab: replica_rows(lab) > ROWS // 10,
    "in the second hop": is_copying_into_raw,
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_run_leaves_nothing_and_the_next_one_ends_equal(
    big: Lab, tmp_path: Path, run: Callable[..., RunSummary], moment: str
) -> None:
    with start_run(big, tmp_path) as process:
        wait_for(lambda: MOMENTS[moment](big))
        process.kill()
        process.wait()
    assert raw_rows(big) is None
    # The limit of a statement is 3 s here; nothing of ours outlives it at the source.
    wait_for(lambda: not sessions_at_source(big), seconds=5)
    assert run().is_success
    assert read_mysql(big.replication, "securitylog") == read_mysql(big.source, "securitylog")
    assert read_postgres(big.analytics, "securitylog") == read_mysql(big.source, "securitylog")
    outcomes = big.analytics.execute("SELECT outcome FROM etl.run ORDER BY run_id").fetchall()
    assert outcomes == [("lost",), ("succeeded",)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_stopped_run_ends_at_once_and_leaves_the_old_rows(
    big: Lab, tmp_path: Path, run: Callable[..., RunSummary], moment: str, number: int
) -> None:
    run()
    run_sql(big.source, "UPDATE securitylog SET LogText = 'new' WHERE SecurityLogNum % 2 = 0")
    run_sql(big.replication, "DROP TABLE securitylog")
    with start_run(big, tmp_path) as process:
        wait_for(lambda: MOMENTS[moment](big))
        process.send_signal(number)
        started = time.monotonic()
        _, errors = process.communicate(timeout=20)
        assert time.monotonic() - started < 5
    assert process.returncode == 130
    assert "stopped" in errors
    assert "Traceback" not in errors
    assert raw_rows(big) == ROWS
    (new,) = big.analytics.execute(
        "SELECT count(*) FROM raw.securitylog WHERE \"LogText\" = 'new'"
    ).fetchone() or (None,)
    assert new == 0
    assert not sessions_at_source(big)
    outcomes = big.analytics.execute("SELECT outcome FROM etl.run ORDER BY run_id").fetchall()
    assert outcomes == [("succeeded",), ("stopped",)]


def test_readers_of_raw_see_the_old_table_or_the_new_one(
    big: Lab, tmp_path: Path, run: Callable[..., RunSummary]
) -> None:
    run()
    run_sql(big.source, f"DELETE FROM securitylog WHERE SecurityLogNum > {ROWS - ROWS // 10}")
    seen = set()
    with start_run(big, tmp_path) as process:
        while process.poll() is None:
            seen.add(raw_rows(big))
            time.sleep(0.02)
        _, errors = process.communicate()
        assert process.returncode == 0, errors
    assert seen <= {ROWS, ROWS - ROWS // 10}
    assert raw_rows(big) == ROWS - ROWS // 10
