"""Which scanner and which coil made an image, as codes of what livercohort wrote (PS3.15 E.3.8).

A serial number or the name of a coil as delivered is nothing that a record may hold. So these are
read only by whoever has just written the object: there a serial number is a keyed code, and a coil
has one unless every word of its name is known. What an object says of how it was de-identified is
a claim of whoever delivered it, and nothing is believed for it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from schemas.dicom.feature_values import text_of

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

#: What stands last in DeidentificationMethod (0012,0063) of an object that livercohort wrote. No
#: proof of it: any object can bear the words.
METHOD = "livercohort allow-list"
DEVICE_KEYWORDS = ("DeviceSerialNumber",)
COIL_KEYWORDS = ("ReceiveCoilName", "SharedFunctionalGroupsSequence")
_CODE = re.compile("[B-DF-HJ-NP-TV-Z]{16}")


def device_id(written: Dataset) -> str | None:
    """Return the code of the scanner's serial number, None when the object has none."""
    found = text_of(written, "DeviceSerialNumber")
    return found if found and _CODE.fullmatch(found) else None


def coil_id(written: Dataset) -> str | None:
    """Return code or known name of the receive coil, of a classic or an enhanced object."""
    return text_of(written, "ReceiveCoilName") or text_of(_shared_coil(written), "ReceiveCoilName")


def _shared_coil(header: Dataset) -> Dataset | None:
    try:
        groups = header.get("SharedFunctionalGroupsSequence")
        coils = groups[0].get("MRReceiveCoilSequence") if groups else None
        return coils[0] if coils else None
    except Exception:  # pydicom raises many kinds on a broken element
        return None
