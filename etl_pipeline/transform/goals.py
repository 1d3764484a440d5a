"""Goals of the practice by month and clinic, from a file that it writes itself.

The file is CSV beside pipeline.yml, named by ``transform.goals``; nothing but the practice writes
it, so an upgrade of this program leaves it alone. Its faults are shown with their lines and never
with what the lines contain: the file may be another one than was meant.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import psycopg

from etl_pipeline.config import Settings
from etl_pipeline.errors import Fault, FaultyConfigurationError
from etl_pipeline.formatting import count_of
from etl_pipeline.schema.names import quote_postgres

_TABLE = "_etl_goal"
_KEYS = ("year", "month", "clinic")
_MONEY = ("production", "collections")
_COUNTS = ("new_patients", "hygiene_visits")
_HEADER = ",".join((*_KEYS, *_MONEY, *_COUNTS))
_MAX_BYTES = 1_000_000
_FAULTS_SHOWN = 20


class Goal(NamedTuple):
    """Goals of the practice for a month and clinic; None is no goal, clinic 0 is no clinic."""

    month_start: date
    clinic_id: int
    production: Decimal | None
    collections: Decimal | None
    new_patients: int | None
    hygiene_visits: int | None


def read_goals(
    settings: Settings,
    connection: psycopg.Connection,
    raw_schema: str,
    columns: Mapping[str, frozenset[str]],
) -> list[Goal]:
    """Return the goals of the file that *settings* name; none without one.

    Args:
        settings: The settings.
        connection: To the warehouse.
        raw_schema: Schema of the copied tables, where the clinics are.
        columns: Columns of its tables.

    Raises:
        FaultyConfigurationError: The file cannot be read, or something in it is wrong.
    """
    if settings.pipeline.transform.goals is None:
        return []
    beside = getattr(settings.provider, "directory", None) or Path.cwd()
    path = Path(beside) / settings.pipeline.transform.goals
    clinics = _read_clinics(connection, raw_schema, columns)
    goals, faults = parse_goals(_read_text(path), clinics, where=str(path))
    if faults:
        raise FaultyConfigurationError(_shorten(faults, str(path)))
    return goals


def digest_goals(goals: Sequence[Goal]) -> str:
    """Return the SHA-256 of *goals*, in whatever order the file has them."""
    return hashlib.sha256(repr(sorted(map(str, goals))).encode()).hexdigest()


def write_goals(schema: str, goals: Sequence[Goal]) -> list[tuple[str, tuple[object, ...]]]:
    """Return the statements by which the models of *schema* see *goals* and no others.

    They are part of the build's transaction.
    """
    table = quote_postgres(schema, _TABLE)
    rows = json.dumps([goal._asdict() for goal in goals], default=str)
    return [
        (
            f"CREATE TABLE IF NOT EXISTS {table} (month_start date, clinic_id bigint, "
            "production numeric(14, 2), collections numeric(14, 2), new_patients integer, "
            "hygiene_visits integer, PRIMARY KEY (month_start, clinic_id))",
            (),
        ),
        (f"COMMENT ON TABLE {table} IS 'Goals of the practice, as its file says.'", ()),
        (f"DELETE FROM {table}", ()),
        (
            f"INSERT INTO {table} SELECT * FROM json_populate_recordset(NULL::{table}, %s::json)",
            (rows,),
        ),
        (f"ANALYZE {table}", ()),
    ]


def parse_goals(
    text: str, clinics: Mapping[str, int | None], *, where: str
) -> tuple[list[Goal], list[Fault]]:
    """Return the goals in *text*, and all that is wrong with it.

    Args:
        text: The file's content.
        clinics: Number of each clinic by its number and its short name in lower case; None for a
            word that two clinics have.
        where: Name of the file.
    """
    try:
        lines = [
            (reader.line_num, [cell.strip() for cell in cells])
            for reader in [csv.reader(io.StringIO(text, newline=""), strict=True)]
            for cells in reader
            if any(cell.strip() for cell in cells)
        ]
    except csv.Error:
        return [], [Fault("this is no CSV", where, f"begin it with {_HEADER}")]
    if not lines:
        return [], []
    (first, header), *rows = lines
    header = [name.lower() for name in header]
    if fault := _check_header(header):
        return [], [Fault(fault, f"{where}, line {first}", f"write {_HEADER}")]
    goals: dict[tuple[date, int], tuple[int, Goal]] = {}
    faults: list[Fault] = []
    for line, cells in rows:
        goal, wrong = _parse_row(header, cells, clinics)
        if goal is not None and (goal.month_start, goal.clinic_id) in goals:
            other, _ = goals[goal.month_start, goal.clinic_id]
            wrong.append((f"the same month and clinic as line {other}", "leave one of them"))
        elif goal is not None:
            goals[goal.month_start, goal.clinic_id] = line, goal
        faults += [Fault(what, f"{where}, line {line}", fix) for what, fix in wrong]
    return [goal for _, goal in goals.values()], faults


def _check_header(header: Sequence[str]) -> str | None:
    """Return what is wrong with the names of the columns."""
    known = {*_KEYS, *_MONEY, *_COUNTS}
    if not {"year", "month"} <= set(header):
        return "the first line does not name the columns year and month"
    if len(set(header)) < len(header):
        return "the first line names a column twice"
    if unknown := [place for place, name in enumerate(header, 1) if name not in known]:
        return f"the first line names a column that is not known (place {unknown[0]})"
    return None


def _parse_row(
    header: Sequence[str], cells: Sequence[str], clinics: Mapping[str, int | None]
) -> tuple[Goal | None, list[tuple[str, str]]]:
    """Return the goal of a line, or what is wrong with the line and how to mend it."""
    if len(cells) > len(header):
        return None, [
            (
                f"{count_of(len(cells), 'cell')} for {count_of(len(header), 'column')}",
                "write amounts without a comma: 25000",
            )
        ]
    row = dict(zip(header, cells, strict=False))
    wrong = []
    year, month = row.get("year", ""), row.get("month", "")
    if not (re.fullmatch("(19|20)[0-9]{2}", year) and re.fullmatch("0?[1-9]|1[0-2]", month)):
        wrong.append(("year and month are no month", "write them as numbers: 2024,7"))
    clinic = clinics.get(row.get("clinic", "").lower() or "0", -1)
    if clinic is None:
        wrong.append(
            ("two clinics are called so", "write the clinic's number: dim_clinic.clinic_id")
        )
    elif clinic == -1:
        wrong.append(
            (
                "no clinic is called so",
                "write its number or short name, as in marts.dim_clinic; 0 is no clinic",
            )
        )
    values: dict[str, str | None] = {}
    for names, pattern, kind, example in (
        (_MONEY, r"[0-9]{1,11}(\.[0-9]{1,2})?", "an amount", "25000 or 25000.50"),
        (_COUNTS, "[0-9]{1,7}", "a whole number", "40"),
    ):
        for name in names:
            values[name] = row.get(name) or None
            if values[name] is not None and not re.fullmatch(pattern, values[name] or ""):
                wrong.append(
                    (f"{name} is not {kind}", f"write it as {example}, or leave the cell empty")
                )
    if wrong or clinic is None:
        return None, wrong
    money = [None if (v := values[name]) is None else Decimal(v) for name in _MONEY]
    counts = [None if (v := values[name]) is None else int(v) for name in _COUNTS]
    return Goal(
        date(int(year), int(month), 1), clinic, money[0], money[1], counts[0], counts[1]
    ), []


def _shorten(faults: Sequence[Fault], where: str) -> Sequence[Fault]:
    """Return the first faults, and one that counts the rest."""
    rest = len(faults) - _FAULTS_SHOWN
    if rest <= 0:
        return faults
    more = Fault(f"{count_of(rest, 'fault')} more", where, "mend those above, then run again")
    return [*faults[:_FAULTS_SHOWN], more]


def _read_text(path: Path) -> str:
    """Return the content of the file of goals, without a byte order mark."""
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            raise ValueError
        return content.decode("utf-8-sig")
    except OSError as error:
        what, fix = (
            f"the file of goals cannot be read ({error.strerror})",
            "write it, or take the key goals out of pipeline.yml",
        )
    except UnicodeDecodeError:
        what, fix = "the file of goals is not UTF-8", "save it as CSV UTF-8"
    except ValueError:
        what, fix = "the file of goals is larger than 1 MB", f"begin it with {_HEADER}"
    raise FaultyConfigurationError([Fault(what, str(path), fix)])


def _read_clinics(
    connection: psycopg.Connection, schema: str, columns: Mapping[str, frozenset[str]]
) -> dict[str, int | None]:
    """Return the number of each clinic by what a file may call it; None if two are called so."""
    there = columns.get("clinic", frozenset())
    clinics: dict[str, int | None] = {"0": 0}
    if "ClinicNum" not in there:
        return clinics
    name = '"Abbr"::text' if "Abbr" in there else "NULL"
    for number, abbreviation in connection.execute(
        f'SELECT "ClinicNum"::bigint, {name} FROM {quote_postgres(schema, "clinic")}'.encode()
    ):
        for word in {str(number), (abbreviation or "").strip().lower()} - {""}:
            clinics[word] = number if clinics.get(word, number) == number else None
    return clinics
