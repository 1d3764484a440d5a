"""Which models a build makes anew: decided from records alone, so tested without a server."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_pipeline.transform.build_plan import (
    DAY,
    MONTH,
    BuiltNode,
    Graph,
    GraphNode,
    Warehouse,
    decide_build,
    decide_following,
    inputs_after,
    read_graph,
    split_unusable,
)

# raw.a → stg_a (view) → fact → sums ← day;  raw.b → stg_b (view) → other;  tests of fact and other
GRAPH = {
    node.id: node
    for node in (
        GraphNode("stg_a", "model", "stg_a", "s.stg_a", True, (), ("a",), "1"),
        GraphNode("stg_b", "model", "stg_b", "s.stg_b", True, (), ("b",), "1"),
        GraphNode("fact", "model", "fact", "m.fact", False, ("stg_a",), (), "1"),
        GraphNode("sums", "model", "sums", "m.sums", False, ("fact",), (DAY,), "1"),
        GraphNode("other", "model", "other", "m.other", False, ("stg_b",), (), "1"),
        GraphNode("keys", "test", "keys", None, False, ("fact", "other"), (), "1"),
        GraphNode("rule", "unit_test", "rule", None, False, ("sums",), (), "1"),
    )
}
HELD = Warehouse(
    {"a": "a1", "b": "b1", DAY: "d1"},
    {node.relation: "x" for node in GRAPH.values() if node.relation},
)


def built(held: Warehouse = HELD, graph: Graph = GRAPH) -> dict[str, BuiltNode]:
    """Everything as a build of *held* records it."""
    inputs = inputs_after(graph, {}, set(graph), held)
    return {
        key: BuiltNode(
            1,
            "success",
            None,
            0.1,
            node.code_digest,
            inputs[key],
            held.definitions.get(node.relation or ""),
        )
        for key, node in graph.items()
    }


def test_nothing_is_made_anew_after_a_build() -> None:
    assert decide_build(GRAPH, built(), HELD).stale == {}


def test_a_first_build_makes_everything() -> None:
    assert decide_build(GRAPH, {}, HELD).stale == dict.fromkeys(GRAPH, "never built")


@pytest.mark.parametrize(
    ("versions", "stale"),
    [
        ({"a": "a2"}, {"fact": "raw.a changed", "sums": "raw.a changed", "keys": "raw.a changed"}),
        ({"b": "b2"}, {"other": "raw.b changed", "keys": "raw.b changed"}),
        ({DAY: "d2"}, {"sums": "the day is another"}),
        ({"b": None}, {"other": "raw.b may have changed", "keys": "raw.b may have changed"}),
        ({"a": "a2", DAY: "d2"}, {"fact": "raw.a changed", "sums": "raw.a changed",
                                  "keys": "raw.a changed"}),
    ],
)  # fmt: skip
def test_what_reads_a_table_that_changed_is_made_anew(
    versions: dict[str, str | None], stale: dict[str, str]
) -> None:
    held = replace(HELD, versions={**HELD.versions, **versions})
    assert decide_build(GRAPH, built(), held).stale == stale


def test_an_edit_by_others_voids_what_is_made_from_it() -> None:
    held = replace(HELD, definitions={**HELD.definitions, "m.fact": "y"})
    assert decide_build(GRAPH, built(), held).stale == {
        "fact": "others changed it",
        "sums": "fact is made anew",
        "keys": "fact is made anew",
    }
    held = replace(HELD, definitions={**HELD.definitions, "m.other": None})
    assert decide_build(GRAPH, built(), held).stale == {
        "other": "it is not there",
        "keys": "other is made anew",
    }


def test_other_code_and_failures_are_seen() -> None:
    graph = {**GRAPH, "rule": replace(GRAPH["rule"], code_digest="2")}
    assert decide_build(graph, built(), HELD).stale == {
        "rule": "its code, or that of what it is made from, is another"
    }
    failed = {**built(), "keys": replace(built()["keys"], status="fail")}
    assert decide_build(GRAPH, failed, HELD).stale == {"keys": "it failed last time"}


def test_a_model_that_is_built_alone_holds_what_its_tables_held() -> None:
    """``--select sums``, after raw.a changed: it is made from the fact of before."""
    now = replace(HELD, versions={**HELD.versions, "a": "a2", DAY: "d2"})
    after = inputs_after(GRAPH, built(), {"sums"}, now)
    assert after == {"sums": {"a": "a1", DAY: "d2"}}
    record = {**built(), "sums": replace(built()["sums"], inputs=after["sums"])}
    assert set(decide_build(GRAPH, record, now).stale) == {"fact", "sums", "keys"}


def test_what_is_left_out_of_a_build_stays_to_be_built() -> None:
    """Built was ``sums`` alone, of a table and then of a view that are as they were."""
    now = Warehouse({**HELD.versions, "a": "a2"}, HELD.definitions)
    after = inputs_after(GRAPH, built(), {"sums"}, now)
    record = {**built(), "sums": replace(built()["sums"], inputs=after["sums"])}
    assert set(decide_build(GRAPH, record, now).stale) == {"fact", "sums", "keys"}
    # The view's code is another, and so is that of all that is made from it.
    other = {
        key: replace(node, code_digest="2") if key in ("stg_b", "other", "keys") else node
        for key, node in GRAPH.items()
    }
    after = inputs_after(other, built(), {"other", "keys"}, HELD)
    assert after["other"] == {"b": None}
    record = {
        **built(),
        **{k: replace(built()[k], code_digest="2", inputs=after[k]) for k in ("other", "keys")},
    }
    assert set(decide_build(other, record, HELD).stale) == {"stg_b", "other", "keys"}


def test_a_test_of_two_states_proves_nothing() -> None:
    both = {**GRAPH, "other": replace(GRAPH["other"], parents=("stg_a",))}
    before = {**built(), "other": replace(built()["other"], inputs={"a": "a0"})}
    assert inputs_after(both, before, {"keys"}, HELD) == {"keys": {"a": None}}


# raw.a → stg_a → fact (compares versions) → sums (follows fact; the month)
FOLLOWING = {
    node.id: node
    for node in (
        GRAPH["stg_a"],
        GRAPH["stg_b"],
        replace(GRAPH["fact"], compares_versions=True),
        GraphNode(
            "sums", "model", "sums", "m.sums", False, ("fact", "stg_b"), (MONTH,), "1",
            follows=("fact",),
        ),
    )
}  # fmt: skip
FOLLOWED = Warehouse({"a": "a1", "b": "b1", MONTH: "m1"}, HELD.definitions)


def following(held: Warehouse, record: dict[str, BuiltNode]) -> set[str]:
    plan = decide_build(FOLLOWING, record, held)
    return set(decide_following(FOLLOWING, record, held, plan))


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        ({"a": "a2"}, {"fact", "sums"}),
        ({"a": "a2", "b": "b2"}, {"fact"}),  # sums is made from b besides
        ({"a": "a2", MONTH: "m2"}, {"fact"}),
        ({"a": None}, set()),  # others wrote to a, and rows keep their versions then
        ({MONTH: "m2"}, set()),
    ],
)
def test_what_changed_is_taken_over_where_all_else_is_known(
    versions: dict[str, str | None], expected: set[str]
) -> None:
    record = built(FOLLOWED, FOLLOWING)
    held = replace(FOLLOWED, versions={**FOLLOWED.versions, **versions})
    assert following(held, record) == expected


def test_a_model_that_was_not_built_with_what_it_follows_is_made_as_a_whole() -> None:
    record = built(FOLLOWED, FOLLOWING)
    record["fact"] = replace(record["fact"], inputs={"a": "a2"})  # built alone
    now = replace(FOLLOWED, versions={**FOLLOWED.versions, "a": "a3"})
    assert following(now, record) == {"fact"}


@pytest.mark.parametrize(
    "other",
    [{"status": "fail"}, {"code_digest": "2"}, {"definition": "edited"}, {"inputs": {"a": None}}],
)
def test_doubt_about_what_is_followed_is_doubt_about_what_follows(other: dict[str, Any]) -> None:
    record = built(FOLLOWED, FOLLOWING)
    record["fact"] = replace(record["fact"], **other)
    now = replace(FOLLOWED, versions={**FOLLOWED.versions, "a": "a2"})
    assert following(now, record) == set()


def test_what_needs_a_missing_table_is_named() -> None:
    usable, models = split_unusable(GRAPH, ["b"])
    assert (set(usable), models) == ({"stg_a", "fact", "sums", "rule"}, ["other", "stg_b"])


VERSIONS = st.dictionaries(st.sampled_from(["a", "b", DAY]), st.sampled_from(["1", "2", None]))


@given(VERSIONS, VERSIONS, st.sets(st.sampled_from(sorted(GRAPH))))
def test_a_fresh_node_is_one_that_a_build_would_make_the_same(
    before: dict[str, str | None], now: dict[str, str | None], done: set[str]
) -> None:
    """Whatever was built when, a table stays only if all that it is made from is what it was."""
    old = Warehouse({**HELD.versions, **before}, HELD.definitions)
    new = Warehouse({**HELD.versions, **now}, HELD.definitions)
    record = built(old)
    for key, inputs in inputs_after(GRAPH, record, done, new).items():
        record[key] = replace(record[key], inputs=inputs)
    for key in decide_build(GRAPH, record, new).fresh:
        if GRAPH[key].has_rows:
            assert all(
                version is not None and new.versions[name] == version
                for name, version in record[key].inputs.items()
            )


def manifest_node(key: str, *parents: str, **config: object) -> dict[str, object]:
    kind, _, name = key.split(".")[:3]
    return {
        "resource_type": kind, "name": name, "schema": "s", "alias": name, "fqn": [name],
        "config": {"materialized": "table", **config}, "depends_on": {"nodes": list(parents)},
        "original_file_path": f"models/{name}.sql", "raw_code": name,
    }  # fmt: skip


def read_manifest(**code: str) -> dict[str, GraphNode]:
    """raw.a → inner (ephemeral) → outer → late (ephemeral) → last;  other.a → last"""
    inner, outer, late, last = (f"model.custom.{n}" for n in ("inner", "outer", "late", "last"))
    raw, other = "source.practice.raw.a", "source.custom.other.a"
    nodes = {
        inner: manifest_node(inner, raw, materialized="ephemeral"),
        outer: manifest_node(outer, inner, materialized="kept_view"),
        late: manifest_node(late, outer, materialized="ephemeral"),
        last: manifest_node(last, late, other),
    }
    for name, text in code.items():
        nodes[f"model.custom.{name}"]["raw_code"] = text
    sources = {
        raw: {"schema": "raw", "identifier": "a"},
        other: {"schema": "other", "identifier": "a"},
    }
    parts = {"nodes": nodes, "unit_tests": {}, "sources": sources, "macros": {}}
    return read_graph({**parts, "metadata": {"dbt_version": "1"}}, {})


def test_an_ephemeral_model_is_part_of_those_that_read_it() -> None:
    graph = read_manifest()
    assert [node.name for node in graph.values()] == ["outer", "last"]
    outer, last = graph.values()
    assert (outer.sources, outer.parents, outer.is_view) == (("a",), (), True)
    assert (last.parents, last.is_view) == ((outer.id,), False)
    other = read_manifest(inner="other")
    assert all(other[key].code_digest != node.code_digest for key, node in graph.items())
    other = read_manifest(late="other")
    assert other[outer.id].code_digest == outer.code_digest
    assert other[last.id].code_digest != last.code_digest


def test_a_table_outside_of_raw_may_always_have_changed() -> None:
    graph = read_manifest()
    held = Warehouse({"a": "a1"}, {node.relation: "x" for node in graph.values() if node.relation})
    inputs = inputs_after(graph, {}, set(graph), held)
    last = {
        key: BuiltNode(1, "success", None, 0.1, node.code_digest, inputs[key], "x")
        for key, node in graph.items()
    }
    assert decide_build(graph, last, held).stale == {
        "model.custom.last": "other.a may have changed"
    }
