"""What the marts say, and what queries on ``raw`` say that know nothing of the models."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from etl_pipeline.demo.server_databases import PostgresConnection

COMPLETE = '"ProcStatus" = 2'
RECEIVED = '"Status" IN (1, 4, 5, 7)'
CHARGE = 'round("ProcFee"::numeric, 2) * ("UnitQty" + "BaseUnits")'
CHARGED = f"(SELECT sum({CHARGE}) FROM raw.procedurelog WHERE {COMPLETE})"
CAPITATED = (
    '(SELECT coalesce(sum(round("WriteOff"::numeric, 2)), 0) FROM raw.claimproc c '
    f'JOIN raw.procedurelog USING ("ProcNum") WHERE {COMPLETE} AND c."Status" = 7)'
)
OF_CAPITATION = (
    '(SELECT coalesce(sum(round(c."WriteOff"::numeric, 2)), 0) FROM raw.claimproc AS c '
    'WHERE c."ProcNum" = p."ProcNum" AND c."Status" = 7)'
)
PRODUCED = f"({CHARGED} - {CAPITATED})"
ADJUSTED = '(SELECT sum(round("AdjAmt"::numeric, 2)) FROM raw.adjustment)'
WRITTEN_OFF = (
    '(SELECT sum(round("WriteOff"::numeric, 2)) FROM raw.claimproc WHERE "Status" IN (1, 4))'
)
# Prepayments of a type that has a value are hidden: they count nowhere until they are allocated.
SPLIT = (
    '(SELECT sum(round("SplitAmt"::numeric, 2)) FROM raw.paysplit WHERE "UnearnedType" NOT IN '
    '(SELECT "DefNum" FROM raw.definition WHERE "Category" = 29 AND "ItemValue" <> \'\'))'
)
INSURED = f'(SELECT sum(round("InsPayAmt"::numeric, 2)) FROM raw.claimproc WHERE {RECEIVED})'
FINALIZED = (
    '(SELECT sum(round("InsPayAmt"::numeric, 2)) FROM raw.claimproc '
    'JOIN raw.claimpayment USING ("ClaimPaymentNum"))'
)
NET = f"{PRODUCED} + {ADJUSTED} - {WRITTEN_OFF}"
TREATED = (
    'SELECT p."PatNum", p."ProcDate" FROM raw.procedurelog p LEFT JOIN raw.procedurecode c '
    f'USING ("CodeNum") WHERE p.{COMPLETE} AND p."PatNum" <> 0 '
    "AND coalesce(c.\"ProcCode\", '') NOT IN ('D9986', 'D9987')"
)
DAY = '(SELECT max("LogDateTime")::date FROM raw.securitylog)'
OPEN_CLAIMS = "FROM raw.claim WHERE \"ClaimStatus\" <> 'R' AND \"ClaimType\" <> 'PreAuth'"
NEW = (
    f'SELECT v."PatNum", least(nullif(p."DateFirstVisit", \'0001-01-01\'), min(v."ProcDate")) AS d '
    f'FROM ({TREATED}) v JOIN raw.patient p USING ("PatNum") '
    'WHERE p."PatStatus" NOT IN (1, 4, 6) GROUP BY v."PatNum", p."DateFirstVisit"'
)

PAIRS: dict[str, tuple[str, str]] = {
    "gross production by day": ("sum(gross_production) FROM marts.production_by_day", PRODUCED),
    "adjustments by day": ("sum(adjustments) FROM marts.production_by_day", ADJUSTED),
    "write-offs by day": ("sum(write_offs) FROM marts.production_by_day", WRITTEN_OFF),
    "net production by day": ("sum(net_production) FROM marts.production_by_day", NET),
    "procedures by day": (
        "sum(procedures) FROM marts.production_by_day",
        f"count(*) FROM raw.procedurelog WHERE {COMPLETE}",
    ),
    "patients by day": (
        "sum(patients) FROM marts.production_by_day",
        'count(DISTINCT ("PatNum", "ProcDate", "ProvNum", "ClinicNum")) '
        f"FROM raw.procedurelog WHERE {COMPLETE}",
    ),
    "patients' payments": ("sum(patient_payments) FROM marts.collections_by_day", SPLIT),
    "carriers' payments": ("sum(insurance_payments) FROM marts.collections_by_day", FINALIZED),
    "collections": ("sum(collections) FROM marts.collections_by_day", f"{SPLIT} + {FINALIZED}"),
    "collections by month": (
        "sum(collections) FROM marts.collection_ratio_by_month",
        f"{SPLIT} + {FINALIZED}",
    ),
    "net production by month": ("sum(net_production) FROM marts.collection_ratio_by_month", NET),
    "gross production by month": (
        "sum(gross_production) FROM marts.collection_ratio_by_month",
        PRODUCED,
    ),
    "gross production of providers": (
        "sum(gross_production) FROM marts.provider_performance",
        PRODUCED,
    ),
    "net production of providers": ("sum(net_production) FROM marts.provider_performance", NET),
    "collections of providers": (
        "sum(collections) FROM marts.provider_performance",
        f"{SPLIT} + {FINALIZED}",
    ),
    "visits kept by providers": (
        "sum(kept) FROM marts.provider_performance",
        'count(*) FROM raw.appointment WHERE "AptStatus" = 2',
    ),
    "receivables, as the practice aged them": (
        "sum(balance) FROM marts.accounts_receivable",
        'sum(round("BalTotal"::numeric, 2)) FROM raw.famaging',
    ),
    "expected from carriers, as the practice has it": (
        "sum(insurance_portion) FROM marts.accounts_receivable",
        'sum(round("InsEst"::numeric, 2)) FROM raw.famaging',
    ),
    "left for the patients": (
        "sum(patient_portion) FROM marts.accounts_receivable",
        'sum(round("BalTotal"::numeric, 2) - round("InsEst"::numeric, 2)) FROM raw.famaging',
    ),
    "left for the patients, by age": (
        "sum(patient_0_30 + patient_31_60 + patient_61_90 + patient_over_90 + credit) "
        "FROM marts.accounts_receivable",
        'sum(round("BalTotal"::numeric, 2) - round("InsEst"::numeric, 2)) FROM raw.famaging',
    ),
    "visits kept": (
        "sum(kept) FROM marts.appointments_by_day",
        'count(*) FROM raw.appointment WHERE "AptStatus" = 2',
    ),
    "visits broken": (
        "sum(broken_by_status) FROM marts.appointments_by_day",
        'count(*) FROM raw.appointment WHERE "AptStatus" = 5',
    ),
    "visits on the unscheduled list": (
        "sum(unscheduled_by_status) FROM marts.appointments_by_day",
        'count(*) FROM raw.appointment WHERE "AptStatus" = 3',
    ),
    "minutes kept": (
        "sum(kept_minutes) FROM marts.appointments_by_day",
        'sum(5 * length("Pattern")) FROM raw.appointment WHERE "AptStatus" = 2',
    ),
    "new patients": (
        "sum(new_patients) FROM marts.new_patients_by_source",
        f"count(*) FROM ({NEW}) AS n",
    ),
    "production of the first year": (
        "sum(first_year_production) FROM marts.new_patients_by_source",
        f"sum({CHARGE} - {OF_CAPITATION}) FROM raw.procedurelog AS p JOIN ({NEW}) AS n "
        f'USING ("PatNum") WHERE {COMPLETE} AND "ProcDate" < n.d + interval \'1 year\'',
    ),
    "recalls": (
        "sum(recalls) FROM marts.recall_status",
        'count(*) FROM raw.recall WHERE "RecallTypeNum" <> 0',
    ),
    "visits with treatment": (
        "sum(visits) FROM marts.hygiene_by_month",
        f"count(*) FROM (SELECT DISTINCT * FROM ({TREATED}) AS t) AS d",
    ),
    "patients who were here before": (
        "sum(patients_before) FROM marts.hygiene_by_month WHERE month_start = "
        f"date_trunc('month', {DAY})",
        f'count(DISTINCT "PatNum") FROM ({TREATED}) AS t WHERE "ProcDate" >= date_trunc(\'month\', '
        f"{DAY}) - interval '2 years' AND \"ProcDate\" < date_trunc('month', {DAY}) "
        "- interval '1 year'",
    ),
    "open claims": (
        "sum(claims) FROM marts.claims_by_age_and_carrier",
        f"count(*) {OPEN_CLAIMS}",
    ),
    "billed on open claims": (
        "sum(fee) FROM marts.claims_by_age_and_carrier",
        f'sum(round("ClaimFee"::numeric, 2)) {OPEN_CLAIMS}',
    ),
    **{
        f"rows of {mart}": (
            f"count(*) FROM marts.{mart} {'WHERE NOT is_missing' * mart.startswith('dim')}",
            f"count(*) FROM raw.{table}",
        )
        for mart, table in {
            "fact_procedure": "procedurelog",
            "fact_payment": "paysplit",
            "fact_adjustment": "adjustment",
            "fact_claim": "claim",
            "fact_claim_procedure": "claimproc",
            "fact_appointment": "appointment",
            "fact_communication": "commlog",
            "dim_patient": "patient",
            "dim_procedure_code": "procedurecode",
            "dim_insurance_plan": "insplan",
            "dim_fee_schedule": "feesched",
        }.items()
    },
    "amounts of fact_payment": (
        "sum(amount) FROM marts.fact_payment",
        'sum(round("PayAmt"::numeric, 2)) FROM raw.payment',
    ),
    "amounts of fact_adjustment": ("sum(amount) FROM marts.fact_adjustment", ADJUSTED),
    "production of fact_procedure": ("sum(gross_production) FROM marts.fact_procedure", PRODUCED),
    "paid in fact_claim_procedure": (
        "sum(insurance_paid) FROM marts.fact_claim_procedure",
        INSURED,
    ),
    "billed in fact_claim": (
        "sum(fee) FROM marts.fact_claim",
        'sum(round("ClaimFee"::numeric, 2)) FROM raw.claim',
    ),
}


@dataclass(frozen=True)
class Reconciled:
    """A total of a mart, and the same of raw, both in cents or whole numbers."""

    mart: Decimal
    raw: Decimal


def reconcile(analytics: PostgresConnection) -> dict[str, Reconciled]:
    """Every pair, by its name."""
    return {
        name: Reconciled(_number(analytics, mart), _number(analytics, raw))
        for name, (mart, raw) in PAIRS.items()
    }


def _number(analytics: PostgresConnection, query: str) -> Decimal:
    ((value,),) = analytics.execute(f"SELECT {query}".encode()).fetchall()
    return round(Decimal(str(0 if value is None else value)), 2)
