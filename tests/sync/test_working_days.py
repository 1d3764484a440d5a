"""Random working days at the source, mixed with runs of every strategy, kills and resumes.

The law: what the record claims of a table is true. Where it claims ``value`` for an instant after
the last edit, the three databases are equal by value; where it claims ``keys+stamp``, they are but
for rows that were edited without their stamp moving; and it never claims less than it should.
"""

from __future__ import annotations

import contextlib
from collections import Counter
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
from etl_pipeline.pipeline import runner
from etl_pipeline.pipeline.session import run_once
from etl_pipeline.sync import chunks, renew
from tests.conftest import Lab
from tests.killing import KilledError, killing
from tests.rows import read_mysql, read_postgres, run_sql
from tests.sync.test_kill_points import forget_everything, wait_for_the_lock

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

    @rule(table=table_names, key=keys, value=keys)
    def insert_or_replace(self, table: str, key: int, value: int) -> None:
        self.edit(table, f"REPLACE INTO {table} (k, v) VALUES ({key}, 'new {value}')")
        self.silent[table].discard(key)

    @rule(table=table_names, key=keys, value=keys)
    def update(self, table: str, key: int, value: int) -> None:
        # A stamp moves only where a value does.
        self.edit(table, f"UPDATE {table} SET v = concat(v, '{value}') WHERE k = {key}")
        self.silent[table].discard(key)

    @rule(table=table_names, key=keys, value=keys)
    def update_silently(self, table: str, key: int, value: int) -> None:
        self.edit(table, f"UPDATE {table} SET v = 'silent {value}', stamp = stamp WHERE k = {key}")
        self.silent[table].add(key)

    @rule(table=table_names, first=keys, count=st.sampled_from([1, 2, 4]))
    def update_an_even_number_alike(self, table: str, first: int, count: int) -> None:
        self.edit(
            table,
            f"UPDATE {table} SET v = 'same', stamp = stamp WHERE k BETWEEN {first} AND "
            f"{first + 2 * count - 1}",
        )
        self.silent[table] |= set(range(first, first + 2 * count))

    @rule(table=table_names, key=keys, value=keys)
    def commit_late(self, table: str, key: int, value: int) -> None:
        """A row that was stamped a while ago is seen only now."""
        self.edit(
            table,
            f"UPDATE {table} SET v = 'late {value}', stamp = now() - INTERVAL 30 MINUTE "
            f"WHERE k = {key}",
        )
        self.silent[table].discard(key)

    @rule(table=table_names, first=keys, last=keys)
    def delete(self, table: str, first: int, last: int) -> None:
        self.edit(table, f"DELETE FROM {table} WHERE k BETWEEN {first} AND {last}")

    @rule(table=table_names, key=keys, to=keys)
    def change_a_key(self, table: str, key: int, to: int) -> None:
        self.edit(
            table,
            f"DELETE FROM {table} WHERE k = {to} AND {key} <> {to}",
            f"UPDATE {table} SET k = {to}, stamp = now() WHERE k = {key}",
        )
        self.silent[table] -= {key, to}

    @rule(table=table_names)
    def truncate(self, table: str) -> None:
        self.edit(table, f"TRUNCATE {table}")

    @rule()
    def run(self) -> None:
        summary = run_once(self.settings, [], listen=lambda event: None)
        assert summary.is_success, [o.error for o in summary.failed]
        self.check()

    @rule(table=table_names, key=keys, moment=st.integers(1, 60), after=st.booleans())
    def run_killed_and_gone_on_with(self, table: str, key: int, moment: int, after: bool) -> None:
        with (
            killing(moment, after=after) as killer,
            contextlib.suppress(KilledError, EtlError),
        ):
            run_once(self.settings, [], listen=lambda event: None)
        wait_for_the_lock(self.lab)
        if killer.is_dead and after:
            self.update_silently(table, key, moment)
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
    monkeypatch.setattr(chunks, "CHUNK_ROWS", 9)
    monkeypatch.setattr(renew, "FEW_ROWS", 5)
    monkeypatch.setattr(renew, "CHECKPOINT_SECONDS", 0)
    monkeypatch.setattr(runner, "FIRST_WAIT_SECONDS", 0.01)
    is_long = request.config.getoption("--long")
    machine = type("Days", (WorkingDays,), {"lab": lab})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=500 if is_long else 25,
            stateful_step_count=40 if is_long else 16,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
