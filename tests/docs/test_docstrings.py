"""The first line of a docstring says what the caller gets, as an index would show it."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest

from tests.docs.pages import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PACKAGE = ROOT / "etl_pipeline"
RIDDLES = ("What", "Whether", "How", "Has")


def riddles_of(path: Path) -> Iterator[str]:
    """Yield the first lines in a module that begin with a question word."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        text = ast.get_docstring(node) if isinstance(node, kinds) else None
        if text and text.split()[0].rstrip(",:") in RIDDLES:
            yield f"{path.relative_to(ROOT)}: {text.splitlines()[0]}"


def packages() -> list[str]:
    return sorted(path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists())


@pytest.mark.parametrize("package", packages())
def test_docstrings_begin_with_an_answer(package: str) -> None:
    riddles = [line for path in (PACKAGE / package).rglob("*.py") for line in riddles_of(path)]
    assert riddles == []


def test_a_riddle_is_seen(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text('def f():\n    """Whether it is so."""\n', encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.docs.test_docstrings.ROOT", tmp_path)
        assert list(riddles_of(module)) == ["module.py: Whether it is so."]
