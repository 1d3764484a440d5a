"""compose.yaml offers the servers that the launcher starts, as private and as durable."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from etl_pipeline.demo.server_programs import ServerPrograms, run_mariadb, run_postgres

PROGRAMS = ServerPrograms(Path("m"), Path("i"), "10.11", Path("p"), Path("d"), "15")


@pytest.fixture
def services(pytestconfig: pytest.Config) -> Any:
    return YAML(typ="safe").load(pytestconfig.rootpath / "compose.yaml")["services"]


def test_ports_are_open_on_loopback_only(services: Any) -> None:
    assert set(services) == {"source", "replication", "analytics"}
    for service in services.values():
        assert [port.split(":")[0] for port in service["ports"]] == ["127.0.0.1"]


def test_passwords_come_from_the_environment(services: Any) -> None:
    for service in services.values():
        secrets = [v for name, v in service["environment"].items() if "PASSWORD" in name]
        assert secrets == ["${SERVERS_PASSWORD:?set SERVERS_PASSWORD}"]


def test_settings_are_those_of_the_launcher(services: Any) -> None:
    expected = {
        role: run_mariadb(PROGRAMS, Path("d"), Path("d"), role, port=1)
        for role in ("source", "replication")
    }
    postgres = run_postgres(PROGRAMS, Path("d"), Path("d"), port=1)
    expected["analytics"] = ["postgres", *postgres]
    for name, options in expected.items():
        shown = [option.replace("--loose-", "--") for option in services[name]["command"]]
        other_server = {"--innodb-redo-log-capacity=256M"}
        assert set(shown) - other_server <= set(options)
