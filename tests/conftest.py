"""Fixtures of the whole suite."""

from __future__ import annotations

import pytest

from tests.expected import Expected, expected_in


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite", action="store_true", help="renew the files of expected texts")


@pytest.fixture
def expected(request: pytest.FixtureRequest) -> Expected:
    return expected_in(request)
