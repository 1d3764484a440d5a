"""Changes of the tables of one schema: rows, and statements that stand as text (no I/O)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from etl_pipeline.binlog.buffer import damaged
from etl_pipeline.binlog.compressed import inflate
from etl_pipeline.binlog.events import HEADER_BYTES, EventType
from etl_pipeline.binlog.key_set import KeyCollector
from etl_pipeline.binlog.keys import NO_CASCADES, Cascades, KeyLayout, find_changing
from etl_pipeline.binlog.rows import KeyReader, RowChange, RowsBody, UnreadableRowsError, read_maps
from etl_pipeline.binlog.statements import Kind, Name, Statement
from etl_pipeline.binlog.table_map import TableMap, read_table_id, read_table_map
from etl_pipeline.binlog.transaction import OpenTransaction

MOST_READERS = 4096
"""Table maps whose readers are kept."""

Tables = Callable[[str], KeyLayout | None]
"""The layout of a table that is followed; None for any other."""

_AS_TEXT = "a statement that changes rows stands as text in the log (binlog_format is not ROW)"


_OUTDATED = "its definition changed, and the catalog was not read since"


@dataclass(frozen=True, slots=True)
class RowsKind:
    """Meaning of an event type of rows."""

    change: RowChange
    has_extra: bool = False
    is_compressed: bool = False
    is_partial: bool = False


ROWS: Final[Mapping[int, RowsKind]] = {
    EventType.WRITE_ROWS_V1: RowsKind(RowChange.WRITE),
    EventType.UPDATE_ROWS_V1: RowsKind(RowChange.UPDATE),
    EventType.DELETE_ROWS_V1: RowsKind(RowChange.DELETE),
    EventType.WRITE_ROWS: RowsKind(RowChange.WRITE, has_extra=True),
    EventType.UPDATE_ROWS: RowsKind(RowChange.UPDATE, has_extra=True),
    EventType.DELETE_ROWS: RowsKind(RowChange.DELETE, has_extra=True),
    EventType.PARTIAL_UPDATE_ROWS: RowsKind(RowChange.UPDATE, has_extra=True, is_partial=True),
    EventType.WRITE_ROWS_COMPRESSED_V1: RowsKind(RowChange.WRITE, is_compressed=True),
    EventType.UPDATE_ROWS_COMPRESSED_V1: RowsKind(RowChange.UPDATE, is_compressed=True),
    EventType.DELETE_ROWS_COMPRESSED_V1: RowsKind(RowChange.DELETE, is_compressed=True),
    EventType.WRITE_ROWS_COMPRESSED: RowsKind(RowChange.WRITE, has_extra=True, is_compressed=True),
    EventType.UPDATE_ROWS_COMPRESSED: RowsKind(
        RowChange.UPDATE, has_extra=True, is_compressed=True
    ),
    EventType.DELETE_ROWS_COMPRESSED: RowsKind(
        RowChange.DELETE, has_extra=True, is_compressed=True
    ),
}
"""The event types of rows."""


class SchemaChanges:
    """Notes what events do to the tables of *schema*.

    Args:
        schema: The schema that is followed.
        tables: The layouts of its tables, asked for each table map, by name, in lower case where
            names are the same in any case. After a change of definition another layout is expected,
            made of what the catalog says then.
        ignores_case: Whether the server's names of tables are the same in any case.
        may_have_triggers: Whether a statement that is logged as text may change other tables than
            those that it names; False only where that is known.
    """

    def __init__(
        self, schema: str, tables: Tables, *, ignores_case: bool, may_have_triggers: bool
    ) -> None:
        self._schema, self._tables = schema, tables
        self._ignores_case, self._may_have_triggers = ignores_case, may_have_triggers
        self._maps: dict[int, tuple[KeyLayout, KeyReader | str] | None] = {}
        self._readers: dict[bytes, tuple[KeyLayout, KeyReader | str]] = {}
        self._outdated: dict[str, KeyLayout | None] = {}
        self._passed_over: set[bytes] = set()

    def forget_maps(self) -> None:
        """Forget the numbers of tables: each transaction names its tables anew."""
        self._maps.clear()

    def note_statement(
        self, opened: OpenTransaction, statement: Statement, default: str, text: str | None
    ) -> None:
        """Note in *opened* what a statement that stands as text in the log did.

        Args:
            opened: The transaction that it stands in.
            statement: As ``read_statement`` has it.
            default: The schema of names that have none.
            text: None where it is not UTF-8.
        """
        if statement.kind is Kind.HARMLESS:
            return
        if statement.kind is Kind.DEFINITION:
            if statement.schema is not None and self._is_ours(statement.schema):
                opened.everything = "the source's database was dropped"
            for name in self._own_tables(statement.tables, default):
                if statement.ddl:
                    opened.ddl.setdefault(name, []).append(statement.ddl)
                if statement.ddl and statement.changes_rows:
                    self._outdated[name] = self._tables(self._asked_name(name))
                if statement.changes_rows:
                    done = statement.ddl or "TRUNCATE or REPAIR"
                    opened.whole.setdefault(name, f"{done} of it stands in the log")
            return
        is_near = self._is_ours(default) or self._schema.lower() in (text or "").lower()
        if not is_near and text is not None:
            return
        if statement.kind is Kind.UNCLEAR:
            opened.everything = "the log has a statement that its reader does not understand"
            return
        named = [n for n in self._own_tables(statement.tables, default) if self._tables(n)]
        if self._may_have_triggers or statement.calls_unknown or not named:
            opened.everything = _AS_TEXT
        for name in named:
            opened.whole.setdefault(name, _AS_TEXT)

    def _own_tables(self, names: tuple[Name, ...], default: str) -> list[str]:
        return [
            self._own_name(table)
            for schema, table in names
            if self._is_ours(default if schema is None else schema)
        ]

    def _own_name(self, table: str) -> str:
        """Return the name of *table* as the catalog has it."""
        known = self._tables(self._asked_name(table))
        return known.table if known is not None else table

    def _asked_name(self, table: str) -> str:
        return table.lower() if self._ignores_case else table

    def _is_ours(self, schema: str) -> bool:
        if self._ignores_case:
            return schema.lower() == self._schema.lower()
        return schema == self._schema

    def take_table_map(self, event: bytes, id_bytes: int) -> None:
        """Note of which table the rows are that name it by the number in *event*.

        Args:
            event: A table map.
            id_bytes: Bytes of the table's number.
        """
        table_id = read_table_id(event, id_bytes)
        content = event[HEADER_BYTES + id_bytes :]
        if content in self._passed_over:
            self._maps[table_id] = None
            return
        known = self._readers.get(content)
        if known is not None and self._is_current(known[0]):
            self._maps[table_id] = known
            return
        table = read_table_map(event, id_bytes)
        if not self._is_ours(table.schema):
            if len(self._passed_over) > MOST_READERS:
                self._passed_over.clear()
            self._passed_over.add(content)
            self._maps[table_id] = None
            return
        layout = self._tables(self._asked_name(table.table))
        if layout is None:
            self._maps[table_id] = None
        elif self._outdated.get(layout.table) is layout:
            self._maps[table_id] = layout, _OUTDATED
        else:
            if len(self._readers) > MOST_READERS:
                self._readers.clear()
            made = layout, _make_reader(table, layout)
            self._readers[content] = self._maps[table_id] = made

    def _is_current(self, layout: KeyLayout) -> bool:
        """True if *layout* is what the catalog says of its table still."""
        is_known = self._tables(self._asked_name(layout.table)) is layout
        return is_known and self._outdated.get(layout.table) is not layout

    def take_rows(
        self, opened: OpenTransaction, event: bytes, kind: RowsKind, id_bytes: int
    ) -> None:
        """Note in *opened* the keys of an event of rows.

        Raises:
            LogError, or one of ``buffer.DAMAGE``: The event is damaged.
        """
        table_id = read_table_id(event, id_bytes)
        if table_id not in self._maps:
            raise damaged("rows have no table map")
        found = self._maps[table_id]
        if found is None:
            return
        layout, reader = found
        name = layout.table
        if layout.cascades is not NO_CASCADES and kind.change is not RowChange.WRITE:
            self._mark_cascades(opened, name, is_delete=kind.change is RowChange.DELETE)
        if name in opened.whole:
            return
        if isinstance(reader, str):
            opened.mark(name, reader)
            return
        start, count, before, after = read_maps(
            event, HEADER_BYTES + id_bytes, kind.change, has_extra=kind.has_extra
        )
        data = event[start:]
        if kind.is_compressed:
            data = inflate(data)
        collector = opened.keys.get(name)
        if collector is None or collector.layout is not layout:
            if collector is not None:
                opened.mark(name, "its definition changed within a transaction")
                return
            collector = opened.keys[name] = KeyCollector(layout)
        body = RowsBody(data, kind.change, count, before, after, kind.is_partial)
        try:
            reader.collect(body, collector)
        except UnreadableRowsError as error:
            opened.mark(name, str(error))

    def _mark_cascades(self, opened: OpenTransaction, table: str, *, is_delete: bool) -> None:
        def cascades_of(name: str) -> Cascades:
            layout = self._tables(name)
            return NO_CASCADES if layout is None else layout.cascades

        for name in find_changing(table, cascades_of, is_delete=is_delete):
            if self._tables(name) is not None:
                opened.mark(name, f"a foreign key lets it change with {table}, past the log")


def _make_reader(table: TableMap, layout: KeyLayout) -> KeyReader | str:
    """Return what reads the keys of *table*'s rows, or why nothing can."""
    try:
        return KeyReader(table, layout)
    except UnreadableRowsError as error:
        return str(error)
