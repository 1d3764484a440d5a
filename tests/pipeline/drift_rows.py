"""The rows of the table in docs/schema_drift.md: what happens at the source, and how it is seen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from etl_pipeline.schema.drift import DriftPolicy

CREATE = (
    "CREATE TABLE {t} (id int NOT NULL, name varchar(20) CHARACTER SET utf8mb3 NOT NULL "
    "COMMENT 'who', age smallint NULL, price decimal(6,2) NOT NULL, day date NULL, "
    "note varchar(30) NULL, code int NOT NULL, PRIMARY KEY (id), KEY names (name)) "
    "COMMENT='people'"
)
FILL = (
    "INSERT INTO {t} VALUES (1, 'Ada', 36, 10.50, '1815-12-10', 'first', 7), "
    "(2, 'Bob', NULL, 0.00, NULL, NULL, 8), (5, 'Cy', 3, 9999.99, '2024-02-29', '12', 9)"
)
AFTER = "INSERT INTO {t} (id, name, age, price, code) VALUES (9, 'New', 1, 1.25, 10)"


@dataclass(frozen=True)
class Row:
    """A change at the source.

    Attributes:
        changes: What is done there; ``{t}`` is the table.
        kinds: The events that it is seen as.
        in_raw: Whether ``raw`` is altered by more than a comment.
        columns: What ``tables.yml`` says of columns.
        shown: What a view over ``raw`` shows.
        by_others: What somebody else does to the table of ``raw``.
        drops: Whether columns that the source drops are dropped in ``raw``, too.
        asks: What the command line says of the table: ``accepts`` or ``adopts``; empty for nothing.
        verdict: What is done about it.
    """

    changes: tuple[str, ...]
    kinds: frozenset[str]
    in_raw: bool = False
    columns: dict[str, Any] = field(default_factory=dict)
    shown: str = "id, name, age"
    by_others: tuple[str, ...] = ()
    drops: bool = False
    asks: str = ""
    verdict: str = "follow"

    @property
    def policy(self) -> DriftPolicy:
        """What a run is to do about it."""
        return DriftPolicy(
            drops=self.drops,
            renamed={n: c["renamed_from"] for n, c in self.columns.items() if "renamed_from" in c},
            excluded=frozenset(n for n, c in self.columns.items() if c.get("exclude")),
            accepts=self.asks == "accepts",
            adopts=self.asks == "adopts",
        )

    @property
    def config(self) -> dict[str, Any]:
        """What ``tables.yml`` says of it."""
        drift = {"drift": {"dropped": "drop"}} if self.drops else {}
        return {"columns": self.columns, **drift}


def row(*changes: str, kinds: str, **facts: Any) -> Row:
    return Row(changes, frozenset(kinds.split()), **facts)


ROWS: dict[str, Row] = {
    "column_added": row(
        "ALTER TABLE {t} ADD colour int NOT NULL DEFAULT 3 COMMENT 'new' AFTER name",
        "UPDATE {t} SET colour = 4 WHERE id = 2",
        kinds="column_added",
        in_raw=True,
    ),
    "columns_added_without_default": row(
        "ALTER TABLE {t} ADD (seen datetime NOT NULL, words text, flag tinyint(1) NOT NULL)",
        "UPDATE {t} SET words = 'x', seen = '2024-06-28 01:02:03'",
        kinds="column_added",
        in_raw=True,
    ),
    "column_dropped": row("ALTER TABLE {t} DROP note", kinds="column_dropped"),
    "column_dropped_for_good": row(
        "ALTER TABLE {t} DROP note",
        kinds="column_dropped",
        in_raw=True,
        drops=True,
    ),
    "column_excluded": row(
        kinds="column_excluded", in_raw=True, columns={"note": {"exclude": True}}
    ),
    "column_loosened": row(
        "ALTER TABLE {t} MODIFY code int NULL",
        "UPDATE {t} SET code = NULL WHERE id = 2",
        kinds="column_loosened",
    ),
    "text_lengthened": row(
        "ALTER TABLE {t} MODIFY note varchar(60) NULL",
        "UPDATE {t} SET note = REPEAT('x', 60) WHERE id = 2",
        kinds="column_lengthened",
    ),
    "text_without_limit": row(
        "ALTER TABLE {t} MODIFY note mediumtext NULL", kinds="column_lengthened"
    ),
    "number_widened": row(
        "ALTER TABLE {t} MODIFY age bigint NULL",
        "UPDATE {t} SET age = 5000000000 WHERE id = 5",
        kinds="column_retyped",
        in_raw=True,
    ),
    "number_to_text": row(
        "ALTER TABLE {t} MODIFY age varchar(9) NULL",
        "UPDATE {t} SET age = 'old' WHERE id = 5",
        kinds="column_retyped",
        in_raw=True,
    ),
    "values_do_not_fit": row(
        "UPDATE {t} SET note = id",
        "ALTER TABLE {t} MODIFY note int NULL",
        kinds="column_retyped",
        in_raw=True,
        shown="id, name, note",
        verdict="reload",
    ),
    "more_decimals": row(
        "ALTER TABLE {t} MODIFY price decimal(12,4) NOT NULL",
        kinds="column_retyped",
        in_raw=True,
        shown="id, name, price",
    ),
    "day_to_instant": row(
        "ALTER TABLE {t} MODIFY day datetime NULL",
        "UPDATE {t} SET day = '2024-02-29 13:00:00' WHERE id = 5",
        kinds="column_retyped",
        in_raw=True,
        shown="id, name, day",
    ),
    "key_widened": row(
        "ALTER TABLE {t} MODIFY id bigint NOT NULL",
        "INSERT INTO {t} (id, name, price, code) VALUES (5000000000, 'Far', 0, 0)",
        kinds="column_retyped",
        in_raw=True,
    ),
    "column_tightened": row(
        "UPDATE {t} SET age = 0 WHERE age IS NULL",
        "ALTER TABLE {t} MODIFY age smallint NOT NULL",
        kinds="column_tightened",
    ),
    "column_renamed": row(
        "ALTER TABLE {t} CHANGE name full_name varchar(20) CHARACTER SET utf8mb3 NOT NULL",
        "UPDATE {t} SET full_name = 'Robert' WHERE id = 2",
        kinds="column_renamed comment_changed",
        in_raw=True,
        columns={"full_name": {"renamed_from": "name"}},
    ),
    "column_renamed_and_not_said": row(
        "ALTER TABLE {t} CHANGE note remark varchar(30) NULL",
        kinds="column_added column_dropped",
        in_raw=True,
    ),
    "key_changed": row(
        "ALTER TABLE {t} DROP PRIMARY KEY, ADD PRIMARY KEY (code, id)",
        kinds="key_changed",
        in_raw=True,
    ),
    "key_dropped": row("ALTER TABLE {t} DROP PRIMARY KEY", kinds="key_changed", in_raw=True),
    "collation_changed": row(
        "ALTER TABLE {t} MODIFY note varchar(30) CHARACTER SET latin1 COLLATE latin1_bin NULL",
        "UPDATE {t} SET note = 'é' WHERE id = 2",
        kinds="collation_changed",
    ),
    "index_added": row("ALTER TABLE {t} ADD KEY ages (age, code)", kinds="index_added"),
    "index_dropped": row("ALTER TABLE {t} DROP KEY names", kinds="index_dropped"),
    "index_changed": row(
        "ALTER TABLE {t} DROP KEY names, ADD KEY names (name(3), age)",
        kinds="index_dropped index_added",
    ),
    "comments_changed": row(
        "ALTER TABLE {t} COMMENT='persons', MODIFY age smallint NULL COMMENT 'in years'",
        kinds="comment_changed",
    ),
    "adopted_as_it_is": row(
        kinds="table_adopted",
        in_raw=True,
        by_others=("ALTER TABLE raw.{t} ADD mine int DEFAULT 7, DROP CONSTRAINT _etl_key_{t}",),
        asks="adopts",
    ),
    "adopted_beside_it": row(
        kinds="table_adopted",
        in_raw=True,
        by_others=("ALTER TABLE raw.{t} ALTER price TYPE text",),
        asks="adopts",
    ),
    "much_at_once": row(
        "ALTER TABLE {t} DROP note, ADD b bigint NOT NULL, MODIFY age bigint NULL, "
        "ADD KEY b (b), DROP KEY names",
        "UPDATE {t} SET b = id",
        kinds="column_dropped column_added column_retyped index_added index_dropped",
        in_raw=True,
    ),
}
