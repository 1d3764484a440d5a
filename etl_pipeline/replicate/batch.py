"""Merge logged transactions to a batch: which keys of which tables may differ (no I/O).

A key is in a batch once, however often it changed. What is not known by key, or is too much to be
held in memory, is left to a comparison of the whole table: the ordinary run makes it.
"""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from etl_pipeline.binlog.changes import LoggedTransaction, TableChange
from etl_pipeline.binlog.key_set import KeyCollector
from etl_pipeline.binlog.keys import KeyLayout
from etl_pipeline.binlog.position import Position
from etl_pipeline.state.records import KnownChunk
from etl_pipeline.transfer.chunk import Chunk

MOST_CHANGES = 100_000
"""Changes of a table in a batch at most: for more, all of it is compared in less time."""
MOST_CHANGES_IN_ALL = 300_000
"""Changes of a batch at most; a key takes about a hundred bytes of memory."""
RANGE_SHARE = 4
"""Where one row in so many of a chunk may differ, the chunk is read as a whole."""
RANGE_KEYS = 1_000
"""Fewer keys are never worth a whole chunk."""


@dataclass(slots=True)
class TableKeys:
    """Keys of a table whose rows may differ.

    Attributes:
        changes: How many the log has named; a key that changed twice counts as two.
    """

    keys: KeyCollector
    changes: int = 0


@dataclass(slots=True)
class Batch:
    """The changes of some transactions that follow each other in the log.

    Attributes:
        tables: By name, the keys that may differ.
        whole: By name, why a table has to be compared as a whole; its keys are not collected.
        altered: Tables whose schema may have changed; they are in *whole* as well.
        position: After the last transaction; None while there is none.
        transactions: Those that changed a followed table.
        first_at: When the first of them was committed, by the source's clock, in seconds.
        last_at: When the last of them was.
    """

    tables: dict[str, TableKeys] = field(default_factory=dict)
    whole: dict[str, str] = field(default_factory=dict)
    altered: set[str] = field(default_factory=set)
    position: Position | None = None
    transactions: int = 0
    first_at: float | None = None
    last_at: float | None = None

    def __bool__(self) -> bool:
        return bool(self.tables or self.whole)

    @property
    def changes(self) -> Counter[str]:
        """By table, how many changes the log has named."""
        return Counter({name: table.changes for name, table in self.tables.items()})

    def add(self, transaction: LoggedTransaction, followed: Mapping[str, KeyLayout]) -> None:
        """Take over what *transaction* changed in the tables of *followed*."""
        self.position = transaction.position
        is_ours = False
        if transaction.everything is not None:
            is_ours = True
            for name in followed:
                self.give_up(name, transaction.everything)
        for name, change in transaction.tables.items():
            if name in followed:
                is_ours = True
                self._add_change(name, change, followed[name])
        if is_ours:
            self.transactions += 1
            self.last_at = transaction.at
            self.first_at = transaction.at if self.first_at is None else self.first_at

    def _add_change(self, name: str, change: TableChange, layout: KeyLayout) -> None:
        if change.ddl:
            self.altered.add(name)
            self.give_up(name, f"its schema may have changed ({', '.join(change.ddl)})")
        if change.whole is not None:
            self.give_up(name, change.whole)
        if name in self.whole or not change.keys:
            return
        table = self.tables.setdefault(name, TableKeys(KeyCollector(layout)))
        table.changes += change.keys.count
        table.keys.add(change.keys)
        if table.changes > MOST_CHANGES or not change.keys.has_lines:
            self.give_up(name, _too_many(table.changes))
        elif self.changes.total() > MOST_CHANGES_IN_ALL:
            largest, changes = self.changes.most_common(1)[0]
            self.give_up(largest, _too_many(changes))

    def give_up(self, name: str, because: str) -> None:
        """Leave the table to a comparison as a whole; the first reason is kept."""
        self.tables.pop(name, None)
        self.whole.setdefault(name, because)


def _too_many(changes: int) -> str:
    return f"so many of its rows changed at once ({changes:,}) that it takes less time"


@dataclass(frozen=True, slots=True)
class KeyPlan:
    """The way to read the rows of some keys.

    Attributes:
        keys: Lines of the text of the table's keys; their rows are read by key.
        ranges: Chunks that are read as a whole.
    """

    keys: Sequence[bytes]
    ranges: Sequence[Chunk]


def plan_keys(keys: Iterable[bytes], chunks: Sequence[KnownChunk], *, has_integer: bool) -> KeyPlan:
    """Decide which of *keys* are read by key, and which chunks hold so many that all is read.

    Args:
        keys: Of one table, each once: lines of the text of its keys.
        chunks: All of the table's, in order.
        has_integer: True if the key begins with an integer, by which the chunks are cut.
    """
    if not has_integer:
        return KeyPlan(tuple(keys), ())
    lowers = [known.proof.chunk.lower or 0 for known in chunks[1:]]
    by_chunk: dict[int, list[bytes]] = {}
    # In the key's order, as the servers' indexes are.
    for key in sorted(keys, key=_first):
        by_chunk.setdefault(bisect.bisect_right(lowers, _first(key)), []).append(key)
    few: list[bytes] = []
    ranges = []
    for ordinal, some in by_chunk.items():
        proof = chunks[ordinal].proof
        if len(some) > max(RANGE_KEYS, proof.rows // RANGE_SHARE):
            ranges.append(proof.chunk)
        else:
            few += some
    return KeyPlan(few, ranges)


def _first(key: bytes) -> int:
    return int(key.split(b"\t", 1)[0])
