"""What each kind of sealed file is bound to: who seals, who opens and who rotates must agree."""

from __future__ import annotations

IDENTIFIERS_CONTEXT = "identifiers/v1"
INSPECTIONS_CONTEXT = "later-inspections/v1"


def forms_context(site: str, batch: str) -> str:
    """Return the context of the sealed forms of a batch."""
    return f"clinical-forms/v2/{site}/{batch}"
