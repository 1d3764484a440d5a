"""Tables of others that inherit from one of ``raw`` keep their rows, which are none of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from etl_pipeline.pipeline.backfill import backfill_once
from etl_pipeline.pipeline.request import BackfillRange, RunRequest
from etl_pipeline.pipeline.run import run_once
from etl_pipeline.pipeline.summary import RunSummary, VerifySummary
from etl_pipeline.replicate import chunking
from tests.conftest import Lab
from tests.rows import make_table, run_sql

Run = Callable[..., RunSummary]
Verify = Callable[..., VerifySummary]

TABLES: dict[str, dict[str, Any]] = {
    "prints": {},
    "marks": {"deletes": "mark"},
    "follows": {"extraction_strategy": "incremental", "incremental_column": "stamp"},
    "rebuilds": {"extraction_strategy": "full_table"},
    "keyless": {},
}
CREATE = (
    "CREATE TABLE {t} (k int NOT NULL, word varchar(20), note varchar(20), "
    "stamp timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp(){key})"
)
FILL = "INSERT INTO {t} (k, word) VALUES (1, 'one'), (2, 'two'), (3, 'three'), (4, 'four')"


def own_words(lab: Lab, table: str) -> list[Any]:
    alive = " WHERE _etl_deleted_at IS NULL" if table == "marks" else ""
    query = f"SELECT k, word FROM ONLY raw.{table}{alive} ORDER BY k"
    return lab.analytics.execute(query.encode()).fetchall()


def theirs(lab: Lab) -> dict[str, Any]:
    return {
        table: lab.analytics.execute(f"SELECT * FROM theirs.{table} ORDER BY k".encode()).fetchall()
        for table in TABLES
    }


@pytest.fixture
def inherited(lab: Lab, run: Run, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """Tables that are loaded, and to each one of theirs with rows of the same keys, and others."""
    monkeypatch.setattr(chunking, "CHUNK_ROWS", 2)
    for table in TABLES:
        key = "" if table == "keyless" else ", PRIMARY KEY (k)"
        make_table(lab.source, CREATE.format(t=table, key=key), FILL.format(t=table))
    assert run(tables={"tables": TABLES}).is_success
    lab.analytics.execute("CREATE SCHEMA theirs")
    for table in TABLES:
        for statement in (
            f"CREATE TABLE theirs.{table} () INHERITS (raw.{table})",
            f"INSERT INTO theirs.{table} (k, word, note, stamp) VALUES (2, 'old', 'n', now()), "
            "(3, 'old', 'n', now()), (100, 'old', 'n', now())",
        ):
            lab.analytics.execute(statement.encode())
    return lab


def test_runs_neither_see_nor_write_them(inherited: Lab, run: Run) -> None:
    lab, before = inherited, theirs(inherited)
    again = run(tables={"tables": TABLES})
    assert again.is_success
    assert [o.corrections for o in again.outcomes if o.corrections] == []
    assert (again.total("updated"), again.total("deleted")) == (0, 0)
    for table in TABLES:
        run_sql(
            lab.source,
            f"DELETE FROM {table} WHERE k = 2",
            f"UPDATE {table} SET word = 'drei', stamp = now() WHERE k = 3",
            f"INSERT INTO {table} (k, word) VALUES (5, 'five')",
        )
    assert run(tables={"tables": TABLES}).is_success
    for table in TABLES:
        assert own_words(lab, table) == [(1, "one"), (3, "drei"), (4, "four"), (5, "five")]
    assert run(tables={"tables": TABLES}, full=True).is_success
    assert theirs(lab) == before


def test_comparisons_and_repairs_neither_see_nor_write_them(inherited: Lab, verify: Verify) -> None:
    lab, before = inherited, theirs(inherited)
    keyed = [table for table in TABLES if table != "keyless"]
    assert verify(deep=True, tables={"tables": TABLES}).is_success
    for table in keyed:
        for statement in (
            f"UPDATE ONLY raw.{table} SET word = 'wrong' WHERE k = 2",
            f"INSERT INTO raw.{table} (k, word) VALUES (100, 'extra')",
            f"DELETE FROM ONLY raw.{table} WHERE k = 3",
        ):
            lab.analytics.execute(statement.encode())
    summary = verify(keyed, repair=True, tables={"tables": TABLES})
    assert all(result.is_repaired for result in summary.results)
    for table in TABLES:
        expected = [(1, "one"), (2, "two"), (3, "three"), (4, "four")]
        assert own_words(lab, table) == expected
    assert theirs(lab) == before


def test_a_backfill_neither_sees_nor_writes_them(inherited: Lab) -> None:
    lab, before = inherited, theirs(inherited)
    run_sql(
        lab.source, "DELETE FROM prints WHERE k = 2", "UPDATE prints SET word = 'x' WHERE k = 3"
    )
    asked = BackfillRange("1", "200")
    assert backfill_once(
        lab.settings, RunRequest(["prints"], backfill=asked), listen=lambda event: None
    ).is_success
    assert own_words(lab, "prints") == [(1, "one"), (3, "x"), (4, "four")]
    assert theirs(lab) == before


def test_their_columns_stay_where_ours_go(inherited: Lab, run: Run) -> None:
    lab, before = inherited, theirs(inherited)
    tables = {
        "tables": {t: {**c, "columns": {"note": {"exclude": True}}} for t, c in TABLES.items()}
    }
    assert run(tables=tables).is_success
    with pytest.raises(Exception, match='column "note" does not exist'):
        lab.analytics.execute("SELECT note FROM ONLY raw.prints")
    assert theirs(lab) == before


def test_their_values_are_not_emptied_with_ours(inherited: Lab) -> None:
    lab, before = inherited, theirs(inherited)
    user = lab.env["TEST_POSTGRES_ANALYTICS_USER"]
    lab.analytics.execute(f"GRANT USAGE ON SCHEMA theirs TO {user}".encode())
    lab.analytics.execute(f"ALTER TABLE theirs.prints OWNER TO {user}".encode())
    lab.analytics.execute("UPDATE theirs.prints SET word = '7' WHERE k = 2")
    before = theirs(lab)
    run_sql(lab.source, "UPDATE prints SET word = k", "ALTER TABLE prints MODIFY word int")
    summary = run_once(
        lab.settings, RunRequest(["prints"], accept_drift=True), listen=lambda event: None
    )
    (failed,) = summary.failed
    assert failed.error == (
        "old values do not fit, and tables of others inherit them: word text → integer (22P02)"
    )
    assert (failed.fix or "").startswith("ALTER TABLE theirs.prints NO INHERIT")
    assert theirs(lab) == before


def test_rows_of_partitions_are_its_own(lab: Lab, run: Run, verify: Verify) -> None:
    make_table(lab.source, CREATE.format(t="prints", key=", PRIMARY KEY (k)"))
    run_sql(lab.source, FILL.format(t="prints"))
    assert run().is_success
    user = lab.env["TEST_POSTGRES_ANALYTICS_USER"]
    (key,) = lab.analytics.execute(
        "SELECT conname FROM pg_constraint "
        "WHERE conrelid = 'raw.prints'::regclass AND contype = 'p'"
    ).fetchone() or ("",)
    for statement in (
        "ALTER TABLE raw.prints RENAME TO prints_low",
        f'ALTER TABLE raw.prints_low DROP CONSTRAINT "{key}"',
        "CREATE TABLE raw.prints (LIKE raw.prints_low INCLUDING DEFAULTS INCLUDING COMMENTS, "
        "PRIMARY KEY (k)) PARTITION BY RANGE (k)",
        "ALTER TABLE raw.prints ATTACH PARTITION raw.prints_low FOR VALUES FROM (0) TO (3)",
        "CREATE TABLE raw.prints_high PARTITION OF raw.prints DEFAULT",
        f"ALTER TABLE raw.prints OWNER TO {user}",
        f"ALTER TABLE raw.prints_high OWNER TO {user}",
    ):
        if "ATTACH" in statement:
            lab.analytics.execute("DELETE FROM raw.prints_low WHERE k >= 3")
        lab.analytics.execute(statement.encode())
    run_sql(
        lab.source, "DELETE FROM prints WHERE k = 1", "UPDATE prints SET word = 'x' WHERE k = 2"
    )
    assert run().is_success
    rows = lab.analytics.execute("SELECT k, word FROM raw.prints ORDER BY k").fetchall()
    assert rows == [(2, "x"), (3, "three"), (4, "four")]
    assert verify(deep=True).is_success
