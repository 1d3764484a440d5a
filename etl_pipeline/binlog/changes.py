"""From events to transactions: which keys of which tables changed (no I/O).

What cannot be understood beyond doubt is never guessed: the table is to be compared as a whole, or
every table is.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

from etl_pipeline.binlog import events
from etl_pipeline.binlog.buffer import DAMAGE, damaged
from etl_pipeline.binlog.compressed import LARGEST_EVENT, inflate, read_payload
from etl_pipeline.binlog.events import EventType, Header, Xid
from etl_pipeline.binlog.gtid import MariadbGtids, MysqlGtids
from etl_pipeline.binlog.position import FIRST_OFFSET, Position, advance, check_began
from etl_pipeline.binlog.schema_changes import ROWS, SchemaChanges, Tables
from etl_pipeline.binlog.statements import Kind, Statement, read_statement
from etl_pipeline.binlog.transaction import LoggedTransaction, OpenTransaction, TableChange
from etl_pipeline.errors import LogError

__all__ = ["ChangeReader", "LoggedTransaction", "TableChange", "Tables"]

MOST_PREPARED = 1000
"""XA transactions that wait for their COMMIT, of which the changes are remembered."""


class ChangeReader:
    """Makes transactions of the log's events, given one after the other.

    Args:
        start: Where the log is read from.
        schema: As for :class:`SchemaChanges`, like all that is not explained here.
        tables: The layouts of its tables.
        is_mariadb: Whose numbers of transactions the log has.
    """

    def __init__(
        self,
        start: Position,
        schema: str,
        tables: Tables,
        *,
        is_mariadb: bool,
        ignores_case: bool = False,
        may_have_triggers: bool = True,
    ) -> None:
        self._start = start
        self._changes = SchemaChanges(
            schema, tables, ignores_case=ignores_case, may_have_triggers=may_have_triggers
        )
        self._file, self._offset, self._began = start.file, start.offset, start.began
        self._gtids = (MariadbGtids if is_mariadb else MysqlGtids).parse(start.gtid)
        self._format: events.FormatDescription | None = None
        self._open = OpenTransaction()
        self._is_open = self._is_standalone = self._has_rotated = False
        self._prepared: dict[Xid, dict[str, TableChange]] = {}
        self._fragments: list[bytes] = []
        self._fragment_bytes = 0
        self._gtid_text = start.gtid
        self._position = start
        self._dispatch = self._make_dispatch()

    @property
    def position(self) -> Position:
        """Up to which the log was read, without the transaction that is under way."""
        return self._position

    def feed(self, event: bytes) -> LoggedTransaction | None:
        """Take the next event; return the transaction that ends with it, if one does.

        Raises:
            LogError: The event is damaged.
            PositionLostError: The log is not the one that the start belongs to.
        """
        try:
            header = events.read_header(event)
            if header.end and not header.flags & events.ARTIFICIAL:
                self._offset = advance(self._offset, header.end)
            found = self._take(self._without_checksum(event, header), header)
            if found is None and not self._is_open:
                self._note_position()
            return found
        except LogError:
            raise
        except DAMAGE as error:
            raise damaged("an event does not fit its type") from error

    def _take(self, event: bytes, header: Header) -> LoggedTransaction | None:
        handler = self._dispatch.get(header.type)
        if handler is not None:
            return handler(event, header)
        if header.type in _IGNORED or header.flags & events.IGNORABLE:
            return None
        return self._end_unknown(
            header, f"the log has an event of type {header.type}, which its reader does not know"
        )

    def _without_checksum(self, event: bytes, header: Header) -> bytes:
        """Return *event* without its checksum, which MariaDB sends although nobody asks for it.

        Events that it makes for the dump have none.
        """
        is_format = header.type == EventType.FORMAT_DESCRIPTION
        if self._format is None or not self._format.has_checksums or is_format:
            return event
        size = len(event) - events.CHECKSUM_BYTES
        if zlib.crc32(memoryview(event)[:size]) == int.from_bytes(event[size:], "little"):
            return event[:size]
        if header.end and not header.flags & events.ARTIFICIAL and header.type not in _MADE:
            raise damaged("an event does not have its checksum")
        return event

    def _make_dispatch(
        self,
    ) -> dict[int, Callable[[bytes, Header], LoggedTransaction | None]]:
        kinds = EventType
        handlers: dict[int, Callable[[bytes, Header], LoggedTransaction | None]] = {
            kinds.FORMAT_DESCRIPTION: self._take_format,
            kinds.ROTATE: self._take_rotation,
            kinds.HEARTBEAT: self._take_heartbeat,
            kinds.TABLE_MAP: self._take_table_map,
            kinds.QUERY: self._take_query,
            kinds.QUERY_COMPRESSED: self._take_query,
            kinds.EXECUTE_LOAD_QUERY: self._take_query,
            kinds.XID: self._take_commit,
            kinds.XA_PREPARE: self._take_prepare,
            kinds.GTID: self._take_mysql_gtid,
            kinds.ANONYMOUS_GTID: self._take_mysql_gtid,
            kinds.GTID_TAGGED: self._take_mysql_gtid,
            kinds.MARIADB_GTID: self._take_mariadb_gtid,
            kinds.TRANSACTION_PAYLOAD: self._take_payload,
            kinds.PARTIAL_ROW_DATA: self._take_fragment,
            kinds.INCIDENT: self._take_incident,
        }
        return handlers | dict.fromkeys(ROWS, self._take_rows)

    # The file and the place in it

    def _take_format(self, event: bytes, header: Header) -> LoggedTransaction | None:
        self._format = events.read_format(event)
        check_began(self._start, self._file, header.timestamp)
        self._began = header.timestamp
        self._changes.forget_maps()
        if not self._has_rotated:
            return None
        # A transaction is in one file: one that has not ended there never will.
        self._has_rotated = False
        return self._end(header)

    def _take_rotation(self, event: bytes, _header: Header) -> None:
        rotation = events.read_rotation(event)
        if rotation.file != self._file:
            self._file, self._offset = rotation.file, max(rotation.offset, FIRST_OFFSET)
            self._has_rotated, self._began = True, 0

    def _take_heartbeat(self, _event: bytes, header: Header) -> None:
        if header.end and not self._is_open:
            self._offset = advance(self._offset, header.end)

    def _note_position(self) -> Position:
        position = self._position
        if position.file != self._file or position.offset != self._offset:
            self._position = Position(self._file, self._offset, self._gtid_text, self._began)
        return self._position

    # Where a transaction begins and ends

    def _take_mariadb_gtid(self, event: bytes, header: Header) -> None:
        gtid = events.read_mariadb_gtid(event, header.server_id)
        self._begin()
        self._is_standalone = gtid.is_standalone
        if isinstance(self._gtids, MariadbGtids):
            self._gtids.add(gtid.domain, gtid.server, gtid.sequence)

    def _take_mysql_gtid(self, event: bytes, header: Header) -> None:
        is_tagged = header.type == EventType.GTID_TAGGED
        gtid = events.read_tagged_gtid(event) if is_tagged else events.read_mysql_gtid(event)
        self._begin()
        # What BEGIN does not follow is a statement that commits by itself.
        self._is_standalone = True
        self._open.committed = gtid.committed / 1e6
        if gtid.number and isinstance(self._gtids, MysqlGtids):
            self._gtids.add(gtid.server, gtid.number, gtid.tag)

    def _begin(self) -> None:
        # What a server that crashed has not ended counts as well: MyISAM may have done it.
        if not self._is_open:
            self._open = OpenTransaction()
        self._is_open = True
        self._changes.forget_maps()

    def _end(self, header: Header) -> LoggedTransaction:
        """Return the transaction under way, which ends with the event of *header*."""
        ended, self._open = self._open, OpenTransaction()
        self._is_open = self._is_standalone = False
        self._changes.forget_maps()
        self._gtid_text = str(self._gtids)
        self._position = Position(self._file, self._offset, self._gtid_text, self._began)
        return LoggedTransaction(
            self._position,
            ended.committed or header.timestamp,
            ended.tables(),
            ended.everything,
        )

    def _take_commit(self, _event: bytes, header: Header) -> LoggedTransaction:
        return self._end(header)

    def _end_unknown(self, header: Header, reason: str) -> LoggedTransaction | None:
        """Let every table be compared; return the transaction if none is under way."""
        self._open.everything = reason
        return None if self._is_open else self._end(header)

    def _take_incident(self, _event: bytes, header: Header) -> LoggedTransaction | None:
        self._is_open &= not self._is_standalone
        return self._end_unknown(header, "the source logged that events were lost (an incident)")

    def _take_prepare(self, event: bytes, header: Header) -> LoggedTransaction:
        prepare = events.read_xa_prepare(event)
        ended = self._end(header)
        if not prepare.is_one_phase:
            # What MyISAM did is there already; the rest comes with the COMMIT, which names nothing.
            self._prepared[prepare.xid] = dict(ended.tables)
            while len(self._prepared) > MOST_PREPARED:
                del self._prepared[next(iter(self._prepared))]
        return ended

    def _decide_xa(self, statement: Statement, header: Header) -> LoggedTransaction:
        known = self._prepared.pop(statement.xid, None) if statement.xid else None
        self._is_open = True
        ended = self._end(header)
        if known is None and not ended.tables:
            reason = "an XA transaction ended whose changes were logged before this reader began"
            return LoggedTransaction(ended.position, ended.at, everything=reason)
        return LoggedTransaction(
            ended.position, ended.at, {**(known or {}), **ended.tables}, ended.everything
        )

    def _take_payload(self, event: bytes, _header: Header) -> LoggedTransaction | None:
        """Take the events of a compressed transaction; the place of its end is the payload's."""
        found: LoggedTransaction | None = None
        for inner in read_payload(event):
            inner_header = events.read_header(inner)
            if inner_header.type == EventType.TRANSACTION_PAYLOAD:
                raise damaged("a compressed transaction holds another")
            ended = self._take(inner, inner_header)
            if ended is not None and found is not None:
                raise damaged("a compressed transaction ends twice")
            found = ended or found
        return found

    # Statements

    def _take_query(self, event: bytes, header: Header) -> LoggedTransaction | None:
        query = events.read_query(event, is_load=header.type == EventType.EXECUTE_LOAD_QUERY)
        is_compressed = header.type == EventType.QUERY_COMPRESSED
        text = events.decode_text(inflate(query.raw) if is_compressed else query.raw)
        statement = read_statement(text, query.sql_mode)
        match statement.kind:
            case Kind.BEGIN | Kind.XA_START:
                if not self._is_open:
                    self._begin()
                self._is_standalone = False
                return None
            case Kind.COMMIT:
                return self._end(header)
            case Kind.XA_DECIDE:
                return self._decide_xa(statement, header)
            case Kind.XA_END:
                return None
        self._changes.note_statement(self._open, statement, query.schema, text)
        if statement.begins:
            self._is_open, self._is_standalone = True, False
        is_inside = self._is_open and not self._is_standalone
        return None if is_inside else self._end(header)

    # Rows

    def _id_bytes(self, event_type: int) -> int:
        size = 8 if self._format is None else self._format.fixed_size(event_type, 8)
        return 4 if size == 6 else 6

    def _take_table_map(self, event: bytes, _header: Header) -> None:
        self._changes.take_table_map(event, self._id_bytes(EventType.TABLE_MAP))

    def _take_rows(self, event: bytes, header: Header) -> None:
        self._is_open, self._is_standalone = True, False
        kind, id_bytes = ROWS[header.type], self._id_bytes(header.type)
        self._changes.take_rows(self._open, event, kind, id_bytes)

    def _take_fragment(self, event: bytes, _header: Header) -> LoggedTransaction | None:
        fragment = events.read_fragment(event)
        if fragment.number == 1:
            self._fragments, self._fragment_bytes = [], 0
        self._fragment_bytes += len(fragment.data)
        is_next = fragment.number == len(self._fragments) + 1
        if not is_next or self._fragment_bytes > LARGEST_EVENT:
            self._fragments = []
            raise damaged("parts of an event are missing, or too large")
        self._fragments.append(fragment.data)
        if fragment.number < fragment.parts:
            return None
        whole, self._fragments = b"".join(self._fragments), []
        inner = events.unpack_header(whole)
        if inner.type not in ROWS:
            raise damaged("parts of an event are none of rows")
        return self._take(whole, inner)


_MADE = frozenset({EventType.ROTATE, EventType.HEARTBEAT, EventType.HEARTBEAT_V2})
"""Events that a server makes for the dump, with the place in the log that they are about."""
_IGNORED = frozenset(
    {
        EventType.STOP,
        EventType.INTVAR,
        EventType.RAND,
        EventType.USER_VAR,
        # The statement that loads what these carry comes after them.
        EventType.APPEND_BLOCK,
        EventType.BEGIN_LOAD_QUERY,
        EventType.DELETE_FILE,
        EventType.IGNORABLE,
        EventType.ROWS_QUERY,
        EventType.PREVIOUS_GTIDS,
        EventType.TRANSACTION_CONTEXT,
        EventType.VIEW_CHANGE,
        # Its place in the log stands in its body, and nobody needs it.
        EventType.HEARTBEAT_V2,
        EventType.ANNOTATE_ROWS,
        EventType.BINLOG_CHECKPOINT,
        EventType.MARIADB_GTID_LIST,
        EventType.START_ENCRYPTION,
    }
)
