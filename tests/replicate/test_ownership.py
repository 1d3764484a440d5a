"""What bears a replica's name in the replication database and is not ours stays as it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from etl_pipeline.errors import EtlError
from etl_pipeline.pipeline.events import ChunkDone
from etl_pipeline.pipeline.plan import preview_run
from etl_pipeline.pipeline.request import RunRequest
from etl_pipeline.pipeline.run import run_once
from etl_pipeline.pipeline.summary import RunSummary, VerifySummary
from etl_pipeline.schema import ddl
from tests.conftest import Lab
from tests.rows import make_table, read_mysql, read_postgres, run_sql

Run = Callable[..., RunSummary]

WORDS = "CREATE TABLE words (id int PRIMARY KEY, word varchar(20)) COMMENT='spoken'"
WORD_ROWS = "INSERT INTO words VALUES (1, 'one'), (2, 'two')"
THEIRS = (
    "CREATE TABLE words (id int PRIMARY KEY COMMENT '[made by etl_pipeline]', "
    "word varchar(20) COMMENT ') x [made by etl_pipeline]') ROW_FORMAT=DYNAMIC"
)


def assert_refused(summary: RunSummary) -> None:
    (failed,) = summary.failed
    assert failed.table == "words"
    assert "that etl_pipeline did not make" in (failed.error or "")
    assert "RENAME TABLE `words` TO …" in (failed.fix or "")


@pytest.fixture
def words(lab: Lab) -> Lab:
    make_table(lab.source, WORDS, WORD_ROWS)
    make_table(lab.source, "CREATE TABLE other (id int PRIMARY KEY)")
    run_sql(lab.source, "INSERT INTO other VALUES (1)")
    return lab


def test_a_table_that_is_not_ours_is_left_alone_until_it_is_out_of_the_way(
    words: Lab, run: Run, tmp_path: Path
) -> None:
    make_table(words.replication, THEIRS, "INSERT INTO words VALUES (7, 'theirs')")
    for options in ({}, {"full": True}):
        assert_refused(run(**options))
        assert set(read_mysql(words.replication, "words")) == {(7, "theirs")}
    (planned, _) = sorted(
        preview_run(words.settings, RunRequest(), folder=tmp_path).tables,
        key=lambda t: t.error is None,
    )
    assert planned.table == "words"
    assert "that etl_pipeline did not make" in (planned.error or "")
    assert read_postgres(words.analytics, "other") == read_mysql(words.source, "other")
    run_sql(words.replication, "RENAME TABLE words TO words_of_theirs")
    assert run().is_success
    assert read_postgres(words.analytics, "words") == read_mysql(words.source, "words")
    assert set(read_mysql(words.replication, "words_of_theirs")) == {(7, "theirs")}


def test_a_view_is_left_alone(words: Lab, run: Run) -> None:
    run_sql(words.replication, "CREATE VIEW words AS SELECT 7 AS id")
    assert_refused(run())
    assert set(read_mysql(words.replication, "words")) == {(7,)}


def test_a_table_that_somebody_makes_meanwhile_is_left_alone(words: Lab) -> None:
    made: list[Any] = []

    def listen(event: Any) -> None:
        if isinstance(event, ChunkDone) and event.table == "words" and not made:
            made.append(event)
            run_sql(words.replication, THEIRS)

    assert_refused(run_once(words.settings, RunRequest(), listen=listen))
    assert not read_mysql(words.replication, "words")


def test_a_table_of_theirs_in_a_replicas_place_is_left_alone(words: Lab, run: Run) -> None:
    assert run().is_success
    run_sql(words.replication, "DROP TABLE words")
    make_table(words.replication, THEIRS)
    assert_refused(run())
    assert not read_mysql(words.replication, "words")


@pytest.mark.parametrize("change", ["ADD more int", "COMMENT = 'written'", "MODIFY word text"])
def test_a_replica_of_which_nothing_is_remembered_is_made_anew(
    words: Lab, run: Run, change: str
) -> None:
    assert run().is_success
    run_sql(words.source, f"ALTER TABLE words {change}")
    assert run().is_success  # an altered replica is ours, too
    run_sql(
        words.replication,
        "UPDATE words SET word = 'forged'",
        "DROP TABLE _etl_table, _etl_chunk, _etl_segment, _etl_lease, _etl_schema, _etl_alter",
    )
    run_sql(words.source, "ALTER TABLE words ADD later int")
    assert run().is_success
    assert read_mysql(words.replication, "words") == read_mysql(words.source, "words")
    assert read_postgres(words.analytics, "words") == read_mysql(words.source, "words")


def test_a_replica_that_stands_as_it_is_remembered_needs_no_mark(
    words: Lab, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr(ddl, "replica_comment", lambda table: "spoken")
        assert run().is_success
    run_sql(words.source, "UPDATE words SET word = 'eins' WHERE id = 1")
    assert run().is_success
    assert read_postgres(words.analytics, "words") == read_mysql(words.source, "words")
    with words.replication.cursor() as cursor:
        cursor.execute("SHOW CREATE TABLE words")
        assert "COMMENT='spoken [made by etl_pipeline]'" in cursor.fetchone()[1]


TEMPORARY = ("_etl_incoming_words", "_etl_replaced_words", "_etl_rehearsed_words")


@pytest.mark.parametrize("name", TEMPORARY)
@pytest.mark.parametrize("ddl", ["TABLE {} AS SELECT 7 AS id", "VIEW {} AS SELECT 7 AS id"])
def test_what_bears_a_name_that_is_needed_for_a_while_is_left_alone(
    words: Lab, run: Run, name: str, ddl: str
) -> None:
    if "rehearsed" in name:
        assert run().is_success
        run_sql(words.source, "ALTER TABLE words ADD late int")
    run_sql(words.replication, "CREATE " + ddl.format(name))
    (failed,) = run().failed
    assert failed.table == "words"
    assert f"did not make it: {name}" in (failed.error or "")
    assert failed.fix == f"there, RENAME TABLE `{name}` TO …; then run again"
    assert set(read_mysql(words.replication, name)) == {(7,)}
    run_sql(words.replication, f"RENAME TABLE {name} TO theirs")
    assert run().is_success
    assert read_mysql(words.replication, "words") == read_mysql(words.source, "words")
    assert set(read_mysql(words.replication, "theirs")) == {(7,)}


def test_one_that_is_in_nobodys_way_is_left_alone(words: Lab, run: Run) -> None:
    run_sql(words.replication, "CREATE TABLE _etl_incoming_else AS SELECT 7 AS id")
    assert run().is_success
    assert set(read_mysql(words.replication, "_etl_incoming_else")) == {(7,)}


@pytest.mark.parametrize("name", ["_etl_chunk", "_etl_segment", "_etl_lease"])
def test_a_table_that_bears_the_name_of_our_state_is_left_alone(
    words: Lab, run: Run, name: str
) -> None:
    run_sql(words.replication, f"CREATE TABLE {name} AS SELECT 7 AS id")
    with pytest.raises(EtlError, match=f"state under, and did not make it: {name}"):
        run()
    assert set(read_mysql(words.replication, name)) == {(7,)}
    run_sql(words.replication, f"RENAME TABLE {name} TO theirs")
    assert run().is_success


def test_a_schema_of_theirs_that_bears_the_name_of_our_state_is_left_alone(
    words: Lab, run: Run
) -> None:
    user = words.env["TEST_POSTGRES_ANALYTICS_USER"]
    words.analytics.execute(f"CREATE SCHEMA etl AUTHORIZATION {user}".encode())
    words.analytics.execute("CREATE TABLE etl.run AS SELECT 7 AS id")
    with pytest.raises(EtlError, match=r"no etl\.version, so it did not make them: run"):
        run()
    assert words.analytics.execute("SELECT * FROM etl.run").fetchall() == [(7,)]


def test_their_tables_are_not_taken_for_our_temporary_ones(
    words: Lab, run: Run, verify: Callable[..., VerifySummary]
) -> None:
    user, theirs = words.env["TEST_POSTGRES_ANALYTICS_USER"], ("incoming", "gone", "keys")
    assert run().is_success
    for name in theirs:
        words.analytics.execute(f"CREATE TABLE public._etl_{name} AS SELECT 7 AS id".encode())
        words.analytics.execute(f"ALTER TABLE public._etl_{name} OWNER TO {user}".encode())
    words.analytics.execute(f"ALTER ROLE {user} SET search_path = public, pg_temp".encode())
    run_sql(words.source, "UPDATE words SET word = 'eins' WHERE id = 1")
    assert run().is_success
    words.analytics.execute("UPDATE raw.words SET word = 'wrong'")
    words.analytics.execute("DELETE FROM raw.words WHERE id = 2")
    assert all(one.is_equal or one.is_repaired for one in verify(repair=True).results)
    assert run(full=True).is_success
    assert verify(deep=True).is_success
    assert read_postgres(words.analytics, "words") == read_mysql(words.source, "words")
    for name in theirs:
        rows = words.analytics.execute(f"SELECT id FROM public._etl_{name}".encode()).fetchall()
        assert rows == [(7,)]


@pytest.mark.parametrize("name", ["_etl_chunk", "_ETL_Table", "_etl_incoming_words", "_etl_new"])
@pytest.mark.parametrize("is_loaded", [False, True])
def test_a_table_of_the_source_that_bears_a_name_of_ours_is_refused_by_name(
    words: Lab, run: Run, tmp_path: Path, name: str, is_loaded: bool
) -> None:
    assert not is_loaded or run().is_success
    make_table(words.source, f"CREATE TABLE {name} (id int PRIMARY KEY)")
    summary = run()
    (failed,) = summary.failed
    assert failed.table == name
    assert failed.error == (
        "the pipeline's own tables in replication have names that begin with _etl_"
    )
    assert failed.fix is not None
    assert "rename it at the source" in failed.fix
    assert "drop" not in failed.fix
    (planned,) = (
        t for t in preview_run(words.settings, RunRequest(), folder=tmp_path).tables if t.error
    )
    assert (planned.table, planned.error) == (name, failed.error)
    assert read_postgres(words.analytics, "words") == read_mysql(words.source, "words")
    assert run(tables={"tables": {"words": {}, "other": {}}}).is_success
