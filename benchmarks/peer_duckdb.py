"""duckdb between the two servers, in its own environment; what to do is in the process's."""

import os
import sys
from pathlib import Path

import duckdb  # type: ignore[import-not-found,unused-ignore]

connection = duckdb.connect()
for file in sorted(Path(sys.prefix).rglob("*.duckdb_extension")):
    connection.execute(f"LOAD '{file}'")
connection.execute(f"ATTACH '{os.environ['MYSQL']}' AS my (TYPE mysql, READ_ONLY)")
connection.execute(f"ATTACH '{os.environ['POSTGRES']}' AS pg (TYPE postgres)")
table = os.environ["TABLE"]
connection.execute(f"CREATE TABLE pg.raw.{table} AS FROM my.{os.environ['SOURCE']}.{table}")
