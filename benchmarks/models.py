"""How long the models take, and the same SQL sent through psql: ``python -m benchmarks.models``.

Works on the warehouse of the environment in force, a demo for example, whose models are built. Both
make every row of every model anew, compare it with the one that is there, and run every test.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from graphlib import TopologicalSorter
from pathlib import Path

from etl_pipeline.config import Settings
from etl_pipeline.transform.events import TransformSummary
from etl_pipeline.transform.session import transform_once


def main() -> None:
    """Print the two times."""
    settings = Settings()
    transform_once(settings, full_refresh=True, listen=lambda _: None)
    started = time.monotonic()
    summary = transform_once(settings, full_refresh=True, listen=lambda _: None)
    transformed = time.monotonic() - started
    statements = _sent_statements(summary)
    sent = _send(settings, statements)
    print(f"etl transform  {transformed:6.1f} s  {len(summary.nodes)} models and tests")  # noqa: T201
    print(f"psql           {sent:6.1f} s  {len(statements)} statements")  # noqa: T201
    print(f"ratio          {transformed / sent:6.2f}")  # noqa: T201


def _sent_statements(summary: TransformSummary) -> list[str]:
    """What dbt sent for models and tests, what is built from others after them."""
    manifest = json.loads((summary.folder / "manifest.json").read_text())
    order = TopologicalSorter(manifest["parent_map"]).static_order()
    sent = summary.folder / "run" / "practice"
    files = [sent / manifest["nodes"][key]["path"] for key in order if key in manifest["nodes"]]
    found = {path.name: path for path in sent.rglob("*.sql") if "seeds" not in path.parts}
    return [found[f.name].read_text() for f in files if f.name in found]


def _send(settings: Settings, statements: list[str]) -> float:
    config = settings.get_analytics_staging_connection_config()
    script = Path(settings.environment + "_models.sql").resolve()
    script.write_text(
        "".join(f"BEGIN;\n{one.rstrip().rstrip(';')};\nCOMMIT;\n" for one in statements)
    )
    started = time.monotonic()
    subprocess.run(
        ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-o", os.devnull, "-f", str(script)],
        env={
            "PATH": os.environ["PATH"],
            "PGHOST": str(config["host"]),
            "PGPORT": str(config["port"]),
            "PGDATABASE": str(config["database"]),
            "PGUSER": str(config["user"]),
            "PGPASSWORD": str(config["password"]),
        },
        check=True,
    )
    script.unlink()
    return time.monotonic() - started


if __name__ == "__main__":
    main()
