"""Run in a network namespace of its own: what a false server gets whose address is no loopback.

Prints a line of JSON for each way to ask.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from etl_pipeline.config import Settings, create_test_settings
from etl_pipeline.core import ConnectionFactory
from etl_pipeline.core.driver_errors import explain
from tests.core.certificates import make_pair
from tests.core.false_server import FalseServer, false_server, has_given_away, mysql, postgres

ADDRESS = "10.99.0.1"
PASSWORD = "the-password-itself"
FAMILIES = {
    "source": "OPENDENTAL_SOURCE",
    "replication": "MYSQL_REPLICATION",
    "analytics": "POSTGRES_ANALYTICS",
}


def main() -> None:
    for words in ("link set lo up", f"addr add {ADDRESS}/32 dev lo"):
        subprocess.run(["ip", *words.split()], check=True)
    folder = Path(tempfile.mkdtemp())
    authority = make_pair(folder, "authority")
    server = make_pair(folder, "server", authority, address=ADDRESS)
    pair = server.pem, server.key_pem
    trusted = {"ssl_ca": str(authority.pem)}
    allowed = {"allow_cleartext_password": True}
    clear, dialog = "mysql_clear_password", "dialog"
    sha2, sha256, old = "caching_sha2_password", "sha256_password", "mysql_old_password"
    cases: list[tuple[str, str, Any, dict[str, Any]]] = [
        ("kept", "source", mysql(clear), {}),
        ("kept", "source", mysql(dialog), {}),
        ("kept", "source", mysql(sha2), {}),
        ("kept", "source", mysql(sha256), {}),
        ("kept", "source", mysql(old), {}),
        ("kept", "replication", mysql(sha2, greets=sha2), {}),
        ("kept", "replication", mysql(sha256, greets=sha256), {}),
        ("kept", "source", mysql(sha2, certificate=pair), {}),
        ("kept", "source", mysql(sha256, greets=sha256, certificate=pair), {}),
        ("kept", "source", mysql(dialog, certificate=pair), {"ssl_mode": "required"}),
        ("kept", "analytics", postgres, {}),
        ("given", "source", mysql(sha2), allowed),
        ("given", "replication", mysql(clear), allowed),
        ("given", "source", mysql(sha2, certificate=pair), trusted),
        ("given", "analytics", postgres, allowed),
    ]
    for expected, section, talk, config in cases:
        with false_server(ADDRESS, talk) as listening:
            became = ask(section, listening, config)
        sys.stdout.write(json.dumps([expected, *became]) + "\n")


def ask(section: str, server: FalseServer, config: dict[str, Any]) -> tuple[str, str]:
    """What became of the password, and the error."""
    family = FAMILIES[section]
    env = {
        f"TEST_{family}_HOST": ADDRESS,
        f"TEST_{family}_PORT": str(server.port),
        f"TEST_{family}_PASSWORD": PASSWORD,
    }
    settings = create_test_settings(
        pipeline_config={"connections": {section: {"connect_timeout": 5} | config}}, env_vars=env
    )
    make: dict[str, Callable[[Settings], Engine]] = {
        "source": ConnectionFactory.get_source_connection,
        "replication": ConnectionFactory.get_replication_connection,
        "analytics": ConnectionFactory.get_analytics_connection,
    }
    try:
        make[section](settings).connect()
    except Exception as error:
        words = str(explain(error, "there"))
    if has_given_away(server.heard, PASSWORD):
        return "given", words
    return "kept" if "the password was not sent" in words else "neither", words


if __name__ == "__main__":
    main()
