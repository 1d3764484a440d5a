"""Whether a table can be compared: its schema may have changed since it was loaded."""

from __future__ import annotations

from etl_pipeline.errors import DriftError
from etl_pipeline.load.drift import find_raw_drift
from etl_pipeline.schema.drift import ChangeKind
from etl_pipeline.schema.drift_decision import list_changes
from etl_pipeline.verify.compare import Comparison, reading_raw

_HARMLESS = frozenset(
    {ChangeKind.INDEX_ADDED, ChangeKind.INDEX_DROPPED, ChangeKind.COMMENT_CHANGED}
)
_ROOMIER = frozenset(
    {
        ChangeKind.COLUMN_LOOSENED,
        ChangeKind.COLUMN_TIGHTENED,
        ChangeKind.COLUMN_LENGTHENED,
    }
)
"""After these, rows can be compared as ever; those of now may not fit into the replica."""


def refuse_drifted(job: Comparison) -> None:
    """Raise DriftError if the rows of now are not what the copies have columns for.

    A comparison alone bears more than a repair, which writes rows as they are now.

    Raises:
        SchemaError: The table in ``raw`` is not as it was loaded, or is none.
    """
    with reading_raw(job.analytics):
        marks = job.rules.marks_deletes
        found = find_raw_drift(job.analytics, job.schema, job.text, job.drift, marks_deletes=marks)
    bearable = _HARMLESS if job.scope.repair else _HARMLESS | _ROOMIER
    changes = [one for one in (found.changes if found else ()) if one.kind not in bearable]
    if not changes:
        return
    name = job.text.name
    raise DriftError(
        f"its schema changed since it was loaded: {list_changes(name, changes)}",
        where=name,
        fix=f"etl run {name}" + (" --accept-drift" if job.drift.refuses else ""),
    )
