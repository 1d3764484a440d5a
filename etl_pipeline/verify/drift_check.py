"""Refuse to compare a table whose schema has changed since it was loaded."""

from __future__ import annotations

from etl_pipeline.errors import DriftError
from etl_pipeline.load.raw_plan import plan_raw_table
from etl_pipeline.schema.drift import ChangeKind
from etl_pipeline.schema.drift_decision import list_changes
from etl_pipeline.verify.job import VerifyJob, reading_raw

_HARMLESS = frozenset(
    {ChangeKind.INDEX_ADDED, ChangeKind.INDEX_DROPPED, ChangeKind.COMMENT_CHANGED}
)
_COMPARABLE = frozenset(
    {
        ChangeKind.COLUMN_LOOSENED,
        ChangeKind.COLUMN_TIGHTENED,
        ChangeKind.COLUMN_LENGTHENED,
    }
)
"""After these changes rows can be compared, but new rows may not fit into the replica."""


def refuse_drifted(job: VerifyJob) -> None:
    """Raise DriftError if the copies have not followed a change of the table's schema.

    A comparison alone is possible after more changes than a repair, which writes rows.

    Raises:
        SchemaError: The table in ``raw`` is not as it was loaded, or is none.
    """
    with reading_raw(job.analytics):
        marks = job.rules.marks_deletes
        found = plan_raw_table(
            job.analytics, job.schema, job.text, job.drift, marks_deletes=marks
        ).drift
    allowed = _HARMLESS if job.scope.repair else _HARMLESS | _COMPARABLE
    found_changes = found.changes if found else ()
    changes = [change for change in found_changes if change.kind not in allowed]
    if not changes:
        return
    name = job.text.name
    raise DriftError(
        f"its schema changed since it was loaded: {list_changes(name, changes)}",
        where=name,
        fix=f"etl run {name}" + (" --accept-drift" if job.drift.refuses else ""),
    )
