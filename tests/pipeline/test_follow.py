"""``etl follow`` on real servers: what changes at the source is in both copies, at one instant."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pymysql
import pytest

from etl_pipeline.demo.server_databases import connect_mysql, connect_postgres
from etl_pipeline.errors import DatabaseError
from etl_pipeline.pipeline.follow import Finish, FollowRequest, FollowSummary
from etl_pipeline.pipeline.follow import follow as follow_log
from etl_pipeline.pipeline.summary import RunSummary, VerifySummary
from tests.conftest import Lab
from tests.killing import KilledError, killing
from tests.rows import make_table, read_mysql
from tests.runs import TABLES, fill

PATIENT = """
CREATE TABLE patient (
  PatNum bigint NOT NULL AUTO_INCREMENT, LName varchar(100) DEFAULT '',
  Balance bigint NOT NULL DEFAULT 0, PRIMARY KEY (PatNum)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb3"""
PAYMENT = """
CREATE TABLE payment (
  PayNum bigint NOT NULL AUTO_INCREMENT, PatNum bigint NOT NULL, Amount bigint NOT NULL,
  PRIMARY KEY (PayNum)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb3"""

Follow = Callable[..., FollowSummary]


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("etl_pipeline.pipeline.follow.FIRST_WAIT_SECONDS", 0.01)
    monkeypatch.setattr("etl_pipeline.pipeline.follow_session.KEEP_SECONDS", 0.2)


@pytest.fixture
def follow(lab: Lab) -> Follow:
    """Catch up with the source, as ``etl follow --once`` does."""

    def follow_(*, prove_now: bool = False, **configuration: Any) -> FollowSummary:
        settings = lab.settings_with(**configuration)
        return follow_log(settings, FollowRequest(once=True, prove_now=prove_now), Finish())

    return follow_


@contextmanager
def following(lab: Lab, **pipeline: Any) -> Iterator[Callable[[], None]]:
    """Follow in another thread for the block, and end after the batch that is at work.

    What it gives waits until all that was committed at the source is in ``raw``.
    """
    finish = Finish()
    ended: list[Any] = []

    def work() -> None:
        settings = lab.settings_with(pipeline={"follow": {"batch_seconds": 0.05, **pipeline}})
        try:
            ended.append(follow_log(settings, FollowRequest(), finish))
        except BaseException as error:
            ended.append(error)

    def catch_up() -> None:
        since = time.time()
        for _ in range(600):
            assert not ended, ended
            row = lab.analytics.execute(
                "SELECT extract(epoch FROM shows_at) FROM etl.follower "
                "WHERE NOT EXISTS (SELECT FROM etl.follower_table WHERE waits_for IS NOT NULL)"
            ).fetchone()
            if row and row[0] is not None and float(row[0]) > since:
                return
            time.sleep(0.05)
        raise AssertionError("it did not catch up")

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for _ in range(400):
            if ended or lab.analytics.execute("SELECT to_regclass('etl.follower')").fetchone() != (
                None,
            ):
                break
            time.sleep(0.05)
        yield catch_up
    finally:
        finish.request()
        thread.join(60)
    assert not thread.is_alive()
    if ended and isinstance(ended[0], BaseException):
        raise ended[0]


def change(lab: Lab, *statements: str) -> None:
    with lab.source.cursor() as cursor:
        cursor.execute("SET SESSION sql_mode='NO_AUTO_VALUE_ON_ZERO', time_zone='+00:00'")
        for statement in statements:
            cursor.execute(statement)


def expect_equal(lab: Lab, verify: Callable[..., VerifySummary], *tables: str) -> None:
    for table in tables:
        assert read_mysql(lab.source, table) == read_mysql(lab.replication, table), table
    summary = verify(tables, deep=True)
    assert summary.is_success, [result.discrepancies for result in summary.results]


@pytest.mark.parametrize("engine", ["InnoDB", "MyISAM"])
def test_changes_are_copied_after_a_hand_over(
    lab: Lab, follow: Follow, verify: Any, engine: str
) -> None:
    fill(lab, engine)
    first = follow()
    assert len(first.runs) == 1, "what was not followed is run first"
    assert first.is_success
    change(
        lab,
        "INSERT INTO patient (PatNum, LName) VALUES (77, 'new'), (78, 'also new')",
        "UPDATE patient SET LName = 'changed', Balance = -0.0 WHERE PatNum = 1",
        "DELETE FROM patient WHERE PatNum = 2",
        "UPDATE patient SET PatNum = 99 WHERE PatNum = 3",
        "INSERT INTO codes VALUES ('D2000', 1, 'a,b', 1)",
        "UPDATE codes SET Code = 'd1110' WHERE Code = 'D1110' AND Version = 1",
        "DELETE FROM codes WHERE Code = 'ÄÖ'",
        "INSERT INTO copy_of_patient VALUES (3, 'c')",
    )
    second = follow()
    assert [len(run.outcomes) for run in second.runs] == [1], "a table without a key is run"
    assert second.is_success
    assert second.transactions >= 8
    expect_equal(lab, verify, *TABLES)


def test_a_statement_in_the_log_has_its_table_compared(
    lab: Lab, follow: Follow, verify: Any
) -> None:
    make_table(lab.source, PATIENT, "INSERT INTO patient (PatNum) VALUES (1), (2)")
    follow()
    change(
        lab,
        "SET SESSION binlog_format = 'STATEMENT'",
        "UPDATE patient SET LName = 'by a statement' WHERE PatNum = 2",
        "SET SESSION binlog_format = 'ROW'",
    )
    summary = follow()
    assert summary.is_success
    assert len(summary.runs) == 1
    expect_equal(lab, verify, "patient")


def test_nothing_is_read_where_nothing_changed(lab: Lab, follow: Follow) -> None:
    fill(lab)
    follow()
    again = follow()
    assert (again.batches, again.runs) == (0, [])


def test_marked_deletes_are_marked(lab: Lab, follow: Follow) -> None:
    make_table(lab.source, PATIENT, "INSERT INTO patient (PatNum) VALUES (1), (2)")
    tables = {"tables": {"patient": {"deletes": "mark"}}}
    follow(tables=tables)
    change(lab, "DELETE FROM patient WHERE PatNum = 1")
    follow(tables=tables)
    rows = lab.analytics.execute(
        'SELECT "PatNum", _etl_deleted_at IS NULL FROM raw.patient ORDER BY 1'
    ).fetchall()
    assert rows == [(1, False), (2, True)]


def test_a_rolled_back_change_is_none(lab: Lab, follow: Follow, verify: Any) -> None:
    make_table(lab.source, PATIENT, "INSERT INTO patient (PatNum) VALUES (1), (2)")
    follow()
    change(
        lab,
        "START TRANSACTION",
        "UPDATE patient SET LName = 'no' WHERE PatNum = 1",
        "SAVEPOINT here",
        "DELETE FROM patient",
        "ROLLBACK TO here",
        "ROLLBACK",
        "UPDATE patient SET LName = 'yes' WHERE PatNum = 2",
    )
    assert follow().rows_changed == 1
    expect_equal(lab, verify, "patient")


def test_a_follower_copies_within_seconds(lab: Lab, verify: Any) -> None:
    make_table(lab.source, PATIENT, "INSERT INTO patient (PatNum) VALUES (1), (2)")
    with following(lab) as catch_up:
        catch_up()
        change(lab, "UPDATE patient SET LName = 'x' WHERE PatNum = 1")
        catch_up()
        assert lab.analytics.execute(
            "SELECT count(*) FROM raw.patient WHERE \"LName\" = 'x'"
        ).fetchone() == (1,)
    expect_equal(lab, verify, "patient")


def test_a_session_with_a_clock_of_its_own_makes_no_lag(lab: Lab) -> None:
    """An event in the log bears the time that its session has set."""
    make_table(lab.source, PATIENT, "INSERT INTO patient (PatNum) VALUES (1)")
    with following(lab) as catch_up:
        catch_up()
        change(lab, "SET timestamp = 1000000", "UPDATE patient SET LName = 'x'")
        change(lab, "SET timestamp = DEFAULT")
        catch_up()
    rows = lab.analytics.execute("SELECT max(lag_seconds) FROM etl.follower_minute").fetchall()
    assert 0 <= rows[0][0] < 60


def pay(source: Any, chance: random.Random) -> None:
    """A transaction that keeps it so: a patient's balance is the sum of the payments."""
    patient, amount = chance.randint(1, 20), chance.randint(-50, 50)
    with source.cursor() as cursor:
        cursor.execute("START TRANSACTION")
        kind = chance.random()
        if kind < 0.6:
            cursor.execute(
                "INSERT INTO payment (PatNum, Amount) VALUES (%s, %s)", (patient, amount)
            )
            change_by = amount
        else:
            cursor.execute(
                "SELECT PayNum, PatNum, Amount FROM payment ORDER BY rand() LIMIT 1 FOR UPDATE"
            )
            row = cursor.fetchone()
            if row is None:
                cursor.execute("ROLLBACK")
                return
            number, patient, old = row
            if kind < 0.8:
                cursor.execute("DELETE FROM payment WHERE PayNum = %s", (number,))
                change_by = -old
            else:
                cursor.execute("UPDATE payment SET Amount = %s WHERE PayNum = %s", (amount, number))
                change_by = amount - old
        cursor.execute(
            "UPDATE patient SET Balance = Balance + %s WHERE PatNum = %s", (change_by, patient)
        )
        cursor.execute("ROLLBACK" if chance.random() < 0.1 else "COMMIT")


BALANCED = (
    'SELECT count(*) FROM raw.patient LEFT JOIN (SELECT "PatNum", sum("Amount") AS paid '
    'FROM raw.payment GROUP BY 1) AS payments USING ("PatNum") '
    'WHERE "Balance" <> coalesce(paid, 0)'
)


def fill_payments(lab: Lab) -> None:
    make_table(
        lab.source,
        PATIENT,
        "INSERT INTO patient (PatNum) VALUES " + ", ".join(f"({n})" for n in range(1, 21)),
        PAYMENT,
    )


def test_each_batch_shows_the_source_at_one_instant(lab: Lab, verify: Any) -> None:
    fill_payments(lab)
    done = threading.Event()
    lasts: list[Any] = []

    def practise(seed: int) -> None:
        with closing(
            connect_mysql(lab.servers.source, lab.env["TEST_OPENDENTAL_SOURCE_DB"])
        ) as source:
            chance = random.Random(seed)
            while not done.is_set():
                pay(source, chance)

    with following(lab) as catch_up:
        catch_up()
        writers = [threading.Thread(target=practise, args=(seed,)) for seed in (1, 2)]
        for writer in writers:
            writer.start()
        until = time.monotonic() + 5
        with closing(
            connect_postgres(lab.servers.analytics, lab.env["TEST_POSTGRES_ANALYTICS_DB"])
        ) as reader:
            while time.monotonic() < until:
                assert reader.execute(BALANCED).fetchone() == (0,)
                lasts.append(reader.execute("SELECT batch FROM etl.follower").fetchone())
        done.set()
        for writer in writers:
            writer.join()
        catch_up()
    assert len(set(lasts)) > 5, "the reader has seen several batches"
    expect_equal(lab, verify, "patient", "payment")


def test_a_follower_killed_at_any_change_goes_on(lab: Lab, follow: Follow, verify: Any) -> None:
    fill_payments(lab)
    chance = random.Random(7)
    for _ in range(30):
        pay(lab.source, chance)
    follow()
    with killing() as counting:
        for _ in range(10):
            pay(lab.source, chance)
        follow()
    assert counting.count > 3
    for moment in range(1, counting.count + 1):
        for _ in range(10):
            pay(lab.source, chance)
        with killing(moment), contextlib.suppress(KilledError):
            follow()
        if moment % 2:
            pay(lab.source, chance)
        follow()
        assert lab.analytics.execute(BALANCED).fetchone() == (0,), moment
        for table in ("patient", "payment"):
            assert read_mysql(lab.source, table) == read_mysql(lab.replication, table)
    expect_equal(lab, verify, "patient", "payment")


def test_a_changed_schema_is_followed(lab: Lab, verify: Any) -> None:
    fill_payments(lab)
    with following(lab) as catch_up:
        catch_up()
        change(
            lab,
            "UPDATE patient SET LName = 'before'",
            "ALTER TABLE patient ADD COLUMN City varchar(20) NOT NULL DEFAULT 'here'",
            "UPDATE patient SET City = 'there' WHERE PatNum = 3",
            "INSERT INTO payment (PatNum, Amount) VALUES (1, 1)",
        )
        catch_up()
        change(lab, "ALTER TABLE patient DROP COLUMN LName", "TRUNCATE TABLE payment")
        catch_up()
    expect_equal(lab, verify, "patient", "payment")


def test_a_new_table_is_followed(lab: Lab, verify: Any) -> None:
    make_table(lab.source, PATIENT)
    with following(lab) as catch_up:
        catch_up()
        change(lab, PAYMENT, "INSERT INTO payment (PatNum, Amount) VALUES (1, 1)")
        catch_up()
        time.sleep(0.5)
        catch_up()
    expect_equal(lab, verify, "patient", "payment")


def test_many_changes_at_once_are_run(
    lab: Lab, follow: Follow, verify: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_payments(lab)
    follow()
    monkeypatch.setattr("etl_pipeline.replicate.batch.MOST_CHANGES", 100)
    change(
        lab,
        "INSERT INTO payment (PatNum, Amount) SELECT a.PatNum, b.PatNum FROM patient a, patient b",
        "UPDATE patient SET LName = 'few'",
    )
    summary = follow()
    assert [outcome.table for run in summary.runs for outcome in run.outcomes] == ["payment"]
    expect_equal(lab, verify, "patient", "payment")


def test_many_changes_of_a_chunk_are_read_as_a_range(
    lab: Lab, follow: Follow, verify: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_payments(lab)
    change(
        lab,
        "INSERT INTO payment (PatNum, Amount) SELECT a.PatNum, b.PatNum FROM patient a, patient b",
    )
    tables = {"tables": {"patient": {}, "payment": {"batch_size": 50}}}
    follow(tables=tables)
    monkeypatch.setattr("etl_pipeline.replicate.batch.RANGE_KEYS", 10)
    change(
        lab,
        "UPDATE payment SET Amount = Amount + 1 WHERE PayNum BETWEEN 20 AND 200",
        "DELETE FROM payment WHERE PayNum BETWEEN 100 AND 110",
    )
    assert follow(tables=tables).runs == []
    expect_equal(lab, verify, "patient", "payment")
    digests = lab.analytics.execute(
        "SELECT bool_or(is_text_digest) FROM etl.chunk WHERE table_name = 'payment' AND ordinal = 1"
    ).fetchone()
    assert digests == (True,), "what was read as a whole has a digest"


def test_a_run_beside_a_follower_says_what_to_do(lab: Lab, run: Callable[..., RunSummary]) -> None:
    make_table(lab.source, PATIENT)
    with following(lab) as catch_up:
        catch_up()
        with pytest.raises(DatabaseError, match="etl follow"):
            run()


def purge_logs(lab: Lab) -> None:
    """Purge all files but the last; a server keeps what it believes a replica still reads."""
    with lab.source.cursor() as cursor:
        for _ in range(200):
            cursor.execute("SHOW BINARY LOGS")
            *others, (last, *_) = cursor.fetchall()
            if not others:
                return
            cursor.execute(f"PURGE BINARY LOGS TO '{last}'")
            time.sleep(0.05)
    raise AssertionError("the log was not purged")


def test_a_purged_log_is_healed_by_a_comparison(
    lab: Lab, follow: Follow, verify: Any, caplog: pytest.LogCaptureFixture
) -> None:
    fill_payments(lab)
    follow()
    change(lab, "INSERT INTO payment (PatNum, Amount) VALUES (1, 5)", "FLUSH BINARY LOGS")
    purge_logs(lab)
    summary = follow()
    assert len(summary.runs) == 1
    assert summary.is_success
    assert "all tables are compared" in caplog.text
    expect_equal(lab, verify, "patient", "payment")


def test_a_row_edited_past_the_log_is_found_by_the_proof(
    lab: Lab, follow: Follow, verify: Any
) -> None:
    fill_payments(lab)
    follow()
    change(
        lab,
        "SET SESSION sql_log_bin = 0",
        "UPDATE patient SET LName = 'silent' WHERE PatNum = 3",
        "SET SESSION sql_log_bin = 1",
    )
    assert follow().batches == 0
    assert read_mysql(lab.source, "patient") != read_mysql(lab.replication, "patient")
    proven = follow(prove_now=True)
    assert proven.runs == [], "tables with a key are compared while they are followed"
    assert list(proven.proofs[0].corrections) == ["patient"]
    assert "keys 3" in proven.proofs[0].corrections["patient"][0]
    expect_equal(lab, verify, "patient")
    assert not follow(prove_now=True).proofs[0].corrections


def test_a_run_after_following_finds_nothing(
    lab: Lab, follow: Follow, run: Callable[..., RunSummary]
) -> None:
    fill_payments(lab)
    follow()
    chance = random.Random(3)
    for _ in range(50):
        pay(lab.source, chance)
    follow()
    summary = run()
    assert summary.is_success
    for outcome in summary.outcomes:
        assert outcome.grade == "value"
        assert (outcome.inserted, outcome.updated, outcome.deleted) == (0, 0, 0)
        assert not outcome.corrections, outcome.corrections


def end_sessions(lab: Lab, place: str) -> None:
    """End the sessions of the pipeline at one of the servers, as a restart would."""
    if place == "analytics":
        lab.analytics.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s",
            (lab.env["TEST_POSTGRES_ANALYTICS_USER"],),
        )
        return
    prefix = {"source": "TEST_OPENDENTAL_SOURCE", "replication": "TEST_MYSQL_REPLICATION"}[place]
    with getattr(lab, place).cursor() as cursor:
        cursor.execute(
            "SELECT id FROM information_schema.processlist WHERE user = %s",
            (lab.env[f"{prefix}_USER"],),
        )
        for (number,) in cursor.fetchall():
            with contextlib.suppress(pymysql.err.OperationalError):
                cursor.execute(f"KILL {number}")


def test_lost_connections_lose_no_change(lab: Lab, verify: Any) -> None:
    fill_payments(lab)
    chance = random.Random(11)
    with following(lab) as catch_up:
        catch_up()
        for place in ("source", "replication", "analytics") * 3:
            for _ in range(chance.randint(1, 20)):
                pay(lab.source, chance)
            time.sleep(chance.random() / 5)
            end_sessions(lab, place)
            assert lab.analytics.execute(BALANCED).fetchone() == (0,)
        catch_up()
    expect_equal(lab, verify, "patient", "payment")


def test_a_proof_finds_nothing_on_a_busy_source(lab: Lab, follow: Follow, verify: Any) -> None:
    fill_payments(lab)
    chance = random.Random(5)
    for _ in range(200):
        pay(lab.source, chance)
    tables = {"tables": {"patient": {}, "payment": {"batch_size": 10}}}
    follow(tables=tables)
    done = threading.Event()

    def practise() -> None:
        with closing(
            connect_mysql(lab.servers.source, lab.env["TEST_OPENDENTAL_SOURCE_DB"])
        ) as source:
            while not done.is_set():
                pay(source, chance)

    writer = threading.Thread(target=practise)
    writer.start()
    try:
        proven = follow(prove_now=True, tables=tables)
    finally:
        done.set()
        writer.join()
    (proof,) = proven.proofs
    assert proof.corrections == {}
    assert proof.chunks > 5
    assert proof.tables == {"patient", "payment"}
    rows = lab.analytics.execute(
        "SELECT table_name FROM etl.follower_table WHERE proven_at = %s", (proof.started_at,)
    ).fetchall()
    assert sorted(rows) == [("patient",), ("payment",)]


def test_a_copy_that_somebody_edited_is_mended_by_the_proof(
    lab: Lab, follow: Follow, verify: Any
) -> None:
    fill_payments(lab)
    pay(lab.source, random.Random(1))
    follow()
    with lab.replication.cursor() as cursor:
        cursor.execute("UPDATE patient SET LName = 'edited' WHERE PatNum = 2")
    lab.analytics.execute('UPDATE raw.patient SET "LName" = \'edited\' WHERE "PatNum" = 5')
    follow(prove_now=True)
    expect_equal(lab, verify, "patient", "payment")
