"""The page of figures, made from the dbt project: its files say all that the page says.

A figure is a number of a mart: every numeric column that is neither a key nor in a dimension, and
of facts the money. Its formula is the description of the column; ``config.meta`` of the column says
the rest (``leaves_out``, ``opendental``, ``rule``). The theme is the group of the model.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.docs.pages import ROOT

MODELS = ROOT / "transform" / "models"
META = frozenset({"leaves_out", "opendental", "rule"})
"""What ``config.meta`` of a column may say."""

_NUMBERS = ("smallint", "integer", "bigint", "numeric", "double precision", "real")
_REFERENCE = re.compile(r"(?:ref|changed_rows)\('(\w+)'")
_KEPT = re.compile(r"changed_rows\('(\w+)'")
DOC = re.compile(r"""\{\{\s*doc\(['"](\w+)['"]\)\s*\}\}""")
_DOC_BLOCK = re.compile(r"\{% docs (\w+) %\}(.*?)\{% enddocs %\}", re.DOTALL)


@dataclass(frozen=True)
class Figure:
    """A number that a mart has."""

    name: str
    mart: str
    formula: str
    leaves_out: str
    opendental: str
    rules: tuple[str, ...]
    """Models in which it is decided what counts, where the description names them."""


@dataclass(frozen=True)
class Mart:
    """A model of the marts. A dimension has no theme."""

    name: str
    theme: str | None
    description: str
    grain: tuple[str, ...]
    columns: Mapping[str, Mapping[str, Any]]

    @property
    def is_dimension(self) -> bool:
        return self.name.startswith("dim_")

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Its figures, in the order of the columns."""
        if self.is_dimension:
            return ()
        return tuple(self._figure(name) for name in self.columns if self._is_figure(name))

    def _is_figure(self, name: str) -> bool:
        data_type = str(self.columns[name].get("data_type", ""))
        if self.name.startswith("fact_"):
            return data_type.startswith("numeric(")
        return (
            data_type.split("(")[0] in _NUMBERS
            and not name.endswith("_id")
            and name not in self.grain
        )

    def _figure(self, name: str) -> Figure:
        column = self.columns[name]
        meta = read_meta(column)
        rule = meta.get("rule", ())
        return Figure(
            name,
            self.name,
            _in_words(column.get("description")),
            _in_words(meta.get("leaves_out")),
            _in_words(meta.get("opendental")),
            (rule,) if isinstance(rule, str) else tuple(rule),
        )


def read_meta(described: Mapping[str, Any]) -> Mapping[str, Any]:
    """``config.meta`` of a model or a column."""
    return described.get("config", {}).get("meta", {})  # type: ignore[no-any-return]


@cache
def read_themes() -> dict[str, str]:
    """The groups of the project with their descriptions, in order."""
    return {
        str(group["name"]): _in_words(group["description"])
        for document in _read_documents()
        for group in document.get("groups", ())
    }


@cache
def read_marts() -> tuple[Mart, ...]:
    """The marts that the project's yml describes."""
    marts = set(list_marts())
    return tuple(
        Mart(
            model["name"],
            model.get("config", {}).get("group"),
            _in_words(model.get("description")),
            tuple(_find_grain(model)),
            {column["name"]: column for column in model.get("columns", ())},
        )
        for document in _read_documents()
        for model in document.get("models", ())
        if model["name"] in marts
    )


def list_marts() -> list[str]:
    """Names of the marts, by their files."""
    return sorted(path.stem for path in (MODELS / "marts").rglob("*.sql"))


@cache
def find_rules(model: str) -> tuple[str, ...]:
    """Intermediate models that *model* is made from, by itself or by the marts that it reads.

    Without any the model itself.
    """
    found: dict[str, None] = {}
    for name in _REFERENCE.findall(_find_file(model).read_text(encoding="utf-8")):
        if name == "int_practice_day":
            continue
        if name.startswith("int_"):
            kept = _KEPT.search(_find_file(name).read_text(encoding="utf-8"))
            found[kept[1] if kept else name] = None
        elif not name.startswith(("stg_", "dim_")) and name != "enumeration":
            found |= dict.fromkeys(find_rules(name))
    return tuple(found) or (model,)


def write_page() -> str:
    """The page, in Markdown."""
    themes = read_themes()
    marts = {theme: [m for m in read_marts() if m.theme == theme] for theme in themes}
    lines = [
        *_HEAD.splitlines(),
        "",
        *(f"- [{theme.capitalize()}](#{theme}): {words}" for theme, words in themes.items()),
        "",
        *(
            line
            for theme, words in themes.items()
            for line in _write_theme(theme, words, marts[theme])
        ),
    ]
    linked = sorted(set(re.findall(r"\[(\w+)\](?!\()", "\n".join(lines))))
    lines += [f"[{model}]: ../{_find_file(model).relative_to(ROOT)}" for model in linked]
    return "\n".join(lines) + "\n"


_HEAD = """\
# Figures and their formulas

What each figure of `marts` counts, what it leaves out, and which report of OpenDental it lies
beside. A figure that several tables have in the same sense has one line. The page is made from the
descriptions of the models (`pytest --rewrite tests/docs/test_metrics.py`), which are comments in
the database, too. [The models](transform.md) says which table answers which question, and why.

A table is a file of SQL, and the link leads to it; *rule* is the model that decides what counts.
"""


def _write_theme(theme: str, words: str, marts: Sequence[Mart]) -> Iterator[str]:
    yield f"## {theme.capitalize()}"
    yield ""
    yield words
    yield ""
    yield "| table | a row is one | holds |"
    yield "|---|---|---|"
    for mart in marts:
        grain = ", ".join(f"`{column}`" for column in mart.grain)
        yield f"| {_link(mart.name)} | {grain} | {_cell(mart.description)} |"
    yield ""
    yield "| figure | formula | leaves out | OpenDental | tables | rule |"
    yield "|---|---|---|---|---|---|"
    everywhere = group_figures(read_marts())
    for (name, formula), same in group_figures(marts).items():
        alike = everywhere[name, formula]
        cells = [
            f"`{name}`",
            _cell(formula),
            _cell(" ".join(_distinct(figure.leaves_out for figure in alike))),
            _cell("; ".join(_distinct(figure.opendental for figure in alike))),
            ", ".join(_link(figure.mart) for figure in same),
            ", ".join(map(_link, _find_rules_of(same))),
        ]
        yield f"| {' | '.join(cells)} |"
    yield ""


def _find_rules_of(same: Sequence[Figure]) -> list[str]:
    named = _distinct(rule for figure in same for rule in figure.rules)
    return named or _distinct(rule for figure in same for rule in find_rules(figure.mart))


def _distinct(words: Iterable[str]) -> list[str]:
    return [word for word in dict.fromkeys(words) if word]


def group_figures(marts: Iterable[Mart]) -> dict[tuple[str, str], list[Figure]]:
    """Figures that have their name and formula in common, in order of appearance."""
    groups: dict[tuple[str, str], list[Figure]] = {}
    for figure in (figure for mart in marts for figure in mart.figures):
        groups.setdefault((figure.name, figure.formula), []).append(figure)
    return groups


def _link(model: str) -> str:
    """A link whose target stands at the end of the page, so that the tables can be read as text."""
    return f"[{model}]"


def _cell(words: str) -> str:
    return words.replace("|", "\\|")


def _find_grain(model: Mapping[str, Any]) -> Sequence[str]:
    for test in model.get("data_tests", ()):
        if "grain" in test:
            return test["grain"]["columns"]  # type: ignore[no-any-return]
    return read_meta(model).get("grain", ())  # type: ignore[no-any-return]


@cache
def _find_file(model: str) -> Path:
    (file,) = MODELS.rglob(f"{model}.sql")
    return file


@cache
def _read_documents() -> tuple[Mapping[str, Any], ...]:
    files = sorted((MODELS / "marts").rglob("*.yml"))
    return tuple(YAML(typ="safe").load(file.read_text(encoding="utf-8")) for file in files)


@cache
def read_docs() -> dict[str, str]:
    """The doc blocks of the project: texts that several descriptions share."""
    return {
        name: words
        for file in sorted(MODELS.rglob("*.md"))
        for name, words in _DOC_BLOCK.findall(file.read_text(encoding="utf-8"))
    }


def _in_words(description: str | None) -> str:
    """A description on one line, with the text of its doc blocks."""
    words = DOC.sub(lambda doc: read_docs()[doc[1]], description or "")
    return " ".join(words.split())
