"""What a PACS may send, to whom, and what is told of it. Pure."""

from __future__ import annotations

import csv
import struct
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from io import StringIO
from typing import Any

from pydicom.config import IGNORE
from pydicom.uid import UID

from schemas.errors import BadInputError, ContractError
from schemas.run.site_files import SiteConfig

#: CT, Enhanced CT, MR, Enhanced MR and their legacy converted forms (PS3.4 B.5). What would be
#: set aside for its class is refused before it crosses the network.
STORED_CLASSES = (
    "1.2.840.10008.5.1.4.1.1.2",
    "1.2.840.10008.5.1.4.1.1.2.1",
    "1.2.840.10008.5.1.4.1.1.2.2",
    "1.2.840.10008.5.1.4.1.1.4",
    "1.2.840.10008.5.1.4.1.1.4.1",
    "1.2.840.10008.5.1.4.1.1.4.4",
)
#: Stands for every SOP class of which PS3.6 does not know.
OTHER_CLASS = "other"
_CLASSES = ("SOP Class", "Meta SOP Class")
_MANIFEST_COLUMN = "sop_instance_uid"


@dataclass
class Receipt:
    """What one association brought; counts and class UIDs, nothing of a person.

    `repeated` objects were there already, byte for byte. `refused_classes` counts the SOP
    classes that the sender offered and was told not to send.
    """

    site_code: str
    begun: str
    ended: str = ""
    how: str = "open"
    stored: int = 0
    repeated: int = 0
    failed: int = 0
    n_bytes: int = 0
    stored_classes: Counter[str] = field(default_factory=Counter)
    refused_classes: Counter[str] = field(default_factory=Counter)

    def facts(self) -> dict[str, Any]:
        """Return the receipt as plain values."""
        return {
            **self.__dict__,
            "stored_classes": dict(sorted(self.stored_classes.items())),
            "refused_classes": dict(sorted(self.refused_classes.items())),
        }


def told_class(uid: object) -> str:
    """Return a SOP class as a receipt names it: any UID that DICOM does not register is a text.

    The sender chooses it, and may have put a number of a person there.
    """
    known = UID(str(uid), validation_mode=IGNORE)
    return str(known) if known.type in _CLASSES else OTHER_CLASS


def file_head(sop_class: str, sop_uid: str, transfer_syntax: str, *, writer: str) -> bytes:
    """Return what stands before the bytes of an object in a file (PS3.10 7.1): as a PACS names it.

    Written out here because it is written for every object that comes: a general writer costs
    more than all else that is done to one.

    Parameters
    ----------
    sop_class, sop_uid, transfer_syntax : str
        Of the C-STORE request and its presentation context.
    writer : str
        Implementation Class UID (0002,0012) of who writes the file.
    """
    values = ((0x02, sop_class), (0x03, sop_uid), (0x10, transfer_syntax), (0x12, writer))
    body = struct.pack("<HH2s2xL", 2, 1, b"OB", 2) + b"\x00\x01"
    for element, text in values:
        value = text.encode("ascii")
        value += b"\0" * (len(value) % 2)
        body += struct.pack("<HH2sH", 2, element, b"UI", len(value)) + value
    return bytes(128) + b"DICM" + struct.pack("<HH2sHL", 2, 0, b"UL", 4, len(body)) + body


def sites_by_title(sites: Iterable[SiteConfig]) -> dict[str, str]:
    """Return AE title → site code of the sites that may send.

    Raises
    ------
    ContractError
        If two sites have one title: nobody could tell whose images come.
    """
    found: dict[str, str] = {}
    for site in sites:
        if site.ae_title is None:
            continue
        other = found.setdefault(site.ae_title, site.code)
        if other != site.code:
            raise ContractError(
                f"{site.code} and {other} have the same ae_title", where=f"{site.code}.yaml"
            )
    return found


def read_expected(data: bytes) -> set[str]:
    """Return the SOPInstanceUIDs that a site says it has sent.

    Raises
    ------
    BadInputError
        If there is no such column, or nothing in it.
    """
    try:
        rows = csv.DictReader(StringIO(data.decode("utf-8-sig")))
        wanted = {(row.get(_MANIFEST_COLUMN) or "").strip() for row in rows} - {""}
    except (UnicodeDecodeError, csv.Error):
        wanted = set()
    if not wanted:
        raise BadInputError(
            "the list of what was sent cannot be used",
            expected=f"a CSV file in UTF-8 with a column {_MANIFEST_COLUMN}",
        )
    return wanted
