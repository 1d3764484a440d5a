"""What the two targets hold, forbid or call their own is respected, or refused by name."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from etl_pipeline.config import FileConfigProvider
from etl_pipeline.demo.server_databases import connect_mysql, connect_postgres
from etl_pipeline.errors import DatabaseError
from etl_pipeline.pipeline.events import Event, TableFinished
from etl_pipeline.pipeline.request import RunRequest
from etl_pipeline.pipeline.run import run_once
from etl_pipeline.pipeline.summary import RunSummary
from etl_pipeline.setup.doctor import examine
from tests.conftest import Lab
from tests.rows import make_table, read_mysql, read_postgres, run_sql

Run = Callable[..., RunSummary]

WORDS = "CREATE TABLE words (id int PRIMARY KEY, word varchar(20))"
WORD_ROWS = "INSERT INTO words VALUES (1, 'one'), (2, 'two')"


def loader(lab: Lab) -> str:
    return lab.env["TEST_POSTGRES_ANALYTICS_USER"]


def test_a_view_with_the_tables_name_is_refused_and_what_it_shows_is_left_alone(
    lab: Lab, run: Run
) -> None:
    make_table(lab.source, WORDS, WORD_ROWS)
    run()
    lab.analytics.execute("ALTER TABLE raw.words RENAME TO archive")
    lab.analytics.execute("CREATE VIEW raw.words AS SELECT * FROM raw.archive")
    lab.analytics.execute(f"ALTER VIEW raw.words OWNER TO {loader(lab)}")
    run_sql(lab.source, "DELETE FROM words WHERE id = 1")
    (failed,) = run().failed
    assert "a view bears the table's name" in (failed.error or "")
    assert lab.analytics.execute("SELECT count(*) FROM raw.archive").fetchone() == (2,)


def test_tables_called_like_keys_are_loaded_together(lab: Lab, run: Run) -> None:
    for name in ("a", "a_pkey", "a_pkey_pkey"):
        make_table(lab.source, f"CREATE TABLE {name} (id int PRIMARY KEY)")
    assert run().is_success
    run_sql(lab.source, "ALTER TABLE a ADD other int NOT NULL, DROP PRIMARY KEY",
            "ALTER TABLE a ADD PRIMARY KEY (id, other)")  # fmt: skip
    assert run().is_success


def key_name(lab: Lab, table: str) -> str:
    row = lab.analytics.execute(
        "SELECT conname FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'p'",
        (f"raw.{table}",),
    ).fetchone()
    assert row
    return str(row[0])


def test_a_table_that_was_renamed_lets_the_new_one_have_its_keys_name(lab: Lab, run: Run) -> None:
    make_table(lab.source, WORDS, WORD_ROWS)
    assert run().is_success
    for name in ("words_2023", "words_2024"):
        lab.analytics.execute(f"ALTER TABLE raw.words RENAME TO {name}".encode())
        assert run().is_success
        assert read_postgres(lab.analytics, "words") == read_mysql(lab.source, "words")
        assert read_postgres(lab.analytics, name) == read_mysql(lab.source, "words")
    names = [key_name(lab, table) for table in ("words", "words_2023", "words_2024")]
    assert names[0] == "_etl_key_words"
    assert len(set(names)) == 3
    lab.analytics.execute("DROP TABLE raw.words")
    lab.analytics.execute("ALTER TABLE raw.words_2024 RENAME TO words")
    run_sql(lab.source, "ALTER TABLE words ADD other int NOT NULL, DROP PRIMARY KEY",
            "ALTER TABLE words ADD PRIMARY KEY (id, other)")  # fmt: skip
    assert run().is_success
    assert key_name(lab, "words") == "_etl_key_words"


def test_a_key_that_follows_has_its_name_from_a_table_that_bears_it(lab: Lab, run: Run) -> None:
    make_table(lab.source, WORDS, WORD_ROWS)
    assert run().is_success
    lab.analytics.execute("ALTER TABLE raw.words RENAME TO archive")
    lab.analytics.execute("CREATE TABLE raw.words AS SELECT * FROM raw.archive")
    lab.analytics.execute(f"ALTER TABLE raw.words OWNER TO {loader(lab)}".encode())
    assert run_once(
        lab.settings, RunRequest(["words"], adopt=True), listen=lambda event: None
    ).is_success
    assert key_name(lab, "words") == "_etl_key_words"
    assert key_name(lab, "archive").startswith("_etl_old_key_")


def test_a_key_of_somebody_elses_table_with_the_keys_name_is_named(lab: Lab, run: Run) -> None:
    make_table(lab.source, WORDS, WORD_ROWS)
    assert run().is_success
    lab.analytics.execute("ALTER TABLE raw.words RENAME TO archive")
    lab.analytics.execute("ALTER TABLE raw.archive OWNER TO CURRENT_USER")
    (failed,) = run().failed
    assert "an index of table archive, which is somebody else's" in (failed.error or "")
    fix, _, _ = (failed.fix or "").partition("; then")
    lab.analytics.execute(fix.encode())
    assert run().is_success


def test_an_index_with_the_tables_name_is_named(lab: Lab, run: Run) -> None:
    make_table(lab.source, WORDS, WORD_ROWS)
    run()
    lab.analytics.execute("CREATE INDEX of_mine ON raw.words (word)")
    make_table(lab.source, "CREATE TABLE of_mine (a int)")
    (failed,) = run().failed
    assert "an index bears the table's name" in (failed.error or "")


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_warehouse_of_another_character_set_is_refused_in_the_doctors_words(
    lab: Lab, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, encoding: str
) -> None:
    database, user = lab.env["TEST_POSTGRES_ANALYTICS_DB"], loader(lab)
    other = f"{database}_other"
    make_table(lab.source, WORDS, "INSERT INTO words VALUES (1, 'plain')")
    with closing(connect_postgres(lab.servers.analytics)) as admin:
        admin.execute(
            f"CREATE DATABASE {other} OWNER {user} ENCODING '{encoding}' LC_COLLATE 'C' "
            "LC_CTYPE 'C' TEMPLATE template0".encode()
        )
        try:
            lab.env["TEST_POSTGRES_ANALYTICS_DB"] = other
            with pytest.raises(DatabaseError) as refused:
                run()
            folder = lab.write_config(tmp_path)
            monkeypatch.setenv("ETL_ENVIRONMENT", "test")
            findings = list(examine(FileConfigProvider(folder)))
        finally:
            lab.env["TEST_POSTGRES_ANALYTICS_DB"] = database
            admin.execute(f"DROP DATABASE {other} WITH (FORCE)".encode())
    assert f"the character set of the database is {encoding}" in refused.value.what
    assert f"CREATE DATABASE \"{other}\" ENCODING 'UTF8'" in (refused.value.fix or "")
    (found,) = (f for f in findings if f.check == "analytics.character_set")
    assert (found.what, found.fix) == (refused.value.what, refused.value.fix)


@pytest.mark.parametrize("name", ["we`ird\"%s'{x}", "select", "-- x", "x/*!y", "pg_class", "日本"])
def test_any_name_is_carried(lab: Lab, run: Run, name: str) -> None:
    quoted = "`" + name.replace("`", "``") + "`"
    with lab.source.cursor() as cursor:
        cursor.execute("SET NAMES utf8mb4")
        cursor.execute(
            f"CREATE TABLE {quoted} (id int PRIMARY KEY, {quoted} int COMMENT 'it''s \\\\ %s') "
            "COMMENT '%(x)s ''quoted'''"
        )
        cursor.execute(f"INSERT INTO {quoted} VALUES (1, 1), (2, NULL)")
        assert run().is_success
        cursor.execute(f"UPDATE {quoted} SET {quoted} = 3 WHERE id = 1")
    assert run().total("updated") == 1


def test_a_user_that_may_only_load_loads(lab: Lab, run: Run) -> None:
    make_table(lab.source, WORDS, WORD_ROWS)
    database = lab.env["TEST_POSTGRES_ANALYTICS_DB"]
    for statement in (
        f"CREATE SCHEMA raw AUTHORIZATION {loader(lab)}",
        f"CREATE SCHEMA etl AUTHORIZATION {loader(lab)}",
        f"ALTER DATABASE {database} OWNER TO CURRENT_USER",
    ):
        lab.analytics.execute(statement)
    assert run().is_success


def test_defaults_of_the_warehouse_change_nothing(lab: Lab, run: Run) -> None:
    make_table(
        lab.source,
        "CREATE TABLE spans "
        "(id int PRIMARY KEY COMMENT 'it''s', span time, at timestamp, day date)",
        "INSERT INTO spans VALUES (1, '-10:30:00', '2021-03-28 02:30:00', '2024-03-02')",
    )
    database = lab.env["TEST_POSTGRES_ANALYTICS_DB"]
    for setting in (
        "intervalstyle = 'sql_standard'",
        "datestyle = 'German, DMY'",
        "timezone = 'Europe/Berlin'",
        "backslash_quote = off",
        "standard_conforming_strings = off",
        "search_path = 'nowhere'",
        "quote_all_identifiers = on",
    ):
        lab.analytics.execute(f"ALTER DATABASE {database} SET {setting}")
    assert run().is_success
    run_sql(lab.source, "UPDATE spans SET day = '2024-12-11'")
    assert run().total("updated") == 1
    assert read_postgres(lab.analytics, "spans") == read_mysql(lab.source, "spans")


def test_a_run_whose_lock_was_lost_on_the_way_is_recorded(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    make_table(lab.source, WORDS, WORD_ROWS)
    ended: list[object] = []

    def end_the_holder(event: Event) -> None:
        if isinstance(event, TableFinished):
            ended.append(
                lab.analytics.execute(
                    "SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_database d "
                    "ON d.oid = l.database AND d.datname = current_database() "
                    "WHERE l.locktype = 'advisory' AND l.mode = 'ExclusiveLock'"
                ).fetchall()
            )

    assert run_once(lab.settings, RunRequest(), listen=end_the_holder).is_success
    assert ended == [[(True,)]]
    assert "lock was lost" in caplog.text
    assert lab.analytics.execute("SELECT outcome FROM etl.run").fetchall() == [("succeeded",)]
    assert lab.analytics.execute("SELECT rows FROM etl.table_run").fetchall() == [(2,)]


def test_a_machine_of_many_processors_needs_no_other_configuration(
    lab: Lab, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_table(lab.source, WORDS, WORD_ROWS)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    assert run().is_success


def test_a_stop_reaches_a_statement_that_waits_for_a_lock(lab: Lab) -> None:
    make_table(lab.source, WORDS, WORD_ROWS)
    pipeline = {
        "general": {"parallel_tables": 1},
        "connections": {
            name: {"pool_size": 2, "max_overflow": 0}
            for name in ("source", "replication", "analytics")
        },
    }
    database = lab.env["TEST_OPENDENTAL_SOURCE_DB"]
    with closing(connect_mysql(lab.servers.source, database)) as locker:
        run_sql(locker, "LOCK TABLES words WRITE")
        stopped_at: list[float] = []

        def stop() -> None:
            stopped_at.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGINT)

        timer = threading.Timer(1.5, stop)
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            run_once(lab.settings_with(pipeline=pipeline), RunRequest(), listen=lambda event: None)
        assert time.monotonic() - stopped_at[0] < 5


def test_as_many_tables_at_once_as_connections_is_refused(lab: Lab, run: Run) -> None:
    make_table(lab.source, WORDS, WORD_ROWS)
    pipeline = {
        "general": {"parallel_tables": 2},
        "connections": {"source": {"pool_size": 2, "max_overflow": 0}},
    }
    with pytest.raises(ValueError, match=r"connections\.source"):
        run(pipeline=pipeline)
