"""One hop of one table, by the functions that a run uses.

    python -m benchmarks.hop replicate procedurelog --lanes 2
    python -m benchmarks.hop load procedurelog --twin

Finds its configuration as ``etl run`` does. ``replicate`` builds the replica anew; ``load`` brings
a replica that is there into ``raw``, which must not have the table.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("hop", choices=["replicate", "load", "run"])
    parser.add_argument("table")
    parser.add_argument("--lanes", type=int, default=2)
    parser.add_argument("--twin", action="store_true", help="without anything compiled")
    choices = parser.parse_args()
    if choices.twin:
        for name in ("_kernel", "_binary"):
            sys.modules[f"etl_pipeline.transfer.{name}"] = None  # type: ignore[assignment]
    if choices.hop == "run":
        from etl_pipeline.cli.main import main as etl

        sys.argv = ["etl", "run", choices.table]
        etl()
    else:
        _hop(choices.hop, choices.table, choices.lanes)


def _hop(hop: str, table: str, lanes: int) -> None:
    from etl_pipeline.config import get_settings
    from etl_pipeline.pipeline.session import open_replication, open_session
    from etl_pipeline.sync import replica, state
    from etl_pipeline.sync.databases import lend_mysql, lend_postgres
    from etl_pipeline.sync.lanes import Lanes
    from etl_pipeline.sync.load import load_table
    from etl_pipeline.sync.replicate import Replicated, replicate_table
    from etl_pipeline.transfer.select import render_table

    def report(rows: int, size: int) -> None:
        pass

    with open_session(get_settings()) as session, ThreadPoolExecutor(lanes) as threads:
        databases, stop = session.databases, session.stop
        text = render_table(session.catalog[table])
        replication = open_replication(session)
        at_work = Lanes(databases, threads, lanes, stop)
        if hop == "replicate":
            replicate_table(text, at_work, replication, rebuild=True, report=report)
            return
        with lend_mysql(databases.replication, stop) as connection:
            known = replica.read_replica(connection, table)
        if known is None:
            raise SystemExit(f"there is no replica of {table}: replicate it first")
        with lend_postgres(databases.analytics, stop) as analytics:
            analytics.autocommit = True
            state.open_state(analytics)
            state.ensure_schema(analytics, databases.schema)
            analytics.autocommit = False
            load_table(
                text,
                databases.schema,
                Replicated(known.proofs, 0, Counter(), ()),
                at_work,
                analytics,
                rebuild=False,
                run_id=0,
                report=report,
            )


if __name__ == "__main__":
    main()
