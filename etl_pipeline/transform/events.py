"""What a transformation tells while it is going on: frozen records handed to whoever shows them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Planned:
    """dbt knows what it is going to do: build models, and run tests, *nodes* in all."""

    nodes: int


@dataclass(frozen=True, slots=True)
class NodeStarted:
    """A model or a test is begun."""

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class NodeFinished:
    """A model or a test ended, in dbt's word for how."""

    name: str
    kind: str
    status: str
    seconds: float


Event = Planned | NodeStarted | NodeFinished
Listener = Callable[[Event], None]
