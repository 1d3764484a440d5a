"""Transactions of the log: which keys of which tables changed (no I/O)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from etl_pipeline.binlog.key_set import ChangedKeys, KeyCollector
from etl_pipeline.binlog.position import Position


@dataclass(frozen=True, slots=True)
class TableChange:
    """Changes of a table by a transaction.

    Attributes:
        keys: Of rows that were inserted, updated (before and after) or deleted; perhaps of others.
        whole: Why the table must be compared as a whole; None if *keys* say all.
        ddl: Kinds of statements that changed its definition, in their order.
    """

    keys: ChangedKeys | None
    whole: str | None = None
    ddl: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LoggedTransaction:
    """A committed transaction, or a point of the log between two.

    Attributes:
        position: After it.
        at: When it was committed, in seconds since the epoch by the source's clock.
        tables: What it did, by table, of the one schema that is followed; empty where nothing.
        everything: Why every table must be compared; None if *tables* say all.
    """

    position: Position
    at: float
    tables: Mapping[str, TableChange] = field(default_factory=dict)
    everything: str | None = None


@dataclass(slots=True)
class OpenTransaction:
    """The transaction that is under way.

    Attributes:
        committed: When it was committed, in seconds since the epoch; 0 where that is not told.
    """

    keys: dict[str, KeyCollector] = field(default_factory=dict)
    whole: dict[str, str] = field(default_factory=dict)
    ddl: dict[str, list[str]] = field(default_factory=dict)
    everything: str | None = None
    committed: float = 0.0

    def mark(self, table: str, reason: str) -> None:
        """Let *table* be compared as a whole; its keys are of no use any more."""
        self.whole.setdefault(table, reason)
        self.keys.pop(table, None)

    def tables(self) -> dict[str, TableChange]:
        """Return its changes by table."""
        changes = {}
        for name in {**self.keys, **self.whole, **self.ddl}:
            collector = self.keys.get(name)
            keys = None if collector is None else collector.take()
            whole = self.whole.get(name)
            if keys is not None and keys.is_lost:
                whole = whole or "more of its keys changed in one transaction than can be kept"
            changes[name] = TableChange(keys, whole, tuple(self.ddl.get(name, ())))
        return changes
