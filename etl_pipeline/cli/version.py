"""``etl --version``: this program, and the versions of what matters to what it does."""

from __future__ import annotations

import platform
from importlib import metadata

LIBRARIES = ("PyMySQL", "psycopg", "SQLAlchemy", "pydantic", "dbt-core", "dbt-postgres")


def describe_versions() -> str:
    """Return the versions that a bug report needs, a line each."""
    import psycopg

    from etl_pipeline import __version__
    from etl_pipeline.state.warehouse import VERSION
    from etl_pipeline.transfer import kernel

    how = "compiled" if kernel.IS_COMPILED else "in Python: make with a C compiler for a fast one"
    lines = [f"etl_pipeline {__version__} (kernel {how})"]
    facts = {
        "Python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        **{name: _version(name) for name in LIBRARIES},
        "libpq": _libpq(psycopg.pq.version()),
        "state": f"version {VERSION} of schema etl",
    }
    lines += [f"  {name:<12}  {version}" for name, version in facts.items()]
    return "\n".join(lines)


def _version(library: str) -> str:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return "not installed"


def _libpq(number: int) -> str:
    """``170005`` is 17.5."""
    return f"{number // 10_000}.{number % 10_000}"
