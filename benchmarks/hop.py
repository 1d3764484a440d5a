"""One hop of one table, by the functions that a run uses.

    python -m benchmarks.hop replicate procedurelog --workers 2
    python -m benchmarks.hop load procedurelog --python-kernel

Finds its configuration as ``etl run`` does. ``replicate`` builds the replica anew; ``load`` brings
a replica that is there into ``raw``, which must not have the table.
"""

from __future__ import annotations

import argparse
import atexit
import gc
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("hop", choices=["replicate", "load", "run"])
    parser.add_argument("table")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--python-kernel", action="store_true", help="without anything compiled")
    choices = parser.parse_args()
    if choices.python_kernel:
        sys.modules["etl_pipeline.transfer._kernel"] = None  # type: ignore[assignment]
    if choices.hop == "run":
        from etl_pipeline.cli.main import main as etl

        sys.argv = ["etl", "run", choices.table]
        etl()
    else:
        _hop(choices.hop, choices.table, choices.workers)


def _hop(hop: str, table: str, workers: int) -> None:
    from etl_pipeline.cli.main import NEW_OBJECTS

    gc.set_threshold(NEW_OBJECTS)  # as the command does it
    atexit.register(gc.freeze)
    from etl_pipeline.config import get_settings
    from etl_pipeline.core.databases import lend_mysql, lend_postgres
    from etl_pipeline.core.workers import Workers
    from etl_pipeline.load.job import LoadRequest
    from etl_pipeline.load.raw_plan import plan_raw_table
    from etl_pipeline.load.table import load_table
    from etl_pipeline.pipeline.origin_check import refuse_other_source
    from etl_pipeline.pipeline.replication_server import open_replication
    from etl_pipeline.pipeline.run_record import RecordConnection
    from etl_pipeline.pipeline.session import open_session
    from etl_pipeline.replicate.strategy import FULL_TABLE, Pass, Rules
    from etl_pipeline.replicate.table import ReplicateRequest, ReplicateResult, replicate_table
    from etl_pipeline.schema.drift import FOLLOW
    from etl_pipeline.state import replicas, runs
    from etl_pipeline.state.records import Selection
    from etl_pipeline.transfer.select import render_table

    def report(rows: int, size: int) -> None:
        pass

    with (
        open_session(get_settings()) as session,
        RecordConnection(session.databases) as records,
        ThreadPoolExecutor(workers) as threads,
    ):
        databases, stop = session.databases, session.stop
        text = render_table(session.catalog[table])
        started = runs.start_run(records.connection, Selection((table,)))
        lease = replace(started.lease, continued=frozenset())
        replication = open_replication(session, lease, refuse_other_source(session))
        at_work = Workers(databases, threads, workers, stop)
        if hop == "replicate":
            rules = Rules(FULL_TABLE)
            replicate_table(ReplicateRequest(text, at_work, replication, rules, lease, report))
        else:
            with lend_mysql(databases.replication, stop) as connection:
                known = replicas.read_replica(connection, table)
            if known is None:
                raise SystemExit(f"there is no replica of {table}: replicate it first")
            replicated = ReplicateResult(
                Pass.BUILD, known.proofs, datetime.now(UTC), known.proven_at
            )
            with lend_postgres(databases.analytics, stop) as analytics:
                raw = plan_raw_table(analytics, databases.schema, text, FOLLOW, marks_deletes=False)
                analytics.rollback()
                request = LoadRequest(text, raw, replicated, Rules(), lease, at_work, report)
                load_table(request, analytics)
        runs.finish_run(records.connection, lease.run_id, "succeeded")


if __name__ == "__main__":
    main()
