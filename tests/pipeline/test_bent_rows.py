"""A target that holds another value than it was sent fails the table, however it came to that."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from etl_pipeline.errors import TransferError
from etl_pipeline.replicate import compare
from tests.conftest import Lab
from tests.hops import Bench
from tests.rows import make_table, read_mysql, read_postgres, run_sql


@pytest.fixture
def bench(lab: Lab) -> Iterator[Bench]:
    make_table(
        lab.source,
        "CREATE TABLE note (k int PRIMARY KEY, words varchar(20))",
        "INSERT INTO note VALUES (1, 'a'), (2, 'b'), (3, 'c')",
    )
    made = Bench(lab)
    made.copy("note")
    run_sql(lab.source, "INSERT INTO note VALUES (4, 'd')", "UPDATE note SET words = 'B' WHERE k=2")
    yield made
    made.close()


@pytest.mark.parametrize("few", [True, False])
def test_a_value_that_replication_bends_is_noticed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, few: bool
) -> None:
    """By the read that follows: in the same hop where few rows differ, else in the next."""
    lab = bench.lab
    if not few:
        monkeypatch.setattr(compare, "FEW_ROWS", 0)
    run_sql(
        lab.replication,
        "CREATE TRIGGER bend BEFORE INSERT ON note FOR EACH ROW SET NEW.words = LOWER(NEW.words)",
    )
    before = read_postgres(lab.analytics, "note")
    with pytest.raises(TransferError, match="the replica does not hold what the source sent"):
        bench.copy("note")
    assert read_postgres(lab.analytics, "note") == before
    run_sql(lab.replication, "DROP TRIGGER bend")
    bench.copy("note")
    assert_equal(lab)


@pytest.mark.parametrize("few", [True, False])
def test_a_value_that_raw_bends_is_noticed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, few: bool
) -> None:
    lab = bench.lab
    if not few:
        monkeypatch.setattr(compare, "FEW_ROWS", 0)
    lab.analytics.execute(
        "CREATE FUNCTION public.bend() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN NEW.words := lower(NEW.words); RETURN NEW; END $$"
    )
    lab.analytics.execute(
        "CREATE TRIGGER bend BEFORE INSERT OR UPDATE ON raw.note FOR EACH ROW "
        "EXECUTE FUNCTION public.bend()"
    )
    before = read_postgres(lab.analytics, "note")
    with pytest.raises(TransferError, match="raw does not hold the rows that were sent"):
        bench.copy("note")
    assert read_postgres(lab.analytics, "note") == before
    lab.analytics.execute("DROP TRIGGER bend ON raw.note")
    bench.copy("note")
    assert_equal(lab)


def assert_equal(lab: Lab) -> None:
    expected = read_mysql(lab.source, "note")
    assert read_mysql(lab.replication, "note") == expected
    assert read_postgres(lab.analytics, "note") == expected
