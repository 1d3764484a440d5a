"""A working day goes on where the practice stands, and touches what it says."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest

from etl_pipeline.demo.practice import Engine, build_practice, change_practice
from tests.demo.test_practice import SMALL, check_agreement, digest_of, extra_database, rows_of

if TYPE_CHECKING:
    from etl_pipeline.demo.server_databases import MySqlConnection
    from tests.conftest import Lab


def snapshot(connection: MySqlConnection) -> dict[str, dict[Any, tuple[Any, ...]]]:
    """Rows of every table by the value of their first column, which is the key of all but one."""
    return {
        table: {row[0]: row for row in rows_of(connection, f"SELECT * FROM `{table}`")}
        for (table,) in rows_of(connection, "SHOW TABLES")
        if table != "procedurelog_backup_20240115"
    }


@pytest.mark.parametrize("engine", ["InnoDB", "MyISAM"])
def test_a_day_touches_the_tables_that_it_says(lab: Lab, engine: Engine) -> None:
    build_practice(lab.source, patients=SMALL, engine=engine)
    before = snapshot(lab.source)
    changed = change_practice(lab.source)
    after = snapshot(lab.source)
    assert {table for table in before if before[table] != after[table]} == set(changed.tables)
    for table, change in changed.tables.items():
        old, new = before[table], after[table]
        if table == "toothinitial":  # one row changed its key
            assert (len(old.keys() - new.keys()), len(new.keys() - old.keys())) == (1, 1)
            continue
        assert len(new) - len(old) == change.inserted - change.deleted, table
        differing = sum(old[key] != new[key] for key in old.keys() & new.keys())
        if table != "famaging":  # deleted and written anew as a whole
            assert len(new.keys() - old.keys()) == change.inserted, table
            assert differing <= change.updated, table
    check_agreement(lab.source)


def test_a_day_edits_with_and_without_moving_the_stamp(lab: Lab) -> None:
    build_practice(lab.source, patients=SMALL)
    columns = [name for (name, *_) in rows_of(lab.source, "SHOW COLUMNS FROM procedurelog")]
    stamp = columns.index("DateTStamp")
    before = snapshot(lab.source)["procedurelog"]
    change_practice(lab.source)
    after = snapshot(lab.source)["procedurelog"]
    edited = [key for key in before.keys() & after.keys() if before[key] != after[key]]
    still = [key for key in edited if before[key][stamp] == after[key][stamp]]
    moved = [key for key in edited if before[key][stamp] < after[key][stamp]]
    assert len(still) > 5
    assert moved
    assert len(still) + len(moved) == len(edited)


def test_the_bulk_edit_is_alike_in_an_aligned_block_of_64_rows(lab: Lab) -> None:
    build_practice(lab.source, patients=SMALL)
    before = snapshot(lab.source)["periomeasure"]
    change_practice(lab.source)
    after = snapshot(lab.source)["periomeasure"]
    edited = sorted(key for key in before if before[key] != after[key])
    assert len(edited) in (63, 64)  # the first block has no row 0
    assert edited[-1] % 64 == 63


def test_days_follow_each_other_and_depend_on_the_seed(lab: Lab) -> None:
    build_practice(lab.source, patients=SMALL)
    days = [change_practice(lab.source).day for _ in range(6)]
    assert days[0] == dt.date(2024, 7, 1)
    assert days[-1] == dt.date(2024, 7, 8)  # the weekend is skipped
    check_agreement(lab.source)
    first = digest_of(lab.source)
    with extra_database(lab.source):
        build_practice(lab.source, patients=SMALL)
        for _ in range(6):
            change_practice(lab.source)
        assert digest_of(lab.source) == first
        change_practice(lab.source, seed=8)
        other = digest_of(lab.source)
    change_practice(lab.source)
    assert digest_of(lab.source) != other
