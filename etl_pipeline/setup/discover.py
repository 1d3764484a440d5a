"""Read the source's catalog, and work out what ``tables.yml`` should say."""

from __future__ import annotations

import contextlib
import functools
import re
from collections import namedtuple
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymysql.err import MySQLError

from etl_pipeline.config import DatabaseType, Settings
from etl_pipeline.config.checking import check_data
from etl_pipeline.config.tables_file import TablesConfig
from etl_pipeline.config.yaml_file import parse_yaml
from etl_pipeline.core import ConnectionFactory
from etl_pipeline.core.driver_errors import explain
from etl_pipeline.core.source_connection import SourceConnection
from etl_pipeline.errors import ConfigurationError, EtlError, FaultyConfigurationError
from etl_pipeline.formatting import count_of
from etl_pipeline.pipeline.request import RunRequest
from etl_pipeline.pipeline.run_plan import expand_names, plan_run
from etl_pipeline.pipeline.source_catalog import SourceCatalog, read_source
from etl_pipeline.setup.choices import Choice, choose, find_kept
from etl_pipeline.setup.tables_file import add_choices


@dataclass(frozen=True, slots=True)
class Discovery:
    """The result of ``etl discover``.

    Attributes:
        path: Path of ``tables.yml``, which may not exist yet.
        old: Text of the file; empty if it does not exist.
        new: The text with the choices added.
        choices: The choices, by table.
        notes: Sentences on tables that stay as they are, are gone, or are not named.
    """

    path: Path
    old: str
    new: str
    choices: Mapping[str, Choice]
    notes: tuple[str, ...]


def discover(settings: Settings, folder: Path, requested: Sequence[str]) -> Discovery:
    """Choose strategies for the *requested* tables.

    Without *requested*, for the tables that ``tables.yml`` names, and if it names none, for all.

    Raises:
        ConfigurationError: The settings lack something, or a table is not at the source.
        DatabaseError: The source cannot be read.
    """
    source = read_source_catalog(settings)
    catalog = source.tables
    requested = expand_names(requested, catalog)
    # Refuses an empty source and unknown names, as a run does.
    plan_run(catalog, {}, RunRequest(requested))
    named = settings.tables()
    chosen = [
        name for name in requested or named or catalog if name in catalog and not catalog[name].flaw
    ]
    choices = {name: choose(catalog[name]) for name in chosen}
    path = folder / "tables.yml"
    old = path.read_text(encoding="utf-8-sig") if path.exists() else ""
    new = add_choices(old, choices.values())
    _check(new, path)
    return Discovery(
        path, old, new, choices, tuple(_find_notes(settings, source, choices, requested))
    )


def read_source_catalog(settings: Settings) -> SourceCatalog:
    """Read the source's catalog with about a dozen statements; no other server is asked.

    Raises:
        DatabaseError: The source cannot be read.
    """
    config = settings.get_database_config(DatabaseType.SOURCE)
    place = f"source {config['host']}:{config['port']}/{config['database']}"
    try:
        with contextlib.closing(ConnectionFactory.open_source(settings)) as connection:
            return read_source(functools.partial(_ask, connection, place), config["database"])
    except MySQLError as error:
        raise explain(error, place) from error


def _ask(
    connection: SourceConnection, place: str, sql: str, values: Mapping[str, object] | None
) -> list[Any]:
    """Return the rows as named tuples; *values* are bound to ``:name`` in *sql*."""
    with connection.cursor() as cursor:
        try:
            cursor.execute(re.sub(r":(\w+)", r"%(\1)s", sql) if values else sql, values or None)
        except MySQLError as error:
            raise explain(error, place) from error
        names = [column[0] for column in cursor.description]
        row = namedtuple("row", names, rename=True)  # type: ignore[misc]
        return list(map(row._make, cursor.fetchall()))


def _find_notes(
    settings: Settings,
    source: SourceCatalog,
    choices: Mapping[str, Choice],
    requested: Sequence[str],
) -> Iterator[str]:
    named, catalog = settings.tables(), source.tables
    said = {
        name: settings.get_table_config(name).model_dump(exclude_unset=True) for name in choices
    }
    yield from find_kept(choices, said)
    for name in named:
        if name not in catalog:
            privileges = source.privileges
            is_absent = privileges.proves_absence(name)
            absence = "" if is_absent else f": {privileges.explain_absence(name)}"
            yield f"{name} is named in tables.yml, and is not seen at the source{absence}"
    for name in requested or named or catalog:
        flaw = catalog[name].flaw if name in catalog else None
        if flaw:
            yield f"{name}: nothing is chosen, since {flaw.what}\n  fix: {flaw.fix}"
    left_out = [name for name in catalog if named and name not in {*named, *choices}]
    if left_out:
        shown = ", ".join(left_out[:5]) + (", …" if len(left_out) > 5 else "")
        yield (
            f"{count_of(len(left_out), 'table of the source is', 'tables of the source are')} "
            f"not named in tables.yml, and so not copied: {shown}\n"
            f"  to add some: etl discover {' '.join(left_out[:2])} --write"
        )


def _check(text: str, path: Path) -> None:
    """Raise if *text* is no valid ``tables.yml``, before the file is touched."""
    parsed = parse_yaml(text, where=str(path))
    faults = list(parsed.faults) or check_data(TablesConfig, parsed.data, lambda _: str(path))[1]
    if faults:
        raise FaultyConfigurationError(faults)


def write(discovery: Discovery) -> None:
    """Replace the file with the new text, atomically.

    Raises:
        ConfigurationError: The file cannot be written, or was edited since it was read.
    """
    path = discovery.path.resolve()
    now = path.read_text(encoding="utf-8-sig") if path.exists() else ""
    if now != discovery.old:
        raise ConfigurationError(
            "the file was edited meanwhile", where=str(path), fix="etl discover, once more"
        )
    beside = path.with_name(f"{path.name}.new")
    try:
        beside.write_text(discovery.new, encoding="utf-8")
        if path.exists():
            beside.chmod(path.stat().st_mode & 0o777)
        beside.replace(path)
    except OSError as error:
        raise EtlError(
            f"the file cannot be written ({error.strerror})",
            where=str(path),
            fix="see that you may write there and the disk has room, then run again",
        ) from error
