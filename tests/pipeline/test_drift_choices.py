"""What is chosen about changes of the source's schema: freeze, drop, accept, adopt."""

from __future__ import annotations

from typing import Any

import pytest

from etl_pipeline.pipeline.events import TableRetried
from etl_pipeline.pipeline.request import RunRequest
from etl_pipeline.pipeline.run import run_once
from etl_pipeline.pipeline.summary import RunSummary
from etl_pipeline.replicate import chunking
from tests.conftest import Lab
from tests.pipeline.drift_rows import CREATE, FILL, ROWS
from tests.pipeline.test_drift import assert_equal, run
from tests.rows import make_table, run_sql

WORDS = "CREATE TABLE words (id int PRIMARY KEY, word varchar(20), note varchar(9))"
WORD_ROWS = "INSERT INTO words VALUES (1, '1', 'a'), (2, '12', NULL), (3, 'x', 'c')"


def make_words(lab: Lab) -> None:
    make_table(lab.source, WORDS, WORD_ROWS)
    assert run(lab).is_success


def failure(summary: RunSummary) -> tuple[str, str]:
    (failed,) = summary.failed
    return failed.error or "", failed.fix or ""


def picture(lab: Lab) -> Any:
    """All that the two targets hold, state included, but the record of runs."""
    shown: list[Any] = []
    with lab.replication.cursor() as cursor:
        cursor.execute("SHOW FULL TABLES")
        for name, kind in cursor.fetchall():
            shown.append((name, kind))
            if name == "_etl_lease":
                continue  # the run that is at work
            cursor.execute(f"SHOW CREATE TABLE `{name}`")
            shown += cursor.fetchall()
            cursor.execute(f"SELECT * FROM `{name}`")
            shown.append(sorted(map(repr, cursor.fetchall())))
    tables = lab.analytics.execute(
        "SELECT c.oid::regclass::text, c.oid::int, c.relkind::text, relfilenode::int, "
        "relacl::text, relowner::int, obj_description(c.oid, 'pg_class'), "
        "CASE c.relkind WHEN 'i' THEN pg_get_indexdef(c.oid) WHEN 'v' THEN pg_get_viewdef(c.oid) "
        "END FROM pg_class c "
        "WHERE relnamespace IN ('raw'::regnamespace, 'public'::regnamespace) "
        "OR relnamespace = 'etl'::regnamespace AND c.oid NOT IN ('etl.run'::regclass, "
        "'etl.heartbeat'::regclass, 'etl.table_run'::regclass, 'etl.drift_event'::regclass) "
        "ORDER BY 1"
    ).fetchall()
    for name, oid, kind, *rest in tables:
        shown.append((name, oid, *rest))
        shown += lab.analytics.execute(
            "SELECT attname, atttypid::regtype::text, attnotnull, col_description(attrelid, attnum)"
            " FROM pg_attribute WHERE attrelid = %s ORDER BY attnum",
            (oid,),
        ).fetchall()
        if kind in ("r", "v"):
            rows = lab.analytics.execute(f"SELECT x::text FROM {name} AS x ORDER BY 1".encode())
            shown += rows.fetchall()
    return shown


def test_freeze_changes_nothing_on_any_server(lab: Lab) -> None:
    rows = {name: row for name, row in ROWS.items() if not row.by_others}
    for table in (*rows, "gone", "back"):
        make_table(lab.source, CREATE.format(t=table), FILL.format(t=table))
    assert run(lab).is_success
    run_sql(lab.source, "DROP TABLE back")
    assert run(lab).is_success
    lab.analytics.execute("CREATE VIEW public.ages AS SELECT age FROM raw.number_widened")
    lab.analytics.execute("GRANT SELECT ON raw.number_widened, public.ages TO PUBLIC")
    for table, row in rows.items():
        run_sql(lab.source, *(change.format(t=table) for change in row.changes))
    run_sql(lab.source, "DROP TABLE gone")
    for table in ("late", "back"):
        make_table(lab.source, CREATE.format(t=table), FILL.format(t=table))
    tables: Any = {"tables": {t: row.config for t, row in rows.items()} | {"gone": {}, "back": {}}}
    choices: Any = {"tables": {**tables, "new_tables": "include"}, "pipeline": {"drift": "freeze"}}
    before = picture(lab)
    summary = run(lab, **choices)
    refused = {*rows, "gone", "late", "back"}
    assert {o.table for o in summary.failed} == refused
    assert picture(lab) == before
    assert {event.table for event in summary.drift} == refused
    assert {event.verdict for event in summary.drift} == {"refuse"}
    for event in summary.drift:
        has_plan = bool(event.replication or event.raw)
        assert has_plan == (event.table not in ("gone", "back")), event
    done = lab.analytics.execute(
        "SELECT count(*) FROM etl.drift_event WHERE run_id = %s "
        "AND coalesce(done_at, replicated_at) IS NOT NULL",
        (summary.run_id,),
    )
    assert done.fetchone() == (0,)
    assert {o.table for o in run(lab, **choices).failed} == refused
    other = run(lab, ("column_added",), **choices)
    assert {event.table for event in other.drift} == {"column_added"}
    assert picture(lab) == before
    named = ("gone", "late", "back", "column_added")
    accepted = run(lab, named, accept_drift=True, **choices)
    assert accepted.is_success, accepted.failed
    for table in named[1:]:
        assert_equal(lab, table)


def test_a_table_may_be_frozen_by_itself(lab: Lab) -> None:
    make_words(lab)
    make_table(
        lab.source, "CREATE TABLE other (id int PRIMARY KEY)", "INSERT INTO other VALUES (1)"
    )
    tables: dict[str, Any] = {"tables": {"words": {"drift": "freeze"}, "other": {}}}
    assert run(lab, tables=tables).is_success
    run_sql(lab.source, "ALTER TABLE words ADD n int", "ALTER TABLE other ADD n int")
    what, fix = failure(run(lab, tables=tables))
    assert what.removesuffix("(11)") == (
        "the source's schema changed, and drift is frozen: n column added: int"
    )
    assert fix == "etl run words --accept-drift"
    assert_equal(lab, "other")
    assert run(lab, ("words",), tables=tables, accept_drift=True).is_success
    assert_equal(lab, "words")
    assert run(lab, tables=tables).drift == []


def test_old_values_that_do_not_fit_make_room_for_those_of_the_source(lab: Lab) -> None:
    make_words(lab)
    user = lab.env["TEST_POSTGRES_ANALYTICS_USER"]
    lab.analytics.execute("CREATE VIEW public.shown AS SELECT id, word FROM raw.words")
    lab.analytics.execute(f"ALTER VIEW public.shown OWNER TO {user}")
    run_sql(
        lab.source, "UPDATE words SET word = '3' WHERE id = 3", "ALTER TABLE words MODIFY word int"
    )
    summary = run(lab)
    assert summary.is_success, summary.failed
    (event,) = summary.drift
    assert (event.verdict, event.dependents) == ("reload", ("public.shown",))
    assert event.raw[0] == 'ALTER TABLE "raw"."words" ALTER COLUMN "word" TYPE integer USING NULL'
    assert_equal(lab, "words")
    rows = lab.analytics.execute("SELECT * FROM public.shown ORDER BY id").fetchall()
    assert rows == [(1, 1), (2, 12), (3, 3)]
    assert run(lab).drift == []


def test_what_the_source_drops_is_dropped_where_that_is_chosen(lab: Lab) -> None:
    make_words(lab)
    run_sql(lab.source, "ALTER TABLE words DROP note")
    assert run(lab).is_success
    assert columns(lab) == ["id", "word", "note", "_etl_loaded_at"]
    summary = run(lab, pipeline={"drift": {"dropped": "drop"}})
    assert summary.is_success
    assert [(e.subject, e.detail) for e in summary.drift] == [("note", "kept until now")]
    assert columns(lab) == ["id", "word", "_etl_loaded_at"]
    run_sql(lab.source, "ALTER TABLE words ADD late int, DROP word")
    assert run(lab, pipeline={"drift": {"dropped": "drop"}}).is_success
    assert columns(lab) == ["id", "_etl_loaded_at", "late"]
    assert_equal(lab, "words")


def columns(lab: Lab) -> list[str]:
    rows = lab.analytics.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'raw.words'::regclass "
        "AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
    )
    return [name for (name,) in rows]


def test_a_view_on_a_column_that_is_to_go_is_named(lab: Lab) -> None:
    make_words(lab)
    lab.analytics.execute("CREATE VIEW public.notes AS SELECT note FROM raw.words")
    run_sql(lab.source, "ALTER TABLE words DROP note")
    what, fix = failure(run(lab, pipeline={"drift": {"dropped": "drop"}}))
    assert what == "what depends on the table is in the way (2BP01): public.notes"
    assert fix == "change or drop what uses the column, then etl run words"
    lab.analytics.execute("DROP VIEW public.notes")
    assert run(lab, pipeline={"drift": {"dropped": "drop"}}).is_success


def test_a_column_that_comes_back_is_filled_again(lab: Lab) -> None:
    make_words(lab)
    run_sql(lab.source, "ALTER TABLE words DROP note")
    assert run(lab).is_success
    run_sql(lab.source, "ALTER TABLE words ADD note int", "UPDATE words SET note = id")
    assert run(lab).is_success
    assert_equal(lab, "words")
    assert columns(lab) == ["id", "word", "note", "_etl_loaded_at"]


def test_choices_of_tables_yml_are_followed(lab: Lab) -> None:
    make_words(lab)
    run_sql(lab.source, "UPDATE words SET word = '0' WHERE id = 3", "ALTER TABLE words ADD b bool")
    chosen = {"b": {"type": "boolean"}, "note": {"exclude": True}, "word": {"type": "integer"}}
    run_sql(lab.source, "UPDATE words SET b = 1 WHERE id = 2")
    assert run(lab).is_success
    tables = {"tables": {"words": {"columns": chosen}}}
    summary = run(lab, tables=tables)
    assert summary.is_success, summary.failed
    assert {(e.subject, str(e.kind)) for e in summary.drift} == {
        ("b", "column_retyped"),
        ("word", "column_retyped"),
        ("note", "column_excluded"),
    }
    chosen_types = lab.analytics.execute("SELECT word, b FROM raw.words WHERE id = 2")
    assert chosen_types.fetchone() == (12, True)
    assert "note" not in columns(lab)
    assert run(lab, tables=tables).drift == []
    run_sql(lab.source, "ALTER TABLE words DROP b")
    assert run(lab, tables=tables).is_success  # a choice for a column that is gone is no fault


def test_a_rename_that_cannot_be_meant_is_refused(lab: Lab) -> None:
    make_words(lab)
    run_sql(lab.source, "ALTER TABLE words ADD remark varchar(9)")

    def renamed(name: str) -> tuple[str, str]:
        tables = {"tables": {"words": {"columns": {"remark": {"renamed_from": name}}}}}
        return failure(run(lab, tables=tables))

    assert (
        renamed("note")[0] == "column remark: renamed_from names note, which the source still has"
    )
    assert renamed("nowt")[0] == "column remark: renamed_from names nowt, which was never loaded"


def test_new_tables_are_reported_unless_they_are_included(lab: Lab) -> None:
    make_words(lab)
    tables: dict[str, Any] = {"tables": {"words": {}}}
    make_table(lab.source, "CREATE TABLE late (id int PRIMARY KEY)", "INSERT INTO late VALUES (1)")
    summary = run(lab, tables=tables)
    (event,) = summary.drift
    assert (event.table, event.verdict) == ("late", "report")
    assert event.detail == "1 column; tables.yml does not name it"
    assert run(lab, tables=tables).drift == []
    included = run(lab, tables={**tables, "new_tables": "include"})
    assert {o.table for o in included.outcomes} == {"words", "late"}
    run_sql(lab.source, "DROP TABLE late")
    assert [e.kind for e in run(lab, tables=tables).drift] == ["table_dropped"]
    asked = run(lab, ("late",), tables={"tables": {"late": {}}})
    assert asked.is_success
    assert asked.outcomes == []
    assert list(asked.notes) == ["late: the source has it no more; its copies stay as they are"]
    make_table(lab.source, "CREATE TABLE late (id int PRIMARY KEY)", "INSERT INTO late VALUES (2)")
    assert [e.detail for e in run(lab, tables={**tables, "new_tables": "include"}).drift] == [
        "it is back"
    ]
    assert_equal(lab, "late")


# --- a table of raw that is not ours --------------------------------------------------------------


def make_foreign(lab: Lab, ddl: str, *statements: str) -> None:
    user = lab.env["TEST_POSTGRES_ANALYTICS_USER"]
    make_table(lab.source, WORDS, WORD_ROWS)
    lab.analytics.execute(f"CREATE SCHEMA raw AUTHORIZATION {user}".encode())
    for statement in (ddl, f"ALTER TABLE raw.words OWNER TO {user}", *statements):
        lab.analytics.execute(statement.encode())


def test_a_table_that_fits_is_taken_over(lab: Lab) -> None:
    make_foreign(
        lab,
        "CREATE TABLE raw.words (word text NOT NULL, id integer, theirs text NOT NULL)",
        "INSERT INTO raw.words VALUES ('old', 9, 'x'), ('1', 1, 'y'), ('2', 1, 'z')",
        "CREATE VIEW public.shown AS SELECT * FROM raw.words",
    )
    what, fix = failure(run(lab))
    assert what.startswith("the table exists with other columns: _etl_loaded_at is missing")
    assert fix == "etl run words --adopt"
    identity = lab.analytics.execute("SELECT 'raw.words'::regclass::oid").fetchone()
    summary = run(lab, ("words",), adopt=True)
    assert summary.is_success, summary.failed
    (event,) = summary.drift
    assert (str(event.kind), event.detail) == ("table_adopted", "taken over as it is")
    assert event.dependents == ("public.shown",)
    assert_equal(lab, "words")
    assert lab.analytics.execute("SELECT 'raw.words'::regclass::oid").fetchone() == identity
    assert lab.analytics.execute("SELECT count(*) FROM public.shown").fetchone() == (3,)
    assert run(lab).drift == []


def test_one_that_does_not_fit_stays_beside_the_new_one(lab: Lab) -> None:
    user = lab.env["TEST_POSTGRES_ANALYTICS_USER"]
    make_foreign(
        lab,
        "CREATE TABLE raw.words (id bigint PRIMARY KEY, word varchar(20))",
        "INSERT INTO raw.words VALUES (9, 'old')",
        "CREATE VIEW public.shown AS SELECT id, word FROM raw.words",
        f"ALTER VIEW public.shown OWNER TO {user}",
        "GRANT SELECT ON raw.words, public.shown TO PUBLIC",
    )
    assert "id is bigint, expected integer" in failure(run(lab))[0]
    summary = run(lab, ("words",), adopt=True)
    assert summary.is_success, summary.failed
    (event,) = summary.drift
    assert event.detail.startswith("loaded beside it, which stays as raw.words_replaced: id is big")
    assert_equal(lab, "words")
    assert lab.analytics.execute("SELECT * FROM raw.words_replaced").fetchall() == [(9, "old")]
    assert lab.analytics.execute("SELECT count(*) FROM public.shown").fetchone() == (3,)
    for relation in ("raw.words", "public.shown"):
        public = lab.analytics.execute(
            "SELECT relacl::text LIKE '%%,=r/%%' OR relacl::text LIKE '{=r/%%' FROM pg_class "
            "WHERE oid = %s::regclass",
            (relation,),
        )
        assert public.fetchone() == (True,)
    assert run(lab).drift == []
    lab.analytics.execute("ALTER TABLE raw.words ALTER note TYPE varchar(9)")
    what, fix = failure(run(lab, ("words",), adopt=True))
    assert what.endswith("a relation that is there already (42P07): words_replaced")
    assert fix == 'DROP TABLE "raw"."words_replaced", or rename it; then etl run words --adopt'


def test_a_table_of_ours_that_others_altered_is_refused_and_can_be_adopted(lab: Lab) -> None:
    make_words(lab)
    lab.analytics.execute("ALTER TABLE raw.words ADD mine int DEFAULT 7")
    what, fix = failure(run(lab))
    assert what == "the table exists with other columns: mine is not at the source"
    assert fix == "etl run words --adopt"
    assert run(lab, ("words",), adopt=True).is_success
    run_sql(lab.source, "UPDATE words SET word = 'new' WHERE id = 1")
    assert run(lab).is_success
    assert_equal(lab, "words")


# --- views of others ------------------------------------------------------------------------------


def test_a_view_of_a_role_that_we_may_not_act_for_stops_the_table(lab: Lab) -> None:
    make_words(lab)
    lab.analytics.execute("CREATE VIEW public.shown AS SELECT word FROM raw.words")
    (owner,) = lab.analytics.execute("SELECT current_user").fetchone() or ("",)
    run_sql(lab.source, "ALTER TABLE words MODIFY id bigint")
    assert run(lab).is_success  # the view does not show that column
    run_sql(lab.source, "DELETE FROM words WHERE id = 3", "ALTER TABLE words MODIFY word int")
    what, fix = failure(run(lab))
    assert what == (f"the view public.shown would have to be put back, and belongs to {owner}")
    assert fix == f'GRANT "{owner}" TO "{lab.env["TEST_POSTGRES_ANALYTICS_USER"]}"'
    lab.analytics.execute("DROP VIEW public.shown")
    assert run(lab).is_success


def test_a_view_that_cannot_be_made_over_the_new_type_is_named(lab: Lab) -> None:
    make_words(lab)
    user = lab.env["TEST_POSTGRES_ANALYTICS_USER"]
    lab.analytics.execute("CREATE VIEW public.long AS SELECT left(word, 2) FROM raw.words")
    lab.analytics.execute(f"ALTER VIEW public.long OWNER TO {user}")
    run_sql(
        lab.source, "UPDATE words SET word = '3' WHERE id = 3", "ALTER TABLE words MODIFY word int"
    )
    what, fix = failure(run(lab, ("words",), accept_drift=True))
    assert what == (
        "the view public.long is in the way: it cannot be made over the table as it is now (42883)"
    )
    assert fix == "change or drop view public.long, then run again"
    assert lab.analytics.execute("SELECT count(*) FROM public.long").fetchone() == (3,)


def test_views_that_group_by_the_key_survive_another_key(lab: Lab) -> None:
    make_words(lab)
    user = lab.env["TEST_POSTGRES_ANALYTICS_USER"]
    lab.analytics.execute("CREATE VIEW public.by AS SELECT id, word FROM raw.words GROUP BY id")
    lab.analytics.execute(f"ALTER VIEW public.by OWNER TO {user}")
    run_sql(lab.source, "ALTER TABLE words DROP PRIMARY KEY, ADD PRIMARY KEY (id, word)")
    what, _ = failure(run(lab))
    assert "the view public.by is in the way" in what
    run_sql(lab.source, "ALTER TABLE words DROP PRIMARY KEY, ADD PRIMARY KEY (id)")
    assert run(lab).is_success


def test_rows_that_do_not_fit_the_new_key_are_loaded_anew(lab: Lab) -> None:
    make_words(lab)
    run_sql(
        lab.source,
        "UPDATE words SET note = ''",
        "UPDATE words SET note = 'x' WHERE id = 2",
        "DELETE FROM words WHERE id = 3",
        "ALTER TABLE words DROP PRIMARY KEY, ADD PRIMARY KEY (note)",
    )
    assert run(lab).is_success
    assert_equal(lab, "words")


@pytest.mark.parametrize("rows", [1, 7, 100])
def test_a_table_of_many_chunks_follows(
    lab: Lab, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunking, "CHUNK_ROWS", rows)
    values = ", ".join(f"({n}, '{n}', NULL)" for n in range(30))
    make_table(lab.source, WORDS, f"INSERT INTO words VALUES {values}")
    assert run(lab).is_success
    run_sql(lab.source, "ALTER TABLE words ADD n int", "UPDATE words SET n = id WHERE id > 20")
    summary = run_once(lab.settings, RunRequest(), listen=lambda event: None)
    assert (summary.total("updated"), summary.total("inserted")) == (9, 0)
    run_sql(lab.source, "ALTER TABLE words MODIFY word int, DROP n")
    assert run(lab).is_success
    assert_equal(lab, "words")


def test_tables_without_an_integer_key_follow(lab: Lab) -> None:
    make_table(lab.source, "CREATE TABLE loose (a int, b varchar(9), c date)")
    make_table(lab.source, "CREATE TABLE codes (a varchar(9) PRIMARY KEY, b int, c date)")
    for table in ("loose", "codes"):
        run_sql(
            lab.source, f"INSERT INTO {table} VALUES ('1', '2', NULL), ('3', '4', '2024-01-02')"
        )
    assert run(lab).is_success
    for table in ("loose", "codes"):
        run_sql(
            lab.source,
            f"ALTER TABLE {table} ADD d int DEFAULT 5, MODIFY a bigint, DROP c, ADD KEY b (b)",
            f"INSERT INTO {table} VALUES (6, 7, 8)",
        )
    summary = run(lab)
    assert summary.is_success, summary.failed
    assert_equal(lab, "loose")
    assert_equal(lab, "codes")
    assert run(lab).drift == []


def test_a_column_that_was_kept_may_be_dropped_by_whoever_wants(lab: Lab) -> None:
    make_words(lab)
    run_sql(lab.source, "ALTER TABLE words DROP note")
    assert run(lab).is_success
    lab.analytics.execute("ALTER TABLE raw.words DROP COLUMN note")
    run_sql(lab.source, "UPDATE words SET word = 'new' WHERE id = 1")
    assert run(lab).is_success
    assert_equal(lab, "words")


def test_tables_under_the_same_views_change_side_by_side(lab: Lab) -> None:
    """Their views are taken away and put back by one after the other."""
    tables = [f"t{n}" for n in range(4)]
    for table in tables:
        make_table(
            lab.source,
            f"CREATE TABLE {table} (k int PRIMARY KEY, n tinyint)",
            f"INSERT INTO {table} VALUES (1, 1), (2, 2)",
        )
    assert run(lab).is_success
    joined = " ".join(f"JOIN raw.{table} USING (k)" for table in tables[1:])
    columns = ", ".join(f"{table}.n AS {table}" for table in tables)
    views = [f"SELECT k, {columns} FROM raw.t0 {joined}"]
    views += [f"SELECT * FROM raw.v{n}" for n in range(7)]
    owner = lab.env["TEST_POSTGRES_ANALYTICS_USER"]
    for n, query in enumerate(views):
        lab.analytics.execute(f"CREATE VIEW raw.v{n} AS {query}".encode())
        lab.analytics.execute(f"ALTER VIEW raw.v{n} OWNER TO {owner}".encode())
    events: list[Any] = []
    for kind in ("int", "bigint", "decimal(20,0)"):
        for table in tables:
            run_sql(lab.source, f"ALTER TABLE {table} MODIFY n {kind}")
        summary = run_once(lab.settings, RunRequest(), listen=events.append)
        assert [one.error for one in summary.outcomes] == [None] * 4
    assert [event for event in events if isinstance(event, TableRetried)] == []
    shown = lab.analytics.execute("SELECT * FROM raw.v7 ORDER BY k").fetchall()
    assert shown == [(1, 1, 1, 1, 1), (2, 2, 2, 2, 2)]
