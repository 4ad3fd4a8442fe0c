"""Workbooks as bytes that are the same on every run."""

from __future__ import annotations

import datetime as dt
import re
import zipfile
from io import BytesIO

from openpyxl import Workbook

#: Members of a zip carry times; a fixed one keeps the bytes the same.
_ZIP_TIME = (2026, 11, 20, 0, 0, 0)
_MODIFIED = re.compile(rb"(<dcterms:modified[^>]*>)[^<]*")


def workbook_bytes(book: Workbook, *, creator: str, made: dt.datetime) -> bytes:
    """Return a workbook as a file without a trace of when and where it was written.

    Parameters
    ----------
    book : Workbook
        What to write; its properties are set.
    creator : str
        Stands in the properties.
    made : datetime
        Stands in the properties as the time of creation and change.
    """
    book.properties.created = made
    book.properties.creator = creator
    written, stream = BytesIO(), BytesIO()
    book.save(written)
    stamp = made.strftime("%Y-%m-%dT%H:%M:%SZ").encode()
    with zipfile.ZipFile(written) as before, zipfile.ZipFile(stream, "w") as after:
        for name in before.namelist():
            content = before.read(name)
            if name == "docProps/core.xml":
                content = _MODIFIED.sub(rb"\g<1>" + stamp, content)
            member = zipfile.ZipInfo(name, _ZIP_TIME)
            member.compress_type = zipfile.ZIP_DEFLATED
            after.writestr(member, content)
    return stream.getvalue()
