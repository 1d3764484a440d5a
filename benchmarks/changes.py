"""Runs after the first one: what it costs when nothing changed, and when a thousand rows did.

Beside the peers that follow changes: ingestr, which merges what a stamp says is new, and
pt-table-sync, which compares two MySQL servers by checksums.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from benchmarks.contestants import TABLE
from benchmarks.measure import FailedError, Measurement, measure
from benchmarks.memory import etl_run
from benchmarks.references import plain_select
from benchmarks.stage import AFTER_WRITING_SECONDS, Stage, run_at_source, settle
from etl_pipeline.transfer.select import RenderedTable

CHANGED, DELETED = 1_000, 100
PLAIN = "mariadb --quick, SELECT *"
FIRST, UNCHANGED = "first run", "nothing changed"
SCATTERED, IN_ONE_PLACE = "1,000 rows changed, scattered", "1,000 rows changed in one place"
INCREMENTAL = "1,000 rows changed, incremental"
AND_DELETED = "1,000 rows changed, 100 deleted, incremental"
MERGED = "ingestr 1.1.22, merge by interval: the deleted rows stay"
RELOADED = "ingestr 1.1.22, the whole table again"
TABLE_SYNC = "pt-table-sync, MySQL → MySQL alone"
_INCREMENTAL = f"""tables:
  {TABLE}:
    extraction_strategy: incremental
    incremental_column: DateTStamp
"""
_FEES = "SUM(CAST({column} AS DECIMAL(20, 2)))"
Turn = tuple[str, Measurement]


class Changes:
    """The table of a stage, changed again and again, and followed in turn by each who can.

    Args:
        stage: Its source holds the table; what the targets hold is dropped.
        text: The table.
        rows: It has.
        peers: Where the peers' environments are.
    """

    def __init__(self, stage: Stage, text: RenderedTable, rows: int, peers: Path) -> None:
        self._stage, self._text, self._rows = stage, text, rows
        self._ingestr = f"{peers.resolve()}/ingestr/bin/ingestr"
        self._copy = f"{stage.replication}_copy"
        self._run = shlex.join([*etl_run(), TABLE])
        self._turn = self._deletions = 0
        self.failed: dict[str, str] = {}

    def measure(self, repeats: int) -> Iterator[Turn]:
        """Everybody's turns, *repeats* of each."""
        for self._turn in range(repeats):
            self._stage.clear_analytics()
            self._stage.clear_replication()
            yield FIRST, self._take(self._run)
            settle(AFTER_WRITING_SECONDS)  # the servers go on writing their pages
            yield PLAIN, self._take(plain_select(self._stage, self._text.table))
            yield UNCHANGED, self._take(self._run)
            self._change_scattered()
            yield SCATTERED, self._take(self._run)
            self._expect_equal()
            self._change_in_one_place()
            yield IN_ONE_PLACE, self._take(self._run)
            self._expect_equal()
            yield from self._incrementally()
            yield from self._peer(MERGED, self._prepare_ingestr, self._follow_with_ingestr)
            yield from self._peer(TABLE_SYNC, self._prepare_table_sync, self._sync)

    def _incrementally(self) -> Iterator[Turn]:
        tables = self._stage.folder / "tables.yml"
        tables.write_text(_INCREMENTAL)
        try:
            # The strategy is new to the table: a first run compares every row, and a second reads
            # the keys of the replica, too. What is measured is each night from then on.
            for _ in range(2):
                self._take(self._run)
                self._age_stamps()
                self._change_scattered()
            yield INCREMENTAL, self._take(self._run)
            self._expect_equal()
            self._age_stamps()
            self._change_and_delete()
            yield AND_DELETED, self._take(self._run)
            self._expect_equal()
        finally:
            tables.unlink()

    def _peer(
        self, name: str, prepare: Callable[[], object], follow: Callable[[], Iterator[Turn]]
    ) -> Iterator[Turn]:
        """A peer's turns; its copy is made anew before, so that it finds the same changes."""
        if name in self.failed:
            return
        try:
            prepare()
            yield from follow()
        except FailedError as error:
            self.failed[name] = str(error)

    def _take(self, script: str) -> Measurement:
        settle()
        stage = self._stage
        env = {**stage.env, "INGESTR_DISABLE_TELEMETRY": "true"}
        return measure(script, env, stage.folder, stage.server_pids)

    def _change_scattered(self) -> None:
        every = max(self._rows // CHANGED, 1)
        self._change(f"ProcNum % {every} = {self._turn % every}")

    def _age_stamps(self) -> None:
        """Let what was changed be of yesterday: rows of the last hour would be read again."""
        run_at_source(
            self._stage,
            f"UPDATE {TABLE} SET DateTStamp = DateTStamp - INTERVAL 1 DAY "
            "WHERE DateTStamp > NOW() - INTERVAL 12 HOUR",
        )

    def _change_and_delete(self) -> None:
        every = self._rows // DELETED
        self._deletions += 1  # others each time: rows go for good
        where = f"ProcNum % {every} = {every // 2 + self._deletions}"
        run_at_source(self._stage, f"DELETE FROM {TABLE} WHERE {where}")
        self._change_scattered()

    def _change_in_one_place(self) -> None:
        middle = self._rows // 2
        self._change(f"ProcNum > {middle} AND ProcNum <= {middle + CHANGED}")

    def _change(self, where: str) -> None:
        settle(1.0)  # stamps count seconds
        run_at_source(self._stage, f"UPDATE {TABLE} SET ProcFee = ProcFee + 1 WHERE {where}")

    def _expect_equal(self) -> None:
        """The rows, and the column that is changed, must be what they are at the source."""
        self._expect_fees(self._stage.ask_replication(_fees(TABLE)))
        self._expect_fees(self._stage.ask_analytics(_fees(f"raw.{TABLE}", '"ProcFee"')))

    def _expect_fees(self, found: list[tuple[Any, ...]]) -> None:
        expected = self._stage.ask_source(_fees(TABLE))
        if found != expected:
            raise FailedError(f"rows and the sum of fees are {found[0]}, not {expected[0]}")

    def _prepare_ingestr(self) -> None:
        ask = self._stage.ask_analytics
        ask("DROP SCHEMA IF EXISTS peer CASCADE")
        ask("CREATE SCHEMA peer")
        source, target = self._stage.servers.source, self._stage.servers.analytics
        login = f"{source.user}:{quote(source.password)}@{source.host}:{source.port}"
        other = f"{target.user}:{quote(target.password)}@{target.host}:{target.port}"
        self._ingest = (
            f"{self._ingestr} ingest --source-uri 'mysql://{login}/{self._stage.source}' "
            f"--source-table {self._stage.source}.{TABLE} "
            f"--dest-uri 'postgres://{other}/{self._stage.analytics}?sslmode=disable' "
            f"--dest-table peer.{TABLE} --yes --progress log --extract-parallelism 2 "
            "--schema-naming direct --primary-key ProcNum"
        )
        self._take(self._ingest)
        keys = "SELECT 1 FROM pg_index WHERE indrelid = 'peer.{}'::regclass AND indisprimary"
        if not ask(keys.format(TABLE)):
            ask(f'ALTER TABLE peer.{TABLE} ADD PRIMARY KEY ("ProcNum")')
        ask("ANALYZE")
        ((self._since,),) = self._stage.ask_source(
            "SELECT DATE_FORMAT(UTC_TIMESTAMP(), '%Y-%m-%dT%H:%i:%sZ')"
        )

    def _follow_with_ingestr(self) -> Iterator[Turn]:
        """It merges what has a new stamp; to lose deleted rows, it must take the table again."""
        copied = _fees(f"peer.{TABLE}", '"ProcFee"')
        self._change_and_delete()
        yield (
            MERGED,
            self._take(
                f"{self._ingest} --incremental-strategy merge --incremental-key DateTStamp "
                f"--interval-start {self._since}"
            ),
        )
        ((merged, _),) = self._stage.ask_analytics(copied)
        ((rows, _),) = self._stage.ask_source(_fees(TABLE))
        if merged != rows + DELETED:
            raise FailedError(f"{merged} rows after the merge, {rows + DELETED} were expected")
        yield RELOADED, self._take(f"{self._ingest} --full-refresh")
        self._expect_fees(self._stage.ask_analytics(copied))

    def _prepare_table_sync(self) -> None:
        """The replica is equal to the source but for what was changed for other peers."""
        self._take(self._run)
        for statement in (
            f"DROP DATABASE IF EXISTS {self._copy}",
            f"CREATE DATABASE {self._copy}",
            f"CREATE TABLE {self._copy}.{TABLE} LIKE {TABLE}",
            f"INSERT INTO {self._copy}.{TABLE} SELECT * FROM {TABLE}",
        ):
            self._stage.ask_replication(statement)
        settle(AFTER_WRITING_SECONDS)

    def _sync(self) -> Iterator[Turn]:
        self._change_scattered()
        servers = self._stage.servers
        source, target = (
            f"h={server.host},P={server.port},u={server.user},p={server.password},D={name},t={TABLE}"
            for server, name in (
                (servers.source, self._stage.source),
                (servers.replication, self._copy),
            )
        )
        # It ends with 2 where it found differences.
        yield TABLE_SYNC, self._take(f"pt-table-sync --execute {source} {target} || [ $? -eq 2 ]")
        self._expect_fees(self._stage.ask_replication(_fees(f"{self._copy}.{TABLE}")))


def _fees(table: str, column: str = "ProcFee") -> str:
    return f"SELECT COUNT(*), {_FEES.format(column=column)} FROM {table}"
