"""A state that version 5 wrote goes on: every row is kept, and nothing is built again."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from etl_pipeline.pipeline.request import RunRequest
from etl_pipeline.pipeline.run import run_once
from etl_pipeline.replicate import chunking
from etl_pipeline.state import replica_tables, replicas, warehouse
from tests.conftest import Lab
from tests.rows import make_table, numbers, read_mysql, read_postgres, run_sql

VERSION_5 = (Path(__file__).parent / "version_5" / "replicas.sql").read_text(encoding="utf-8")
TABLES = {"note": {}, "log": {"extraction_strategy": "incremental", "incremental_column": "stamp"}}
NOTE = "CREATE TABLE note (k int PRIMARY KEY, words varchar(50), stamp timestamp NULL, KEY (stamp))"
LOG = (
    "CREATE TABLE log (k int PRIMARY KEY, words varchar(50), stamp timestamp NOT NULL "
    "DEFAULT current_timestamp() ON UPDATE current_timestamp(), KEY (stamp))"
)
FILL = "INSERT INTO {} SELECT seq, repeat('w', 50), '2024-01-01' + INTERVAL seq MINUTE FROM {}"


@pytest.fixture
def old(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """Two tables that were copied, whose state is as version 5 would have left it."""
    monkeypatch.setattr(chunking, "CHUNK_ROWS", 400)
    make_table(lab.source, NOTE, FILL.format("note", numbers(1000)))
    make_table(lab.source, LOG, FILL.format("log", numbers(1000)))
    run(lab)
    go_back(lab)
    lab.analytics.execute("ALTER TABLE etl.table_schema RENAME COLUMN column_types TO types")
    lab.analytics.execute("ALTER TABLE etl.table_schema RENAME COLUMN kept_columns TO kept")
    lab.analytics.execute("ALTER TABLE etl.table_schema RENAME COLUMN meaning_digest TO meaning")
    lab.analytics.execute("UPDATE etl.version SET version = 5")
    return lab


def run(lab: Lab) -> Any:
    summary = run_once(
        lab.settings_with(tables={"tables": TABLES}), RunRequest(), listen=lambda event: None
    )
    assert summary.is_success
    return {outcome.table: outcome for outcome in summary.outcomes}


def go_back(lab: Lab) -> None:
    """Let the state in replication have the tables of version 5, with the rows of now."""
    before_of = {now: before for before, now in replica_tables.RENAMED_TABLES.items()}
    with lab.replication.cursor() as cursor:
        cursor.execute("SHOW TABLES LIKE '\\_etl\\_%'")
        names = [name for (name,) in cursor.fetchall()]
        for name in names:
            cursor.execute(f"RENAME TABLE {name} TO now{name}")
        for statement in VERSION_5.split(";\n"):
            if "CREATE" in statement:
                cursor.execute(statement)
        cursor.execute("SHOW TABLES LIKE '\\_etl\\_%'")
        known = {name for (name,) in cursor.fetchall()}
        for name in names:
            before = before_of.get(name, name)
            if before in known:
                cursor.execute(f"INSERT INTO {before} SELECT * FROM now{name}")
            cursor.execute(f"DROP TABLE now{name}")
    lab.replication.commit()


def columns(lab: Lab) -> set[Any]:
    with lab.replication.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, ordinal_position, column_name, column_type, is_nullable "
            "FROM information_schema.columns "
            "WHERE table_schema = DATABASE() AND table_name LIKE '\\_etl\\_%'"
        )
        return set(cursor.fetchall())


def state_rows(lab: Lab) -> dict[str, Any]:
    """Every row of the state in replication, by the name that its table has now."""
    names = {table for table, *_ in columns(lab)}
    renamed = replica_tables.RENAMED_TABLES
    return {renamed.get(name, name): read_mysql(lab.replication, name) for name in names}


def places(lab: Lab) -> list[Any]:
    """Where both servers keep the copies: another place tells that a copy was made anew."""
    with lab.replication.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, create_time FROM information_schema.tables "
            "WHERE table_schema = DATABASE() AND table_name IN ('log', 'note') ORDER BY 1"
        )
        made = list(cursor.fetchall())
    files = lab.analytics.execute(
        "SELECT relname, relfilenode FROM pg_class WHERE relnamespace = 'raw'::regnamespace "
        "AND relkind = 'r' ORDER BY 1"
    ).fetchall()
    return [made, files]


def test_an_upgrade_goes_on_without_building_anything(old: Lab) -> None:
    assert replicas.read_replica(old.replication, "log")  # a plan reads the old state, too
    old.replication.commit()
    before = places(old)
    run_sql(
        old.source,
        "UPDATE note SET words = 'new' WHERE k = 7",
        "UPDATE log SET words = 'new' WHERE k = 8",
        "INSERT INTO log (k, words) VALUES (1001, 'more')",
    )
    done = run(old)
    assert (done["note"].grade, done["note"].updated, done["note"].inserted) == ("value", 1, 0)
    # The watermark was kept: only what is new was read, and the hour before it.
    assert (done["log"].grade, done["log"].updated, done["log"].inserted) == ("keys+stamp", 1, 1)
    assert done["log"].rows_read < 100
    assert not done["note"].notes
    assert not done["note"].corrections
    assert places(old) == before
    for table in TABLES:
        assert read_mysql(old.replication, table) == read_mysql(old.source, table)
        assert read_postgres(old.analytics, table) == read_mysql(old.source, table)
    version = old.analytics.execute("SELECT version FROM etl.version").fetchall()
    assert version == [(warehouse.VERSION,)]


def test_an_upgrade_that_is_killed_between_two_statements_goes_on(old: Lab) -> None:
    kept = state_rows(old) | {"_etl_follower": Counter()}  # of a later version
    with old.replication.cursor() as cursor:
        statements = replica_tables._plan_renames(cursor)
    assert len(statements) > len(replica_tables.RENAMED_TABLES)
    for done in range(len(statements) + 1):
        run_sql(old.replication, *statements[:done])
        replica_tables.open_replicas(old.replication)
        assert state_rows(old) == kept
        now = columns(old)
        run_sql(old.replication, *(f"RENAME TABLE {name} TO kept{name}" for name in kept))
        replica_tables.open_replicas(old.replication)
        assert columns(old) == now
        run_sql(
            old.replication,
            *(f"DROP TABLE {name}" for name in kept),
            *(f"RENAME TABLE kept{name} TO {name}" for name in kept),
        )
        go_back(old)


def test_a_table_of_somebody_elses_that_bears_an_old_name_is_left_alone(old: Lab) -> None:
    run_sql(old.replication, "DROP TABLE _etl_strip", "CREATE TABLE _etl_strip AS SELECT 7 AS id")
    run(old)
    assert set(read_mysql(old.replication, "_etl_strip")) == {(7,)}


def test_every_old_name_is_one_of_version_5() -> None:
    names = set(re.findall(r"EXISTS (\w+)", VERSION_5))
    assert set(replica_tables.RENAMED_TABLES) <= names
