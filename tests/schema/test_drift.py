"""What is seen as a change of which kind, and the statements that follow it, read whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_pipeline.errors import SchemaError
from etl_pipeline.schema.actual_table import ActualColumn, ActualTable
from etl_pipeline.schema.adopt import adopt_table
from etl_pipeline.schema.alter_raw import (
    RawTarget,
    alter_raw,
    empty_column,
    retype_gone,
    with_raw_changes,
)
from etl_pipeline.schema.alter_replica import alter_replica
from etl_pipeline.schema.catalog import Column, Index, IndexPart, Table
from etl_pipeline.schema.ddl import raw_comment
from etl_pipeline.schema.drift import ChangeKind, DriftPolicy, find_changes
from etl_pipeline.schema.drift_decision import DriftEvent, decide_drift, join_attempts
from etl_pipeline.schema.loaded import LoadedTable, loaded_with, read_table_json, table_json
from etl_pipeline.schema.names import LOADED_AT
from etl_pipeline.schema.saved_view import (
    Access,
    SavedGrant,
    SavedView,
    drop_view,
    fill_view,
    put_back,
)
from etl_pipeline.transfer.select import render_table
from tests.expected import Expected

LATIN, UTF8 = "latin1_swedish_ci", "utf8mb4_general_ci"


def number(name: str, declared: str = "int(11)", **facts: object) -> Column:
    return Column(name, declared.split("(")[0].split()[0], declared, False, **facts)  # type: ignore[arg-type]


def words(name: str, declared: str, collation: str = UTF8, **facts: object) -> Column:
    charset = collation.split("_")[0]
    return Column(name, declared.split("(")[0], declared, True, charset, collation, **facts)  # type: ignore[arg-type]


BEFORE = Table(
    "patient",
    (
        number("PatNum", "bigint(20)", comment="the key"),
        words("LName", "varchar(100)"),
        words("Note", "text"),
        number("Age", "smallint(6)"),
        number("Fee", "double"),
        number("Code"),
    ),
    ("PatNum",),
    (Index("names", (IndexPart("LName", 20),)), Index("codes", (IndexPart("Code"),))),
    comment="people",
)
COLLATIONS = {LATIN, UTF8}
SchemaChange = Callable[[Table], Table]


def with_column(*columns: Column) -> SchemaChange:
    """The table with columns of those names in place of its own, or after them."""

    def change(table: Table) -> Table:
        news = {column.name: column for column in columns}
        kept = [news.pop(c.name, c) for c in table.columns]
        return replace(table, columns=(*kept, *news.values()))

    return change


def without(name: str) -> SchemaChange:
    return lambda table: replace(table, columns=tuple(c for c in table.columns if c.name != name))


def with_indexes(*indexes: Index) -> SchemaChange:
    return lambda table: replace(table, indexes=indexes)


CODES = BEFORE.indexes[1]
CHANGES: dict[str, tuple[SchemaChange, DriftPolicy]] = {
    "column_added": (
        with_column(
            number("Colour", comment="it's new", default="0"), words("Words", "varchar(9)")
        ),
        DriftPolicy(),
    ),
    "column_dropped": (without("Note"), DriftPolicy()),
    "column_dropped_for_good": (without("Note"), DriftPolicy(drops=True)),
    "column_excluded": (without("Note"), DriftPolicy(excluded=frozenset({"Note"}))),
    "column_renamed": (
        lambda t: with_column(number("Years", "smallint(6)"))(without("Age")(t)),
        DriftPolicy(renamed={"Years": "Age"}),
    ),
    "column_renamed_and_retyped": (
        lambda t: with_column(number("Years", "bigint(20)"))(without("Age")(t)),
        DriftPolicy(renamed={"Years": "Age"}),
    ),
    "column_loosened": (
        with_column(replace(number("Code"), is_nullable=True)),
        DriftPolicy(),
    ),
    "column_tightened": (
        with_column(replace(words("Note", "text"), is_nullable=False)),
        DriftPolicy(),
    ),
    "column_lengthened": (with_column(words("LName", "varchar(255)")), DriftPolicy()),
    "column_retyped": (
        with_column(number("Age", "bigint(20)"), number("Fee", "decimal(10,2)")),
        DriftPolicy(),
    ),
    "key_widened": (
        with_column(number("PatNum", "bigint(20) unsigned", comment="the key")),
        DriftPolicy(),
    ),
    "collation_changed": (with_column(words("LName", "varchar(100)", LATIN)), DriftPolicy()),
    "key_changed": (lambda t: replace(t, primary_key=("Code", "PatNum")), DriftPolicy()),
    "key_dropped": (lambda t: replace(t, primary_key=()), DriftPolicy()),
    "indexes_changed": (
        with_indexes(
            CODES,
            Index("names", (IndexPart("LName"),)),
            Index("words", (IndexPart("Note"),), kind="FULLTEXT"),
        ),
        DriftPolicy(),
    ),
    "comments_changed": (
        lambda t: replace(with_column(number("Code", comment="a code"))(t), comment="persons"),
        DriftPolicy(),
    ),
    "refused": (with_column(number("Colour")), DriftPolicy(is_frozen=True)),
}


def standing_of(loaded: LoadedTable) -> ActualTable:
    columns = {
        c.name: ActualColumn(loaded.types[c.name], c.name not in loaded.table.primary_key,
                               comment=raw_comment(c))
        for c in loaded.table.columns
    }  # fmt: skip
    columns |= {name: ActualColumn(type_) for name, type_ in loaded.kept.items()}
    columns[LOADED_AT] = ActualColumn("timestamp with time zone", is_nullable=False)
    key = loaded.table.primary_key
    return ActualTable(columns, key, f"{loaded.table.name}_pkey", loaded.table.comment)


def follow(source: Table, policy: DriftPolicy) -> tuple[DriftEvent, ...]:
    """The events that lead from ``BEFORE`` to *source*."""
    loaded = loaded_with(BEFORE, render_table(BEFORE).columns, {})
    target = RawTarget("raw", source, render_table(source).columns, loaded, standing_of(loaded))
    changes = find_changes(BEFORE, source, policy)
    in_raw = with_raw_changes(changes, target, policy)
    replica = alter_replica(changes, source, name=source.name, collations=COLLATIONS)
    raw = alter_raw(in_raw, target, policy)
    return decide_drift(
        source.name,
        zip(changes, replica.of_change, strict=True),
        zip(in_raw, raw.of_change, strict=True),
        policy,
        ["marts.people"],
    )


@pytest.mark.parametrize("name", CHANGES)
def test_events_and_their_statements(name: str, expected: Expected) -> None:
    change, policy = CHANGES[name]
    parts = []
    for event in follow(change(BEFORE), policy):
        parts.append(f"-- {event.where}: {event.words} ({event.verdict})")
        for place, statements in (("replication", event.replication), ("raw", event.raw)):
            parts += [f"-- {place}", *(f"{statement};" for statement in statements)]
    assert parts
    expected.check(f"drift_{name}.sql", "\n".join(parts) + "\n")


@given(st.permutations(BEFORE.columns), st.permutations(BEFORE.indexes), st.integers(0, 9))
def test_order_is_a_change_of_its_own_and_estimates_are_none(
    columns: list[Column], indexes: list[Index], rows: int
) -> None:
    other = replace(BEFORE, columns=tuple(columns), indexes=tuple(indexes), rows_estimate=rows)
    is_moved = tuple(columns) != BEFORE.columns
    kinds = [change.kind for change in find_changes(BEFORE, other)]
    assert kinds == ([ChangeKind.COLUMNS_REORDERED] if is_moved else [])


def test_columns_that_exchange_their_names_are_told_by_their_order() -> None:
    one, two = BEFORE.columns[1:3]
    moved = (BEFORE.columns[0], two, one, *BEFORE.columns[3:])
    (change,) = find_changes(BEFORE, replace(BEFORE, columns=moved))
    assert change.detail == f"{one.name}, {two.name} → {two.name}, {one.name}"
    without_one = replace(BEFORE, columns=(*BEFORE.columns[:2], *BEFORE.columns[3:]))
    assert next(c.kind for c in find_changes(BEFORE, without_one)) is ChangeKind.COLUMN_DROPPED
    assert ChangeKind.COLUMNS_REORDERED not in {c.kind for c in find_changes(without_one, BEFORE)}


def test_a_display_width_is_no_change_but_with_zerofill() -> None:
    assert find_changes(BEFORE, with_column(number("Code", "int"))(BEFORE)) == []
    padded = with_column(number("Code", "int(5) unsigned zerofill"))(BEFORE)
    wider = with_column(number("Code", "int(8) unsigned zerofill"))(BEFORE)
    assert [change.kind for change in find_changes(padded, wider)] == [ChangeKind.COLUMN_RETYPED]


@given(
    st.sets(
        st.sampled_from(
            [
                c
                for c in CHANGES
                if c.startswith(("column", "key_w", "c", "i"))
                and "renamed" not in c
                and "excluded" not in c
            ]
        ),
        max_size=4,
    )
)
def test_each_change_is_found_whatever_else_changed(names: set[str]) -> None:
    """And none is found between a table and itself, or between it and its JSON read back."""
    source = BEFORE
    for name in sorted(names, key=lambda name: "dropped" in name):
        source = CHANGES[name][0](source)
    found = {(c.kind, c.subject) for c in find_changes(BEFORE, source)}
    touched = {c.name for c in BEFORE.columns} ^ {c.name for c in source.columns}
    assert touched <= {subject for _, subject in found}
    assert bool(found) == bool(names)
    assert find_changes(source, source) == []
    assert find_changes(source, read_table_json(table_json(source))) == []


@pytest.mark.parametrize(
    ("before", "after", "is_longer"),
    [
        ("varchar(10)", "varchar(20)", True),
        ("varchar(20)", "varchar(10)", False),
        ("char(5)", "varchar(5)", True),
        ("varchar(5)", "char(5)", False),
        ("varchar(300)", "text", True),
        ("varchar(300)", "tinytext", False),
        ("text", "longtext", True),
        ("mediumtext", "text", False),
        ("text", "varchar(9000)", False),
        ("longtext", "text", False),
    ],
)
def test_text_is_longer_where_every_value_stays_as_it_is(
    before: str, after: str, is_longer: bool
) -> None:
    (change,) = find_changes(
        with_column(words("Note", before))(BEFORE), with_column(words("Note", after))(BEFORE)
    )
    assert (change.kind is ChangeKind.COLUMN_LENGTHENED) is is_longer


@pytest.mark.parametrize(("old", "words_"), [("Code", "still has"), ("Nowhere", "never loaded")])
def test_a_rename_that_cannot_be_is_refused(old: str, words_: str) -> None:
    source = with_column(number("Fresh"))(BEFORE)
    with pytest.raises(SchemaError, match=words_) as caught:
        find_changes(BEFORE, source, DriftPolicy(renamed={"Fresh": old}))
    assert caught.value.fix


def test_a_second_attempt_adds_to_what_the_first_one_did() -> None:
    first = DriftEvent("t", "column_added", "c", "int", "follow", ("ALTER 1",), ("ALTER 2",))
    again = replace(first, replication=())
    assert join_attempts([first], [again]) == [first]
    assert join_attempts([], [again]) == [again]


def test_a_table_that_fits_is_adopted_and_another_is_renamed(expected: Expected) -> None:
    carried = render_table(BEFORE).columns
    theirs = {
        "PatNum": ActualColumn("bigint", is_nullable=False),
        "LName": ActualColumn("text", is_nullable=False),
        "mine": ActualColumn("xml", is_nullable=False),
    }
    fits = adopt_table(BEFORE, carried, ActualTable(theirs, ("PatNum", "mine"), "pk"), schema="raw")
    assert (fits.misfits, fits.kept) == ((), {"mine": "xml"})
    theirs["Code"] = ActualColumn("numeric")
    other = adopt_table(BEFORE, carried, ActualTable(theirs, ("PatNum",), "pk"), schema="raw")
    assert other.misfits == ("Code is numeric, expected integer",)
    statements = [*fits.statements, fits.rekey or "", "-- another", *other.statements]
    statements += ["-- where old values do not fit"]
    statements += [
        retype_gone('"raw"."patient"', "Age", "text", "smallint"),
        empty_column('"raw"."patient"', "Age", "smallint"),
    ]
    expected.check("drift_adopted.sql", ";\n".join(statements) + ";\n")


def test_views_are_taken_away_and_put_back(expected: Expected) -> None:
    plain = SavedView(
        "marts",
        'we"ird',
        False,
        ("number", "label"),
        "SELECT 1;",
        Access(
            "dbt",
            (SavedGrant("dbt", "SELECT"), SavedGrant("", "SELECT"),
             SavedGrant("board", "UPDATE", "label", is_grantable=True)),
            is_default=False,
            given=("board",),
        ),
        ("security_barrier=true",),
        defaults={"label": "'x'::text"},
        definitions=("CREATE TRIGGER t …",),
        comments={'VIEW "marts"."we""ird"': "it's"},
    )  # fmt: skip
    filled = replace(plain, name="sums", is_materialized=True, access=Access("dbt"), defaults={},
                     comments={}, tablespace="fast")  # fmt: skip
    parts = []
    for view in (plain, filled, replace(filled, is_populated=False)):
        parts += [*drop_view(view), *put_back(view), *fill_view(view), "-- next"]
    expected.check("drift_views.sql", ";\n".join(parts) + ";\n")
