"""``etl discover``: what is chosen, from how many statements, and what survives in tables.yml."""

from __future__ import annotations

import re
import stat
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_pipeline.cli import discover as command
from etl_pipeline.config import FileConfigProvider, Settings
from etl_pipeline.config.yaml_file import parse_yaml
from etl_pipeline.demo.practice import build_practice
from etl_pipeline.errors import ConfigurationError
from etl_pipeline.schema.catalog import Column, Index, IndexPart, Table
from etl_pipeline.setup.choices import choose
from etl_pipeline.setup.discover import discover, read_source_catalog, write
from etl_pipeline.setup.tables_file import add_choices
from tests.conftest import open_lab
from tests.rows import make_table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from etl_pipeline.demo.servers import Servers
    from tests.conftest import Lab
    from tests.expected import Expected

LEFTOVERS = {"documentmisc", "procedurelog_backup_20240115"}
"""What the practice has beside OpenDental's own tables."""


@pytest.fixture(scope="module")
def practice(servers: Servers) -> Iterator[Lab]:
    """One for all tests here, which only read it."""
    with open_lab(servers) as lab:
        build_practice(lab.source, patients=20)
        yield lab


def without_estimates(text: str) -> str:
    """*text* without what the server estimates, which differs from one start to the next."""
    text = re.sub(r"(estimated_\w+|batch_size): [\d.]+", r"\1: N", text)
    return re.sub(r"(: N) +# .*", r"\1  # …", text)


def settings_in(lab: Lab, folder: Path, tables: str | None = None) -> Settings:
    lab.write_config(folder)
    if tables is not None:
        (folder / "tables.yml").write_text(tables)
    return Settings("test", FileConfigProvider(folder))


def count_statements(lab: Lab, configured: Settings) -> tuple[list[str], dict[str, Table]]:
    """What the source hears while its catalog is read, by its own general log."""
    user = lab.env["TEST_OPENDENTAL_SOURCE_USER"]
    with lab.source.cursor() as cursor:
        cursor.execute("SET GLOBAL log_output = 'TABLE', GLOBAL general_log = ON")
        try:
            catalog = read_source_catalog(configured).tables
        finally:
            cursor.execute("SET GLOBAL general_log = OFF, GLOBAL log_output = 'FILE'")
        cursor.execute(
            "SELECT argument FROM mysql.general_log "
            "WHERE command_type NOT IN ('Connect', 'Quit') AND user_host LIKE %s",
            [f"{user}[%"],
        )
        heard = [bytes(row[0]).decode() if isinstance(row[0], bytes) else row[0] for row in cursor]
    return heard, catalog


def test_the_practice_in_a_dozen_statements(
    practice: Lab, tmp_path: Path, expected: Expected
) -> None:
    heard, catalog = count_statements(practice, settings_in(practice, tmp_path))
    assert 0 < len(heard) <= 12
    assert all(re.match(r"SELECT|SHOW|SET (?!GLOBAL)", one.lstrip()) for one in heard)
    choices = {name: choose(table) for name, table in catalog.items() if name not in LEFTOVERS}
    stamped = [choice for choice in choices.values() if choice.update_stamps]
    assert (len(choices), len(stamped)) == (98, 47)
    for choice in choices.values():
        table = catalog[choice.table]
        leading = {index.parts[0].column for index in table.indexes}
        assert (choice.strategy == "incremental") == bool(leading & set(choice.update_stamps))
        assert choice.because
    text = add_choices("", [choose(table) for table in catalog.values()])
    expected.check("tables_of_the_practice.yml", without_estimates(text))


def test_what_is_discovered_is_written_once_and_read_back(
    practice: Lab, tmp_path: Path, expected: Expected
) -> None:
    found = discover(settings_in(practice, tmp_path), tmp_path, [])
    expected.check("discover_new.txt", command.screen(found) + "\n")
    write(found)
    again = discover(Settings("test", FileConfigProvider(tmp_path)), tmp_path, [])
    assert again.old == again.new == found.new
    assert command.screen(again).startswith("100 tables: ")
    assert stat.S_IMODE((tmp_path / "tables.yml").stat().st_mode) & 0o400


HAND_EDITED = """\
# Our tables. Ask Ann before you change anything.

tables:   # by name
  # The heart of it
  patient:
    # inside
    table_importance: "critical"   # Ann said so
    columns:
      SSN: {exclude: true}         # never copy it

  # Too large for every night
  securitylog: {extraction_strategy: full_table}   # in braces
  appointment:   # nothing said yet
  claim: {}

  gone_table:
    batch_size: 7
# The end.
"""


def comments_of(text: str) -> list[str]:
    return [line[line.index("#") :].rstrip() for line in text.splitlines() if "#" in line]


def test_every_comment_and_hand_edit_survives(
    practice: Lab, tmp_path: Path, expected: Expected
) -> None:
    found = discover(settings_in(practice, tmp_path, HAND_EDITED), tmp_path, [])
    shown = without_estimates(command.screen(found))
    expected.check("discover_hand_edited.txt", shown + "\n")
    assert (tmp_path / "tables.yml").read_text() == HAND_EDITED
    (tmp_path / "tables.yml").chmod(0o640)
    write(found)
    text = (tmp_path / "tables.yml").read_text()
    assert stat.S_IMODE((tmp_path / "tables.yml").stat().st_mode) == 0o640
    rest = iter(comments_of(text))
    assert all(comment in rest for comment in comments_of(HAND_EDITED))
    assert is_kept(parse_yaml(HAND_EDITED, where="").data, parse_yaml(text, where="").data)
    again = discover(Settings("test", FileConfigProvider(tmp_path)), tmp_path, [])
    assert again.new == text


def is_kept(old: Any, new: Any) -> bool:
    """Whether every value of *old* is where it was in *new*."""
    if isinstance(old, dict):
        return isinstance(new, dict) and all(is_kept(old[key], new.get(key)) for key in old)
    return old is None or old == new


def test_a_table_that_is_named_is_added_to_those_of_the_file(practice: Lab, tmp_path: Path) -> None:
    mine = settings_in(practice, tmp_path, "tables:\n  patient:\n")
    found = discover(mine, tmp_path, ["claim"])
    assert set(found.choices) == {"claim"}
    assert list(parse_yaml(found.new, where="").data["tables"]) == ["patient", "claim"]
    assert any("98 tables of the source are not named" in note for note in found.notes)
    with pytest.raises(ConfigurationError, match="did you mean claim"):
        discover(mine, tmp_path, ["claims"])


def test_a_file_that_was_edited_meanwhile_is_not_written(practice: Lab, tmp_path: Path) -> None:
    found = discover(settings_in(practice, tmp_path, "tables:\n"), tmp_path, [])
    (tmp_path / "tables.yml").write_text("tables: {patient: {}}\n")
    with pytest.raises(ConfigurationError, match="edited meanwhile"):
        write(found)
    assert (tmp_path / "tables.yml").read_text() == "tables: {patient: {}}\n"


def test_only_the_servers_own_stamp_counts(lab: Lab, tmp_path: Path) -> None:
    """Of each other date that an index begins with, and of an automatic key, nothing is made."""
    stamp = "timestamp NOT NULL DEFAULT current_timestamp"
    tables = {
        "created": f"c {stamp}, KEY (c)",
        "edited": f"c {stamp} ON UPDATE current_timestamp, KEY (c)",
        "edited_datetime": "c datetime NOT NULL DEFAULT now() ON UPDATE now(), KEY (c)",
        "fractional": "c timestamp(3) NOT NULL DEFAULT now(3) ON UPDATE now(3), KEY (c)",
        "second": f"d int, c {stamp} ON UPDATE current_timestamp, KEY (d, c)",
        "nullable": "c timestamp NULL ON UPDATE current_timestamp, KEY (c)",
        "programmed": "SecDateTEdit datetime NOT NULL DEFAULT now(), KEY (SecDateTEdit)",
    }
    for name, columns in tables.items():
        make_table(
            lab.source, f"CREATE TABLE {name} (id int AUTO_INCREMENT PRIMARY KEY, {columns})"
        )
    make_table(lab.source, f"CREATE TABLE keyless (c {stamp} ON UPDATE current_timestamp, KEY (c))")
    choices = discover(settings_in(lab, tmp_path), tmp_path, []).choices
    assert {name for name, one in choices.items() if one.strategy == "incremental"} == {
        "edited",
        "edited_datetime",
        "fractional",
    }
    assert "no index begins with it" in choices["second"].because
    assert "NULL" in choices["nullable"].because
    assert "no key" in choices["keyless"].because
    assert choices["created"].because == "no column that the server stamps"


names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
comments = st.sampled_from(["", "   # mine", "  # it's: {odd}"])
lines = st.sampled_from(["", "  # between", "# at the left", "    # deep"])


@st.composite
def hand_edited(draw: st.DrawFn) -> str:
    """A ``tables.yml`` as people write it."""
    text = draw(st.sampled_from(["", "# head\n", "# head\n\n"])) + "tables:" + draw(comments) + "\n"
    for name in draw(st.lists(names, unique=True, min_size=1, max_size=5)):
        text += draw(lines) + "\n"
        body = draw(st.sampled_from([" {}", "", " {batch_size: 5}", None]))
        if body is not None:
            text += f"  {name}:{body}{draw(comments)}\n"
            continue
        text += f"  {name}:{draw(comments)}\n"
        keys = [
            "table_importance: 'critical'",
            "estimated_rows: 1",
            "batch_size:  7",
            "deletes_: x",
        ]
        for key in draw(st.lists(st.sampled_from(keys[:3]), unique=True, min_size=1)):
            text += f"    {key}{draw(comments)}\n"
    return text + draw(lines) + "\n"


@settings(deadline=None, max_examples=40)
@given(hand_edited(), st.lists(names, max_size=3))
def test_any_file_keeps_its_comments_and_values(text: str, more: list[str]) -> None:
    old = parse_yaml(text, where="").data
    wanted = list(dict.fromkeys([*(old["tables"] or {}), *more]))
    new = add_choices(text, map(choose, map(_table, wanted)))
    parsed = parse_yaml(new, where="")
    assert not parsed.faults
    assert is_kept(old, parsed.data)
    assert list(parsed.data["tables"]) == wanted
    rest = iter(comments_of(new))
    assert all(comment in rest for comment in comments_of(text)), new
    assert add_choices(new, map(choose, map(_table, wanted))) == new


def _table(name: str) -> Table:
    stamp = Column("S", "timestamp", "timestamp", False, is_stamped=True)
    key = Column("Id", "bigint", "bigint(20)", False)
    return Table(name, (key, stamp), ("Id",), (Index("by_s", (IndexPart("S"),)),))
