"""Who takes part: commands that bring the benchmark's table from one server to another."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from benchmarks.references import (
    analytics_pair,
    cut_table,
    plain_select,
    replication_pair,
)
from benchmarks.stage import Stage
from etl_pipeline.transfer.select import RenderedTable

TABLE = "procedurelog"
OURS, PAIR = "etl_pipeline", "reference pair"
HOP = f"{sys.executable} -m benchmarks.hop"
MYSQL, POSTGRES, BOTH, SELECT = (
    "MySQL → MySQL",
    "MySQL → PostgreSQL",
    "both hops",
    "plain SELECT",
)


@dataclass(frozen=True)
class Contestant:
    """A way to bring the table.

    Attributes:
        kind: From where to where.
        script: For bash, in the stage's folder.
        needs: A program or file without which it cannot take part.
        env: What it finds in its environment besides.
        before: Statements for the target's administrator, not timed.
        keeps_replica: Whether it reads the replica that is there, rather than writing one.
    """

    name: str
    kind: str
    script: str
    needs: str = "bash"
    env: dict[str, str] = field(default_factory=dict)
    before: tuple[str, ...] = ()
    keeps_replica: bool = False

    @property
    def is_available(self) -> bool:
        """Whether what it needs is there."""
        return shutil.which(self.needs) is not None


def all_contestants(
    stage: Stage, text: RenderedTable, rows: int, collations: frozenset[str], peers: Path
) -> list[Contestant]:
    """Every contestant, those that are compared side by side.

    What the references run is written to the stage's folder.
    """
    streams = cut_table(text, rows // 2 + 1)
    tables, script = replication_pair(stage, streams, collations)
    raw_tables, raw_script = analytics_pair(stage, streams)
    to_postgres, to_mysql = _peers_to_postgres(stage, peers.resolve()), _peers_to_mysql(stage)
    return [
        *to_mysql,
        Contestant(PAIR, MYSQL, script, before=tuple(tables)),
        Contestant(OURS, MYSQL, f"{HOP} replicate {TABLE}"),
        Contestant(OURS, POSTGRES, f"{HOP} load {TABLE}", keeps_replica=True),
        Contestant(PAIR, POSTGRES, raw_script, before=tuple(raw_tables)),
        *to_postgres,
        Contestant("mariadb --quick, SELECT *", SELECT, plain_select(stage, text.table)),
        Contestant(OURS, BOTH, f"{HOP} run {TABLE}"),
        *_our_variants(),
    ]


def _our_variants() -> list[Contestant]:
    """A load finds what the contestant before it has left, where that is a replica of ours."""
    return [
        Contestant(
            f"{OURS}, nothing compiled",
            POSTGRES,
            f"{HOP} load {TABLE} --python-kernel",
            keeps_replica=True,
        ),
        Contestant(f"{OURS}, nothing compiled", MYSQL, f"{HOP} replicate {TABLE} --python-kernel"),
        Contestant(f"{OURS}, nothing compiled", BOTH, f"{HOP} run {TABLE} --python-kernel"),
        *(
            Contestant(
                f"{OURS}, {workers} at once",
                kind,
                f"{HOP} {action} {TABLE} --workers {workers}",
                keeps_replica=action == "load",
            )
            for action, kind in (("replicate", MYSQL), ("load", POSTGRES))
            for workers in (1, 4)
        ),
    ]


def _peers_to_postgres(stage: Stage, peers: Path) -> list[Contestant]:
    source, target = stage.servers.source, stage.servers.analytics
    login = f"{source.user}:{quote(source.password)}@{source.host}:{source.port}/{stage.source}"
    other = f"{target.user}:{quote(target.password)}@{target.host}:{target.port}/{stage.analytics}"
    postgres = f"postgres://{other}?sslmode=disable"
    return [
        Contestant(
            "ingestr 1.1.22",
            POSTGRES,
            f"{peers}/ingestr/bin/ingestr ingest --source-uri 'mysql://{login}' "
            f"--source-table {stage.source}.{TABLE} --dest-uri '{postgres}' "
            f"--dest-table raw.{TABLE} --yes --progress log --extract-parallelism 2",
            f"{peers}/ingestr/bin/ingestr",
            {"INGESTR_DISABLE_TELEMETRY": "true"},
        ),
        Contestant(
            "sling 1.4.10",
            POSTGRES,
            f"{peers}/sling/bin/sling run --src-conn SRC --src-stream {stage.source}.{TABLE} "
            f"--tgt-conn DST --tgt-object raw.{TABLE} --mode full-refresh",
            f"{peers}/sling/bin/sling",
            {
                "SLING_DISABLE_TELEMETRY": "true",
                "SRC": f"mysql://{login}",
                "DST": postgres,
                "SLING_HOME_DIR": str(stage.folder),
            },
        ),
        Contestant(
            "duckdb 1.5.5",
            POSTGRES,
            f"{peers}/duckdb/bin/python {Path(__file__).with_name('peer_duckdb.py')}",
            f"{peers}/duckdb/bin/python",
            {
                "MYSQL": f"host={source.host} port={source.port} user={source.user} "
                f"password={source.password} database={stage.source}",
                "POSTGRES": f"host={target.host} port={target.port} user={target.user} "
                f"password={target.password} dbname={stage.analytics}",
                "TABLE": TABLE,
                "SOURCE": stage.source,
            },
        ),
        Contestant(
            "dlt 1.31 + connectorx",
            POSTGRES,
            f"{peers}/dlt/bin/python {Path(__file__).with_name('peer_dlt.py')}",
            f"{peers}/dlt/bin/python",
            {
                "SOURCE_URL": f"mysql+pymysql://{login}",
                "DESTINATION__POSTGRES__CREDENTIALS": f"postgresql://{other}",
                "RUNTIME__DLTHUB_TELEMETRY": "false",
                "DLT_DATA_DIR": str(stage.folder),
                "TABLE": TABLE,
            },
        ),
        Contestant(
            "pgloader 3.6",
            POSTGRES,
            _pgloader(stage, f"mysql://{login}", f"postgresql://{other}"),
            "pgloader",
        ),
    ]


def _pgloader(stage: Stage, source: str, target: str) -> str:
    """It keeps the source's keys and names; its other indexes are left out, as everybody's are."""
    (stage.folder / "load.pgloader").write_text(
        f"LOAD DATABASE FROM {source} INTO {target}\n"
        "WITH include drop, create tables, no foreign keys, reset no sequences, "
        "create no indexes, quote identifiers, workers = 2, concurrency = 1\n"
        "CAST type date to date using zero-dates-to-null, "
        "type datetime to timestamp using zero-dates-to-null, "
        "type tinyint to smallint drop typemod\n"
        f"INCLUDING ONLY TABLE NAMES MATCHING '{TABLE}'\n"
        f"ALTER SCHEMA '{stage.source}' RENAME TO 'raw';\n"
    )
    # It says what went wrong and ends with 0.
    return (
        "pgloader --no-ssl-cert-verification load.pgloader > pgloader.out 2>&1; "
        "! grep -E 'FATAL|ERROR' pgloader.out"
    )


def _peers_to_mysql(stage: Stage) -> list[Contestant]:
    dump = "dump"
    return [
        Contestant(
            "mydumper + myloader",
            MYSQL,
            f"rm -rf {dump}; mydumper --defaults-file=source.cnf --database {stage.source} "
            f"--tables-list {TABLE} --threads 2 --rows 100000 --outputdir {dump} && "
            f"myloader --defaults-file=replication.cnf --database {stage.replication} "
            f"--threads 2 --directory {dump}; rm -rf {dump}",
            "myloader",
        ),
        Contestant(
            "mariadb-dump | mariadb",
            MYSQL,
            f"mariadb-dump --defaults-file=source.cnf --single-transaction --quick "
            f"--skip-lock-tables {stage.source} {TABLE} | {stage.mysql('replication')}",
            "mariadb-dump",
        ),
    ]
