"""``etl verify --repair`` repairs exactly the wrong rows; the servers count the others."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from etl_pipeline.pipeline.summary import RunSummary, VerifySummary
from etl_pipeline.replicate import chunking
from tests.conftest import Lab
from tests.rows import is_mariadb, make_table, numbers, read_exactly, read_postgres, run_sql

Run = Callable[..., RunSummary]
Verify = Callable[..., VerifySummary]

LEDGER = """
CREATE TABLE ledger (
  id bigint NOT NULL PRIMARY KEY, payer varchar(40), note text, amount decimal(12,2) NOT NULL,
  rate double NOT NULL, seen datetime NOT NULL, KEY (payer)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"""
ROWS = 3_000
FILL = (
    "INSERT INTO ledger SELECT seq, CONCAT('payer ', seq % 97), IF(seq % 2, NULL, 'x'), "
    f"seq * 1.01, seq / 7, '2024-03-01' FROM {numbers(ROWS)}"
)


@dataclass(frozen=True)
class Damage:
    """An edit of the ledger behind our back, in SQL that both servers understand.

    Attributes:
        wrong: Rows that are wrong then, by kind.
        keys: The first of them.
        columns: Those that differ.
    """

    statements: tuple[str, ...]
    wrong: dict[str, int]
    keys: tuple[str, ...]
    columns: tuple[str, ...] = ()


DAMAGES = {
    "one changed value": Damage(
        ("UPDATE {t} SET payer = 'nobody' WHERE id = 7",), {"differs": 1}, ("7",), ("payer",)
    ),
    "one missing row": Damage(("DELETE FROM {t} WHERE id = 1234",), {"missing": 1}, ("1234",)),
    "one extra row": Damage(
        (
            "INSERT INTO {t} (id, payer, note, amount, rate, seen) "
            "VALUES (100001, 'x', 'y', 1, 2, '2024-01-01')",
        ),
        {"extra": 1},
        ("100001",),
    ),
    "two swapped values": Damage(
        (
            "UPDATE {t} SET payer = 'payer 10' WHERE id = 9",
            "UPDATE {t} SET payer = 'payer 9' WHERE id = 10",
        ),
        {"differs": 2},
        ("9", "10"),
        ("payer",),
    ),
    "the same change in two rows": Damage(
        ("UPDATE {t} SET note = 'same' WHERE id IN (20, 2020)",),
        {"differs": 2},
        ("20", "2020"),
        ("note",),
    ),
    "the same change in a thousand rows": Damage(
        ("UPDATE {t} SET amount = amount + 1, note = 'same' WHERE id BETWEEN 501 AND 1500",),
        {"differs": 1000},
        ("501", "502"),
        ("note", "amount"),
    ),
    "NULL changed to the empty string": Damage(
        ("UPDATE {t} SET note = '' WHERE id = 11",), {"differs": 1}, ("11",), ("note",)
    ),
    "a number changed in its last digit": Damage(
        (
            "UPDATE {t} SET amount = 13.14 WHERE id = 13",
            "UPDATE {t} SET rate = 2.0000000000000004 WHERE id = 14",
        ),
        {"differs": 2},
        ("13", "14"),
        ("amount",),
    ),
}


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunking, "CHUNK_ROWS", 500)


def test_every_damage_to_replication_is_named_and_mended(
    lab: Lab, run: Run, verify: Verify
) -> None:
    make_table(lab.source, LEDGER, FILL)
    run()
    whole = read_exactly(lab.source, "ledger")
    for name, damage in DAMAGES.items():
        run_sql(lab.replication, *(s.format(t="ledger") for s in damage.statements))
        with counting_replica(lab) as changed, counting_raw(lab) as untouched:
            refuse_other_findings(verify(repair=True), "replication", name)
        rewritten = {"differs": 2, "missing": 1, "extra": 1}
        assert changed[0] == sum(count * rewritten[kind] for kind, count in damage.wrong.items())
        assert untouched == Counter(), name
        assert read_exactly(lab.replication, "ledger") == whole, name
    assert verify(deep=True).is_success
    assert run().total("updated") == 0


def test_every_damage_to_raw_is_named_and_mended(lab: Lab, run: Run, verify: Verify) -> None:
    make_table(lab.source, LEDGER, FILL)
    run()
    whole = read_postgres(lab.analytics, "ledger")
    for name, damage in DAMAGES.items():
        for statement in damage.statements:
            lab.analytics.execute(statement.format(t="raw.ledger").encode())
        with counting_replica(lab) as untouched, counting_raw(lab) as changed:
            refuse_other_findings(verify(repair=True), "raw", name)
        word = {"differs": "updated", "missing": "inserted", "extra": "deleted"}
        assert changed == Counter({word[kind]: count for kind, count in damage.wrong.items()})
        assert untouched == [0], name
        assert read_postgres(lab.analytics, "ledger") == whole, name
    assert verify(deep=True).is_success
    assert run().total("updated") == 0


def refuse_other_findings(summary: VerifySummary, place: str, name: str) -> None:
    """Fail unless exactly the rows of a damage are named, in *place* alone, and repaired."""
    damage = DAMAGES[name]
    (result,) = summary.results
    (found,) = result.discrepancies
    assert found.place == place
    assert found.count == sum(damage.wrong.values()), name
    assert found.keys[: len(damage.keys)] == damage.keys, name
    assert {row.kind for row in found.rows} == set(damage.wrong), name
    assert found.rows[0].columns == damage.columns, name
    assert not any(row.values for row in found.rows), name
    (repaired,) = result.repaired
    assert repaired.rows == damage.wrong
    assert summary.is_success


@contextmanager
def counting_replica(lab: Lab) -> Iterator[list[int]]:
    """Count the rows of the replica that the server changes in the block, in a list of one item."""
    before, changed = _rows_changed(lab), [0]
    yield changed
    changed[0] = _rows_changed(lab) - before


def _rows_changed(lab: Lab) -> int:
    if is_mariadb(lab.replication):
        run_sql(lab.replication, "SET GLOBAL userstat = 1")
        query = (
            "SELECT COALESCE(SUM(ROWS_CHANGED), 0) FROM information_schema.table_statistics "
            "WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'ledger'"
        )
    else:
        query = (
            "SELECT COALESCE(SUM(COUNT_INSERT + COUNT_UPDATE + COUNT_DELETE), 0) "
            "FROM performance_schema.table_io_waits_summary_by_table "
            "WHERE OBJECT_SCHEMA = DATABASE() AND OBJECT_NAME = 'ledger'"
        )
    with lab.replication.cursor() as cursor:
        cursor.execute(query)
        return int(cursor.fetchone()[0])


@contextmanager
def counting_raw(lab: Lab) -> Iterator[Counter[str]]:
    """Count the rows of ``raw.ledger`` that are inserted, updated and deleted in the block."""
    before, changed = _raw_counters(lab), Counter[str]()
    yield changed
    changed.update(_raw_counters(lab))
    changed.subtract(before)
    for name in [name for name, count in changed.items() if not count]:
        del changed[name]


def _raw_counters(lab: Lab) -> Counter[str]:
    """Return PostgreSQL's counters, once every session that worked has reported its counts."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        (others,) = _row(
            lab,
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid() AND backend_type = 'client backend'",
        )
        if not others:
            break
        time.sleep(0.02)
    lab.analytics.execute("SELECT pg_stat_force_next_flush()")
    names = ("inserted", "updated", "deleted")
    counts = _row(
        lab,
        "SELECT n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_user_tables "
        "WHERE schemaname = 'raw' AND relname = 'ledger'",
    )
    return Counter(dict(zip(names, counts, strict=True)))


def _row(lab: Lab, query: str) -> Any:
    return lab.analytics.execute(query.encode()).fetchone()


HEAP = (
    "CREATE TABLE heap (word varchar(20), amount double, born date, body blob) ENGINE=InnoDB",
    "INSERT INTO heap VALUES ('a', 0.1, '0000-00-00', X'00FF'), ('a', 0.1, '0000-00-00', X'00FF'), "
    "('b', NULL, '2024-02-29', NULL), (NULL, -0.0, NULL, ''), ('d', 1e300, '1999-12-31', X'0A')",
)
HEAP_DAMAGES = {
    "a value changed": "UPDATE {t} SET word = 'nobody' WHERE word = 'b'",
    "a row missing": "DELETE FROM {t} WHERE word = 'd'",
    "one of two equal rows more": "INSERT INTO {t} (word, amount, born) VALUES ('x', 1, NULL)",
    "all rows missing": "DELETE FROM {t}",
}


def assert_the_heap_is_the_source(lab: Lab, verify: Verify) -> None:
    assert read_exactly(lab.replication, "heap") == read_exactly(lab.source, "heap")
    assert verify(deep=True).is_success


@pytest.mark.parametrize("name", HEAP_DAMAGES)
@pytest.mark.parametrize("place", ["replication", "raw", "both"])
def test_a_table_without_a_key_is_mended_as_a_whole(
    lab: Lab, run: Run, verify: Verify, place: str, name: str
) -> None:
    make_table(lab.source, *HEAP)
    assert run().is_success
    if place != "raw":
        run_sql(lab.replication, HEAP_DAMAGES[name].format(t="heap"))
    if place == "raw":
        lab.analytics.execute(HEAP_DAMAGES[name].format(t="raw.heap").encode())
    if place == "both":
        lab.analytics.execute("UPDATE raw.heap SET word = 'somebody' WHERE word = 'd'")
    (found,) = verify().different
    assert {discrepancy.fix for discrepancy in found.discrepancies} == {"etl verify heap --repair"}
    (result,) = verify(repair=True).results
    assert result.is_repaired
    assert_the_heap_is_the_source(lab, verify)
    again = run()
    assert (again.total("inserted"), again.total("deleted")) == (0, 0)
    assert_the_heap_is_the_source(lab, verify)


def test_where_a_table_without_a_key_moved_on_both_copies_do(
    lab: Lab, run: Run, verify: Verify
) -> None:
    make_table(lab.source, *HEAP)
    assert run().is_success
    run_sql(lab.source, "INSERT INTO heap (word) VALUES ('new')")
    run_sql(lab.replication, "UPDATE heap SET word = 'nobody' WHERE word = 'b'")
    (result,) = verify(repair=True).results
    assert result.is_repaired
    assert_the_heap_is_the_source(lab, verify)
    (notes,) = lab.analytics.execute(
        "SELECT notes FROM etl.table_run ORDER BY run_id DESC LIMIT 1"
    ).fetchone() or ((),)
    assert notes[0].startswith("copied again in replication: ")
    assert notes[0].endswith("; the whole table, which has no key")


def test_a_repair_of_a_table_without_a_key_heeds_the_guard(
    lab: Lab, run: Run, verify: Verify
) -> None:
    make_table(
        lab.source,
        "CREATE TABLE heap (word int)",
        f"INSERT INTO heap SELECT seq FROM {numbers(500)}",
    )
    assert run().is_success
    run_sql(lab.source, "DELETE FROM heap WHERE word > 9")
    run_sql(lab.replication, "UPDATE heap SET word = 0 WHERE word = 7")
    held = read_exactly(lab.replication, "heap")
    (left,) = verify(repair=True).results
    assert "would be deleted in replication" in (left.error or "")
    assert read_exactly(lab.replication, "heap") == held
