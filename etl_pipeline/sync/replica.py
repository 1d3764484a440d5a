"""What the pipeline remembers of the replicas, in the replication database itself.

``replica.sql`` documents the tables. It is written in the transaction that writes the rows, so it
says what the replica holds also after a kill. Nothing here commits, but DDL does by itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from typing import Any

from pymysql import err
from pymysql.constants import ER

from etl_pipeline.schema.ddl import ReplicaDdl
from etl_pipeline.schema.names import quote_mysql
from etl_pipeline.sync.chunks import is_tiling
from etl_pipeline.sync.proof import ChunkProof
from etl_pipeline.transfer.select import Chunk, TableText

UNKNOWN = b"\xff" * 32
"""Stands for a digest that is not known; no text has it."""

RENDERING = 1
"""Version of the row text; raised when the same rows would read otherwise."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What must be as it was for the digests of a replica to be believed; 32 bytes each.

    Attributes:
        definition: Of the statements that make the replica.
        rendering: Of all that decides how its rows read as text, the servers' versions included.
    """

    definition: bytes
    rendering: bytes


@dataclass(frozen=True, slots=True)
class Remembered:
    """What is remembered of a replica.

    Attributes:
        stands_as: Digest of what ``SHOW CREATE TABLE`` said when it was made.
        proofs: Of its chunks, in order; together they hold every key there is.
    """

    identity: Identity
    stands_as: bytes
    proofs: tuple[ChunkProof, ...]

    @property
    def rows(self) -> int:
        """Rows that the replica held when it was last written."""
        return sum(proof.rows for proof in self.proofs)


def identify(text: TableText, ddl: ReplicaDdl, versions: Sequence[str]) -> Identity:
    """The identity of a replica made by *ddl*, between servers of *versions*."""
    selects = [f"{carried.select} {carried.mode:d}" for carried in text.columns]
    return Identity(
        _digest([ddl.create, *ddl.indexes]), _digest([str(RENDERING), *versions, *selects])
    )


def open_replicas(connection: Any) -> None:
    """Make the tables of the state where they are missing."""
    script = resources.files(__package__).joinpath("replica.sql").read_text()
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION sql_notes = 0")  # that they are there already is no news
        for statement in script.split(";\n"):
            if "CREATE" in statement:
                cursor.execute(statement)
        cursor.execute("SET SESSION sql_notes = 1")


def read_replica(connection: Any, table: str) -> Remembered | None:
    """What is remembered of the replica of *table*; None where nothing is."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT definition, rendering, stands_as FROM _etl_table WHERE table_name = %s",
            (table,),
        )
        row = cursor.fetchone()
        if row is None:
            return None
        definition, rendering, stands_as = row
        cursor.execute(
            "SELECT ordinal, lower_bound, upper_bound, row_count, text_digest, read_at "
            "FROM _etl_chunk WHERE table_name = %s ORDER BY ordinal",
            (table,),
        )
        proofs = tuple(
            ChunkProof(
                Chunk(ordinal, _integer(lower), _integer(upper)),
                rows,
                digest,
                read_at.replace(tzinfo=UTC),
            )
            for ordinal, lower, upper, rows, digest, read_at in cursor.fetchall()
        )
    if not is_tiling([proof.chunk for proof in proofs]):
        return None
    return Remembered(Identity(definition, rendering), stands_as, proofs)


@dataclass(frozen=True, slots=True)
class Standing:
    """What a replica is now.

    Attributes:
        definition: Digest of what ``SHOW CREATE TABLE`` says.
    """

    definition: bytes
    rows: int


def read_standing(connection: Any, table: str) -> Standing | None:
    """What the replica of *table* is now; None where there is none."""
    with connection.cursor() as cursor:
        try:
            cursor.execute(f"SHOW CREATE TABLE {quote_mysql(table)}")
        except err.ProgrammingError as error:
            if error.args[0] != ER.NO_SUCH_TABLE:
                raise
            return None
        definition = cursor.fetchone()[1]
        cursor.execute(f"SELECT COUNT(*) FROM {quote_mysql(table)}")
        return Standing(_digest([definition]), int(cursor.fetchone()[0]))


def retile(
    connection: Any, table: str, proofs: Sequence[ChunkProof], chunks: Sequence[Chunk]
) -> None:
    """Remember *chunks* in place of those of *proofs*, before any of them is worked on.

    So what is remembered holds every key at any instant. Of a chunk that is new, it is not known
    what the replica holds; the rows of those that are no more are counted with the first of them.
    """
    kept = {proof.chunk: proof for proof in proofs if proof.chunk in set(chunks)}
    rest = sum(proof.rows for proof in proofs if proof.chunk not in kept)
    now = datetime.now(UTC)
    remembered = []
    for chunk in chunks:
        proof = kept.get(chunk)
        if proof is None:
            proof, rest = ChunkProof(chunk, rest, UNKNOWN, now), 0
        remembered.append(proof)
    _forget_chunks(connection, table)
    remember_chunks(connection, table, remembered)


def forget(connection: Any, table: str) -> None:
    """Remember nothing of *table* any more."""
    _forget_chunks(connection, table)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM _etl_table WHERE table_name = %s", (table,))


def _forget_chunks(connection: Any, table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM _etl_chunk WHERE table_name = %s", (table,))


def remember(connection: Any, table: str, identity: Identity, proofs: Iterable[ChunkProof]) -> None:
    """Remember of *table*, which stands as it was made just now, all there is to say."""
    forget(connection, table)
    remember_chunks(connection, table, proofs)
    with connection.cursor() as cursor:
        cursor.execute(f"SHOW CREATE TABLE {quote_mysql(table)}")
        stands_as = _digest([cursor.fetchone()[1]])
        cursor.execute(
            "INSERT INTO _etl_table (table_name, definition, stands_as, rendering) "
            "VALUES (%s, %s, %s, %s)",
            (table, identity.definition, stands_as, identity.rendering),
        )


def remember_chunks(connection: Any, table: str, proofs: Iterable[ChunkProof]) -> None:
    """Replace what is remembered of the chunks of *proofs*."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "REPLACE INTO _etl_chunk (table_name, ordinal, lower_bound, upper_bound, row_count, "
            "text_digest, read_at) VALUES (%s, %s, %s, %s, %s, %s, %s)",
            [
                (
                    table,
                    proof.chunk.ordinal,
                    proof.chunk.lower,
                    proof.chunk.upper,
                    proof.rows,
                    proof.text_digest,
                    proof.read_at.astimezone(UTC).replace(tzinfo=None),
                )
                for proof in proofs
            ],
        )


def _digest(parts: Sequence[str]) -> bytes:
    return hashlib.sha256("\0".join(parts).encode()).digest()


def _integer(value: Any) -> int | None:
    return None if value is None else int(value)
