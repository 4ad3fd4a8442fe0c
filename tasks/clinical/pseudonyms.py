"""Keyed stand-ins for what sites number themselves: persons, screenings, readers."""

from __future__ import annotations

from schemas.identifiers import SiteCode, SubjectId, SubjectNo
from schemas.vault.keys import KeyRing, Purpose
from tasks.clinical.form_rows import SCREENING_PERSON, FormRow


def person_keys(site: SiteCode, row: FormRow, ring: KeyRing) -> tuple[SubjectId, int]:
    """Return pseudonym and date shift of the person behind a row.

    A person who was never enrolled is keyed by the screening number.
    """
    return ring.subject_id(site, row.person), ring.date_shift_days(site, row.person)


def screening_code(site: SiteCode, screening_no: str, ring: KeyRing) -> str:
    """Return the keyed code of a screening number."""
    token = ring.subject_id(site, SubjectNo(f"{SCREENING_PERSON}{screening_no}"))
    return f"SCR-{token.removeprefix(f'{site}-')}"


def rater_code(site: SiteCode, rater_id: str, ring: KeyRing) -> str:
    """Return the keyed code of a reader, whatever a site uses as its own code."""
    return f"R-{ring.mac(Purpose.LOOKUP, 'rater', site, rater_id).hex()[:8]}"
