"""Damaged events end in the package's own error, in bounded time and memory."""

from __future__ import annotations

import contextlib
import random
import struct
import time
import tracemalloc
import zlib
from typing import TYPE_CHECKING

import pytest

from etl_pipeline.binlog.changes import ChangeReader
from etl_pipeline.binlog.compressed import inflate, read_payload
from etl_pipeline.binlog.keys import KeyColumn, KeyLayout
from etl_pipeline.binlog.position import Position
from etl_pipeline.errors import LogError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.binlog.following import Followed

EXAMPLES, LONG_EXAMPLES = 500, 100_000
TABLES = (
    "CREATE TABLE a (id int NOT NULL PRIMARY KEY, v varchar(300), x text)",
    "CREATE TABLE b (x decimal(20,5), d datetime(3), e enum('a','b'), t varchar(20), id bigint,"
    " PRIMARY KEY (id, t, d, e))",
    "CREATE TABLE c (s char(9), f float, b bit(9), i time(4), PRIMARY KEY (s, b, i))",
)


@contextlib.contextmanager
def at_most(most_bytes: int) -> Iterator[None]:
    """Fail unless the block needs *most_bytes* of memory at most."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < most_bytes
    finally:
        tracemalloc.stop()


def record(followed: Followed) -> list[bytes]:
    """Events of every kind that a server writes, as it sends them."""
    followed.make(*TABLES)
    followed.run(
        "INSERT INTO a VALUES (1, 'x', REPEAT('y', 300)), (2, NULL, NULL)",
        "UPDATE a SET v = REPEAT('z', 200), id = id + 10",
        "INSERT INTO b VALUES (1.5, '2026-01-02', 'b', 'text', 1), (2, '2026-01-02', 'a', '', 2)",
        "INSERT INTO c VALUES ('s', 1.5, 5, '-01:02:03.4')",
        "DELETE FROM b WHERE id = 1",
        "SET SESSION binlog_row_image = MINIMAL",
        "UPDATE b SET x = 2",
        "SET SESSION binlog_row_image = FULL",
        "ALTER TABLE c ADD w int",
        "FLUSH BINARY LOGS",
        "TRUNCATE TABLE a",
    )
    followed.run("XA START 'd'", "INSERT INTO a VALUES (3, '', '')", "XA END 'd'")
    followed.run("XA PREPARE 'd'", "XA ROLLBACK 'd'")
    if followed.is_mariadb:
        followed.run("SET GLOBAL log_bin_compress = ON")
        with followed.server.connect(followed.name) as admin, admin.cursor() as cursor:
            cursor.execute("INSERT INTO a VALUES (9, REPEAT('x', 300), REPEAT('y', 5000))")
        followed.run("SET GLOBAL log_bin_compress = OFF")
    else:
        followed.run("SET SESSION binlog_transaction_compression = ON")
        followed.run("INSERT INTO a VALUES (9, REPEAT('x', 300), REPEAT('y', 5000))")
        followed.run("SET SESSION binlog_transaction_compression = OFF")
    end, events = followed.end(), []
    with followed.connect_log() as log:
        log.register(4_000_000_321)
        log.dump_file(4_000_000_321, followed.position.file, followed.position.offset)
        while True:
            event = log.receive(time.monotonic() + 5, time.monotonic)
            assert event is not None
            events.append(event)
            if int.from_bytes(event[13:17], "little") == end.offset and event[4] not in (4, 27):
                break
        log.end_dump()
    return events


def feed(followed: Followed, events: Iterable[bytes]) -> int:
    """Let a reader take *events* until it refuses one; return how many it took."""
    reader = ChangeReader(
        followed.position, followed.name, followed.layouts.get, is_mariadb=followed.is_mariadb
    )
    taken = 0
    for event in events:
        try:
            reader.feed(event)
        except LogError:
            break
        taken += 1
    return taken


def damage(rng: random.Random, events: list[bytes]) -> list[bytes]:
    """*events*, one of them damaged, with lengths and checksums that fit again, mostly."""
    found = list(events)
    place = rng.randrange(len(found))
    event = bytearray(found[place])
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        if len(event) <= 19:
            break
        at = rng.randrange(4 if rng.random() < 0.1 else 19, len(event))
        kind = rng.randrange(4)
        if kind == 0:
            event[at] = rng.choice((0, 1, 2, 0x7F, 0x80, 0xFB, 0xFC, 0xFD, 0xFE, 0xFF))
        elif kind == 1:
            event[at] ^= 1 << rng.randrange(8)
        elif kind == 2:
            del event[at : at + rng.randrange(1, 20)]
        else:
            event[at:at] = rng.randbytes(rng.randrange(1, 20))
    if rng.random() < 0.9 and len(event) >= 23:
        event[9:13] = struct.pack("<I", len(event))
        event[-4:] = struct.pack("<I", zlib.crc32(event[:-4]))
    found[place] = bytes(event)
    if rng.random() < 0.2:
        rng.shuffle(found)
    return found


def test_damage_is_an_error_of_ours(followed: Followed, pytestconfig: pytest.Config) -> None:
    events = record(followed)
    assert feed(followed, events) == len(events)
    is_long = pytestconfig.getoption("--long")
    rng = random.Random(time.time() if is_long else 1)
    slowest = 0.0
    with at_most(200 << 20):
        for _ in range(LONG_EXAMPLES if is_long else EXAMPLES):
            began = time.process_time()
            feed(followed, damage(rng, events))
            slowest = max(slowest, time.process_time() - began)
    assert slowest < 2


def test_noise_is_an_error_of_ours() -> None:
    rng = random.Random(2)
    layout = KeyLayout("t", (KeyColumn("id", 0, "int"),), 1)
    for kind in range(256):
        for size in (0, 1, 8, 13, 40, 200):
            for is_mariadb in (True, False):
                reader = ChangeReader(
                    Position("a.000001", 4), "s", {"t": layout}.get, is_mariadb=is_mariadb
                )
                body = rng.randbytes(size)
                head = struct.pack("<IBIIIH", 1, kind, 1, 19 + size, 100, 0)
                try:
                    reader.feed(head + body)
                except LogError:
                    continue


def test_a_small_event_that_claims_to_be_large_takes_no_memory() -> None:
    bomb = zlib.compress(b"\0" * (64 << 20))
    with at_most(8 << 20):
        with pytest.raises(LogError):
            inflate(b"\x84" + (1 << 20).to_bytes(4, "big") + bomb)
        with pytest.raises(LogError):
            inflate(b"\x84\xff\xff\xff\xff" + zlib.compress(b"x"))


def test_a_payload_that_is_a_bomb_takes_no_memory() -> None:
    zstd = pytest.importorskip("backports.zstd")
    bomb = zstd.compress(b"\xff" * (256 << 20))
    event = b"\0" * 19 + b"\2\1\0\0" + bomb
    with at_most(16 << 20), pytest.raises(LogError):
        list(read_payload(event))
