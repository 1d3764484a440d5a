"""An object of others on a table of raw that blocks a load is named, with its way out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import psycopg
import pytest

from etl_pipeline.core.any_error import explained
from etl_pipeline.pipeline.summary import RunSummary
from tests.conftest import Lab
from tests.rows import make_table, run_sql

Run = Callable[..., RunSummary]

TRIGGER = (
    "CREATE FUNCTION public.{name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$; "
    "CREATE TRIGGER {name} BEFORE INSERT OR UPDATE ON raw.words FOR EACH ROW "
    "EXECUTE FUNCTION public.{name}()"
)
RAISE = TRIGGER.format(name="picky", body="RAISE EXCEPTION 'value %', NEW.word;")
BEND = TRIGGER.format(name="bend", body="NEW.word := upper(NEW.word); RETURN NEW;")
PUBLISH = "CREATE PUBLICATION everything FOR ALL TABLES"
SECURE = (
    "ALTER TABLE raw.words ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; "
    "CREATE POLICY none ON raw.words FOR ALL USING (true) WITH CHECK (word <> 'new')"
)
EVENT = (
    "CREATE FUNCTION public.no_ddl() RETURNS event_trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION 'no'; END $$; "
    "CREATE EVENT TRIGGER no_ddl ON ddl_command_start EXECUTE FUNCTION public.no_ddl()"
)
READ_ONLY = "ALTER ROLE {role} SET default_transaction_read_only = on"


@pytest.mark.parametrize(
    ("put", "change", "words", "fix"),
    [
        ("ALTER TABLE raw.words ALTER word SET NOT NULL", "UPDATE words SET word = NULL",
         "column word of raw was made NOT NULL", "ALTER COLUMN \"word\" DROP NOT NULL"),
        ("ALTER TABLE raw.words ADD CONSTRAINT short CHECK (length(word) < 5)",
         "UPDATE words SET word = 'longer' WHERE id = 1",
         "constraint short on \"raw\".\"words\"", "DROP CONSTRAINT \"short\""),
        ("CREATE TABLE raw.child (id int REFERENCES raw.words); INSERT INTO raw.child VALUES (1)",
         "DELETE FROM words WHERE id = 1",
         "constraint child_id_fkey on \"raw\".\"child\"", "DROP CONSTRAINT \"child_id_fkey\""),
        (RAISE, "UPDATE words SET word = 'x' WHERE id = 1", "trigger picky",
         "DISABLE TRIGGER \"picky\""),
        (BEND, "UPDATE words SET word = 'x' WHERE id = 1", "trigger bend",
         "DISABLE TRIGGER \"bend\""),
        (SECURE, "UPDATE words SET word = 'new' WHERE id = 1", "row security is forced",
         "NO FORCE ROW LEVEL SECURITY"),
        (EVENT, "ALTER TABLE words ADD more int", "event trigger no_ddl",
         "ALTER EVENT TRIGGER \"no_ddl\" DISABLE"),
    ],
    ids=["not_null", "check", "foreign_key", "raises", "bends", "row_security", "event_trigger"],
)  # fmt: skip
def test_what_stands_in_the_way_is_named(
    lab: Lab, run: Run, put: str, change: str, words: str, fix: str
) -> None:
    make_table(
        lab.source,
        "CREATE TABLE words (id int PRIMARY KEY, word varchar(20))",
        "INSERT INTO words VALUES (1, 'one'), (2, 'two')",
    )
    assert run().is_success
    lab.analytics.execute(put)
    run_sql(lab.source, change)
    (failed,) = run().failed
    assert words in (failed.error or "")
    assert fix in (failed.fix or "")
    lab.analytics.execute(failed.fix or "")
    assert run().is_success


@pytest.mark.parametrize("name", ["_etl_key_words", "words_pkey"])
@pytest.mark.parametrize(
    ("word", "refused"),
    [("x", "a primary key refused one: trigger bend"), ("long", "is longer than PostgreSQL can")],
)
def test_the_primary_key_is_not_said_to_be_of_others(
    lab: Lab, run: Run, name: str, word: str, refused: str
) -> None:
    """Whatever its name is: an older version, or another tool, made ``words_pkey``."""
    make_table(
        lab.source,
        "CREATE TABLE words (id varchar(3000) CHARACTER SET latin1 PRIMARY KEY, word varchar(9))",
        "INSERT INTO words VALUES ('a', 'one'), ('b', 'two')",
    )
    assert run().is_success
    if name != "_etl_key_words":
        lab.analytics.execute(f"ALTER INDEX raw._etl_key_words RENAME TO {name}".encode())
    if word == "x":
        lab.analytics.execute(TRIGGER.format(name="bend", body="NEW.id := 'a'; RETURN NEW;"))
        run_sql(lab.source, "INSERT INTO words VALUES ('c', 'x')")
    else:
        incompressible = "".join(hashlib.sha512(bytes([n])).hexdigest() for n in range(24))
        run_sql(lab.source, f"INSERT INTO words VALUES ('{incompressible[:3000]}', 'long')")
    (failed,) = run().failed
    assert refused in (failed.error or "")
    assert "which others made" not in (failed.error or "")


def test_a_published_table_without_a_key_asks_for_an_identity(lab: Lab, run: Run) -> None:
    make_table(lab.source, "CREATE TABLE loose (a int)", "INSERT INTO loose VALUES (1), (2)")
    assert run().is_success
    lab.analytics.execute(PUBLISH)
    run_sql(lab.source, "DELETE FROM loose WHERE a = 1")
    (failed,) = run().failed
    assert "no replica identity" in (failed.error or "")
    assert failed.fix == 'ALTER TABLE "raw"."loose" REPLICA IDENTITY FULL'
    lab.analytics.execute(failed.fix)
    assert run().is_success


def test_a_key_and_a_row_that_postgresql_cannot_hold_are_told_apart(lab: Lab, run: Run) -> None:
    incompressible = "".join(hashlib.sha512(bytes([n])).hexdigest() for n in range(24))
    make_table(
        lab.source,
        "CREATE TABLE longkey (k varchar(3000) CHARACTER SET latin1 PRIMARY KEY)",
        f"INSERT INTO longkey VALUES ('{incompressible[:3000]}')",
    )
    columns = ", ".join(f"c{number} time NOT NULL" for number in range(1000))
    make_table(
        lab.source,
        f"CREATE TABLE broad (id int PRIMARY KEY, {columns})",
        "INSERT INTO broad VALUES (1" + ", '10:00:00'" * 1000 + ")",
    )
    failed = {outcome.table: outcome for outcome in run().failed}
    assert "primary key is longer than PostgreSQL can index" in (failed["longkey"].error or "")
    assert failed["broad"].fix == "exclude columns of broad in tables.yml"
    assert "a row is larger than PostgreSQL takes" in (failed["broad"].error or "")


def test_a_warehouse_that_is_read_only_is_told_as_one(lab: Lab, run: Run) -> None:
    make_table(
        lab.source, "CREATE TABLE words (id int PRIMARY KEY)", "INSERT INTO words VALUES (1)"
    )
    role = lab.env["TEST_POSTGRES_ANALYTICS_USER"]
    lab.analytics.execute(READ_ONLY.format(role=role))
    assert run().is_success, "a default of the role binds no session of ours"
    # What no session can choose: a server that only follows another one.
    lab.analytics.execute("SET default_transaction_read_only = on")
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction) as error:
        lab.analytics.execute("CREATE TABLE raw.other (id integer)")
    text = str(explained(error.value, "etl"))
    assert "the server, the database or the user is read-only (25006)" in text
    assert "name the primary server in the .env_… file where this is a standby" in text
