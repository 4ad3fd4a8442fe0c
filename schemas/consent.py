"""Whose data may be released."""

from __future__ import annotations

#: Who consented, or for whom consent was waived.
RELEASED_CONSENT = ("consented", "waived")
