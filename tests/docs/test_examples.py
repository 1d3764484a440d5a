"""Every SQL example of the pages runs, on a small practice that went through the pipeline."""

from __future__ import annotations

import contextlib
import re
import secrets
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from etl_pipeline.core.grant_statements import grant_log
from etl_pipeline.demo.practice import build_practice
from etl_pipeline.demo.server_databases import (
    connect_mysql,
    connect_postgres,
    create_practice_databases,
    drop_practice_databases,
)
from etl_pipeline.pipeline.request import RunRequest
from etl_pipeline.pipeline.run import run_once
from tests.conftest import Lab
from tests.docs.pages import PAGES, find_blocks, find_rows, find_section, read_page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etl_pipeline.demo.servers import Servers

QUERIES = [
    pytest.param(block, id=f"{page.stem}-{number}")
    for page in PAGES
    if page.name != "transform.md"  # tests/transform, where the models are
    for number, block in enumerate(find_blocks(page.read_text(encoding="utf-8"), "sql"))
    if block.startswith("SELECT")
]


@pytest.fixture(scope="module")
def practice(servers: Servers) -> Iterator[Lab]:
    """The databases of a small practice after a run."""
    env = create_practice_databases(servers, f"t_{secrets.token_hex(4)}")
    names = [env[f"TEST_{family}_DB"] for family in ("OPENDENTAL_SOURCE", "MYSQL_REPLICATION")]
    try:
        with contextlib.ExitStack() as stack:
            source, replication = (
                stack.enter_context(closing(connect_mysql(server, name)))
                for server, name in zip((servers.source, servers.replication), names, strict=True)
            )
            analytics = stack.enter_context(
                closing(connect_postgres(servers.analytics, env["TEST_POSTGRES_ANALYTICS_DB"]))
            )
            lab = Lab(servers, env, source, replication, analytics)
            build_practice(source, patients=25)
            assert run_once(lab.settings, RunRequest(), listen=lambda event: None).is_success
            yield lab
    finally:
        drop_practice_databases(servers, env)


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_answers_with_rows(practice: Lab, query: str) -> None:
    assert practice.analytics.execute(query.encode()).fetchall()


def test_the_grant_for_a_follower_is_the_doctors() -> None:
    """What the doctor shows is executed by tests/setup/test_doctor.py."""
    (block,) = find_blocks(read_page("docs/follow.md"), "sql")
    assert block.strip() == f"{grant_log('etl_reader@%')};"


def test_the_other_blocks_are_executed_by_name() -> None:
    """A new example is a query, or is added here and to the test that executes it."""
    others = {
        page.name: [
            block
            for block in find_blocks(page.read_text(encoding="utf-8"), "sql", "python")
            if not block.startswith("SELECT")
        ]
        for page in PAGES
    }
    counts = {name: len(blocks) for name, blocks in others.items() if blocks}
    python = len(find_blocks(read_page("docs/connection_architecture.md"), "python"))
    assert counts == {
        "README.md": 3,  # test_production.py
        "raw_schema.md": 1,
        "environment_setup.md": 1,
        "connection_architecture.md": python,  # tests/core/test_docs.py
        "scheduling.md": 3,  # test_scheduling.py
        "follow.md": 1,
    }


def test_the_analyst_reads_tables_of_now_and_later(practice: Lab) -> None:
    blocks = find_blocks(read_page("docs/raw_schema.md"), "sql")
    (grants,) = (block for block in blocks if block.startswith("CREATE ROLE"))
    analyst, loader = (
        f"analyst_{secrets.token_hex(4)}",
        practice.env["TEST_POSTGRES_ANALYTICS_USER"],
    )
    connection = practice.analytics
    with connection.transaction(force_rollback=True):
        grants = grants.replace("analyst", analyst).replace("etl_loader", loader)
        connection.execute(grants.encode())
        connection.execute(f"SET LOCAL ROLE {loader}".encode())
        connection.execute("CREATE TABLE raw.comes_later AS SELECT 1 AS one")
        connection.execute(f"SET LOCAL ROLE {analyst}".encode())
        assert connection.execute("SELECT count(*) FROM raw.patient").fetchone() != (0,)
        assert connection.execute("SELECT one FROM raw.comes_later").fetchall() == [(1,)]


def test_the_reader_of_the_setup_page_may_only_read(practice: Lab) -> None:
    (block,) = find_blocks(read_page("docs/environment_setup.md"), "sql")
    user, database = f"r_{secrets.token_hex(4)}", practice.env["TEST_OPENDENTAL_SOURCE_DB"]
    block = block.replace("etl_reader", user).replace("opendental", f"`{database}`")
    with practice.source.cursor() as cursor:
        try:
            for statement in filter(str.strip, block.split(";")):
                cursor.execute(statement)
            cursor.execute(f"SHOW GRANTS FOR {user}")
            grants = [str(line) for (line,) in cursor.fetchall()]
        finally:
            cursor.execute(f"DROP USER {user}")
    assert [re.findall(r"GRANT (.+?) ON", line) for line in grants] == [["USAGE"], ["SELECT"]]


def test_columns_that_the_analysts_page_names_exist(practice: Lab) -> None:
    page = read_page("docs/raw_schema.md")
    named = set(re.findall(r'"([A-Z]\w+)"', page)) | set(re.findall(r"`([A-Z][a-z]\w+)`", page))
    rows = practice.analytics.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'raw'"
    )
    assert len(named) > 5
    assert named <= {name for (name,) in rows}


def test_every_column_of_the_state_has_a_line_and_no_other(practice: Lab) -> None:
    page = read_page("docs/how_it_works.md")
    rows = practice.analytics.execute(
        "SELECT table_name, column_name FROM information_schema.columns "
        "WHERE table_schema = 'etl' ORDER BY table_name, ordinal_position"
    ).fetchall()
    tables = {table for table, _ in rows}
    assert set(re.findall(r"^### etl\.(\w+)$", page, re.MULTILINE)) == tables
    for table in tables:
        lines = [row.names[0] for row in find_rows(find_section(page, f"### etl.{table}"))]
        assert lines == [column for one, column in rows if one == table]
