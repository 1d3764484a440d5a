"""A byte that changes on the way: what is noticed without TLS, and when."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from etl_pipeline.core import encryption
from etl_pipeline.load import digests
from etl_pipeline.pipeline.summary import RunSummary
from etl_pipeline.replicate import chunking, compare
from etl_pipeline.transfer import kernel
from tests.conftest import Lab
from tests.proxied import proxied
from tests.rows import make_table, numbers, run_sql

Run = Callable[..., RunSummary]

SENT, ARRIVED = b"needle", b"noodle"
TABLES = {
    "encoded": "k int PRIMARY KEY, words varchar(90)",
    "as text": "k int PRIMARY KEY, words varchar(90), flags bit(3) DEFAULT b'101'",
    "wide": "k int PRIMARY KEY, words longtext",
    "without a key": "k int, words varchar(90)",
}
ROWS = 65


class Flip:
    """Changes the first needle that passes."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, data: bytes) -> bytes:
        if self.count or SENT not in data:
            return data
        self.count += 1
        return data.replace(SENT, ARRIVED, 1)


@pytest.fixture
def open_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lines are taken for lines that leave the machine."""
    monkeypatch.setattr(encryption, "is_this_machine", lambda host: False)


def make(lab: Lab, body: str = TABLES["encoded"], needle: str = "60") -> None:
    make_table(
        lab.source,
        f"CREATE TABLE t ({body})",
        f"INSERT INTO t (k, words) SELECT seq, if(seq IN ({needle}), 'needle', 'hay') "
        f"FROM {numbers(ROWS)}",
    )


def run_damaged(lab: Lab, run: Run, role: str, *, to_server: bool) -> RunSummary:
    """A run during which a needle changes on a line."""
    flip = Flip()
    with proxied(lab, role) as proxy:
        if to_server:
            proxy.to_server = flip
        else:
            proxy.to_client = flip
        summary = run()
    assert flip.count == 1
    return summary


def error_of(summary: RunSummary) -> str:
    assert not summary.is_success
    (table,) = summary.outcomes
    assert table.error
    assert "needle" not in table.error
    assert "noodle" not in table.error
    return table.error


def assert_equal_after(lab: Lab, run: Run) -> None:
    assert run().is_success
    held = read_words(lab)
    assert held["replication"] == held["source"]
    assert held["raw"] == held["source"]


def read_words(lab: Lab) -> dict[str, list[tuple[object, ...]]]:
    """The words by key, of each database."""
    held: dict[str, list[tuple[object, ...]]] = {}
    for name, connection in (("source", lab.source), ("replication", lab.replication)):
        with connection.cursor() as cursor:
            cursor.execute("SELECT k, words FROM t")
            held[name] = sorted(cursor.fetchall())
    held["raw"] = sorted(lab.analytics.execute("SELECT k, words FROM raw.t").fetchall())
    return held


@pytest.mark.usefixtures("open_lines")
@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("in_chunks", [False, True], ids=["one chunk", "several"])
def test_what_changes_on_the_way_to_a_new_table_of_raw_is_noticed(
    lab: Lab, run: Run, monkeypatch: pytest.MonkeyPatch, kind: str, in_chunks: bool
) -> None:
    if in_chunks:
        monkeypatch.setattr(chunking, "CHUNK_ROWS", 20)
    make(lab, TABLES[kind])
    error = error_of(run_damaged(lab, run, "analytics", to_server=True))
    assert error.startswith("PostgreSQL holds other values than were sent")
    if in_chunks and kind == "encoded":
        assert "in keys from " in error
    assert_equal_after(lab, run)


@pytest.mark.usefixtures("open_lines")
def test_so_it_is_where_the_server_hashes_in_a_way_of_its_own(
    lab: Lab, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digests, "_KNOWN_HASH", 0)
    make(lab)
    error_of(run_damaged(lab, run, "analytics", to_server=True))
    assert_equal_after(lab, run)


@pytest.mark.skipif(not kernel.IS_COMPILED, reason="needs a C compiler")
@pytest.mark.parametrize("is_new", [True, False], ids=["new", "changed"])
def test_a_tunnel_that_begins_on_this_machine_is_watched_where_it_costs_nothing(
    lab: Lab, run: Run, monkeypatch: pytest.MonkeyPatch, is_new: bool
) -> None:
    """The only chunk of a new table, and a chunk that is compared with what raw has."""
    monkeypatch.setattr(compare, "FEW_ROWS", 0)
    make(lab, needle="60" if is_new else "-1")
    if not is_new:
        assert run().is_success
        run_sql(lab.source, "UPDATE t SET words = 'needle' WHERE k = 7")
    error_of(run_damaged(lab, run, "analytics", to_server=True))
    assert_equal_after(lab, run)


@pytest.mark.usefixtures("open_lines")
@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("few", [True, False], ids=["few rows", "a chunk"])
def test_what_changes_on_the_way_to_a_table_of_raw_is_noticed(
    lab: Lab, run: Run, monkeypatch: pytest.MonkeyPatch, kind: str, few: bool
) -> None:
    if not few:
        monkeypatch.setattr(compare, "FEW_ROWS", 0)
    make(lab, TABLES[kind], "-1")
    assert run().is_success
    run_sql(lab.source, "UPDATE t SET words = 'needle' WHERE k = 7")
    error_of(run_damaged(lab, run, "analytics", to_server=True))
    assert_equal_after(lab, run)


@pytest.mark.usefixtures("open_lines")
def test_a_key_of_a_row_that_went_is_noticed(lab: Lab, run: Run) -> None:
    """Else another row of raw went."""
    body = "k varchar(20) PRIMARY KEY, words varchar(90)"
    values = "('needle', 'a'), ('noodle', 'b'), ('other', 'c')"
    make_table(lab.source, f"CREATE TABLE t ({body})", f"INSERT INTO t VALUES {values}")
    assert run().is_success
    run_sql(lab.source, "DELETE FROM t WHERE k = 'needle'")
    assert not run_damaged(lab, run, "analytics", to_server=True).is_success
    assert_equal_after(lab, run)


@pytest.mark.parametrize("is_new", [True, False], ids=["new", "changed"])
def test_what_changes_on_the_way_to_replication_is_noticed(
    lab: Lab, run: Run, is_new: bool
) -> None:
    make(lab, needle="60" if is_new else "-1")
    if not is_new:
        assert run().is_success
        run_sql(lab.source, "UPDATE t SET words = 'needle' WHERE k = 7")
    error = error_of(run_damaged(lab, run, "replication", to_server=True))
    assert error == "the replica does not hold what the source sent"
    assert_equal_after(lab, run)


@pytest.mark.parametrize("is_new", [True, False], ids=["new", "changed"])
def test_what_changes_on_the_way_from_replication_is_noticed(
    lab: Lab, run: Run, is_new: bool
) -> None:
    make(lab, needle="60" if is_new else "-1")
    if not is_new:
        assert run().is_success
        run_sql(lab.source, "UPDATE t SET words = 'needle' WHERE k = 7")
    error = error_of(run_damaged(lab, run, "replication", to_server=False))
    assert error == "the replica does not hold what the source sent"
    assert_equal_after(lab, run)


@pytest.mark.parametrize("is_new", [True, False], ids=["new", "changed"])
def test_what_changes_on_the_way_from_the_source_is_mended_by_the_next_run(
    lab: Lab, run: Run, is_new: bool
) -> None:
    """The run that reads it has nothing to compare it with."""
    make(lab, needle="60" if is_new else "-1")
    if not is_new:
        assert run().is_success
        run_sql(lab.source, "UPDATE t SET words = 'needle' WHERE k = 7")
    assert run_damaged(lab, run, "source", to_server=False).is_success
    held = read_words(lab)
    assert held["replication"] == held["raw"] != held["source"]
    assert_equal_after(lab, run)
