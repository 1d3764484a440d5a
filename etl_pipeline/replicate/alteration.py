"""Decide whether a run alters a replica in place to follow the source's schema: pure."""

from __future__ import annotations

from dataclasses import replace

from etl_pipeline.replicate.strategy import Rules
from etl_pipeline.schema.alter_replica import ReplicaSteps
from etl_pipeline.state.records import Identity, KnownReplica, Remembered


def is_alterable(
    rules: Rules,
    remembered: Remembered,
    stands_as: bytes | None,
    wanted: bytes,
    steps: ReplicaSteps | None,
) -> bool:
    """True if a run alters the replica; else it builds it, or there is nothing to follow.

    Args:
        rules: How the table is kept equal.
        remembered: What is remembered of the replica.
        stands_as: Digest of the definition that the replica has now; None where there is none.
        wanted: Digest of the definition that the replica has to have.
        steps: How it follows the source; None where nothing is known of its schema.
    """
    return (
        not rules.rebuilds
        and remembered.identity.definition != wanted
        and remembered.stands_as == stands_as
        and steps is not None
        and not steps.is_rebuilt
    )


def after_alteration(
    rules: Rules, known: KnownReplica, wanted: Identity, steps: ReplicaSteps | None
) -> KnownReplica | None:
    """Return what will be known of the replica once a run has altered it; None if none does."""
    remembered, stands_as = known.remembered, known.actual.definition
    if steps is None or not is_alterable(rules, remembered, stands_as, wanted.definition, steps):
        return None
    identity = Identity(wanted.definition, remembered.identity.rendering)
    return replace(known, remembered=forget_proof(remembered, steps, identity))


def forget_proof(remembered: Remembered, steps: ReplicaSteps, identity: Identity) -> Remembered:
    """Return *remembered* under *identity*, without the proofs that *steps* make void.

    A pass that follows stamps relies on a proof of every value, and there is none then.
    """
    if steps.is_void:
        return replace(remembered, identity=identity, proven_at=None, watermark=None)
    return replace(remembered, identity=identity)
