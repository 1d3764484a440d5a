"""The same row text can come to mean other values; then nothing that was stored of it is believed.

Every way that was thought of befalls a table of every strategy. Both servers are read by plain
drivers, column by column, and must then hold the same values.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from etl_pipeline.errors import EtlError
from etl_pipeline.pipeline import table_worker
from etl_pipeline.pipeline.request import RunRequest
from etl_pipeline.pipeline.run import run_once
from etl_pipeline.pipeline.summary import RunSummary, VerifySummary
from etl_pipeline.pipeline.verify import verify_once
from etl_pipeline.replicate import chunking
from etl_pipeline.verify import table as verify_table
from etl_pipeline.verify.job import VerifyScope
from tests.conftest import Lab
from tests.killing import KilledError, killing, wait_for_the_lock
from tests.rows import make_table, read_postgres, run_sql

Run = Callable[..., RunSummary]
Verify = Callable[..., VerifySummary]

CREATE = (
    "CREATE TABLE {t} (k int NOT NULL, m int NOT NULL, a int, b int, c varchar(20), "
    "d varchar(20), p point, g longblob, day date, other_day date, "
    "stamp timestamp NOT NULL DEFAULT '2024-01-01 00:00:00'{key}) CHARACTER SET latin1"
)
FILL = (
    "INSERT INTO {t} (k, m, a, b, c, d, g, day, other_day, p) VALUES "
    "(1, 9, 10, 20, 'c1', 'd1', X'000000000101', '2024-01-01', NULL, Point(1, 2)), "
    "(2, 8, 11, 21, 'c2', 'd2', X'00', NULL, '2024-02-29', NULL), "
    "(3, 7, 12, NULL, '', 'd3', NULL, '2024-01-03', '2023-01-01', Point(3, 4)), "
    "(4, 6, NULL, 23, 'ü', 'd4', X'FF', '1999-12-31', '1815-12-10', Point(5, 6)), "
    "(5, 0, 5, 24, '0', 'd5', X'0A', '2024-01-05', '2024-01-06', Point(0, 0))"
)
STRATEGIES: dict[str, dict[str, Any]] = {
    "prints": {},
    "keyless": {},
    "follows": {"extraction_strategy": "incremental", "incremental_column": "stamp"},
    "appends": {"extraction_strategy": "append_only"},
    "marks": {"deletes": "mark"},
    "rebuilds": {"extraction_strategy": "full_table"},
    "freezes": {"drift": "freeze"},
}


def exchange(one: str, other: str) -> tuple[str, ...]:
    return (
        f"ALTER TABLE {{t}} RENAME COLUMN {one} TO t_",
        f"ALTER TABLE {{t}} RENAME COLUMN {other} TO {one}",
        f"ALTER TABLE {{t}} RENAME COLUMN t_ TO {other}",
    )


@dataclass(frozen=True)
class Way:
    """A change of a table, and of what is configured for it.

    Attributes:
        source: Statements there.
        raw: Statements of somebody else in ``raw``.
        before: What ``tables.yml`` says of columns until then.
        after: What it says then.
    """

    source: tuple[str, ...] = ()
    raw: tuple[str, ...] = ()
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)


WAYS = {
    "exchanged": Way(exchange("a", "b")),
    "texts_exchanged": Way(exchange("c", "d")),
    "exchanged_in_turn": Way((*exchange("c", "d"), *exchange("a", "b"))),
    "key_exchanged": Way(exchange("k", "m")),
    "exchanged_and_renamed": Way(
        (*exchange("a", "b"), "ALTER TABLE {t} RENAME COLUMN d TO e"),
        after={"e": {"renamed_from": "d"}},
    ),
    "renamed": Way(
        ("ALTER TABLE {t} RENAME COLUMN d TO e",), after={"e": {"renamed_from": "d"}}
    ),
    "exchanged_and_added": Way((*exchange("a", "b"), "ALTER TABLE {t} ADD e int DEFAULT 3")),
    "exchanged_and_dropped": Way((*exchange("a", "b"), "ALTER TABLE {t} DROP d")),
    "reordered": Way(("ALTER TABLE {t} MODIFY b int AFTER k",)),
    "exchanged_in_their_places": Way(
        (
            *exchange("a", "b"),
            "ALTER TABLE {t} MODIFY a int AFTER k",
            "ALTER TABLE {t} MODIFY b int AFTER a",
        ),
    ),
    "point_to_bytes": Way(("ALTER TABLE {t} MODIFY p longblob",)),
    "bytes_to_point": Way(
        ("UPDATE {t} SET g = p", "ALTER TABLE {t} MODIFY g point"),
    ),
    "point_and_bytes_exchanged": Way(
        (
            "UPDATE {t} SET g = p",
            "ALTER TABLE {t} MODIFY p longblob",
            "ALTER TABLE {t} MODIFY g point",
        ),
    ),
    # Of an UPDATE alone append_only takes no notice.
    "srid": Way(
        (
            "UPDATE {t} SET p = ST_GeomFromText(ST_AsText(p), 4326)",
            "ALTER TABLE {t} MODIFY b int AFTER k",
        )
    ),
    "charset": Way(("ALTER TABLE {t} MODIFY c varchar(20) CHARACTER SET utf8mb4",)),
    "charset_by_way_of_bytes": Way(
        (
            "UPDATE {t} SET c = 'Ã¼' WHERE c = 'ü'",
            "ALTER TABLE {t} MODIFY c varbinary(20)",
            "ALTER TABLE {t} MODIFY c varchar(20) CHARACTER SET utf8mb4",
        )
    ),
    "day_as_text": Way(
        ("UPDATE {t} SET day = '0000-00-00' WHERE a = 10",), after={"day": {"type": "text"}}
    ),
    "day_as_day_again": Way(
        ("UPDATE {t} SET day = '2021-01-01' WHERE a = 10",), before={"day": {"type": "text"}}
    ),
    "excluded_and_back": Way(("UPDATE {t} SET d = a",), before={"d": {"exclude": True}}),
    "excluded_and_exchanged": Way(exchange("a", "b"), after={"d": {"exclude": True}}),
    "raw_exchanged": Way(
        raw=(
            "ALTER TABLE raw.{t} RENAME a TO t_",
            "ALTER TABLE raw.{t} RENAME b TO a",
            "ALTER TABLE raw.{t} RENAME t_ TO b",
        )
    ),
    "raw_made_anew": Way(
        raw=(
            "CREATE TABLE raw.t_ (LIKE raw.{t} INCLUDING ALL)",
            "INSERT INTO raw.t_ SELECT * FROM raw.{t}",
            "UPDATE raw.t_ SET a = 7, c = 'theirs'",
            "DROP TABLE raw.{t}",
            "ALTER TABLE raw.t_ RENAME TO {t}",
            "ALTER TABLE raw.{t} OWNER TO {user}",
        )
    ),
    "raw_column_made_anew": Way(
        raw=(
            "ALTER TABLE raw.{t} DROP a",
            "ALTER TABLE raw.{t} ADD a integer DEFAULT 7",
            "ALTER TABLE raw.{t} ALTER a DROP DEFAULT",
        )
    ),
}  # fmt: skip


EVERY = dict.fromkeys(WAYS, tuple(STRATEGIES))
SOME = dict.fromkeys(
    ("exchanged", "key_exchanged", "bytes_to_point", "day_as_text", "raw_exchanged"),
    ("prints", "keyless", "follows"),
)


class Befallen:
    """A practice whose tables were loaded, and to each of which its way has happened since.

    Attributes:
        settings: Those of the runs from now on.
        tables: Way and strategy of each table.
    """

    def __init__(
        self, lab: Lab, ways: Mapping[str, Sequence[str]], digests_by: str = "program"
    ) -> None:
        self.lab, self._pipeline = lab, {"source": {"digests_by": digests_by}}
        self.tables = {f"{way}_{one}": (way, one) for way, every in ways.items() for one in every}
        for table, (_, strategy) in self.tables.items():
            key = "" if strategy == "keyless" else ", PRIMARY KEY (k)"
            make_table(lab.source, CREATE.format(t=table, key=key), FILL.format(t=table))
        first = run_once(self._settings("before"), RunRequest(), listen=lambda event: None)
        assert first.is_success, [(o.table, o.error) for o in first.failed]
        self.settings = self._settings("after")
        self.befall()

    def befall(self) -> None:
        lab = self.lab
        user = lab.env["TEST_POSTGRES_ANALYTICS_USER"]
        for table, (way, _) in self.tables.items():
            run_sql(lab.source, *(part.format(t=table) for part in WAYS[way].source))
            for statement in WAYS[way].raw:
                lab.analytics.execute(statement.format(t=table, user=user).encode())

    def _settings(self, when: str) -> Any:
        tables = {
            table: {**STRATEGIES[strategy], "columns": getattr(WAYS[way], when)}
            for table, (way, strategy) in self.tables.items()
        }
        return self.lab.settings_with(tables={"tables": tables}, pipeline=self._pipeline)

    def run(self, **options: Any) -> RunSummary:
        frozen = [table for table, (_, strategy) in self.tables.items() if strategy == "freezes"]
        others = [table for table in self.tables if table not in frozen]
        if frozen:
            run_once(
                self.settings,
                RunRequest(frozen, accept_drift=True, **options),
                listen=lambda event: None,
            )
        return run_once(self.settings, RunRequest(others, **options), listen=lambda event: None)

    def unequal(self) -> list[str]:
        """Tables of which ``raw`` is not the source, by value."""
        return [
            table for table in self.tables if self.rows_of_source(table) != self.rows_of_raw(table)
        ]

    def rows_of_source(self, table: str) -> Counter[Any]:
        with self.lab.source.cursor() as cursor:
            cursor.execute("SET time_zone = '+00:00'")
            cursor.execute(f"SHOW COLUMNS FROM {table}")
            kinds = {name: kind for name, kind, *_ in cursor.fetchall()}
            way, _ = self.tables[table]
            left_out = [n for n, c in WAYS[way].after.items() if c.get("exclude")]
            as_text = [n for n, c in WAYS[way].after.items() if c.get("type") == "text"]
            names = sorted(kinds.keys() - set(left_out))
            columns = (f"CAST(`{n}` AS CHAR)" if n in as_text else f"`{n}`" for n in names)
            cursor.execute(f"SELECT {', '.join(columns)} FROM {table}")
            # MySQL puts four bytes of the SRID before the WKB.
            return Counter(
                tuple(
                    value[4:] if kinds[name] == "point" and value is not None else value
                    for name, value in zip(names, row, strict=True)
                )
                for row in cursor.fetchall()
            )

    def rows_of_raw(self, table: str) -> Counter[Any]:
        with self.lab.source.cursor() as cursor:
            cursor.execute(f"SHOW COLUMNS FROM {table}")
            names = {name for name, *_ in cursor.fetchall()}
        way, _ = self.tables[table]
        names -= {n for n, c in WAYS[way].after.items() if c.get("exclude")}
        self.lab.analytics.execute("SET timezone = 'UTC'")
        columns = ", ".join(
            "stamp::timestamp" if name == "stamp" else f'"{name}"' for name in sorted(names)
        )
        alive = " WHERE _etl_deleted_at IS NULL" if table.endswith("_marks") else ""
        rows = self.lab.analytics.execute(f"SELECT {columns} FROM raw.{table}{alive}".encode())
        return Counter(rows.fetchall())


@pytest.fixture(autouse=True)
def _small_and_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunking, "CHUNK_ROWS", 2)
    monkeypatch.setattr(table_worker, "FIRST_WAIT_SECONDS", 0.01)
    monkeypatch.setattr(verify_table, "PAUSE_SECONDS", 0.01)


def kill(befallen: Befallen, at: int, **options: Any) -> None:
    """Begin a run that is killed at a lasting change, and wait until the servers know."""
    with killing(at) as killer, contextlib.suppress(KilledError, EtlError):
        befallen.run(**options)
    assert killer.is_dead
    wait_for_the_lock(befallen.lab)


def hop_by_hop(befallen: Befallen) -> None:
    befallen.run(only="replicate")
    befallen.run(only="load")


def one_hop(befallen: Befallen) -> None:
    befallen.run(only="replicate")


def killed_early(befallen: Befallen) -> None:
    kill(befallen, 3 * len(befallen.tables))


def killed_late(befallen: Befallen) -> None:
    kill(befallen, 9 * len(befallen.tables))


def assert_raw_is_the_source(befallen: Befallen) -> None:
    summary = befallen.run()
    assert summary.is_success, [(o.table, o.error) for o in summary.failed]
    assert befallen.unequal() == []
    verified = verify_once(befallen.settings, [], VerifyScope(), listen=lambda event: None)
    assert verified.is_success, verified.different


def test_raw_is_the_source_by_value_whatever_its_text_means_now(lab: Lab) -> None:
    befallen = Befallen(lab, EVERY)
    assert_raw_is_the_source(befallen)


@pytest.mark.parametrize("begin", [hop_by_hop, one_hop, killed_early, killed_late])
def test_it_is_so_too_where_the_hops_come_apart(
    lab: Lab, begin: Callable[[Befallen], None]
) -> None:
    befallen = Befallen(lab, SOME)
    begin(befallen)
    assert_raw_is_the_source(befallen)


def test_it_is_so_too_where_the_servers_hash(lab: Lab) -> None:
    assert_raw_is_the_source(Befallen(lab, SOME, "servers"))


@pytest.mark.parametrize("at", [8, 12, 16])
def test_it_is_so_too_where_the_source_changes_back(lab: Lab, at: int) -> None:
    befallen = Befallen(lab, {"exchanged": ("prints", "follows")})
    kill(befallen, at, only="replicate")
    befallen.befall()
    assert_raw_is_the_source(befallen)


def test_a_frozen_table_does_not_follow_columns_that_change_places(lab: Lab) -> None:
    befallen = Befallen(lab, {"exchanged": ("freezes",)})
    (failed,) = run_once(befallen.settings, RunRequest(), listen=lambda event: None).failed
    assert failed.error is not None
    assert "drift is frozen: columns reordered: a, b → b, a" in failed.error
    summary = verify_once(befallen.settings, [], VerifyScope(), listen=lambda event: None)
    (found,) = summary.different
    assert found.error is not None
    assert "columns reordered: a, b → b, a" in found.error


@contextlib.contextmanager
def counting_writes(lab: Lab, table: str) -> Iterator[list[int]]:
    """Collect the rows of ``raw`` that are written in the block, by their version."""
    query = f"SELECT array_agg(xmin::text ORDER BY k) FROM raw.{table}".encode()
    count: list[int] = []
    before = lab.analytics.execute(query).fetchone()
    yield count
    after = lab.analytics.execute(query).fetchone()
    count.append(int(before != after))


def forge(lab: Lab, table: str) -> None:
    """Let ``raw`` hold old values under new names, as recorded: what older versions did."""
    for statement in (
        f"UPDATE raw.{table} SET (a, b) = (b, a)",
        "UPDATE etl.chunk SET raw_digest = (SELECT sum(hash_record_extended("
        f"ROW(k, m, a, b, c), 0)) FROM raw.{table}) WHERE table_name = '{table}'",
        "UPDATE etl.table_schema SET meaning_digest = NULL",
    ):
        lab.analytics.execute(statement.encode())


@pytest.mark.parametrize("key", ["", ", PRIMARY KEY (k)"])
def test_what_an_older_version_left_wrong_is_found_and_mended(
    lab: Lab, run: Run, verify: Verify, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setattr(chunking, "CHUNK_ROWS", 100)
    make_table(
        lab.source,
        f"CREATE TABLE t (k int NOT NULL, m int, a int, b int, c varchar(20){key})",
        "INSERT INTO t VALUES (1, 9, 10, 20, 'x'), (2, 8, 11, 21, 'y')",
    )
    expected = {(1, 9, 10, 20, "x"): 1, (2, 8, 11, 21, "y"): 1}
    run()
    with counting_writes(lab, "t") as untouched:
        lab.analytics.execute("UPDATE etl.table_schema SET meaning_digest = NULL")
        assert run().is_success  # compared by value, and not made anew
        assert verify().is_success
    assert untouched == [0]
    for mend in (run, lambda: verify(repair=True)):
        forge(lab, "t")
        (found,) = verify().different
        (discrepancy,) = found.discrepancies
        assert (discrepancy.place, discrepancy.count) == ("raw", 2 if key else 4)
        mend()
        assert dict(read_postgres(lab.analytics, "t")) == expected
        assert run().total("updated") == 0
        assert verify().is_success


def test_deletes_can_be_marked_from_the_same_run_on(lab: Lab, run: Run) -> None:
    make_table(lab.source, CREATE.format(t="t", key=", PRIMARY KEY (k)"), FILL.format(t="t"))
    assert run().is_success
    run_sql(lab.source, *(part.format(t="t") for part in exchange("a", "b")))
    run_sql(lab.source, "DELETE FROM t WHERE k = 1")
    assert run(tables={"tables": {"t": {"deletes": "mark"}}}).is_success
    query = "SELECT k, a, b, _etl_deleted_at IS NOT NULL FROM raw.t ORDER BY k LIMIT 2"
    assert lab.analytics.execute(query).fetchall() == [(1, 10, 20, True), (2, 21, 11, False)]


def test_a_run_says_why_it_compared_a_table_that_somebody_made_anew(lab: Lab) -> None:
    befallen = Befallen(lab, {"raw_made_anew": ("prints",)})
    (outcome,) = befallen.run().outcomes
    assert outcome.updated == 5
    assert outcome.notes[-1:] == [
        "raw_made_anew_prints: every row of raw was compared, since the table there is not the one "
        "that was loaded, or its columns mean something else"
    ]
    (outcome,) = befallen.run().outcomes
    assert (outcome.updated, outcome.notes) == (0, [])


def test_a_replica_that_is_half_compared_is_not_loaded_alone(lab: Lab) -> None:
    befallen = Befallen(lab, {"exchanged": ("prints",)})
    kill(befallen, 8, only="replicate")
    half = befallen.run(only="load")
    (failed,) = half.failed
    assert failed.fix == "etl run exchanged_prints"
    assert_raw_is_the_source(befallen)
