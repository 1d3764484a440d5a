"""Decide whether a run alters a replica in place to follow the source's schema (no I/O)."""

from __future__ import annotations

from dataclasses import replace

from etl_pipeline.replicate.strategy import Rules
from etl_pipeline.schema.alter_replica import ReplicaSteps
from etl_pipeline.state.records import Identity, KnownReplica, Remembered


def is_alterable(
    rules: Rules,
    remembered: Remembered,
    show_create_digest: bytes | None,
    wanted: bytes,
    steps: ReplicaSteps | None,
) -> bool:
    """True if a run alters the replica; else it builds it, or there is nothing to follow.

    Args:
        rules: How the table is kept equal.
        remembered: The replica as it is recorded.
        show_create_digest: Of the replica as it is now; None where there is none.
        wanted: Digest of the statements that would make it.
        steps: How it follows the source; None where nothing is known of its schema.
    """
    return (
        not rules.rebuilds
        and remembered.identity.ddl_digest != wanted
        and remembered.show_create_digest == show_create_digest
        and steps is not None
        and not steps.is_rebuilt
    )


def after_alteration(
    rules: Rules, known: KnownReplica, wanted: Identity, steps: ReplicaSteps | None
) -> KnownReplica | None:
    """Return what will be known of the replica once a run has altered it; None if none does."""
    remembered, show_create_digest = known.remembered, known.actual.show_create_digest
    if steps is None or not is_alterable(
        rules, remembered, show_create_digest, wanted.ddl_digest, steps
    ):
        return None
    identity = Identity(wanted.ddl_digest, remembered.identity.rendering_digest)
    return replace(known, remembered=forget_proof(remembered, steps, identity))


def forget_proof(remembered: Remembered, steps: ReplicaSteps, identity: Identity) -> Remembered:
    """Return *remembered* under *identity*, without the proofs that *steps* make void.

    A pass that follows stamps relies on a proof of every value, and there is none then.
    """
    if steps.is_void:
        return replace(remembered, identity=identity, proven_at=None, watermark=None)
    return replace(remembered, identity=identity)
