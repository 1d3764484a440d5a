"""One practice is never copied over another, and a practice that moved is still the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from etl_pipeline.config import create_test_settings
from etl_pipeline.demo.practice import build_practice, change_practice
from etl_pipeline.demo.servers import Servers
from etl_pipeline.errors import ConfigurationError
from etl_pipeline.pipeline.plan import preview_run
from etl_pipeline.pipeline.request import RunRequest
from etl_pipeline.pipeline.run import run_once
from etl_pipeline.pipeline.summary import RunSummary
from etl_pipeline.pipeline.verify import verify_once
from etl_pipeline.state.oldest_rows import OldRowMatch, is_same_practice
from etl_pipeline.state.origin import Origin, name_server
from etl_pipeline.verify.job import VerifyScope
from tests.conftest import Lab, open_lab
from tests.rows import make_table, numbers, read_mysql, read_postgres, run_sql

SOURCE = "TEST_OPENDENTAL_SOURCE_"
REPLICATION = "TEST_MYSQL_REPLICATION_"
ANALYTICS = "TEST_POSTGRES_ANALYTICS_"


def taking(lab: Lab, other: Lab, *families: str, source: str = SOURCE) -> dict[str, str]:
    """The databases of *lab*, but those of *families* from *other*; its source may be any MySQL."""
    env = dict(lab.env)
    for family in families:
        theirs = source if family == SOURCE else family
        env |= {
            family + name.removeprefix(theirs): value
            for name, value in other.env.items()
            if name.startswith(theirs)
        }
    return env


def run(env: dict[str, str], *tables: str, **options: Any) -> RunSummary:
    return run_once(
        create_test_settings(env_vars=env), RunRequest(tables, **options), listen=lambda e: None
    )


def refusal(env: dict[str, str], **options: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        run(env, **options)
    assert "--accept-source" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 2
    return str(caught.value)


@pytest.fixture(scope="module")
def copied(servers: Servers) -> Iterator[Lab]:
    """A made-up practice, copied after it has worked on for some days."""
    with open_lab(servers) as lab:
        build_practice(lab.source, patients=20, seed=7)
        for _ in range(3):
            change_practice(lab.source)
        assert run(lab.env).is_success
        yield lab


def test_another_practice_is_not_copied_over_this_one(
    copied: Lab, lab: Lab, tmp_path: Path
) -> None:
    build_practice(lab.source, patients=20, seed=8)
    env = taking(copied, lab, SOURCE)
    words = refusal(env)
    for name in (copied.env[f"{SOURCE}DB"], lab.env[f"{SOURCE}DB"], "old rows differ in"):
        assert name in words
    settings = create_test_settings(env_vars=env)
    for command in (
        lambda: preview_run(settings, RunRequest(), folder=tmp_path),
        lambda: verify_once(settings, [], VerifyScope(), listen=lambda e: None),
        lambda: verify_once(settings, [], VerifyScope(repair=True), listen=lambda e: None),
    ):
        with pytest.raises(ConfigurationError, match="old rows differ"):
            command()
    # Nothing was written, and the practice itself is copied on.
    assert run(copied.env).is_success
    assert read_mysql(copied.replication, "patient") == read_mysql(copied.source, "patient")


@pytest.mark.parametrize("family", [REPLICATION, ANALYTICS])
def test_a_target_of_another_practice_is_told_by_itself(copied: Lab, lab: Lab, family: str) -> None:
    make_table(
        lab.source,
        "CREATE TABLE patient (PatNum bigint PRIMARY KEY, LName varchar(100))",
        f"INSERT INTO patient SELECT seq, CONCAT('n', seq) FROM {numbers(60)}",
    )
    assert run(lab.env).is_success
    words = refusal(taking(lab, copied, family))
    named = "analytics" if family == ANALYTICS else "replication"
    assert words.startswith(f"{named} ")


@pytest.mark.parametrize("place", [SOURCE, REPLICATION])
def test_an_older_backup_on_another_server_is_the_same_practice(
    copied: Lab, lab: Lab, place: str
) -> None:
    restored = lab.source if place == SOURCE else lab.replication
    build_practice(restored, patients=20, seed=7)
    env = taking(copied, lab, SOURCE, source=place)
    summary = run(env, "patient", "procedurelog", "definition", allow_deletes=["procedurelog"])
    assert summary.is_success, summary.failed
    assert sum("the source is database" in note for note in summary.notes) == 2
    for table in ("patient", "procedurelog"):
        assert read_postgres(copied.analytics, table) == read_mysql(restored, table)
    again = run(env, "patient")
    assert not [note for note in again.notes if "the source is database" in note]
    # And back: the server that it was moved from.
    assert run(copied.env, "patient").is_success


@pytest.mark.parametrize(("shared", "is_same"), [(30, True), (20, False)])
def test_the_fifty_oldest_rows_decide(
    lab: Lab, servers: Servers, shared: int, is_same: bool
) -> None:
    """Rows that came later differ: a backup lacks them, and went its own way since."""
    make_log(lab, 200, shared=200)
    assert run(lab.env).is_success
    with open_lab(servers) as other:
        make_log(other, 120, shared=shared)
        env = taking(lab, other, SOURCE)
        if is_same:
            assert run(env, allow_deletes=["log"]).is_success
            assert read_postgres(lab.analytics, "log") == read_mysql(other.source, "log")
        else:
            assert "old rows differ in 1 of 1 table" in refusal(env)


def make_log(lab: Lab, rows: int, *, shared: int) -> None:
    """A table of *rows*, whose first *shared* are everybody's."""
    make_table(
        lab.source,
        "CREATE TABLE log (k int PRIMARY KEY, words varchar(20))",
        f"INSERT INTO log SELECT seq, IF(seq <= {shared}, seq, 'x') FROM {numbers(rows)}",
    )


def test_an_empty_source_is_refused(copied: Lab, lab: Lab) -> None:
    make_table(lab.source, "CREATE TABLE unknown (k int PRIMARY KEY)")
    assert "no old rows could be compared" in refusal(taking(copied, lab, SOURCE))
    with copied.source.cursor() as cursor:
        cursor.execute("SHOW CREATE TABLE patient")
        ddl = cursor.fetchall()[0][1]
    make_table(lab.source, ddl)
    assert "differ in 1 of 1 table" in refusal(taking(copied, lab, SOURCE))


def small(lab: Lab, words: str) -> None:
    make_table(
        lab.source,
        "CREATE TABLE a (k int, sub int, c varchar(20), PRIMARY KEY (k, sub))",
        f"INSERT INTO a SELECT seq % 3, seq, CONCAT('{words}', seq) FROM {numbers(200)}",
    )


def test_another_source_is_taken_where_somebody_says_so(lab: Lab, servers: Servers) -> None:
    small(lab, "one")
    assert run(lab.env).is_success
    with open_lab(servers) as other:
        small(other, "two")
        env = taking(lab, other, SOURCE)
        refusal(env)
        summary = run(env, accept_source=True)
        assert summary.is_success
        assert sum("accepted" in note for note in summary.notes) == 2
        assert read_postgres(lab.analytics, "a") == read_mysql(other.source, "a")
        assert not run(env).notes
        refusal(lab.env)


def test_a_first_run_that_was_killed_and_a_fresh_target_take_the_source(
    lab: Lab, servers: Servers
) -> None:
    small(lab, "one")
    run_sql(lab.source, "CREATE TABLE broken (k int PRIMARY KEY, v bigint)")
    assert run(lab.env, "broken").is_success  # the tables hold no rows yet
    with open_lab(servers) as other:
        small(other, "two")
        assert run(taking(lab, other, SOURCE), "a").is_success
        # A warehouse made anew beside the replicas that are there.
        fresh = taking(other, lab, REPLICATION)
        assert run(fresh, "a").is_success
        refusal(taking(lab, other, ANALYTICS))


def forget(lab: Lab) -> None:
    """Take the state back to a version that recorded no origin."""
    run_sql(lab.replication, "DROP TABLE _etl_origin")
    lab.analytics.execute("DROP TABLE etl.origin")
    lab.analytics.execute("UPDATE etl.version SET version = 4")


def test_a_state_without_an_origin_takes_the_source_whose_rows_it_holds(
    lab: Lab, servers: Servers
) -> None:
    small(lab, "one")
    assert run(lab.env).is_success
    forget(lab)
    with open_lab(servers) as other:
        small(other, "two")
        assert "a copy of a database that was not recorded" in refusal(taking(lab, other, SOURCE))
    summary = run(lab.env)
    assert summary.is_success
    assert not summary.notes
    assert summary.total("inserted") == 0
    found = lab.analytics.execute("SELECT database_name FROM etl.origin").fetchone()
    assert found == (lab.env[f"{SOURCE}DB"],)


def test_a_server_is_known_by_what_it_says_of_itself() -> None:
    place = {"hostname": "front", "port": "3306", "datadir": "/d/", "server_id": "1"}
    assert name_server(place | {"server_uuid": "u"}) == "server_uuid u"
    assert name_server(place | {"server_uid": "x="}) == "server_uid x="
    assert name_server(place) == "datadir /d/, hostname front, port 3306, server_id 1"
    assert str(Origin("server_uid x", "od")) == "database od on the server with server_uid x"


def test_nearly_all_tables_must_agree() -> None:
    alike, other = OldRowMatch("t", 50, 25), OldRowMatch("t", 50, 24)
    assert is_same_practice([alike])
    assert is_same_practice([alike] * 9 + [other])
    assert not is_same_practice([alike] * 8 + [other])
    assert not is_same_practice([other])
    assert not is_same_practice([])
