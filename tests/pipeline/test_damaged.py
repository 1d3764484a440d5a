"""A table that the source cannot read is not one whose schema changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from etl_pipeline.pipeline.plan import preview_run
from etl_pipeline.pipeline.request import RunRequest
from etl_pipeline.pipeline.verify import verify_once
from etl_pipeline.schema.catalog import read_catalog
from etl_pipeline.verify.job import VerifyScope
from tests.conftest import Lab
from tests.pipeline.test_drift import run
from tests.pipeline.test_visible import failures, indexes_of_replica
from tests.rows import make_table, run_sql

PATIENT = """
CREATE TABLE patient (
  PatNum bigint NOT NULL PRIMARY KEY, LName varchar(20), KEY name (LName)) ENGINE={engine}"""
ROWS = "INSERT INTO patient VALUES (1, 'a'), (2, 'b')"


def cut(length: int, suffix: str) -> Callable[[Path], None]:
    def damage(stem: Path) -> None:
        with stem.with_suffix(suffix).open("r+b") as file:
            file.truncate(length)

    return damage


def remove(suffix: str) -> Callable[[Path], None]:
    return lambda stem: stem.with_suffix(suffix).unlink()


def mark_as_crashed(stem: Path) -> None:
    """As the server marks an index that it could not mend: a byte of the index file's state."""
    with stem.with_suffix(".MYI").open("r+b") as file:
        file.seek(26)
        (state,) = file.read(1)
        file.seek(26)
        file.write(bytes([state | 6]))


DAMAGES: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "index cut": ("MyISAM", cut(100, ".MYI"), "the table is damaged (126)"),
    "rows cut": ("MyISAM", cut(4, ".MYD"), "the table is damaged"),
    "index without its rows": ("MyISAM", remove(".MYD"), "cannot open a file of the table (29)"),
    "marked as crashed": ("MyISAM", mark_as_crashed, "the table is damaged (144)"),
    "index lost": ("Aria", remove(".MAI"), "cannot open a file of the table (1017)"),
    "definition cut": ("MyISAM", cut(20, ".frm"), "cannot open a file of the table (1033)"),
}


def folder_of(lab: Lab) -> Path:
    """Where the source keeps the files of its database; skips where that is another system's."""
    with lab.source.cursor() as cursor:
        cursor.execute("SELECT @@datadir")
        folder = Path(cursor.fetchone()[0], lab.env["TEST_OPENDENTAL_SOURCE_DB"])
    if not (folder / "db.opt").exists():
        pytest.skip("the source's files are out of reach")
    return folder


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_table_fails_as_one_and_nothing_follows(
    lab: Lab, damage: str, tmp_path: Path
) -> None:
    engine, spoil, said = DAMAGES[damage]
    make_table(lab.source, PATIENT.format(engine=engine), ROWS)
    make_table(lab.source, "CREATE TABLE other (id int PRIMARY KEY)")
    assert run(lab).is_success
    run_sql(lab.source, "FLUSH TABLES")
    folder = folder_of(lab)
    spoil(folder / "patient")
    try:
        check_nothing_follows(lab, said, tmp_path)
    finally:  # the server does not drop a database with files that it does not know
        for path in folder.glob("patient.*"):
            path.unlink()


def test_a_table_without_its_tablespace_fails_as_one(lab: Lab, tmp_path: Path) -> None:
    make_table(lab.source, PATIENT.format(engine="InnoDB"), ROWS)
    make_table(lab.source, "CREATE TABLE other (id int PRIMARY KEY)")
    assert run(lab).is_success
    run_sql(lab.source, "ALTER TABLE patient DISCARD TABLESPACE")
    check_nothing_follows(lab, "cannot open a file of the table (1814)", tmp_path)


def check_nothing_follows(lab: Lab, said: str, folder: Path) -> None:
    indexes = {"PRIMARY", "name"}
    assert indexes_of_replica(lab) == indexes
    for _ in range(2):
        summary = run(lab)
        assert list(failures(summary)) == ["patient"]
        assert said in failures(summary)["patient"]
        assert "administrator" in failures(summary)["patient"]
        assert summary.drift == []
    settings: Any = lab.settings_with()
    plan = preview_run(settings, RunRequest(), folder=folder)
    assert plan.drift == []
    results = verify_once(settings, ["patient"], VerifyScope(), listen=lambda event: None).results
    assert said in (results[0].error or "")
    assert indexes_of_replica(lab) == indexes
    key = lab.analytics.execute(
        "SELECT count(*) FROM pg_index WHERE indrelid = 'raw.patient'::regclass AND indisprimary"
    ).fetchone()
    assert key == (1,)


def test_a_table_that_was_mended_while_it_was_looked_at_is_not_followed(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its index file is away for one statement of the catalog: then no index is listed."""
    make_table(lab.source, PATIENT.format(engine="MyISAM"), ROWS)
    assert run(lab).is_success
    index = (folder_of(lab) / "patient").with_suffix(".MYI")
    away = index.with_suffix(".away")

    def read_by_half(execute: Any, database: str) -> Any:
        def sometimes(sql: str, values: Any) -> Any:
            if "information_schema.statistics" not in sql:
                return execute(sql, values)
            run_sql(lab.source, "FLUSH TABLES")
            index.rename(away)
            try:
                return list(execute(sql, values))
            finally:
                away.rename(index)

        return read_catalog(sometimes, database)

    monkeypatch.setattr("etl_pipeline.pipeline.source_catalog.read_catalog", read_by_half)
    summary = run(lab)
    assert "described the table by half" in failures(summary)["patient"]
    monkeypatch.undo()
    assert indexes_of_replica(lab) == {"PRIMARY", "name"}
    again = run(lab)
    assert (failures(again), again.drift) == ({}, [])
