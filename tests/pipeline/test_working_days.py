"""Random working days at the source, mixed with runs of every strategy, kills and resumes.

The law: what the record claims of a table is true. Where it claims ``value`` for an instant after
the last edit, the three databases are equal by value; where it claims ``keys+stamp``, they are but
for rows that were edited without their stamp moving; and it never claims less than it should.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from etl_pipeline.errors import EtlError
from etl_pipeline.pipeline import table_worker
from etl_pipeline.pipeline.request import RunRequest
from etl_pipeline.pipeline.run import run_once
from etl_pipeline.replicate import chunking, compare
from etl_pipeline.state import segments
from tests.conftest import Lab
from tests.killing import KilledError, killing, wait_for_the_lock
from tests.pipeline.test_kill_points import forget_everything
from tests.rows import read_mysql, read_postgres, run_sql

KEYS = 60
TABLES = {
    "prints": {},
    "follows": {"extraction_strategy": "incremental", "incremental_column": "stamp"},
    "marks": {
        "extraction_strategy": "incremental", "incremental_column": "stamp", "deletes": "mark",
    },
    "appends": {"extraction_strategy": "append_only"},
    "rebuilds": {"extraction_strategy": "full_table"},
}  # fmt: skip
CREATE = (
    "CREATE TABLE {} (k int PRIMARY KEY, v varchar(30), stamp timestamp NOT NULL "
    "DEFAULT current_timestamp() ON UPDATE current_timestamp(), KEY (stamp))"
)
table_names = st.sampled_from(list(TABLES))
keys = st.integers(0, KEYS - 1)


@dataclass(frozen=True)
class Deed:
    """What happens to a table: statements of its name and two keys.

    Attributes:
        is_silent: Whether values change and no stamp moves.
        is_range: Whether it is done to all keys from the first to the second.
        is_adding: Whether rows come with stamps of long ago, and those that are there stay.
    """

    sql: tuple[str, ...]
    is_silent: bool = False
    is_range: bool = False
    is_adding: bool = False


SILENT = Deed(("UPDATE {0} SET v = 'silent {2}', stamp = stamp WHERE k = {1}",), is_silent=True)
DEEDS = [
    SILENT,
    Deed(("REPLACE INTO {0} (k, v) VALUES ({1}, 'new {2}')",)),
    Deed(("UPDATE {0} SET v = concat(left(v, 20), '{2}', left(now(6), 26)) WHERE k = {1}",)),
    Deed(
        ("UPDATE {0} SET v = 'same', stamp = stamp WHERE k BETWEEN {1} AND {2}",),
        is_silent=True,
        is_range=True,
    ),
    # Stamped a while ago, committed only now.
    Deed(("UPDATE {0} SET v = 'late {2}', stamp = now() - INTERVAL 30 MINUTE WHERE k = {1}",)),
    Deed(("DELETE FROM {0} WHERE k BETWEEN {1} AND {2}",), is_range=True),
    Deed(("DELETE FROM {0} WHERE k = {1}",)),
    Deed(
        (
            "DELETE FROM {0} WHERE k = {2} AND {1} <> {2}",
            "UPDATE {0} SET k = {2}, stamp = now() WHERE k = {1}",
        )
    ),
    Deed(
        ("INSERT IGNORE INTO {0} SELECT k + {1}, v, stamp FROM {0} ORDER BY k LIMIT 5",),
        is_adding=True,
    ),
    Deed(("TRUNCATE {0}",)),
]


class WorkingDays(RuleBasedStateMachine):
    """The source's edits, and what a run must then claim and hold."""

    lab: Lab

    @initialize()
    def start(self) -> None:
        forget_everything(self.lab)
        self.silent: dict[str, set[int]] = {table: set() for table in TABLES}
        self.edited_at = dict.fromkeys(TABLES, datetime.min.replace(tzinfo=UTC))
        rows = ", ".join(f"({k}, 'row {k}', '2024-01-{1 + k % 28:02}')" for k in range(40))
        for table in TABLES:
            run_sql(
                self.lab.source,
                f"DROP TABLE IF EXISTS {table}",
                CREATE.format(table),
                f"INSERT INTO {table} VALUES {rows}",
            )
        self.settings = self.lab.settings_with(
            tables={"tables": TABLES}, pipeline={"source": {"connections": 2}}
        )

    def edit(self, table: str, *statements: str) -> None:
        run_sql(self.lab.source, "SET SESSION sql_mode = ''", *statements)
        self.edited_at[table] = datetime.now(UTC)

    @rule(deeds=st.lists(st.tuples(st.sampled_from(DEEDS), table_names, keys, keys), max_size=6))
    def work(self, deeds: list[tuple[Deed, str, int, int]]) -> None:
        for deed, table, one, other in deeds:
            self.do(deed, table, one, other)

    def do(self, deed: Deed, table: str, one: int, other: int) -> None:
        """Do *deed* to *table*, and note what no stamp tells of it."""
        statements = (part.format(table, one, other) for part in deed.sql)
        before = self.keys_of(table)
        run_sql(self.lab.source, "SET SESSION sql_mode = ''", *statements)
        self.edited_at[table] = datetime.now(UTC)
        touched = set(range(one, other + 1)) if deed.is_range else {one, other}
        if deed.is_silent:
            self.silent[table] |= touched
        elif deed.is_adding:
            # Of a key that went and came again between two runs, the row may be another.
            self.silent[table] |= self.keys_of(table) - before
        elif not deed.is_range:
            self.silent[table] -= {one}

    def keys_of(self, table: str) -> set[int]:
        return {row[0] for row in read_mysql(self.lab.source, table)}

    @rule()
    def run(self) -> None:
        summary = run_once(self.settings, RunRequest(), listen=lambda event: None)
        assert summary.is_success, [o.error for o in summary.failed]
        self.check()

    @rule(table=table_names, key=keys, moment=st.integers(1, 60), after=st.booleans())
    def run_killed_and_gone_on_with(self, table: str, key: int, moment: int, after: bool) -> None:
        with (
            killing(moment, after=after) as killer,
            contextlib.suppress(KilledError, EtlError),
        ):
            run_once(self.settings, RunRequest(), listen=lambda event: None)
        wait_for_the_lock(self.lab)
        if killer.is_dead and after:
            self.do(SILENT, table, key, key)
        self.run()

    def check(self) -> None:
        """What the last run claims is true, and no less than it should be."""
        records = self.lab.analytics.execute(
            "SELECT table_name, grade, read_from FROM etl.table_run "
            "WHERE run_id = (SELECT max(run_id) FROM etl.run)"
        ).fetchall()
        assert {table for table, _, _ in records} == set(TABLES)
        for table, grade, read_from in records:
            source = read_mysql(self.lab.source, table)
            replica = read_mysql(self.lab.replication, table)
            assert self.read_raw(table) == replica, table
            strategy = TABLES[table].get("extraction_strategy", "fingerprint")
            allowed = {"incremental": {"value", "keys+stamp"}, "append_only": {"value", "append"}}
            assert grade in allowed.get(strategy, {"value"})
            if read_from <= self.edited_at[table]:
                continue  # a run that was gone on with: it says how old its rows are
            if grade == "value":
                assert replica == source, table
                self.silent[table].clear()
            elif grade == "keys+stamp":
                assert {row[0] for row in replica} == {row[0] for row in source}, table
                differing = {row[0] for row in (replica - source)}
                assert differing <= self.silent[table], table

    def read_raw(self, table: str) -> Counter[Any]:
        if TABLES[table].get("deletes") != "mark":
            return read_postgres(self.lab.analytics, table)
        self.lab.analytics.execute(
            "CREATE OR REPLACE VIEW raw.marks_alive AS "
            "SELECT k, v, stamp FROM raw.marks WHERE _etl_deleted_at IS NULL"
        )
        try:
            return read_postgres(self.lab.analytics, "marks_alive")
        finally:
            self.lab.analytics.execute("DROP VIEW raw.marks_alive")


@pytest.mark.timeout(900)
def test_what_the_record_claims_is_true(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr(chunking, "CHUNK_ROWS", 9)
    monkeypatch.setattr(segments, "LEAST_BYTES", 16)
    monkeypatch.setattr(compare, "FEW_ROWS", 5)
    monkeypatch.setattr(compare, "CHECKPOINT_SECONDS", 0)
    monkeypatch.setattr(table_worker, "FIRST_WAIT_SECONDS", 0.01)
    is_long = request.config.getoption("--long")
    machine = type("Days", (WorkingDays,), {"lab": lab})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=500 if is_long else 15,
            stateful_step_count=40 if is_long else 16,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
