"""Relations of models that the project does not have any more: name them, and drop them if asked.

``etl.build_node`` knows what was a model once. A relation counts as that model's only if it has the
object identifier and the name that it had then, so a warehouse that was restored elsewhere, or a
table that somebody made in its place, is left alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import psycopg

from etl_pipeline.transform.build_plan import Graph

_LOCK_WAIT = "20s"
_READ_REMOVED = """
SELECT built.node, format('%%I.%%I', namespace.nspname, relation.relname),
       CASE relation.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'TABLE' END
FROM etl.build_node AS built
JOIN pg_class AS relation
  ON relation.oid::text = split_part(built.definition, ' ', 1)
 AND relation.relkind IN ('r', 'p', 'v', 'm')
JOIN pg_namespace AS namespace ON namespace.oid = relation.relnamespace
 AND starts_with(built.definition, concat_ws(
     ' ', relation.oid, format('%%I.%%I', namespace.nspname, relation.relname), ''))
WHERE built.kind IN ('model', 'seed') AND built.node <> ALL(%s)
  AND namespace.nspname || '.' || relation.relname <> ALL(%s)
ORDER BY 2"""


@dataclass(frozen=True, slots=True)
class Removed:
    """A relation whose model was removed.

    Attributes:
        node: dbt's name of the model.
        name: Schema and name of the relation, quoted.
        kind: ``VIEW``, ``MATERIALIZED VIEW`` or ``TABLE``.
    """

    node: str
    name: str
    kind: str

    @property
    def drop(self) -> str:
        """The statement that drops it, unless something stands on it."""
        return f"DROP {self.kind} {self.name}"


def read_removed(connection: psycopg.Connection, graph: Graph) -> list[Removed]:
    """Return the relations of models that *graph* does not have, by name."""
    relations = [node.relation for node in graph.values() if node.relation]
    return [Removed(*row) for row in connection.execute(_READ_REMOVED, (list(graph), relations))]


def tidy_removed(connection: psycopg.Connection, graph: Graph, *, drop: bool) -> Iterator[str]:
    """Yield a note on each relation of a removed model; with *drop*, drop it first.

    Args:
        connection: To the warehouse, in autocommit mode.
        graph: The project.
        drop: Drop those on which nothing else stands.
    """
    kept = read_removed(connection, graph)
    refused: dict[str, str] = {}
    while drop and kept:
        done, refused = _drop(connection, kept)
        yield from (f"dropped {one.name}, whose model was removed" for one in done)
        kept = [one for one in kept if one not in done]
        if not done:
            break
    for one in kept:
        if one.name in refused:
            yield f"{one.name}, whose model was removed, stays: {refused[one.name]}"
        else:
            yield (
                f"the model of {one.name} was removed: etl transform --drop-removed drops it, "
                f"as does {one.drop}"
            )


def _drop(
    connection: psycopg.Connection, removed: Sequence[Removed]
) -> tuple[list[Removed], dict[str, str]]:
    """Drop what can be dropped; return it, and why the others stay, by name."""
    done, refused = [], {}
    for one in removed:
        try:
            with connection.transaction():
                connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_WAIT}'".encode())
                connection.execute(one.drop.encode())
                connection.execute("DELETE FROM etl.build_node WHERE node = %s", (one.node,))
        except psycopg.errors.DependentObjectsStillExist as error:
            # The server names the views and tables that stand on it: no values of rows.
            refused[one.name] = (error.diag.message_detail or "others need it").replace("\n", "; ")
        except psycopg.errors.LockNotAvailable:
            refused[one.name] = f"others have used it for more than {_LOCK_WAIT}"
        except psycopg.errors.InsufficientPrivilege:
            refused[one.name] = f"its owner has to drop it: {one.drop}"
        else:
            done.append(one)
    return done, refused
