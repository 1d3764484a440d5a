"""Put a proxy between the program and one of a test's servers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.conftest import Lab
from tests.transfer.proxy import Proxy, proxy_to

FAMILIES = {
    "source": "OPENDENTAL_SOURCE",
    "replication": "MYSQL_REPLICATION",
    "analytics": "POSTGRES_ANALYTICS",
}


@contextmanager
def proxied(lab: Lab, role: str) -> Iterator[Proxy]:
    """Lead settings of *lab* that are made in the block through a proxy to the *role* server."""
    server = getattr(lab.servers, role)
    host, port = (f"TEST_{FAMILIES[role]}_{part}" for part in ("HOST", "PORT"))
    before = {name: lab.env[name] for name in (host, port)}
    with proxy_to(server.host, server.port) as proxy:
        lab.env[host], lab.env[port] = "127.0.0.1", str(proxy.port)
        try:
            yield proxy
        finally:
            lab.env.update(before)
