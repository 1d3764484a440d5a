"""A connection that cannot be made is told by what is met at its host and port."""

from __future__ import annotations

import errno
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine

from etl_pipeline.config import FileConfigProvider, create_test_settings
from etl_pipeline.core import ConnectionFactory
from etl_pipeline.core.reachability import PortAnswer, classify_connect_error
from etl_pipeline.demo.server_databases import connect_postgres
from etl_pipeline.errors import EtlError
from etl_pipeline.pipeline.session import open_session
from etl_pipeline.setup import background
from etl_pipeline.setup.doctor import examine
from etl_pipeline.setup.probe import ANSWER_SECONDS
from tests.conftest import Lab

FAMILIES = {
    "source": "TEST_OPENDENTAL_SOURCE",
    "replication": "TEST_MYSQL_REPLICATION",
    "analytics": "TEST_POSTGRES_ANALYTICS",
}
QUICKLY: dict[str, Any] = {"connections": {name: {"connect_timeout": 1} for name in FAMILIES}}


def refusal(lab: Lab, database: str, **variables: object) -> str:
    """What a run says that finds *database* elsewhere."""
    named = {f"{FAMILIES[database]}_{name}": str(value) for name, value in variables.items()}
    settings = create_test_settings(pipeline_config=QUICKLY, env_vars=lab.env | named)
    with pytest.raises(EtlError) as error, open_session(settings):
        pass
    text = str(error.value)
    port = named.get(f"{FAMILIES[database]}_PORT", lab.env[f"{FAMILIES[database]}_PORT"])
    assert text.startswith(f"{database} ")
    assert f":{port}/" in text
    assert "run again" not in text
    assert "PASSWORD" not in text
    return text


def connect_once(engine: Engine) -> None:
    engine.connect().close()
    engine.dispose()


@contextmanager
def listening(say: bytes = b"", *, hang_up: bool = False) -> Iterator[int]:
    """The port of somebody who takes connections and says no more than *say*."""
    taken: list[socket.socket] = []

    def accept(listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            client.sendall(say)
            if hang_up:
                client.close()
            taken.append(client)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept, args=(listener,))
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for client in taken:
                client.close()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.mark.parametrize("database", FAMILIES)
def test_each_kind_is_told_by_what_it_is(lab: Lab, database: str) -> None:
    assert "no server listens there" in refusal(lab, database, PORT=free_port())
    assert "no machine of this name" in refusal(lab, database, HOST="nobody.invalid")
    with listening() as mute:
        assert "takes connections at this port and says nothing" in refusal(
            lab, database, PORT=mute
        )
    with listening(b"SSH-2.0-OpenSSH_9.2\r\n") as other:
        assert "does not speak like a database server" in refusal(lab, database, PORT=other)
    with listening(hang_up=True) as other:
        assert "does not speak like a database server" in refusal(lab, database, PORT=other)


def test_a_port_of_the_other_product_is_named(lab: Lab) -> None:
    mysql, postgres = lab.servers.source.port, lab.servers.analytics.port
    for database in ("source", "replication"):
        text = refusal(lab, database, PORT=postgres)
        assert "the port of a PostgreSQL server, and a MySQL server is wanted" in text
        assert "3306" in text
    text = refusal(lab, "analytics", PORT=mysql)
    assert "the port of a MySQL server, and a PostgreSQL server is wanted" in text


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (socket.gaierror(socket.EAI_AGAIN, "x"), PortAnswer.NO_NAME),
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), PortAnswer.REFUSED),
        (TimeoutError("timed out"), PortAnswer.SILENT),
        *(
            (OSError(number, os.strerror(number)), PortAnswer.UNROUTABLE)
            for number in (errno.EHOSTUNREACH, errno.ENETUNREACH)
        ),
    ],
)
def test_what_a_socket_says_is_read_by_its_number(error: OSError, answer: PortAnswer) -> None:
    assert classify_connect_error(error) is answer


def test_postgres_tells_password_database_and_room_apart(lab: Lab) -> None:
    family = FAMILIES["analytics"]
    user = lab.env[f"{family}_USER"]
    assert "refused the login (28P01)" in refusal(lab, "analytics", PASSWORD="wrong")
    assert "no such database (3D000)" in refusal(lab, "analytics", DB="elsewhere")
    with closing(connect_postgres(lab.servers.analytics)) as admin:
        admin.execute(f'ALTER ROLE "{user}" CONNECTION LIMIT 0')
        assert "takes no more connections (53300)" in refusal(lab, "analytics")
        admin.execute(f'ALTER ROLE "{user}" CONNECTION LIMIT -1 NOLOGIN')
        assert "may not log in at all (28000)" in refusal(lab, "analytics")
        admin.execute(f'ALTER ROLE "{user}" LOGIN')
    connect_once(ConnectionFactory.get_analytics_connection(lab.settings))


def test_mysql_tells_user_database_and_room_apart(lab: Lab) -> None:
    family = FAMILIES["replication"]
    user = lab.env[f"{family}_USER"]
    assert "refused the login (1045)" in refusal(lab, "replication", PASSWORD="wrong")
    assert "or there is none of that name (1044)" in refusal(lab, "replication", DB="elsewhere")
    with lab.replication.cursor() as cursor:
        cursor.execute(f"ALTER USER '{user}'@'%' WITH MAX_CONNECTIONS_PER_HOUR 1")
        cursor.execute("FLUSH USER_RESOURCES")
        connect_once(ConnectionFactory.get_replication_connection(lab.settings))
        text = refusal(lab, "replication")
        cursor.execute(f"ALTER USER '{user}'@'%' WITH MAX_CONNECTIONS_PER_HOUR 0")
    assert "used up what its account may do" in text
    assert f"ALTER USER `{user}`" in text


@pytest.fixture
def folder(lab: Lab, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    monkeypatch.setenv("ETL_ENVIRONMENT", "test")

    def write(**ports: int) -> Any:
        for name, port in ports.items():
            lab.env[f"{FAMILIES[name]}_PORT"] = str(port)
        return lab.write_config(tmp_path)

    return write


def test_the_doctor_looks_at_silent_servers_side_by_side(folder: Callable[..., Any]) -> None:
    with listening() as one, listening() as two, listening() as three:
        path = folder(source=one, replication=two, analytics=three)
        began = time.monotonic()
        findings = {f.check: f for f in examine(FileConfigProvider(path))}
        assert time.monotonic() - began < ANSWER_SECONDS + 1
    for name in FAMILIES:
        assert findings[name].result == "failed"
        assert "says nothing" in findings[name].what


def test_the_doctor_does_not_wait_for_a_name_server(
    folder: Callable[..., Any], lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    for family in FAMILIES.values():
        lab.env[f"{family}_HOST"] = "slow.invalid"
    path = folder()
    released = threading.Event()

    def look_up(*_: object, **__: object) -> Any:
        released.wait(60)
        raise socket.gaierror(socket.EAI_NONAME, "x")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(background, "NAME_SECONDS", 0.5)
    monkeypatch.setattr("etl_pipeline.setup.probe.ANSWER_SECONDS", 2.0)
    began = time.monotonic()
    try:
        findings = {f.check: f for f in examine(FileConfigProvider(path))}
    finally:
        released.set()
    assert time.monotonic() - began < 6
    for name in FAMILIES:
        assert "not reached within 2 s" in findings[name].what
