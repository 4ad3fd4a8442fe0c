"""Names for the strings that must not be confused with each other."""

from __future__ import annotations

from typing import NewType

SiteCode = NewType("SiteCode", str)
"""`S01`-`S28` registered, `S91`-`S99` fictitious, `X001` and up for load tests."""

BatchId = NewType("BatchId", str)
"""First 16 hex digits of the SHA-256 over what an export holds."""

SubjectId = NewType("SubjectId", str)
"""Pseudonym: site code, hyphen, keyed base32, e.g. `S01-7K3QF2ZN`."""

SubjectNo = NewType("SubjectNo", str)
"""The site's own study subject number. Identifying: restricted zone only."""

RawPatientId = NewType("RawPatientId", str)
"""DICOM PatientID as delivered. Identifying: restricted zone only."""

SeriesUid = NewType("SeriesUid", str)
SopUid = NewType("SopUid", str)

SubStackDigest = NewType("SubStackDigest", str)
"""First 16 hex digits of the SHA-256 over the sorted SOPInstanceUIDs of a sub-stack."""

Sha256 = NewType("Sha256", str)
"""64 lower-case hex digits."""

RuleId = NewType("RuleId", str)
