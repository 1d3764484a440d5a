"""Models of ``tables.yml``. A key that is not here is a fault."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from etl_pipeline.config.keys import Count, Model, Seconds, Section, Text, key
from etl_pipeline.config.pipeline_file import Drift, DriftSection

ExtractionStrategy = Literal["full_table", "fingerprint", "incremental", "append_only"]
TableImportance = Literal["critical", "important", "standard"]
ColumnType = Literal[
    "boolean",
    "smallint",
    "integer",
    "bigint",
    "numeric",
    "text",
    "json",
    "jsonb",
    "uuid",
    "inet",
    "bytea",
]


class ColumnConfig(Model):
    """One column of a table of ``tables.yml``."""

    type: ColumnType | None = key(
        "type in `raw` in place of the one in the [table of types](types.md); a value that it "
        "cannot hold makes the table fail, with the row's key. Bytes are `bytea` and nothing else",
        example="boolean",
    )
    exclude: bool = key(
        "leaves the column out of replication and `raw`; not for a column of the primary key",
        default=False,
        example=True,
    )
    renamed_from: Text | None = key(
        "what the column was called before it was renamed at the source: it is renamed in "
        "replication and `raw` too; without it, one column is dropped and another added",
        example="Phone",
    )


class TableConfig(Model):
    """One table of ``tables.yml``; None means that nothing was said."""

    table_importance: TableImportance = key(
        "order of processing; among equals, the largest first",
        default="standard",
        example="critical",
    )
    extraction_strategy: ExtractionStrategy | None = key(
        "how the table is kept equal: see [strategies](strategies.md)",
        otherwise="`fingerprint`",
        example="incremental",
    )
    incremental_column: Text | None = key(
        "of `incremental`: the column that the server stamps on each update", example="DateTStamp"
    )
    overlap: Annotated[float, Field(ge=0, le=525_600, allow_inf_nan=False)] = key(
        "of `incremental`: how far behind the watermark rows are read again, since a row gets its "
        "stamp before its transaction commits",
        unit="minutes",
        default=60.0,
        example=240,
    )
    verify_every: Annotated[float, Field(gt=0, le=3650, allow_inf_nan=False)] = key(
        "of `incremental` and `append_only`: age of the last full pass at which a run makes one",
        unit="days",
        default=7.0,
        example=1,
    )
    deletes: Literal["delete", "mark"] = key(
        "what becomes of a row of `raw` that the source does not have any more; `mark` keeps it, "
        "with the time in `_etl_deleted_at`. Only for a table with a primary key",
        default="delete",
        example="mark",
    )
    max_delete_fraction: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = key(
        "the part of a table's rows that may go in one run; a table that would lose more, and more "
        "than 100 rows, is stopped (`--allow-deletes TABLE` lets it pass)",
        unit="of 1",
        default=0.2,
        example=0.5,
    )
    batch_size: Count | None = key(
        "of a chunk at most", unit="rows", otherwise="50,000, and about 4 MB", example=20000
    )
    estimated_size_mb: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = key(
        "a note for readers, which `etl discover` writes; a run asks the source itself",
        unit="megabytes",
        example=160.5,
    )
    estimated_rows: Annotated[int, Field(ge=0)] | None = key(
        "a note for readers, likewise", unit="rows", example=1000000
    )
    max_seconds_per_statement: Seconds | None = key(
        "limit of a statement that reads this table",
        unit="seconds",
        otherwise="that of `source`",
        example=60,
    )
    drift: DriftSection = Field(
        default=Drift(),
        description="what is done when this table's schema changed; `drift: freeze` is short for "
        "`drift: {policy: freeze}`",
        examples=["freeze"],
    )
    columns: Annotated[dict[Text, Annotated[ColumnConfig, Section]], Section] = Field(
        default_factory=dict,
        description="what is special about single columns, by name",
        examples=[{"Password": {"exclude": True}}],
    )


class TablesConfig(Model):
    """``tables.yml``: the tables to carry, by name. None at all means every table."""

    tables: Annotated[dict[Text, Annotated[TableConfig, Section]], Section] = Field(
        default_factory=dict,
        description="the tables to copy, by name; with none named, every table of the source is",
    )
    new_tables: Literal["report", "include"] = key(
        "where tables are named: whether one that comes to the source later is reported only, or "
        "copied as if it were named",
        default="report",
        example="include",
    )
