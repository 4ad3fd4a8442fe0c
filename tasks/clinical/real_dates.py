"""Every real date the forms hold of a person, for the scan that must not find them. Pure."""

from __future__ import annotations

from schemas.identifiers import SiteCode
from schemas.partial_dates import PartialDate
from schemas.vault.keys import KeyRing
from tasks.clinical.form_rows import ClinicalIntake
from tasks.clinical.pseudonyms import person_keys

BIRTH_DATE = "birth_date"


def real_dates_of(
    site: SiteCode, intake: ClinicalIntake, ring: KeyRing
) -> dict[str, list[tuple[str, str]]]:
    """Return pseudonym → sorted (field name, YYYYMMDD), of dates known to the day (restricted)."""
    found: dict[str, set[tuple[str, str]]] = {}
    for form in intake.forms:
        for row in form.rows:
            subject_id, _ = person_keys(site, row, ring)
            days = found.setdefault(subject_id, set())
            for name, value in row.values.items():
                if isinstance(value, PartialDate) and value.exact is not None:
                    days.add((name, f"{value.exact:%Y%m%d}"))
    return {subject: sorted(days) for subject, days in sorted(found.items())}
