"""What counts as one scanner. Pure."""

from __future__ import annotations

from collections.abc import Mapping

_UNKNOWN = "unknown"


def scanner_group(study: Mapping[str, object], device_id: object) -> str:
    """Return the scanner: site, maker, model, field strength of an MR, and its code.

    Where headers gave no serial number there is no code, and two scanners of one model in one
    hospital are one group.

    Parameters
    ----------
    study : mapping
        A row of `imaging_study`.
    device_id : str or None
        Of the row in `series`.
    """
    site = str(study["subject_id"]).partition("-")[0]
    parts = [site, *(str(study[name] or _UNKNOWN) for name in ("manufacturer", "model"))]
    field = study["field_strength_t"]
    if study["modality"] == "MR":
        parts.append(_UNKNOWN if field is None else f"{float(str(field)):.1f} T")
    if device_id is not None:
        parts.append(str(device_id))
    return " / ".join(parts)
