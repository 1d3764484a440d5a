"""Compares a text with a file that people can read; ``pytest --rewrite`` renews the files."""

from __future__ import annotations

from pathlib import Path

import pytest


class Expected:
    def __init__(self, folder: Path, rewrite: bool) -> None:
        self._folder = folder
        self._rewrite = rewrite

    def check(self, name: str, text: str) -> None:
        path = self._folder / name
        if self._rewrite:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        assert text == path.read_text(), f"differs from {path}; pytest --rewrite renews it"


def expected_in(request: pytest.FixtureRequest) -> Expected:
    folder = Path(request.path).parent / "expected"
    return Expected(folder, bool(request.config.getoption("--rewrite")))
