"""The folder that dbt works in, and the environment of its process."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import etl_pipeline
from etl_pipeline.config import Settings
from etl_pipeline.core.connect_args import (
    SERVER_KEEPALIVE,
    SESSION_OPTIONS,
    TCP_KEEPALIVE,
    make_postgres_args,
)

PROJECT = Path(__file__).parent / "project"
FOLDER = "transform_target"
"""Name of dbt's working folder, beside the configuration, unless pipeline.yml names another."""
LAYERS = ("staging", "intermediate", "marts")


def make_environment(
    raw_schema: str, layers: Mapping[str, Mapping[str, Any]], folder: Path
) -> dict[str, str]:
    """Return the variables that ``profiles.yml`` and ``dbt_project.yml`` read, and no others.

    The caller's environment is not passed on, so neither a ``PG…`` nor a ``DBT_…`` variable can
    lead the models to another database.

    Args:
        raw_schema: Schema of the copied tables.
        layers: Connection settings of each layer; they differ in the schema alone.
        folder: Home directory of dbt's process.
    """
    config = layers["staging"]
    optional = {key: str(config.get(key) or "") for key in ("ssl_ca", "ssl_cert", "ssl_key")}
    return {
        "PATH": os.defpath,
        "HOME": str(folder),
        "LC_ALL": "C.UTF-8",
        "PGTZ": "UTC",
        "PGDATESTYLE": "ISO, MDY",
        # Compiling the expressions of one model takes longer than computing them.
        "PGOPTIONS": f"{SESSION_OPTIONS} {SERVER_KEEPALIVE} -c jit=off"
        " -c client_connection_check_interval=10s",
        "PGREQUIREAUTH": str(make_postgres_args(config)["require_auth"]),
        "PYTHONPATH": str(Path(etl_pipeline.__file__).parents[1]),
        "ETL_HOST": str(config["host"]),
        "ETL_PORT": str(config["port"]),
        "ETL_DATABASE": str(config["database"]),
        "ETL_USER": str(config["user"]),
        # dbt keeps the value of such a name out of everything that it writes.
        "DBT_ENV_SECRET_ETL_PASSWORD": str(config["password"]),
        "ETL_CONNECT_TIMEOUT": str(config["connect_timeout"]),
        "ETL_APPLICATION_NAME": str(config.get("application_name") or "etl_pipeline"),
        "ETL_SSL_MODE": str(config["ssl_mode"]),
        "ETL_SSL_CA": optional["ssl_ca"],
        "ETL_SSL_CERT": optional["ssl_cert"],
        "ETL_SSL_KEY": optional["ssl_key"],
        "ETL_TCP_KEEPALIVE": json.dumps(TCP_KEEPALIVE),
        # Exposures say who reads a mart; there is nothing to build, and dbt has no result for them.
        "DBT_EXCLUDE_RESOURCE_TYPES": "exposure",
        # One session sends all; PostgreSQL itself takes several processors for a statement.
        "ETL_THREADS": "1",
        "ETL_SCHEMA_RAW": raw_schema,
        **{f"ETL_SCHEMA_{layer.upper()}": str(layers[layer]["schema"]) for layer in LAYERS},
    }


def find_folder(settings: Settings) -> Path:
    """Return dbt's working folder for the environment of *settings*; it may not exist yet."""
    beside = getattr(settings.provider, "directory", None) or Path.cwd()
    return Path(beside) / (settings.pipeline.transform.folder or FOLDER) / settings.environment
