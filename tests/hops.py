"""Both hops of single tables on a test's databases, without the preparations of a run."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from etl_pipeline.config.tables_file import ColumnConfig
from etl_pipeline.core import ConnectionFactory
from etl_pipeline.core.cancellation import Cancellation
from etl_pipeline.core.databases import Databases, lend_mysql, lend_postgres
from etl_pipeline.core.workers import Workers
from etl_pipeline.load.drift_log import TableDrift
from etl_pipeline.load.job import LoadRequest, LoadResult
from etl_pipeline.load.raw_plan import plan_raw_table
from etl_pipeline.load.table import load_table
from etl_pipeline.replicate.strategy import Rules
from etl_pipeline.replicate.table import (
    ReplicateRequest,
    ReplicateResult,
    Replication,
    replicate_table,
)
from etl_pipeline.schema.catalog import read_catalog
from etl_pipeline.schema.drift import FOLLOW, DriftPolicy
from etl_pipeline.state import runs, warehouse
from etl_pipeline.state.records import Selection
from etl_pipeline.state.replica_tables import open_replicas
from etl_pipeline.state.run_lease import take_replication_lease
from etl_pipeline.transfer.select import RenderedTable, render_table
from tests.conftest import Lab

WORKERS = 2
FINGERPRINT = Rules(allows_deletes=True)


class Bench:
    """Open engines and workers; `close` gives them back."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.databases = Databases(
            ConnectionFactory.get_source_connection(lab.settings),
            ConnectionFactory.get_replication_connection(lab.settings),
            ConnectionFactory.get_analytics_raw_connection(lab.settings),
            "raw",
        )
        self.stop = Cancellation()
        self._threads = ThreadPoolExecutor(WORKERS)
        self.workers = Workers(self.databases, self._threads, WORKERS, self.stop)
        with lend_postgres(self.databases.analytics, self.stop) as connection:
            connection.autocommit = True
            warehouse.open_state(connection)
            connection.execute("CREATE SCHEMA IF NOT EXISTS raw")
            connection.autocommit = False
        with lend_mysql(self.databases.replication, self.stop) as connection:
            open_replicas(connection)
        self.begin()
        with lab.replication.cursor() as cursor:
            cursor.execute("SELECT collation_name FROM information_schema.collations")
            collations = {name for (name,) in cursor.fetchall()}
            cursor.execute("SELECT @@GLOBAL.local_infile, VERSION()")
            takes_infile, version = cursor.fetchone() or (0, "")
        self.replication = Replication((version, version), collations, bool(takes_infile))

    def close(self) -> None:
        self._threads.shutdown()
        self.databases.dispose()

    def read_text(
        self, table: str, choices: Mapping[str, ColumnConfig] | None = None
    ) -> RenderedTable:
        """The table as the source has it now, and *choices* say of its columns."""
        with lend_mysql(self.databases.source, self.stop) as source, source.cursor() as cursor:
            return render_table(self._read_catalog(cursor)[table], choices)

    def replicate(
        self, text: RenderedTable, rules: Rules = FINGERPRINT, *, drift: DriftPolicy = FOLLOW
    ) -> ReplicateResult:
        """The first hop, as a run of its own that goes on with none."""
        self.begin()
        request = ReplicateRequest(
            text,
            self.workers,
            self.replication,
            rules,
            self.lease,
            lambda rows, size: None,
            drift,
        )
        return replicate_table(request)

    def load(
        self,
        text: RenderedTable,
        replicated: ReplicateResult,
        rules: Rules = FINGERPRINT,
        *,
        drift: TableDrift | None = None,
    ) -> LoadResult:
        drift = drift or TableDrift()
        with lend_postgres(self.databases.analytics, self.stop) as analytics:
            marks = rules.marks_deletes
            raw = plan_raw_table(analytics, "raw", text, drift.policy, marks_deletes=marks)
            analytics.rollback()
            return load_table(
                LoadRequest(
                    text,
                    raw,
                    replicated,
                    rules,
                    self.lease,
                    self.workers,
                    lambda rows, size: None,
                    drift,
                ),
                analytics,
            )

    def copy(self, table: str, rules: Rules = FINGERPRINT) -> LoadResult:
        """Both hops, as a run of their own."""
        text = self.read_text(table)
        return self.load(text, self.replicate(text, rules), rules)

    def begin(self) -> None:
        """Begin another run, which goes on with none."""
        with lend_postgres(self.databases.analytics, self.stop) as connection:
            connection.autocommit = True
            started = runs.start_run(connection, Selection(("none",)))
            connection.autocommit = False
        self.lease = replace(started.lease, continued=frozenset())
        with lend_mysql(self.databases.replication, self.stop) as connection:
            take_replication_lease(connection, self.lease)

    def _read_catalog(self, cursor: Any) -> Any:
        def execute(statement: str, values: Any) -> list[Any]:
            cursor.execute(statement.replace(":database", "%(database)s"), values)
            names = [column[0] for column in cursor.description]
            return [
                type("Row", (), dict(zip(names, row, strict=True))) for row in cursor.fetchall()
            ]

        return read_catalog(execute, self.lab.env["TEST_OPENDENTAL_SOURCE_DB"])
