"""What the replication server cannot hold is left out with a note, or named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from etl_pipeline.errors import DatabaseError
from etl_pipeline.pipeline.plan import preview_run
from etl_pipeline.pipeline.request import RunRequest
from etl_pipeline.pipeline.summary import RunSummary
from etl_pipeline.replicate import evolve
from etl_pipeline.schema.catalog import Index
from tests.conftest import Lab
from tests.rows import is_mariadb, make_table, numbers, read_mysql, read_postgres, run_sql

Run = Callable[..., RunSummary]

TEXTS = ", ".join(f"{name} varchar(255) CHARACTER SET utf8mb4" for name in "abcd")


def indexes(lab: Lab, table: str) -> set[str]:
    with lab.replication.cursor() as cursor:
        cursor.execute(f"SHOW INDEX FROM {table}")
        return {str(row[2]) for row in cursor.fetchall()}


def notes(summary: RunSummary, table: str) -> list[str]:
    assert summary.is_success, summary.failed
    (outcome,) = (one for one in summary.outcomes if one.table == table)
    return [note for note in outcome.notes if "left out" in note]


def test_an_index_that_does_not_fit_is_left_out_with_a_note(
    lab: Lab, run: Run, tmp_path: Path
) -> None:
    if not is_mariadb(lab.source) or not is_mariadb(lab.replication):
        pytest.skip("MySQL has no UNIQUE of any length")
    make_table(
        lab.source,
        f"CREATE TABLE t (id int PRIMARY KEY, {TEXTS}, n int, UNIQUE whole (a, b, c, d), "
        "KEY small (n)) ENGINE=InnoDB",
        "INSERT INTO t VALUES (1, 'a', 'b', 'c', 'd', 1), (2, 'A', '', NULL, 'd', 2)",
    )
    assert notes(run(), "t") == [
        "t: index whole does not fit the replication server (1071) and is left out"
    ]
    assert indexes(lab, "t") == {"PRIMARY", "small"}
    full = {"tables": {"t": {"extraction_strategy": "full_table"}}}
    for tables in (None, full):
        plan = preview_run(lab.settings_with(tables=tables), RunRequest(), folder=tmp_path)
        assert plan.notes == ("t: index whole does not fit the replication server and is left out",)
        indexing = [one for _, one in plan.tables[0].ddl if "ADD " in one]
        assert not any("whole" in one for one in indexing)
    assert any("small" in one for one in indexing)
    run_sql(lab.source, "INSERT INTO t VALUES (3, 'x', NULL, NULL, NULL, 3)")
    summary = run()
    assert notes(summary, "t") == []
    assert summary.total("inserted") == 1  # it was not built anew

    run_sql(
        lab.source,
        "ALTER TABLE t ADD e varchar(255) CHARACTER SET utf8mb4, ADD UNIQUE other (a, b, c, e), "
        "ADD KEY more (n, id), DROP KEY small",
    )
    assert notes(run(), "t") == [
        "t: index other does not fit the replication server (1071) and is left out"
    ]
    assert indexes(lab, "t") == {"PRIMARY", "more"}

    run_sql(lab.source, "ALTER TABLE t DROP KEY whole, DROP KEY other, ADD UNIQUE whole (a, n)")
    assert notes(run(), "t") == []
    assert indexes(lab, "t") == {"PRIMARY", "more", "whole"}
    assert read_mysql(lab.replication, "t") == read_mysql(lab.source, "t")
    assert read_postgres(lab.analytics, "t") == read_mysql(lab.source, "t")


@pytest.mark.parametrize(
    "also", ["", ", ADD KEY more (n, id)", ", DROP KEY small, ADD KEY small (n, id)"]
)
def test_an_index_that_no_longer_fits_is_left_out_with_a_note(
    lab: Lab, run: Run, also: str
) -> None:
    """A column of it became longer, so that the source, too, has another index there."""
    if not is_mariadb(lab.source) or not is_mariadb(lab.replication):
        pytest.skip("MySQL has no UNIQUE of any length")
    make_table(
        lab.source,
        "CREATE TABLE t (id int PRIMARY KEY, a varchar(99), b varchar(99), n int, "
        "UNIQUE whole (a, b), KEY part (b(9)), KEY small (n)) "
        "ENGINE=InnoDB CHARACTER SET utf8mb4",
        "INSERT INTO t VALUES (1, 'a', 'b', 1), (2, 'A', '', 2)",
    )
    assert run().is_success
    run_sql(lab.source, f"ALTER TABLE t MODIFY a varchar(2000){also}")
    summary = run()
    assert notes(summary, "t") == [
        "t: index whole does not fit the replication server (1071) and is left out"
    ]
    assert summary.total("updated") == 0
    assert indexes(lab, "t") == {"PRIMARY", "part", "small", *(["more"] if "more" in also else [])}
    assert notes(run(), "t") == []

    run_sql(lab.source, "UPDATE t SET a = REPEAT('x', 2000) WHERE id = 1")
    run_sql(lab.source, "ALTER TABLE t DROP KEY whole, ADD UNIQUE whole (n)")
    assert notes(run(), "t") == []
    assert "whole" in indexes(lab, "t")
    assert read_mysql(lab.replication, "t") == read_mysql(lab.source, "t")
    assert read_postgres(lab.analytics, "t") == read_mysql(lab.source, "t")


def test_an_index_of_the_replica_that_its_server_takes_no_more_is_dropped(
    lab: Lab, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one with smaller pages than the source's: the source's index is what it was."""
    make_table(
        lab.source,
        "CREATE TABLE t (id int PRIMARY KEY, a varchar(99), n int, KEY long_one (a), "
        "KEY small (n)) ENGINE=InnoDB CHARACTER SET latin1",
        "INSERT INTO t VALUES (1, 'a', 1)",
    )
    assert run().is_success
    asked: list[set[str]] = []

    def refuse(_connection: object, indexes: list[Index], _name: str) -> dict[str, int]:
        asked.append({index.name for index in indexes})
        return {"long_one": 1071}

    monkeypatch.setattr(evolve, "find_refused", refuse)
    run_sql(lab.source, "ALTER TABLE t MODIFY a varchar(999)")
    (note,) = notes(run(), "t")
    assert note == "t: index long_one does not fit the replication server (1071) and is left out"
    assert asked == [{"long_one", "small"}]
    assert indexes(lab, "t") == {"PRIMARY", "small"}
    assert run().is_success


def test_columns_that_innodb_cannot_hold_are_named(lab: Lab, run: Run) -> None:
    fixed = ", ".join(f"c{number} char(255) CHARACTER SET latin1" for number in range(40))
    make_table(
        lab.source,
        f"CREATE TABLE wide (id int PRIMARY KEY, {fixed}, n int) ENGINE=MyISAM",
        "INSERT INTO wide (id, c0, n) VALUES (1, 'x', 2)",
    )
    make_table(
        lab.source,
        "CREATE TABLE named (id int PRIMARY KEY, DB_ROW_ID int) ENGINE=MyISAM",
    )
    many = ", ".join(f"c{number} tinyint" for number in range(1020))
    make_table(lab.source, f"CREATE TABLE many (id int PRIMARY KEY, {many}) ENGINE=MyISAM")
    failed = {one.table: one for one in run().failed}
    assert "wider than a row of InnoDB can be" in (failed["wide"].error or "")
    assert "exclude c0, c1, c2, c3" in (failed["wide"].fix or "")
    assert "name that InnoDB keeps for itself" in (failed["named"].error or "")
    assert "exclude DB_ROW_ID" in (failed["named"].fix or "")
    assert "more columns than a table of InnoDB" in (failed["many"].error or "")
    assert "exclude c1016, c1017, c1018, c1019" in (failed["many"].fix or "")
    excluded = {f"c{number}": {"exclude": True} for number in range(10)}
    tables = {
        "tables": {
            "wide": {"columns": excluded},
            "named": {"columns": {"DB_ROW_ID": {"exclude": True}}},
        }
    }
    assert run(["wide", "named"], tables=tables).is_success


@pytest.mark.parametrize("takes_infile", [True, False])
def test_a_value_larger_than_the_targets_packet_is_named(
    lab: Lab, run: Run, takes_infile: bool
) -> None:
    make_table(
        lab.source,
        "CREATE TABLE scan (id int PRIMARY KEY, name varchar(20), body longblob)",
        "INSERT INTO scan VALUES (1, 'small', 'x'), (2, 'small', 'y')",
    )
    assert run().is_success
    names = ("max_allowed_packet", "local_infile")
    with lab.replication.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(f'@@GLOBAL.{name}' for name in names)}")
        before = cursor.fetchone()
        try:
            cursor.execute("SET GLOBAL max_allowed_packet = 1048576")
            cursor.execute(f"SET GLOBAL local_infile = {int(takes_infile)}")
            run_sql(lab.source, "UPDATE scan SET body = REPEAT('z', 700000) WHERE id = 2")
            for _ in range(2):  # and not as a connection that was lost
                (failed,) = run().failed
                assert "column body holds 1.3 MB of row text in the row of key 2" in (
                    failed.error or ""
                )
                assert "max_allowed_packet of 1.0 MB" in (failed.error or "")
            cursor.execute((failed.fix or "").split(" there")[0])
            assert run().is_success
        finally:
            for name, value in zip(names, before or (), strict=True):
                cursor.execute(f"SET GLOBAL {name} = {value}")
    assert read_mysql(lab.replication, "scan") == read_mysql(lab.source, "scan")


def test_small_rows_go_through_a_small_packet(lab: Lab, run: Run) -> None:
    make_table(
        lab.source,
        "CREATE TABLE note (id int PRIMARY KEY, words text)",
        f"INSERT INTO note SELECT seq, REPEAT('w', 100) FROM {numbers(3000)}",
    )
    with lab.replication.cursor() as cursor:
        cursor.execute("SELECT @@GLOBAL.max_allowed_packet, @@GLOBAL.local_infile")
        packet, infile = cursor.fetchone() or (0, 0)
        try:
            cursor.execute("SET GLOBAL max_allowed_packet = 65536, GLOBAL local_infile = 0")
            assert run().is_success
        finally:
            cursor.execute(
                f"SET GLOBAL max_allowed_packet = {packet}, GLOBAL local_infile = {infile}"
            )


def test_a_lost_privilege_comes_with_the_grant_to_paste(lab: Lab, run: Run) -> None:
    make_table(
        lab.source, "CREATE TABLE words (id int PRIMARY KEY)", "INSERT INTO words VALUES (1)"
    )
    assert run().is_success
    user, database = (lab.env[f"TEST_MYSQL_REPLICATION_{name}"] for name in ("USER", "DB"))
    with lab.replication.cursor() as cursor:
        cursor.execute(f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM '{user}'@'%'")
        cursor.execute(
            f"GRANT SELECT, INSERT, CREATE, DROP, ALTER ON `{database}`.* TO '{user}'@'%'"
        )
        run_sql(lab.source, "DELETE FROM words")
        with pytest.raises(DatabaseError) as error:
            run()
        assert f"`.* TO `{user}`@`%`" in (error.value.fix or "")
        cursor.execute(error.value.fix or "")
    assert run().is_success
