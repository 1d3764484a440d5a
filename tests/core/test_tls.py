"""TLS to real servers: what the configuration asks for is what happens."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from etl_pipeline.config import Settings, create_test_settings
from etl_pipeline.core import ConnectionFactory
from etl_pipeline.core.driver_errors import explain
from etl_pipeline.demo import server_processes, server_programs
from etl_pipeline.demo.server_databases import connect_mysql
from etl_pipeline.demo.servers import remove_servers, running_servers
from etl_pipeline.pipeline.request import RunRequest
from etl_pipeline.pipeline.run import run_once
from tests.conftest import Lab, open_lab, servers_folder
from tests.core.certificates import Pair, make_pair
from tests.rows import make_table, read_mysql, read_postgres

HOST = "127.0.0.1"
FAMILIES = ("OPENDENTAL_SOURCE", "MYSQL_REPLICATION")


@dataclass(frozen=True)
class Secure:
    """Servers with certificates, and databases on them."""

    lab: Lab
    authority: Pair
    stranger: Pair
    client: Pair

    def engine(self, family: str, pipeline: Any = None, **variables: Any) -> Any:
        """An engine of *family* with *variables* like ``SSL_CA``."""
        named = {f"TEST_{family}_{name}": str(value) for name, value in variables.items()}
        settings = create_test_settings(pipeline_config=pipeline, env_vars=self.lab.env | named)
        make: dict[str, Callable[[Settings], Any]] = {
            "OPENDENTAL_SOURCE": ConnectionFactory.get_source_connection,
            "MYSQL_REPLICATION": ConnectionFactory.get_replication_connection,
            "POSTGRES_ANALYTICS": ConnectionFactory.get_analytics_connection,
        }
        return make[family](settings)


@pytest.fixture(scope="module")
def secure(pytestconfig: pytest.Config) -> Iterator[Secure]:
    if pytestconfig.getoption("--mysql-url"):
        pytest.skip("starts servers of its own")
    folder = servers_folder(pytestconfig) / str(os.getpid()) / "tls"
    files = Path(tempfile.mkdtemp(dir="/var/tmp"))
    files.chmod(0o755)  # the servers' account reads there
    authority, stranger = (make_pair(files, name) for name in ("authority", "stranger"))
    server = make_pair(files, "server", authority, address=HOST)
    client = make_pair(files, "client", authority)
    account = server_processes.server_account()
    if account.is_other:
        os.chown(server.key_pem, account.uid, account.gid)
    given = {"ca": authority.pem, "cert": server.pem, "key": server.key_pem}
    mysql = [f"--ssl-{name}={path}" for name, path in given.items()]
    postgres = ["--ssl=on", *(f"--ssl_{name}_file={path}" for name, path in given.items())]
    run_mariadb, run_postgres = server_programs.run_mariadb, server_programs.run_postgres
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            server_programs, "run_mariadb", lambda *a, **k: [*run_mariadb(*a, **k), *mysql]
        )
        patch.setattr(
            server_programs, "run_postgres", lambda *a, **k: [*run_postgres(*a, **k), *postgres]
        )
        try:
            with running_servers(folder) as servers, open_lab(servers) as lab:
                yield Secure(lab, authority, stranger, client)
        finally:
            remove_servers(folder)
            shutil.rmtree(files)


def cipher(engine: Any) -> str:
    """The cipher of a connection to MySQL; empty where it is not encrypted."""
    with engine.connect() as connection:
        found = connection.exec_driver_sql("SHOW STATUS LIKE 'Ssl_cipher'").one()[1]
    engine.dispose()
    return str(found)


def refusal(engine: Any) -> str:
    with pytest.raises(Exception) as caught:  # noqa: PT011
        engine.connect()
    engine.dispose()
    return str(explain(caught.value, "there"))


@pytest.mark.parametrize("family", FAMILIES)
def test_mysql_is_encrypted_as_asked(secure: Secure, family: str) -> None:
    authority = secure.authority.pem
    assert cipher(secure.engine(family))  # by itself, where the server offers it
    assert cipher(secure.engine(family, SSL_MODE="required"))
    assert cipher(secure.engine(family, SSL_CA=authority))
    assert cipher(secure.engine(family, SSL_MODE="verify_identity", SSL_CA=authority))
    assert cipher(secure.engine(family, SSL_MODE="disabled")) == ""
    section = "source" if family == "OPENDENTAL_SOURCE" else "replication"
    pipeline = {"connections": {section: {"ssl_ca": str(authority), "ssl_mode": "verify_ca"}}}
    assert cipher(secure.engine(family, pipeline))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_mysql_server_that_is_another_is_refused(secure: Secure, family: str) -> None:
    tls = "the encrypted connection could not be made"
    assert tls in refusal(secure.engine(family, SSL_CA=secure.stranger.pem))
    by_name = {"HOST": "localhost", "SSL_CA": secure.authority.pem}
    assert tls in refusal(secure.engine(family, SSL_MODE="verify_identity", **by_name))
    assert cipher(secure.engine(family, SSL_MODE="verify_ca", **by_name))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_certificate_of_ours_reaches_mysql(secure: Secure, family: str) -> None:
    servers, env = secure.lab.servers, secure.lab.env
    server = servers.source if family == "OPENDENTAL_SOURCE" else servers.replication
    user = env[f"TEST_{family}_USER"]
    with closing(connect_mysql(server)) as admin, admin.cursor() as cursor:
        cursor.execute(f"ALTER USER `{user}`@`%` REQUIRE X509")
        try:
            assert "refused the login" in refusal(secure.engine(family))
            pair = {"SSL_CERT": secure.client.pem, "SSL_KEY": secure.client.key_pem}
            assert cipher(secure.engine(family, SSL_CA=secure.authority.pem, **pair))
        finally:
            cursor.execute(f"ALTER USER `{user}`@`%` REQUIRE NONE")


def test_postgres_is_encrypted_as_asked(secure: Secure) -> None:
    family, ours = "POSTGRES_ANALYTICS", secure.client
    files = {"SSL_CA": secure.authority.pem, "SSL_CERT": ours.pem, "SSL_KEY": ours.key_pem}
    state = "SELECT ssl, client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    asked: list[tuple[dict[str, object], tuple[bool, str | None]]] = [
        ({}, (True, None)),
        ({"SSL_MODE": "disable"}, (False, None)),
        ({"SSL_MODE": "verify-full", **files}, (True, "/CN=client")),
        ({"SSL_CA": secure.authority.pem, "HOST": "localhost"}, (True, None)),
    ]
    for variables, expected in asked:
        engine = secure.engine(family, **variables)
        with engine.connect() as connection:
            assert connection.exec_driver_sql(state).one() == expected
        engine.dispose()
    by_name: dict[str, object] = {"SSL_MODE": "verify-full", "HOST": "localhost"}
    for refused, why in (
        ({"SSL_CA": secure.stranger.pem}, "self-signed certificate in certificate chain"),
        (by_name | {"SSL_CA": secure.authority.pem}, "certificate is not valid for 'localhost'"),
    ):
        assert why in refusal(secure.engine(family, **refused))


def test_rows_are_read_and_written_under_tls(secure: Secure) -> None:
    lab = secure.lab
    make_table(
        lab.source,
        "CREATE TABLE t (k int PRIMARY KEY, c longtext)",
        "INSERT INTO t VALUES (1, REPEAT('x', 5000000)), (2, ''), (3, NULL)",
    )
    env = dict(lab.env)
    for family in FAMILIES:
        env[f"TEST_{family}_SSL_CA"] = str(secure.authority.pem)
    env["TEST_POSTGRES_ANALYTICS_SSL_CA"] = str(secure.authority.pem)
    summary = run_once(create_test_settings(env_vars=env), RunRequest(), listen=lambda event: None)
    assert summary.is_success, summary.failed
    expected = read_mysql(lab.source, "t")
    assert read_mysql(lab.replication, "t") == expected
    assert read_postgres(lab.analytics, "t") == expected
    record = lab.analytics.execute("SELECT encryption FROM etl.run").fetchone()
    line = {"tls": "TLSv1.3", "verified": True, "local": True}
    lines = {"source": line, "replication": line, "analytics": line | {"tls": "TLS"}}
    assert record == (lines,)
