"""docs/metrics.md holds every figure of the marts; ``pytest --rewrite`` renews it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest

from tests.docs.metrics import (
    DOC,
    META,
    Figure,
    group_figures,
    list_marts,
    read_docs,
    read_marts,
    read_meta,
    read_themes,
    write_page,
)
from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "metrics.md"


def doc_of(column: Mapping[str, Any]) -> list[str]:
    return DOC.findall(column.get("description", ""))


def read_description(figure: Figure) -> str:
    """The description as it is written, its doc blocks not filled in."""
    (mart,) = (mart for mart in read_marts() if mart.name == figure.mart)
    return str(mart.columns[figure.name]["description"])


def test_the_page_is_that_of_the_models(request: pytest.FixtureRequest) -> None:
    expected = write_page()
    if request.config.getoption("--rewrite"):
        PAGE.write_text(expected, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == expected, (
        "docs/metrics.md is not what the models say: pytest --rewrite tests/docs/test_metrics.py"
    )


def test_every_mart_is_described_and_has_a_theme() -> None:
    described = [mart.name for mart in read_marts()]
    assert sorted(described) == list_marts(), "each mart stands once in a .yml of models/marts"
    without = [m.name for m in read_marts() if not m.is_dimension and m.theme not in read_themes()]
    assert not without, (
        f"no theme: write config: {{group: …}}, one of {', '.join(read_themes())} (groups.yml)"
    )


def test_every_mart_with_a_theme_is_on_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8")
    missing = [m.name for m in read_marts() if not m.is_dimension and f"| [{m.name}] |" not in page]
    assert not missing


def test_every_column_of_a_mart_has_its_type() -> None:
    """Without its type nobody knows whether a column is a figure."""
    missing = [
        f"{mart.name}.{name}"
        for mart in read_marts()
        for name, column in mart.columns.items()
        if "data_type" not in column
    ]
    assert not missing, (
        "write data_type, as PostgreSQL's format_type says it: numeric(14,2), bigint"
    )


def test_every_figure_has_a_formula() -> None:
    figures = [figure for mart in read_marts() for figure in mart.figures]
    assert len(figures) > 150
    assert not [f"{f.mart}.{f.name}" for f in figures if len(f.formula.split()) < 3]


def test_a_formula_is_read_alone() -> None:
    """It does not lean on the line before."""
    figures = [figure for mart in read_marts() for figure in mart.figures]
    leaning = re.compile(r"(The same|Of (it|them)|Their|Those|All of (it|them)|As above)\b")
    assert not [f"{f.mart}.{f.name}: {f.formula}" for f in figures if leaning.match(f.formula)]


def test_a_formula_that_several_marts_have_stands_once() -> None:
    twice = [
        f"{figure.mart}.{figure.name}"
        for same in group_figures(read_marts()).values()
        for figure in same
        if len(same) > 1 and not DOC.search(read_description(figure))
    ]
    assert not twice, "write the formula once, as a doc block of figures.md"
    used = {name for mart in read_marts() for c in mart.columns.values() for name in doc_of(c)}
    assert used == read_docs().keys()


def test_every_figure_names_where_its_rule_is() -> None:
    models = {*(path.stem for path in (ROOT / "transform" / "models").rglob("*.sql"))}
    for figure in (figure for mart in read_marts() for figure in mart.figures):
        assert set(figure.rules) <= models, f"{figure.mart}.{figure.name}: config.meta.rule"


def test_what_is_said_beside_a_formula_is_on_the_page() -> None:
    """A key of ``config.meta`` that the page does not know would say nothing to anybody."""
    unknown = [
        f"{mart.name}.{name}: {key}"
        for mart in read_marts()
        for name, column in mart.columns.items()
        for key in read_meta(column)
        if key not in META
    ]
    assert not unknown
