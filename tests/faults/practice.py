"""A small source of every kind of table, and what happens to it in a day."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from tests.rows import make_table, run_sql

PLANTED = "Planted-Row-Value"
"""Stands in every text; no message may hold it."""
ROWS = {"patient": 300, "procedurelog": 200, "document": 12}
OTHER_ROWS = 40
WIDE_BYTES = 20_000

_CREATE = {
    "patient": "(PatNum bigint PRIMARY KEY, LName varchar(100), Birthdate date, "
    "Balance decimal(12,2), Seen datetime(6), KEY (LName)) ENGINE=InnoDB",
    "procedurelog": "(ProcNum bigint PRIMARY KEY, Words varchar(200), Fee double, "
    "Stamp timestamp NULL, KEY (Stamp)) ENGINE=InnoDB",
    "claimproc": "(ClaimNum int, Line int, Words varchar(80), Paid decimal(10,2), "
    "PRIMARY KEY (ClaimNum, Line)) ENGINE=InnoDB",
    "codes": "(Code varchar(15) PRIMARY KEY, Words text) ENGINE=InnoDB",
    "loose": "(Number int, Words varchar(80)) ENGINE=InnoDB",
    "appointment": "(AptNum bigint PRIMARY KEY, Words varchar(80), DateTStamp timestamp NOT NULL "
    "DEFAULT current_timestamp() ON UPDATE current_timestamp(), KEY (DateTStamp)) ENGINE=InnoDB",
    "securitylog": "(LogNum bigint PRIMARY KEY, Words varchar(80)) ENGINE=InnoDB",
    "preference": "(PrefNum bigint PRIMARY KEY, Words varchar(80), Bytes blob) ENGINE=MyISAM",
    "document": "(DocNum bigint PRIMARY KEY, Words varchar(80), Picture longblob) ENGINE=InnoDB",
}
_VALUES = {
    "patient": "{n}, '{p} {v}', '1990-01-01' + INTERVAL {n} DAY, {n} + 0.{v:02}, "
    "'2024-01-01 10:00:00.123456'",
    "procedurelog": "{n}, '{p} {v}', {n} / 7, '2024-01-01' + INTERVAL {n} MINUTE",
    "claimproc": "{n} DIV 3, {n} % 3, '{p} {v}', {v}",
    "codes": "'D{n:04}', '{p} {v}'",
    "loose": "{n} DIV 2, '{p} {v}'",
    "appointment": "{n}, '{p} {v}', current_timestamp()",
    "securitylog": "{n}, '{p} {v}'",
    "preference": "{n}, '{p} {v}', x'00{v:02}ff'",
    "document": "{n}, '{p} {v}', REPEAT(CHAR({v} USING latin1), {wide})",
}
_IS = {
    "claimproc": "ClaimNum = {n} DIV 3 AND Line = {n} % 3",
    "codes": "Code = 'D{n:04}'",
    "loose": "Number = {n} DIV 2",
}
TABLES = tuple(_CREATE)
CONFIGURATION: Mapping[str, Any] = {
    "tables": {
        **{name: {} for name in TABLES},
        "appointment": {
            "extraction_strategy": "incremental",
            "incremental_column": "DateTStamp",
        },
        "securitylog": {"extraction_strategy": "append_only"},
    }
}


def fill(source: Any) -> None:
    """Make the tables, and fill them."""
    for name, definition in _CREATE.items():
        rows = [_row(name, number, 1) for number in range(_count(name))]
        make_table(
            source,
            f"CREATE TABLE {name} {definition}",
            f"INSERT INTO {name} VALUES {', '.join(rows)}",
        )


def change(source: Any, seed: int) -> None:
    """Edit, delete and add rows of every table, as *seed* says; a log only grows."""
    chance = random.Random(seed)
    version = 10 + seed % 90
    for name in TABLES:
        key = _IS.get(name) or f"{_key(name)} = {{n}}"
        numbers = chance.sample(range(_count(name)), 6)
        # Later changes write over the rows of earlier ones; a log has no such rows.
        first = _end_of_the_log(source) if name == "securitylog" else _count(name) + seed % 3 * 6
        fresh = [first + number for number in range(6)]
        statements = []
        if name != "securitylog":
            statements += [
                f"UPDATE {name} SET Words = '{PLANTED} {version} {seed}' WHERE {key.format(n=n)}"
                for n in numbers[:3]
                if name != "patient"
            ]
            statements += [f"DELETE FROM {name} WHERE {key.format(n=n)}" for n in numbers[3:4]]
        if name == "patient":
            statements += [
                f"UPDATE patient SET LName = '{PLANTED} {version}', Balance = Balance + 1 "
                f"WHERE PatNum % {chance.randint(2, 40)} = 0"
            ]
        rows = ", ".join(_row(name, number, version) for number in fresh)
        statements += [f"REPLACE INTO {name} VALUES {rows}"]
        run_sql(source, "SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO', time_zone = '+00:00'", *statements)


def _end_of_the_log(source: Any) -> int:
    with source.cursor() as cursor:
        cursor.execute("SELECT MAX(LogNum) + 1 FROM securitylog")
        return int(cursor.fetchone()[0])


def repair(source: Any) -> None:
    """Mend the table of MyISAM, as the practice's administrator does after a crash."""
    run_sql(source, "REPAIR TABLE preference")


def _row(name: str, number: int, version: int) -> str:
    values = _VALUES[name].format(n=number, v=version % 100, p=PLANTED, wide=WIDE_BYTES)
    return f"({values})"


def _count(name: str) -> int:
    return ROWS.get(name, OTHER_ROWS)


def _key(name: str) -> str:
    return _CREATE[name].partition("(")[2].split()[0]
