"""Events that a test server does not write: made by hand, as the manuals describe them."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from etl_pipeline.binlog.changes import ChangeReader, LoggedTransaction
from etl_pipeline.binlog.events import EventType
from etl_pipeline.binlog.keys import KeyColumn, KeyLayout
from etl_pipeline.binlog.position import Position
from etl_pipeline.errors import LogError, PositionLostError

if TYPE_CHECKING:
    from collections.abc import Iterable

LAYOUT = KeyLayout("t", (KeyColumn("id", 0, "int"),), 2)
START = Position("log.000001", 4, "0-1-1", 1000)


class Writer:
    """Makes events that follow each other in a file."""

    def __init__(self) -> None:
        self.end = 4

    def event(self, kind: int, body: bytes = b"", *, flags: int = 0, at: int = 5) -> bytes:
        self.end += 19 + len(body)
        return struct.pack("<IBIIIH", at, kind, 1, 19 + len(body), self.end, flags) + body

    def gtid(self, number: int, *, standalone: bool = False) -> bytes:
        body = struct.pack("<QIB", number, 0, standalone) + b"\0" * 6
        return self.event(EventType.MARIADB_GTID, body)

    def format(self, at: int = 1000) -> bytes:
        version = b"10.11.2-MariaDB".ljust(50, b"\0")
        body = struct.pack("<H50sIB", 4, version, at, 19) + b"\0" * 40 + b"\0" + b"\0" * 4
        return self.event(EventType.FORMAT_DESCRIPTION, body, at=at)

    def table_map(self) -> bytes:
        return self.event(EventType.TABLE_MAP, table_map())

    def rows(self, kind: int, *keys: int, extra: bytes | None = None) -> bytes:
        head = b"\x07\0\0\0\0\0" + b"\x01\0"
        if extra is not None:
            head += struct.pack("<H", 2 + len(extra)) + extra
        body = b"".join(b"\xfc" + struct.pack("<ii", key, 0) for key in keys)
        return self.event(kind, head + b"\x02\xff" + body)

    def xid(self) -> bytes:
        return self.event(EventType.XID, b"\0" * 8)


def table_map() -> bytes:
    names = b"\x01s\0" + b"\x01t\0"
    return b"\x07\0\0\0\0\0" + b"\x01\0" + names + b"\x02\x03\x03" + b"\x00" + b"\x03"


def read(*events: bytes, start: Position = START) -> list[LoggedTransaction]:
    reader = ChangeReader(start, "s", {"t": LAYOUT}.get, is_mariadb=True)
    found = (reader.feed(event) for event in events)
    return [transaction for transaction in found if transaction is not None]


def lines(transactions: Iterable[LoggedTransaction]) -> set[bytes]:
    changes = [t.tables["t"] for t in transactions if "t" in t.tables]
    assert not [change.whole for change in changes if change.whole]
    return {line for c in changes if c.keys is not None for line in c.keys.lines()}


def test_a_transaction_made_by_hand() -> None:
    w = Writer()
    (found,) = read(w.format(), w.gtid(2), w.table_map(), w.rows(23, 1, 2), w.xid())
    assert lines([found]) == {b"1", b"2"}
    assert found.position == Position("log.000001", w.end, "0-1-2", 1000)
    assert found.at == 5


@pytest.mark.parametrize("extra", [b"", b"\0\1\2\3"])
def test_rows_of_the_second_version(extra: bytes) -> None:
    w = Writer()
    found = read(w.gtid(2), w.table_map(), w.rows(30, 1, extra=extra), w.xid())
    assert lines(found) == {b"1"}


def test_parts_of_rows_are_put_together() -> None:
    """MariaDB 12.3 cuts events that are larger than a replica takes."""
    w = Writer()
    rows = Writer().rows(23, *range(50))
    parts = [rows[i : i + 100] for i in range(0, len(rows), 100)]
    fragments = [
        w.event(
            EventType.PARTIAL_ROW_DATA,
            struct.pack("<IIB", len(parts), number, number == 1)
            + (struct.pack("<Q", len(rows)) if number == 1 else b"")
            + part,
        )
        for number, part in enumerate(parts, 1)
    ]
    found = read(w.gtid(2), w.table_map(), *fragments, w.xid())
    assert lines(found) == {b"%d" % n for n in range(50)}
    with pytest.raises(LogError):
        read(w.gtid(2), w.table_map(), fragments[0], *fragments[2:], w.xid())


def test_a_payload_that_is_not_compressed() -> None:
    w, inner = Writer(), Writer()
    body = inner.table_map() + inner.rows(30, 5, extra=b"") + inner.xid()
    size = b"\xfc" + struct.pack("<H", len(body))
    payload = b"\x02\x03\xfc\xff\0" + b"\x01\x03" + size + b"\0" + body
    (found,) = read(w.gtid(2), w.event(EventType.TRANSACTION_PAYLOAD, payload))
    assert lines([found]) == {b"5"}
    assert found.position.offset == w.end


@pytest.mark.parametrize("kind", [20, 21, 22, 99, 200])
def test_an_unknown_event_is_everything(kind: int) -> None:
    w = Writer()
    (found,) = read(w.gtid(2), w.event(kind, b"xyz"), w.xid())
    assert found.everything
    (alone,) = read(Writer().event(kind))
    assert alone.everything
    assert not read(Writer().event(kind, flags=0x80))


def test_an_incident_is_everything() -> None:
    w = Writer()
    (found,) = read(w.event(EventType.INCIDENT, b"\1\0\0"))
    assert found.everything
    assert "incident" in found.everything


def test_a_heartbeat_is_no_change() -> None:
    w = Writer()
    events = [w.gtid(2), w.table_map(), w.event(27, b"log.000001"), w.rows(23, 1)]
    assert not read(*events)
    assert lines(read(*events, w.xid())) == {b"1"}


def test_a_transaction_that_a_crash_cut_off_counts() -> None:
    """MyISAM may have done its part."""
    w = Writer()
    rotation = struct.pack("<Q", 4) + b"log.000002"
    events = [w.gtid(2), w.table_map(), w.rows(23, 1), w.event(EventType.ROTATE, rotation)]
    w.end = 4
    found = read(*events, w.format(at=2000))
    assert lines(found) == {b"1"}
    assert found[-1].position.file == "log.000002"
    assert found[-1].position.began == 2000


def test_another_log_of_the_same_name_is_noticed() -> None:
    with pytest.raises(PositionLostError):
        read(Writer().format(at=1001))


def test_rows_without_a_table_map_are_damage() -> None:
    w = Writer()
    with pytest.raises(LogError):
        read(w.gtid(2), w.rows(23, 1), w.xid())


def test_a_column_of_an_unknown_type_is_a_table_to_compare() -> None:
    w = Writer()
    strange = table_map().replace(b"\x02\x03\x03", b"\x02\x03\x99")
    events = w.gtid(2), w.event(EventType.TABLE_MAP, strange), w.rows(23, 1), w.xid()
    (found,) = read(*events)
    assert found.tables["t"].whole
