"""OpenDental's enumerations, as its public source declares them (DataTypes.cs, TableTypes/*.cs).

A list's values count from 0 unless a first number is given; claims have letters.
"""

from __future__ import annotations

ENUMERATIONS: dict[str, tuple[str, int, str]] = {
    "procedure_status": ("ProcStat", 1, "TP C EC EO R D Cn TPi"),
    "appointment_status": (
        "ApptStatus",
        0,
        "None Scheduled Complete UnschedList ASAP Broken Planned PtNote PtNoteCompleted",
    ),
    "claim_procedure_status": (
        "ClaimProcStatus",
        0,
        "NotReceived Received Preauth Adjustment Supplemental CapClaim Estimate CapComplete "
        "CapEstimate InsHist",
    ),
    "patient_status": (
        "PatientStatus",
        0,
        "Patient NonPatient Inactive Archived Deleted Deceased Prospective",
    ),
    "gender": ("PatientGender", 0, "Male Female Unknown Other"),
    "communication_mode": (
        "CommItemMode",
        0,
        "None Email Mail Phone InPerson Text EmailAndText PhoneAndText Fax",
    ),
    "sent_or_received": ("CommSentOrReceived", 0, "Neither Sent Received"),
    "fee_schedule_type": (
        "FeeScheduleType",
        0,
        "Normal CoPay OutNetwork FixedBenefit ManualBlueBook",
    ),
    "referral_type": ("ReferralType", 0, "RefTo RefFrom RefCustom"),
    "referral_to_status": (
        "ReferralToStatus",
        0,
        "None Declined Scheduled Consulted InTreatment Complete",
    ),
    "appointment_history_action": (
        "HistAppointmentAction",
        0,
        "Created Changed Missed Cancelled Deleted",
    ),
    "schedule_type": ("ScheduleType", 0, "Practice Provider Blockout Employee WebSchedASAP"),
    "treatment_plan_status": ("TreatPlanStatus", 0, "Saved Active Inactive"),
}
LETTERS: dict[str, tuple[str, str]] = {
    # Claim.cs; the manual explains each on its page claimedit, the API (page apiclaims) lists them.
    "claim_status": (
        "claim.ClaimStatus",
        "U=Unsent, H=Hold until pri received, W=Waiting in queue, P=Probably sent, S=Sent, "
        "R=Received, I=Hold for In Process",
    ),
    "claim_type": (
        "claim.ClaimType",
        "P=primary, S=secondary, PreAuth=preauth, Other=other, Cap=capitation",
    ),
    # InsPlan.cs; what is empty there is "-" in the seed.
    "plan_type": (
        "insplan.PlanType",
        "empty=percentage, p=ppo_percentage, f=flatCopay, c=capitation",
    ),
}


def list_values() -> dict[tuple[str, str], str]:
    """OpenDental's name of each code of the numbered enumerations."""
    return {
        (ours, str(first + place)): f"{theirs}.{name}"
        for ours, (theirs, first, names) in ENUMERATIONS.items()
        for place, name in enumerate(names.split())
    }


def list_letters() -> dict[tuple[str, str], str]:
    """Where each code that is a letter or a word is documented: its column, and the words there."""
    return {
        (ours, "-" if code == "empty" else code): f"{column}: {code}={name}"
        for ours, (column, words) in LETTERS.items()
        for code, name in (word.split("=") for word in words.split(", "))
    }
