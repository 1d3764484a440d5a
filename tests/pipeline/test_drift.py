"""The source's schema changes, and every copy of it follows, with what others built on ``raw``.

All rows of the table in docs/schema_drift.md share four runs: one that loads a table for each of
them, two after the changes, and one more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from etl_pipeline.pipeline.request import RunRequest
from etl_pipeline.pipeline.run import run_once
from etl_pipeline.pipeline.status import read_run
from etl_pipeline.pipeline.summary import RunSummary
from etl_pipeline.pipeline.verify import verify_once
from etl_pipeline.verify.job import VerifyScope
from tests.conftest import Lab, open_lab
from tests.pipeline.drift_rows import AFTER, CREATE, FILL, ROWS
from tests.rows import make_table, run_sql

KEPT = {"column_dropped": "note", "column_renamed_and_not_said": "note", "much_at_once": "note"}
READER = "reader_of_{database}"
ASKED = tuple(name for name, row in ROWS.items() if row.asks)


@dataclass
class Release:
    """The practice's databases before and after a release.

    Attributes:
        first: The run that loaded all tables.
        asked: The run after the release for what only the command line allows.
        second: The run after that, to which a table is gone that ``tables.yml`` names.
        accepted: A run that accepts it.
        third: One more.
        before: By table, what a view and its grants looked like after *first*.
    """

    lab: Lab
    first: RunSummary
    asked: RunSummary
    second: RunSummary
    accepted: RunSummary
    third: RunSummary
    before: dict[str, Any]
    reader: str

    def events(self, table: str) -> list[Any]:
        return [event for event in self.run_of(table).drift if event.table == table]

    def run_of(self, table: str) -> RunSummary:
        return self.asked if table in ASKED else self.second


def run(lab: Lab, names: tuple[str, ...] = (), **options: Any) -> RunSummary:
    accept = options.pop("accept_drift", False)
    adopt = options.pop("adopt", False)
    settings = lab.settings_with(**options)
    return run_once(
        settings, RunRequest(names, accept_drift=accept, adopt=adopt), listen=lambda event: None
    )


def build_upon(lab: Lab, table: str, shown: str, reader: str) -> None:
    """A view in another schema, a view on it, and a materialized view, all with their trimmings."""
    for statement in (
        f"CREATE VIEW marts.{table} (number, label, extra) WITH (security_barrier) AS "
        f"SELECT {shown} FROM raw.{table}",
        f"CREATE VIEW marts.{table}_few AS SELECT number, label FROM marts.{table} "
        "WHERE number < 100",
        f"CREATE MATERIALIZED VIEW marts.{table}_sums AS "
        f"SELECT count(*) AS persons, max(extra::text) AS most FROM marts.{table}",
        f"CREATE UNIQUE INDEX {table}_sums_by_persons ON marts.{table}_sums (persons)",
        f"ALTER VIEW marts.{table} OWNER TO {lab.env['TEST_POSTGRES_ANALYTICS_USER']}",
        f"ALTER VIEW marts.{table}_few OWNER TO {reader}",
        f"ALTER MATERIALIZED VIEW marts.{table}_sums OWNER TO {reader}",
        f"GRANT SELECT ON marts.{table} TO {reader} WITH GRANT OPTION",
        f"GRANT SELECT (label), UPDATE (label) ON marts.{table}_few TO PUBLIC",
        f"COMMENT ON VIEW marts.{table} IS 'it''s for the board'",
        f"COMMENT ON COLUMN marts.{table}_few.label IS 'a name'",
        f"COMMENT ON INDEX marts.{table}_sums_by_persons IS 'one row'",
        f"GRANT SELECT ON raw.{table} TO {reader}",
        f"COMMENT ON COLUMN raw.{table}.code IS 'mine'",
    ):
        lab.analytics.execute(statement.encode())


def describe(lab: Lab, table: str) -> list[Any]:
    """Owners, grants, options, comments and indexes of what was built upon a table."""
    return lab.analytics.execute(
        "SELECT c.relname, c.relkind, pg_get_userbyid(c.relowner), c.reloptions, "
        "(SELECT array_agg(x::text ORDER BY x::text) FROM unnest(c.relacl) AS x), "
        "obj_description(c.oid, 'pg_class'), a.attname, "
        "a.attacl::text, col_description(c.oid, a.attnum) "
        "FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 "
        "WHERE c.relnamespace = 'marts'::regnamespace AND c.relname = ANY(%s) "
        "ORDER BY c.relname, a.attnum",
        ([f"{table}{end}" for end in ("", "_few", "_sums", "_sums_by_persons")],),
    ).fetchall()


@pytest.fixture(scope="module")
def release(servers: Any) -> Iterator[Release]:
    with open_lab(servers) as lab:
        reader = READER.format(database=lab.env["TEST_POSTGRES_ANALYTICS_DB"])
        user = lab.env["TEST_POSTGRES_ANALYTICS_USER"]
        for table in ROWS:
            make_table(lab.source, CREATE.format(t=table), FILL.format(t=table))
        make_table(lab.source, CREATE.format(t="gone"), FILL.format(t="gone"))
        first = run(lab)
        lab.analytics.execute(f"CREATE ROLE {reader}")
        try:
            lab.analytics.execute(f"CREATE SCHEMA marts AUTHORIZATION {user}")
            lab.analytics.execute(f"GRANT USAGE, CREATE ON SCHEMA marts TO {reader}")
            lab.analytics.execute(f"GRANT USAGE ON SCHEMA raw TO {reader}")
            lab.analytics.execute(f"GRANT {reader} TO {user}")
            before = {}
            for table, row in {**ROWS, "gone": ROWS["index_added"]}.items():
                build_upon(lab, table, row.shown, reader)
                before[table] = describe(lab, table)
                for statement in row.by_others:
                    lab.analytics.execute(statement.format(t=table).encode())
            for table, row in ROWS.items():
                run_sql(lab.source, *(change.format(t=table) for change in row.changes))
            tables: Any = {"tables": {t: ROWS[t].config for t in ROWS}}
            tables["tables"]["gone"] = {}
            tables["new_tables"] = "include"
            asked = run(lab, ASKED, tables=tables, accept_drift=True, adopt=True)
            run_sql(lab.source, "DROP TABLE gone")
            make_table(lab.source, CREATE.format(t="late"), FILL.format(t="late"))
            second = run(lab, tables=tables)
            accepted = run(lab, ("gone",), tables=tables, accept_drift=True)
            third = run(lab, tables=tables)
            yield Release(lab, first, asked, second, accepted, third, before, reader)
        finally:
            lab.analytics.execute(f"DROP OWNED BY {reader} CASCADE")
            lab.analytics.execute(f"DROP ROLE {reader}")


def rows_of(connection: Any, table: str, names: list[str], quote: str) -> Counter[Any]:
    columns = ", ".join(f"{quote}{name}{quote}" for name in names)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {columns} FROM {table}")
        return Counter(cursor.fetchall())


def columns_of(lab: Lab, table: str) -> list[str]:
    with lab.source.cursor() as cursor:
        cursor.execute(f"SHOW COLUMNS FROM {table}")
        return [name for name, *_ in cursor.fetchall()]


def assert_equal(lab: Lab, table: str) -> None:
    excluded = ROWS[table].policy.excluded if table in ROWS else ()
    names = [name for name in columns_of(lab, table) if name not in excluded]
    expected = rows_of(lab.source, table, names, "`")
    assert expected
    assert rows_of(lab.replication, table, names, "`") == expected
    assert rows_of(lab.analytics, f"raw.{table}", names, '"') == expected


def test_every_run_of_a_release_succeeds(release: Release) -> None:
    for summary in (release.first, release.asked, release.second, release.accepted, release.third):
        failed = ["gone"] if summary is release.second else []
        assert [o.table for o in summary.outcomes if o.error] == failed
        assert {o.grade for o in summary.outcomes if not o.error} <= {"value"}
    assert {event.table for event in release.second.drift}.isdisjoint(ASKED)


@pytest.mark.parametrize("table", [*ROWS, "late"])
def test_the_three_databases_are_equal_by_value(release: Release, table: str) -> None:
    assert_equal(release.lab, table)


@pytest.mark.parametrize("table", ROWS)
def test_the_change_is_in_the_record_with_its_statements(release: Release, table: str) -> None:
    row, events = ROWS[table], release.events(table)
    assert {str(event.kind) for event in events} == row.kinds
    views = {f"marts.{table}", f"marts.{table}_few", f"marts.{table}_sums"}
    for event in events:
        assert (event.verdict, set(event.dependents)) == (row.verdict, views)
        assert event.replication or row.by_others
    raw = [s for event in events for s in event.raw if not s.startswith("COMMENT")]
    assert bool(raw) == row.in_raw
    recorded = release.lab.analytics.execute(
        "SELECT kind, subject, verdict, replication_ddl, raw_ddl, dependents, "
        "replicated_at IS NOT NULL, done_at IS NOT NULL "
        "FROM etl.drift_event WHERE table_name = %s AND run_id = %s",
        (table, release.run_of(table).run_id),
    ).fetchall()
    expected = [
        (
            *(e.kind, e.subject, e.verdict, list(e.replication), list(e.raw), list(e.dependents)),
            bool(e.replication),
            True,
        )
        for e in events
    ]
    assert sorted(recorded) == sorted(expected)
    _, _, read = read_run(release.lab.settings, release.run_of(table).run_id)
    assert {one.event for one in read if one.event.table == table} == set(events)


@pytest.mark.parametrize("table", ROWS)
def test_views_answer_with_the_new_rows(release: Release, table: str) -> None:
    lab, execute = release.lab, release.lab.analytics.execute
    shown = ROWS[table].shown
    if table == "column_renamed":
        shown = shown.replace("name", "full_name")
    expected = execute(f"SELECT {shown} FROM raw.{table} ORDER BY 1".encode()).fetchall()
    assert expected
    rows = execute(f"SELECT number, label, extra FROM marts.{table} ORDER BY 1".encode())
    assert rows.fetchall() == expected
    few = execute(f"SELECT number FROM marts.{table}_few ORDER BY 1".encode()).fetchall()
    assert few == [(number,) for number, *_ in expected if number < 100]
    # A materialized view that had to be made anew shows the rows of now.
    if "column_retyped" in ROWS[table].kinds and table != "key_widened":
        persons = execute(f"SELECT persons, most FROM marts.{table}_sums".encode()).fetchone()
        most = execute(f"SELECT max(extra::text) FROM marts.{table}".encode()).fetchone()
        assert persons is not None
        assert most is not None
        assert (persons[0], str(persons[1])) == (len(expected), most[0])
    assert lab.analytics.execute(
        "SELECT indisunique FROM pg_index WHERE indexrelid = "
        f"'marts.{table}_sums_by_persons'::regclass"
    ).fetchone() == (True,)


@pytest.mark.parametrize("table", [*ROWS, "gone"])
def test_owners_grants_and_comments_stay(release: Release, table: str) -> None:
    lab = release.lab
    assert describe(lab, table) == release.before[table]
    granted = lab.analytics.execute(
        "SELECT has_table_privilege(%s, %s, 'SELECT'), col_description(%s::regclass, "
        "(SELECT attnum FROM pg_attribute WHERE attrelid = %s::regclass AND attname = 'code'))",
        (release.reader, *[f"raw.{table}"] * 3),
    ).fetchone()
    # Where another table takes this one's place, the old one keeps its comments.
    # Oracle's MySQL declares no width.
    kept = ("[int(11)]", "[int]") if table == "adopted_beside_it" else ("mine",)
    assert granted is not None
    assert granted[0]
    assert granted[1] in kept


@pytest.mark.parametrize("table", ROWS)
def test_a_second_run_finds_nothing_to_do(release: Release, table: str) -> None:
    assert release.third.drift == []
    (outcome,) = (o for o in release.third.outcomes if o.table == table)
    assert (outcome.inserted, outcome.updated, outcome.deleted) == (0, 0, 0)


def test_comments_follow_where_nobody_else_wrote_them(release: Release) -> None:
    def comment(table: str, column: str) -> object:
        return release.lab.analytics.execute(
            "SELECT col_description(attrelid, attnum) FROM pg_attribute "
            "WHERE attrelid = %s::regclass AND attname = %s",
            (f"raw.{table}", column),
        ).fetchone()

    assert comment("column_added", "colour") in (("new [int(11)]",), ("new [int]",))
    assert comment("text_lengthened", "note") == ("[varchar(60)]",)
    assert comment("column_renamed", "full_name") == ("[varchar(20)]",)
    assert comment("column_loosened", "code") == ("mine",)
    assert release.lab.analytics.execute(
        "SELECT obj_description('raw.comments_changed'::regclass)"
    ).fetchone() == ("persons",)


def test_only_rows_whose_values_changed_are_written(release: Release) -> None:
    written = {o.table: (o.inserted, o.updated, o.deleted) for o in release.second.outcomes}
    assert written["column_added"] == (0, 1, 0)  # the default of the others came with the column
    assert written["number_widened"] == (0, 1, 0)
    assert written["more_decimals"] == (0, 0, 0)
    assert written["key_widened"] == (1, 0, 0)
    assert written["column_renamed"] == (0, 1, 0)
    assert written["key_changed"] == (0, 0, 0)
    assert written["index_added"] == (0, 0, 0)


def test_a_dropped_column_is_kept_and_null_from_then_on(release: Release) -> None:
    lab = release.lab
    for table, column in KEPT.items():
        kept = f'SELECT "{column}" FROM raw.{table} WHERE id = %s'
        with lab.replication.cursor() as cursor:
            cursor.execute(f"SHOW COLUMNS FROM {table} LIKE '{column}'")
            assert cursor.fetchall() == ()
        assert lab.analytics.execute(kept.encode(), (2,)).fetchone() == (None,)
    kept = "SELECT note FROM raw.column_dropped ORDER BY id"
    assert lab.analytics.execute(kept).fetchall() == [("first",), (None,), ("12",)]
    run_sql(lab.source, AFTER.format(t="column_dropped"))
    run_sql(lab.source, "UPDATE column_dropped SET age = 37 WHERE id = 1")
    assert run(lab, ("column_dropped",)).is_success
    assert lab.analytics.execute(kept).fetchall() == [(None,), (None,), ("12",), (None,)]


def test_tables_that_come_and_go_are_recorded(release: Release) -> None:
    whole = [(e.table, str(e.kind), e.verdict) for e in release.second.came_and_went]
    assert sorted(whole) == [
        ("gone", "table_dropped", "refuse"),
        ("late", "table_added", "follow"),
    ]
    (gone,) = release.accepted.came_and_went
    assert (gone.table, gone.verdict) == ("gone", "follow")
    assert set(gone.dependents) == {"marts.gone", "marts.gone_few", "marts.gone_sums"}
    assert release.lab.analytics.execute("SELECT count(*) FROM raw.gone").fetchone() == (3,)
    assert "gone" not in {outcome.table for outcome in release.third.outcomes}
    row = release.lab.analytics.execute(
        "SELECT gone_run_id FROM etl.source_table WHERE table_name = 'gone'"
    ).fetchone()
    assert row == (release.accepted.run_id,)


def test_a_comparison_finds_all_of_it_equal(release: Release) -> None:
    settings = release.lab.settings_with(
        tables={"tables": {n: r.config for n, r in ROWS.items() if n != "column_dropped"}}
    )
    summary = verify_once(settings, [], VerifyScope(deep=True), listen=lambda event: None)
    assert summary.is_success, summary.different
