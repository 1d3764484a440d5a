"""Facts about OpenDental's tables that the server's catalog does not tell."""

from __future__ import annotations

LOGS = frozenset(
    {
        "eservicelog",
        "inseditlog",
        "inseditpatlog",
        "insbluebooklog",
        "orthochartlog",
        "securitylog",
        "securityloghash",
    }
)
"""Logs whose rows are only added. Logs that OpenDental edits or prunes are not in it."""

_CRITICAL = """
    adjustment appointment claim claimpayment claimproc patient payment paysplit procedurelog
    provider
"""
_IMPORTANT = """
    benefit carrier clinic commlog definition employer fee feesched histappointment inssub insplan
    insverify operatory patientnote patplan payplan payplancharge procedurecode procnote recall
    recalltype referral refattach rxpat schedule scheduleop statement treatplan treatplanattach
    proctp
"""
IMPORTANCE: dict[str, tuple[str, str]] = {
    **dict.fromkeys(_CRITICAL.split(), ("critical", "the practice's money, visits and patients")),
    **dict.fromkeys(_IMPORTANT.split(), ("important", "most reports join it")),
}
"""``table_importance`` and its reason, by table; every other table is ``standard``."""
