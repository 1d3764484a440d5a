"""The page on types holds the table of the code; ``pytest --rewrite`` renews it."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from etl_pipeline.config.tables_file import ColumnType
from etl_pipeline.schema.types import STAND_INS, TYPES, UNTOLD_MEMBERS

PAGE = Path(__file__).parents[2] / "docs" / "types.md"


def type_table() -> str:
    """A line of Markdown for each rule, the names of types that share it side by side."""
    names: dict[tuple[str, str, str], list[str]] = {}
    for name, rule in TYPES.items():
        postgres = rule.postgres.format(arguments="(…)")
        unsigned = rule.postgres_unsigned or postgres
        names.setdefault((postgres, unsigned, rule.note), []).append(name.upper())
    lines = ["| MySQL, MariaDB | PostgreSQL | unsigned | |", "|---|---|---|---|"]
    for (postgres, unsigned, note), types in names.items():
        other = f"`{unsigned}`" if unsigned != postgres else ""
        lines.append(f"| {', '.join(types)} | `{postgres}` | {other} | {note} |")
    return "\n".join(lines) + "\n"


def stand_in_table() -> str:
    """A line of Markdown for each type that another stands for in replication."""
    lines = ["| type | to | in replication | |", "|---|---|---|---|"]
    lines += [
        f"| {one.shown} | {server} | `{one.declared.split()[0]}` | {one.why} |"
        for server, stand_ins in (("any", UNTOLD_MEMBERS), *STAND_INS.items())
        for one in stand_ins
    ]
    return "\n".join(lines) + "\n"


def test_the_page_holds_the_tables_of_the_code(request: pytest.FixtureRequest) -> None:
    page = expected = PAGE.read_text()
    for name, table in (("types", type_table()), ("stand-ins", stand_in_table())):
        start, end = f"<!-- {name} -->\n", f"<!-- /{name} -->\n"
        head, rest = expected.split(start)
        _, tail = rest.split(end)
        expected = head + start + "\n" + table + "\n" + end + tail
    if request.config.getoption("--rewrite"):
        PAGE.write_text(expected)
        page = expected
    assert page == expected, "docs/types.md is not the table of the code; pytest --rewrite"


def test_the_page_names_every_type_to_choose_from() -> None:
    page = PAGE.read_text()
    for name in get_args(ColumnType):
        assert f"`{name}`" in page
