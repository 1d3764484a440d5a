"""Events that a transformation reports while it is going on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Planned:
    """dbt has made its plan: *nodes* models and tests in all."""

    nodes: int


@dataclass(frozen=True, slots=True)
class NodeStarted:
    """A model or a test has begun."""

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class NodeFinished:
    """A model or a test has ended; *status* is dbt's word for how."""

    name: str
    kind: str
    status: str
    seconds: float


Event = Planned | NodeStarted | NodeFinished
Listener = Callable[[Event], None]
