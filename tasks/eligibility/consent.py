"""The consent gate of a subject. Pure."""

from __future__ import annotations

from tasks.eligibility.subjects import SubjectRecord


def consent_status(subject: SubjectRecord) -> str:
    """Return what the consent gate goes by; a waiver that names no document is unknown."""
    row = subject.demographics
    status = row.text("consent_status") if row else None
    if row and status == "waived" and not row.text("consent_document"):
        return "unknown"
    return status or "unknown"
