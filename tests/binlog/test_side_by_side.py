"""Sessions that write at the same time: no change of a row is missed, at any commit."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pymysql

from etl_pipeline.binlog.server_log import shows, snapshot_end
from tests.binlog.following import changed

if TYPE_CHECKING:
    from tests.binlog.following import Followed

WRITERS, SECONDS = 4, 4.0
TABLES = ("a", "b")


def write(followed: Followed, seed: int, ends_at: float) -> None:
    """Change rows in transactions of which some are rolled back."""
    rng = random.Random(seed)
    with closing(followed.server.connect(followed.name)) as session, session.cursor() as cursor:
        while time.monotonic() < ends_at:
            # Deadlocks are wanted: the server rolls one of the two back.
            with contextlib.suppress(pymysql.MySQLError):
                cursor.execute("BEGIN")
                for _ in range(rng.randrange(1, 5)):
                    table, key = rng.choice(TABLES), rng.randrange(200)
                    cursor.execute(
                        rng.choice(
                            (
                                f"REPLACE INTO {table} VALUES ({key}, {rng.randrange(10**6)})",
                                f"UPDATE {table} SET v = v + 1 WHERE id > {key} LIMIT 5",
                                f"DELETE FROM {table} WHERE id = {key}",
                            )
                        )
                    )
                cursor.execute(rng.choice(("COMMIT", "COMMIT", "ROLLBACK")))


def test_each_snapshot_differs_by_the_keys_of_the_log(followed: Followed) -> None:
    """Between two snapshots no row differs whose key the log does not tell up to the second."""
    followed.make(*(f"CREATE TABLE {t} (id int NOT NULL PRIMARY KEY, v int)" for t in TABLES))
    ends_at = time.monotonic() + SECONDS
    writers = [
        threading.Thread(target=write, args=(followed, seed, ends_at)) for seed in range(WRITERS)
    ]
    known: dict[str, dict[bytes, bytes]] = {table: {} for table in TABLES}
    looks = transactions = 0
    stream = followed.stream = followed.open()
    for writer in writers:
        writer.start()
    try:
        with closing(followed.connect_source()) as source, source.cursor() as cursor:
            is_last = False
            while not is_last:
                is_last = not any(writer.is_alive() for writer in writers)
                cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
                end, told = snapshot_end(source), {table: set[bytes]() for table in TABLES}
                last = None
                while not stream.position.has_reached(end):
                    found = stream.read(time.monotonic() + 5, upto=end)
                    if found is None:
                        continue
                    transactions += 1
                    for table, change in found.tables.items():
                        last = found.position
                        assert change.keys is not None
                        told[table].update(change.keys.lines())
                if followed.is_mariadb and last is not None:
                    assert shows(source, last)
                for table in TABLES:
                    cursor.execute(f"SELECT id, v FROM {table}")
                    rows = {b"%d" % key: b"%d" % value for key, value in cursor.fetchall()}
                    if followed.is_mariadb:
                        assert changed(known[table], rows) <= told[table]
                    known[table] = rows
                cursor.execute("COMMIT")
                looks += 1
    finally:
        for writer in writers:
            writer.join()
    assert looks > 3
    assert transactions > 50
