"""What a merge asks of PostgreSQL."""

from __future__ import annotations

import time

from tests.conftest import Lab
from tests.hops import Bench
from tests.rows import make_table, read_mysql, read_postgres, run_sql

ROWS = 2000


def test_rows_that_come_into_an_empty_table_are_not_looked_up_one_by_one(lab: Lab) -> None:
    """PostgreSQL's planner reads a table that it believes to be empty for each new row."""
    make_table(lab.source, "CREATE TABLE t (k int PRIMARY KEY, w varchar(9))")
    bench = Bench(lab)
    bench.copy("t")
    lab.analytics.execute(b"ANALYZE raw.t")
    values = ", ".join(f"({key}, 'x')" for key in range(ROWS))
    run_sql(lab.source, f"INSERT INTO t VALUES {values}")
    bench.copy("t")
    bench.close()
    assert read_postgres(lab.analytics, "t") == read_mysql(lab.source, "t")

    def read_counters() -> tuple[int, int]:
        ((inserted, scans),) = lab.analytics.execute(
            b"SELECT n_tup_ins, seq_scan FROM pg_stat_user_tables "
            b"WHERE (schemaname, relname) = ('raw', 't')"
        ).fetchall()
        return inserted, scans

    # A session tells what it has counted when it ends, a moment after it was closed.
    end = time.monotonic() + 30
    while read_counters()[0] < ROWS and time.monotonic() < end:
        time.sleep(0.1)
    inserted, scans = read_counters()
    assert inserted == ROWS
    assert scans < 50
