"""What counts as one scanner. Pure."""

from __future__ import annotations

from collections.abc import Mapping

_UNKNOWN = "unknown"


def scanner_group(study: Mapping[str, object]) -> str:
    """Return the scanner of a study: site, maker, model, and field strength of an MR.

    The profile removes serial number and station name, so two scanners of one model in one
    hospital are one group.

    Parameters
    ----------
    study : mapping
        A row of `imaging_study`.
    """
    site = str(study["subject_id"]).partition("-")[0]
    parts = [site, *(str(study[name] or _UNKNOWN) for name in ("manufacturer", "model"))]
    field = study["field_strength_t"]
    if study["modality"] == "MR":
        parts.append(_UNKNOWN if field is None else f"{float(str(field)):.1f} T")
    return " / ".join(parts)
