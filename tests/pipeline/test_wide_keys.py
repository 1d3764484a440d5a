"""Keys of as many columns as a server takes are looked up without harm to it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from etl_pipeline.pipeline.summary import RunSummary, VerifySummary
from etl_pipeline.replicate import apply
from etl_pipeline.schema.catalog import Column, Table
from etl_pipeline.transfer.select import render_table
from tests.conftest import Lab
from tests.rows import is_mariadb, make_table, read_mysql, read_postgres, run_sql

Run = Callable[..., RunSummary]
Verify = Callable[..., VerifySummary]


@pytest.mark.parametrize("kind", ["int", "varchar(20)"])
def test_the_widest_key_is_followed_and_repaired(
    lab: Lab, run: Run, verify: Verify, kind: str
) -> None:
    width = 32 if is_mariadb(lab.source) else 16
    names = [f"k{number}" for number in range(width)]
    columns = ", ".join(f"{name} {kind} NOT NULL" for name in names)
    rows = [[*((row + place) % 3 for place in range(width - 1)), row] for row in range(90)]
    values = ", ".join(f"({str(row)[1:-1]}, 1)" for row in rows)
    make_table(
        lab.source,
        f"CREATE TABLE wide ({columns}, v int, PRIMARY KEY ({', '.join(names)}))",
        f"INSERT INTO wide VALUES {values}",
    )
    assert run().is_success
    last = names[-1]
    run_sql(
        lab.source,
        f"UPDATE wide SET v = 2 WHERE {last} < 40",
        f"DELETE FROM wide WHERE {last} IN (41, 42)",
    )
    summary = run()
    assert summary.is_success, summary.failed
    assert (summary.total("updated"), summary.total("deleted")) == (40, 2)
    assert read_mysql(lab.replication, "wide") == read_mysql(lab.source, "wide")
    run_sql(lab.replication, f"UPDATE wide SET v = 3 WHERE {last} > 50")
    assert verify(repair=True).is_success
    assert read_mysql(lab.replication, "wide") == read_mysql(lab.source, "wide")
    assert read_postgres(lab.analytics, "wide") == read_mysql(lab.source, "wide")


def test_a_statement_holds_as_many_keys_as_its_server_takes_quickly() -> None:
    def table(width: int) -> Table:
        names = tuple(f"k{number}" for number in range(width))
        return Table("t", tuple(Column(n, "varchar", "varchar(9)", False) for n in names), names)

    keys = [b"\t".join([b"x"] * 16)] * 1000
    assert [len(one) for one in apply.batches(render_table(table(16)), keys)][:2] == [62, 62]
    long = [b"x" * 100_000] * 5
    assert [len(one) for one in apply.batches(render_table(table(1)), long)] == [2, 2, 1]
