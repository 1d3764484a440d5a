"""Assemble the project that dbt runs: the user's models, and ours as a package of it.

It lies in dbt's working folder and consists of links and a file or two that are written anew, so
neither an upgrade of ours nor a build touches the user's files. Node ids of ours are the same as in
a project of the user's own that imports ours (``etl dbt --profile``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from etl_pipeline.config import Settings
from etl_pipeline.errors import ConfigurationError

CUSTOM = "custom"
"""dbt's name of the user's project, and the schema of her models that name none."""
PACKAGE = "practice"
MODELS = "models"
"""Default name of the folder of the user's models, beside the configuration."""
DISPATCH = {"macro_namespace": "dbt", "search_order": [CUSTOM, PACKAGE, "dbt"]}
"""Where dbt looks for the macros of its own that ours take the place of."""

_HEAD = "# Written anew by every command of etl that runs dbt.\n"
_SCHEMAS = """{#- A model lands in the very schema that it names. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ practice.generate_schema_name(custom_schema_name, node) }}
{%- endmacro %}
"""


def find_models(settings: Settings) -> Path | None:
    """Return the folder of the user's own models; None if she has none.

    Raises:
        ConfigurationError: pipeline.yml names a folder that is not there.
    """
    beside = Path(getattr(settings.provider, "directory", None) or Path.cwd())
    named = settings.pipeline.transform.models_dir
    folder = beside / (named or MODELS)
    if folder.is_dir():
        return folder.resolve()
    if named is None:
        return None
    raise ConfigurationError(
        "the folder of your models is not there",
        where=f"{folder} (pipeline.yml: transform.models_dir)",
        fix="make it, or name the folder that has your models",
    )


def assemble_project(
    folder: Path, project: Path, models: Path | None, variables: Mapping[str, object]
) -> Path:
    """Write the project into dbt's working *folder*, and return its own.

    Args:
        folder: dbt's working folder.
        project: Our project.
        models: The folder of the user's models.
        variables: The variables that dbt is given.
    """
    root = folder / "project"
    (root / "packages").mkdir(parents=True, exist_ok=True)
    (root / "macros").mkdir(exist_ok=True)
    _link(root / "packages" / PACKAGE, project)
    _link(root / MODELS, models)
    content = {
        "name": CUSTOM,
        "version": "1.0.0",
        "config-version": 2,
        "profile": "warehouse",
        "model-paths": [MODELS],
        "macro-paths": ["macros"],
        "packages-install-path": "packages",
        "dispatch": [DISPATCH],
        "vars": variables,
        # dbt would say of a project without models that nothing takes this.
        "models": {CUSTOM: {"+schema": CUSTOM}} if models else {},
    }
    _write(root / "dbt_project.yml", _HEAD + json.dumps(content, indent=2) + "\n")
    # dbt 1.12 counts what is named here and what is installed.
    _write(
        root / "packages.yml", _HEAD + json.dumps({"packages": [{"local": str(project)}]}) + "\n"
    )
    _write(root / "macros" / "schemas.sql", _SCHEMAS)
    return root


def name_file(node_id: str, file: str, models: Path | None) -> str:
    """Return the path of a node's file: of the user's own models the whole of it."""
    if models is None or node_id.split(".")[1] != CUSTOM:
        return file
    return str(models / Path(file).relative_to(MODELS))


def name_files(words: str, models: Path | None) -> tuple[str, list[str]]:
    """Return an error of dbt with the whole path of each file of the user's, and those files."""
    found: list[str] = []

    def whole(match: re.Match[str]) -> str:
        path = models / match[1] if models else Path(match[0])
        if models is None or not path.is_file():
            return match[0]
        found.append(str(path))
        return str(path)

    return re.sub(rf"(?:(?<![\w/]){MODELS}/|(?<={CUSTOM}: ))([\w./-]+\w)", whole, words), found


def refuse_schemas(schemas: Iterable[tuple[str, str]], taken: Iterable[str]) -> None:
    """Refuse models of the user's in a schema that is ours.

    Args:
        schemas: File and schema of each model of hers.
        taken: The schemas of ours.

    Raises:
        ConfigurationError: A model names one of them.
    """
    ours = {*taken, "etl"}
    for file, schema in schemas:
        if schema in ours or schema.startswith("pg_"):
            raise ConfigurationError(
                f"schema {schema} is not for models of yours: what is there may be replaced",
                where=file,
                fix="name another one: {{ config(schema='" + CUSTOM + "') }}",
            )


def _link(link: Path, target: Path | None) -> None:
    if link.is_symlink() and (target is None or link.readlink() != target):
        link.unlink()
    if target is not None and not link.is_symlink():
        link.symlink_to(target, target_is_directory=True)


def _write(file: Path, text: str) -> None:
    """Write *text*, unless the file has it already: dbt reads what is newer."""
    if not (file.is_file() and file.read_text(encoding="utf-8") == text):
        file.write_text(text, encoding="utf-8")
