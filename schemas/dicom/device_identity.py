"""Which scanner and which coil made an image, as codes of what livercohort wrote (PS3.15 E.3.8).

A serial number or the name of a coil as delivered is nothing that a record may hold. So these are
read from de-identified objects alone, where a serial number is a keyed code, and a coil has one
unless every word of its name is known.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from schemas.dicom.feature_values import text_of

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

#: What stands last in DeidentificationMethod (0012,0063) of an object that livercohort wrote.
METHOD = "livercohort allow-list"
DEVICE_KEYWORDS = ("DeviceSerialNumber", "DeidentificationMethod")
COIL_KEYWORDS = (
    *("ReceiveCoilName", "SharedFunctionalGroupsSequence"),
    "DeidentificationMethod",
)
_CODE = re.compile("[B-DF-HJ-NP-TV-Z]{16}")


def device_id(header: Dataset) -> str | None:
    """Return the code of the scanner's serial number, None when the object has none."""
    found = text_of(header, "DeviceSerialNumber") if _is_ours(header) else None
    return found if found and _CODE.fullmatch(found) else None


def coil_id(header: Dataset) -> str | None:
    """Return code or known name of the receive coil, of a classic or an enhanced object."""
    if not _is_ours(header):
        return None
    return text_of(header, "ReceiveCoilName") or text_of(_shared_coil(header), "ReceiveCoilName")


def _is_ours(header: Dataset) -> bool:
    try:
        methods = header.get("DeidentificationMethod") or ""
    except Exception:  # pydicom raises many kinds on a broken element
        return False
    return METHOD in ([methods] if isinstance(methods, str) else list(methods))


def _shared_coil(header: Dataset) -> Dataset | None:
    try:
        groups = header.get("SharedFunctionalGroupsSequence")
        coils = groups[0].get("MRReceiveCoilSequence") if groups else None
        return coils[0] if coils else None
    except Exception:  # as above
        return None
