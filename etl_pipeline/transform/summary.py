"""What a transformation came to: frozen records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

MODEL_KINDS = ("model", "seed")


@dataclass(frozen=True, slots=True)
class Node:
    """What became of a model, a seed or a test.

    Attributes:
        kind: ``model``, ``seed``, ``test`` or ``unit_test``.
        status: ``success``, ``error``, ``skipped``; of a test ``pass``, ``warn``, ``fail``,
            ``error``, ``skipped``.
        failures: Rows that fail a test; None where it could not be run.
        words: What went wrong, without values.
        file: SQL or YAML file that says it, in the project.
        compiled: The SQL that was sent, relative to the working folder.
        tested: The models that a test is about.
    """

    name: str
    kind: str
    status: str
    seconds: float
    failures: int | None
    words: str | None
    file: str
    compiled: str | None
    schema: str
    tested: tuple[str, ...]

    @property
    def is_failed(self) -> bool:
        """Whether it is wrong itself; what is skipped is only behind something that is."""
        return self.status in ("error", "fail", "runtime error")


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows that fail a test, for whoever asked to see values: at most *limit* of them."""

    test: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class TransformSummary:
    """The result of ``etl transform``.

    Attributes:
        project: Where the models are.
        folder: Where dbt worked; the SQL that was sent is there.
        not_built: Models that need what raw does not have.
        notes: Sentences about the whole.
        is_complete: Whether every model was asked for.
    """

    environment: str
    started_at: datetime
    seconds: float
    project: Path
    folder: Path
    nodes: Sequence[Node]
    not_built: Sequence[str] = ()
    notes: Sequence[str] = ()
    rows: Sequence[Rows] = ()

    @property
    def models(self) -> list[Node]:
        """What was to be built."""
        return [n for n in self.nodes if n.kind in MODEL_KINDS]

    @property
    def tests(self) -> list[Node]:
        """What was to be tested."""
        return [n for n in self.nodes if n.kind not in MODEL_KINDS]

    @property
    def failed(self) -> list[Node]:
        """Models and tests that failed, by name."""
        return sorted((n for n in self.nodes if n.is_failed), key=lambda n: (n.kind, n.name))

    @property
    def warned(self) -> list[Node]:
        """Tests that found what is worth knowing and not wrong."""
        return sorted((n for n in self.nodes if n.status == "warn"), key=lambda n: n.name)

    @property
    def is_success(self) -> bool:
        """Whether everything that was to be built was built, and passed."""
        return not self.failed and not any(n.status == "skipped" for n in self.models)
