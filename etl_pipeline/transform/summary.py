"""Record of the result of a transformation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

MODEL_KINDS = ("model", "seed")


@dataclass(frozen=True, slots=True)
class Node:
    """The result of a model, a seed or a test.

    Attributes:
        id: dbt's name of it, such as ``model.practice.dim_date``.
        kind: ``model``, ``seed``, ``test`` or ``unit_test``.
        status: ``success``, ``error``, ``skipped``; of a test ``pass``, ``warn``, ``fail``,
            ``error``, ``skipped``. ``reused`` if nothing was to be done: see *before*.
        failures: Number of rows that fail a test; None if it could not be run.
        words: The error, without values of rows.
        file: The SQL or YAML file of the project that defines it.
        compiled: The SQL that was sent, relative to the working folder.
        tested: Names of the models that a test checks.
        reason: Why it was made anew; None if it was asked for, or was reused.
        took_over: True if it took over what changed, and was not made as a whole.
        before: Of a node that was reused, its status when it was built; else None.
    """

    id: str
    name: str
    kind: str
    status: str
    seconds: float
    failures: int | None
    words: str | None
    file: str
    compiled: str | None
    schema: str
    tested: tuple[str, ...] = ()
    reason: str | None = None
    took_over: bool = False
    before: str | None = None

    @property
    def is_failed(self) -> bool:
        """True if the node itself failed; a skipped node only depends on one that did."""
        return self.status in ("error", "fail", "runtime error")


@dataclass(frozen=True, slots=True)
class Rows:
    """The first rows that fail a test; read only on request, since they are values of patients."""

    test: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class TransformSummary:
    """The result of ``etl transform``.

    Attributes:
        as_of: The practice's day, from which ages count; None if nothing says it.
        project: Folder of the dbt project.
        folder: dbt's working folder; it contains the SQL that was sent.
        not_built: Models that need a table or column that raw does not have.
        notes: Sentences about the whole.
    """

    environment: str
    started_at: datetime
    seconds: float
    as_of: date | None
    project: Path
    folder: Path
    nodes: Sequence[Node]
    not_built: Sequence[str] = ()
    notes: Sequence[str] = ()
    rows: Sequence[Rows] = ()

    @property
    def models(self) -> list[Node]:
        """The models and seeds."""
        return [n for n in self.nodes if n.kind in MODEL_KINDS]

    @property
    def tests(self) -> list[Node]:
        """The tests."""
        return [n for n in self.nodes if n.kind not in MODEL_KINDS]

    @property
    def reused(self) -> list[Node]:
        """The models and tests for which nothing was to be done."""
        return [n for n in self.nodes if n.status == "reused"]

    @property
    def failed(self) -> list[Node]:
        """Models and tests that failed, sorted by kind and name."""
        return sorted((n for n in self.nodes if n.is_failed), key=lambda n: (n.kind, n.name))

    @property
    def warned(self) -> list[Node]:
        """Tests that only warn, sorted by name."""
        return sorted(
            (n for n in self.nodes if "warn" in (n.status, n.before)), key=lambda n: n.name
        )

    @property
    def is_success(self) -> bool:
        """True if every model was built and every test passed."""
        return not self.failed and not any(n.status == "skipped" for n in self.models)
