"""Find out which dbt is installed, and how to install it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import shlex
import sys

from etl_pipeline.errors import (
    ConfigurationError,
)


def dbt_version() -> str:
    """Return the version of dbt that is installed."""
    return importlib.metadata.version("dbt-core")


def has_dbt() -> bool:
    """Return True if dbt and its adapter are installed."""
    try:
        return None not in map(importlib.util.find_spec, ("dbt.cli", "dbt.adapters.postgres"))
    except ModuleNotFoundError:
        return False


def install_dbt() -> str:
    """Return the command that installs dbt for this very program, wherever it lies."""
    wanted = [
        requirement.split(";")[0].strip()
        for requirement in importlib.metadata.requires("etl_pipeline") or ()
        if re.search(r"""extra\s*==\s*['"]transform['"]""", requirement)
    ]
    return shlex.join([sys.executable, "-m", "pip", "install", *wanted])


def refuse_without_dbt() -> None:
    """Raise an error that says how to install dbt if it is not there."""
    if not has_dbt():
        raise ConfigurationError(
            "dbt is not installed",
            where="etl transform",
            fix=install_dbt(),
        )
