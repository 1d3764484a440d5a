"""Which tables a run carries when the source has others than it had: values in, values out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from etl_pipeline.config.pipeline_file import Drift
from etl_pipeline.config.tables_file import TableConfig
from etl_pipeline.errors import ConfigurationError
from etl_pipeline.pipeline.request import RunRequest
from etl_pipeline.pipeline.selection import SelectedTables, decide_selection
from etl_pipeline.pipeline.source_privileges import SourcePrivileges
from etl_pipeline.pipeline.table_changes import SelectionInput, TableSettings
from etl_pipeline.schema.catalog import Column, Table
from etl_pipeline.state.records import KnownTables

KEY = Column("id", "int", "int", is_nullable=False)
LOADED = frozenset({"id"})
KNOWN = KnownTables({"a": 1, "b": 1, "old": 1}, frozenset(), {"a": LOADED, "old": LOADED})
FROZEN = Drift(policy="freeze")


READS_ALL = SourcePrivileges("practice", "reader@%", reads_all=True)
READS_SOME = SourcePrivileges("practice", "reader@%", reads_all=False)


def select(
    names: str,
    known: KnownTables = KNOWN,
    privileges: SourcePrivileges = READS_ALL,
    *,
    named: str = "",
    drift: Drift | None = None,
    includes_new: bool = False,
    **request: Any,
) -> SelectedTables:
    catalog = {name: Table(name, (KEY,), ("id",)) for name in names.split()}
    configured = {name: TableConfig() for name in named.split()}
    settings = TableSettings(configured, drift or Drift(), includes_new)
    given = SelectionInput(catalog, privileges, known, settings, RunRequest(**request))
    return decide_selection(given)


def events(carried: SelectedTables) -> list[tuple[str, str, str]]:
    return [(event.table, event.kind, event.verdict) for event in carried.events]


def tables(carried: SelectedTables) -> set[str]:
    return {text.name for text in carried.plan.tables}


def test_the_first_run_of_all_finds_nothing_new() -> None:
    first = select("a b", KnownTables())
    assert (tables(first), events(first), first.seen) == ({"a", "b"}, [], ("a", "b"))


def test_a_table_that_came_is_carried_where_none_are_named() -> None:
    carried = select("a b old c")
    assert tables(carried) == {"a", "b", "old", "c"}
    assert events(carried) == [("c", "table_added", "follow")]


@pytest.mark.parametrize("includes_new", [False, True])
def test_where_tables_are_named_it_is_carried_if_that_is_chosen(includes_new: bool) -> None:
    carried = select("a b old c", named="a", includes_new=includes_new)
    assert tables(carried) == ({"a", "c"} if includes_new else {"a"})
    assert events(carried) == [("c", "table_added", "follow" if includes_new else "report")]
    later = KnownTables({**KNOWN.first_runs, "c": 2}, frozenset(), KNOWN.columns)
    again = select("a b old c", later, named="a", includes_new=includes_new)
    assert tables(again) == tables(carried)
    assert events(again) == []


def fixes(carried: SelectedTables) -> dict[str, str | None]:
    return {refusal.table: refusal.error.fix for refusal in carried.plan.refused}


ACCEPT = {"old": "etl run old --accept-drift"}
GRANT = {
    "old": "GRANT SELECT ON `practice`.`old` TO `reader`@`%`; "
    "if it is gone: etl run old --accept-drift"
}


def test_a_table_that_certainly_went_is_told_once_where_none_are_named() -> None:
    carried = select("a b")
    assert (tables(carried), events(carried)) == (
        {"a", "b"},
        [("old", "table_dropped", "follow")],
    )
    assert (carried.gone, carried.plan.refused) == (("old",), ())
    later = KnownTables(KNOWN.first_runs, frozenset({"old"}), KNOWN.columns)
    assert (events(select("a b", later)), select("a b", later).plan.notes) == ([], ())
    assert events(select("a b old", later)) == [("old", "table_added", "follow")]


def test_a_table_that_is_named_fails_until_it_is_accepted_as_gone() -> None:
    carried = select("a b", named="a old")
    assert (tables(carried), fixes(carried), carried.gone) == ({"a"}, ACCEPT, ())
    assert events(carried) == [("old", "table_dropped", "refuse")]
    assert fixes(select("a b", named="a old", tables=["a"])) == {}
    accepted = select("a b", named="a old", tables=["old"], accept_drift=True)
    assert (fixes(accepted), accepted.gone) == ({}, ("old",))
    assert events(accepted) == [("old", "table_dropped", "follow")]
    later = KnownTables(KNOWN.first_runs, frozenset({"old"}), KNOWN.columns)
    noted = select("a b", later, named="a old")
    assert (events(noted), fixes(noted)) == ([], {})
    assert [note.partition(":")[0] for note in noted.plan.notes] == ["old"]
    removed = select("a b", named="a")
    assert (fixes(removed), removed.gone) == ({}, ("old",))


def test_a_table_that_may_be_hidden_fails_until_it_is_accepted_as_gone() -> None:
    for named in ("", "a old"):
        carried = select("a b", privileges=READS_SOME, named=named)
        assert (fixes(carried), carried.gone, events(carried)) == (GRANT, (), [])
    accepted = select("a b", privileges=READS_SOME, tables=["old"], accept_drift=True)
    assert (fixes(accepted), accepted.gone) == ({}, ("old",))
    assert events(accepted) == [("old", "table_dropped", "follow")]
    assert fixes(select("a b", privileges=READS_SOME, named="a")) == {}
    granted = SourcePrivileges("practice", reads_all=False, granted=frozenset({"old"}))
    assert (fixes(select("a b", privileges=granted)), select("a b", privileges=granted).gone) == (
        {},
        ("old",),
    )
    seen = KnownTables({"a": 1, "b": 1, "never": 1}, frozenset(), {})
    assert list(fixes(select("a b", seen, privileges=READS_SOME))) == ["never"]
    assert list(fixes(select("a b", privileges=READS_SOME, named="a", includes_new=True))) == []
    late = KnownTables({**KNOWN.first_runs, "old": 2}, frozenset(), KNOWN.columns)
    assert fixes(select("a b", late, privileges=READS_SOME, named="a", includes_new=True)) == GRANT


def test_a_view_in_place_of_a_table_is_told_as_one() -> None:
    privileges = SourcePrivileges("practice", views={"old": "view"})
    (refusal,) = select("a b", privileges=privileges).plan.refused
    assert refusal.error.what.startswith("the source has a view of this name")
    assert refusal.error.fix == ACCEPT["old"]


def test_only_tables_of_the_importance_that_is_asked_for_fail() -> None:
    assert (
        fixes(select("a b", privileges=READS_SOME, named="a old", importance=["standard"])) == GRANT
    )
    with pytest.raises(ConfigurationError, match="of this importance"):
        select("a b", privileges=READS_SOME, named="a old", importance=["critical"])


def test_a_table_that_was_never_seen_is_not_said_to_be_not_there() -> None:
    (refusal,) = select("a b", named="a new", privileges=READS_SOME).plan.refused
    assert "does not show" in refusal.error.what
    assert (refusal.error.fix or "").startswith("GRANT SELECT ON `practice`.`new`")
    (refusal,) = select("a b", named="a new").plan.refused
    assert refusal.error.fix == "take new out of tables.yml"


def test_what_is_gone_does_not_turn_into_everything() -> None:
    assert tables(select("a b", named="old")) == set()
    asked = select("a b", tables=["old"])
    assert tables(asked) == set()
    assert asked.plan.notes == ("old: the source has it no more; its copies stay as they are",)


def test_a_name_that_never_was_is_an_error() -> None:
    assert [r.table for r in select("a b", named="a c").plan.refused] == ["c"]
    with pytest.raises(ConfigurationError):
        select("a b", tables=["c"])


def test_frozen_tables_neither_come_nor_go() -> None:
    carried = select("a b c", drift=FROZEN)
    assert tables(carried) == {"a", "b"}
    assert {r.table: r.error.fix for r in carried.plan.refused} == {
        "c": "etl run c --accept-drift",
        "old": "etl run old --accept-drift",
    }
    assert carried.gone == ()
    assert {event.verdict for event in carried.events} == {"refuse"}
    later = KnownTables({**KNOWN.first_runs, "c": 2}, frozenset(), KNOWN.columns)
    assert {r.table for r in select("a b c", later, drift=FROZEN).plan.refused} == {"c", "old"}


def test_accepting_is_for_the_tables_that_are_named() -> None:
    accepted = select("a b c", drift=FROZEN, tables=["c"], accept_drift=True)
    assert (tables(accepted), accepted.plan.refused, accepted.gone) == ({"c"}, (), ())
    gone = select("a b c", drift=FROZEN, tables=["old"], accept_drift=True)
    assert (tables(gone), gone.gone) == (set(), ("old",))
    other = select("a b c", drift=FROZEN, tables=["a"])
    assert (tables(other), other.plan.refused, other.gone) == ({"a"}, (), ())
    assert other.events == ()


def test_what_is_refused_is_not_remembered() -> None:
    for requested in ([], ["a"]):
        assert select("a b c", drift=FROZEN, tables=requested).seen == ("a", "b")
    assert select("a b old c", drift=FROZEN, named="a").seen == ("a", "b", "old", "c")
    back = select(
        "a b old", KnownTables(KNOWN.first_runs, frozenset({"old"}), KNOWN.columns), drift=FROZEN
    )
    assert (events(back), back.seen) == ([("old", "table_added", "refuse")], ("a", "b"))
    assert tables(back) == {"a", "b"}


def test_a_comparison_fails_for_a_table_that_is_gone() -> None:
    def compare(known: KnownTables = KNOWN, **options: Any) -> dict[str, str | None]:
        refused = select("a b", known, **options).plan_without_absent.refused
        return {refusal.table: refusal.error.fix for refusal in refused}

    assert compare() == {"old": "etl run old    takes note of it"}
    assert compare(tables=["a"]) == {}
    assert compare(drift=FROZEN) == ACCEPT
    assert compare(named="a old") == ACCEPT
    assert compare(privileges=READS_SOME) == GRANT
    noted = KnownTables(KNOWN.first_runs, frozenset({"old"}), KNOWN.columns)
    assert compare(noted) == {}
    assert compare(noted, named="a old") == {}
    assert compare(noted, named="a old", tables=["old"]) == {"old": "take old out of tables.yml"}
    assert compare(noted, tables=["old"]) == {
        "old": "etl status    names the tables that the source has"
    }


def test_choices_for_columns_that_went_are_no_fault_and_others_are() -> None:
    config = TableConfig.model_validate({"columns": {"was": {"type": "text"}}})
    catalog = {"a": Table("a", (KEY,), ("id",))}
    given = SelectionInput(catalog, READS_ALL, KNOWN, TableSettings({"a": config}))
    assert [r.table for r in decide_selection(given).plan.refused] == ["a"]
    known = KnownTables(KNOWN.first_runs, frozenset(), {"a": frozenset({"id", "was"})})
    assert decide_selection(replace(given, known=known)).plan.refused == ()
