"""Forms as Excel workbooks and as CDISC ODM-XML 1.3.2, the same bytes on every run."""

from __future__ import annotations

import datetime as dt
import re
from xml.etree import ElementTree

from openpyxl import Workbook

from schemas.tables.workbook_bytes import workbook_bytes

_ODM = "http://www.cdisc.org/ns/odm/v1.3"
_STUDY = "ST.FICTITIOUS"
_METADATA = "MDV.1"
_WHOLE_NUMBER = re.compile(r"[0-9]{1,3}")


def xlsx_bytes(form: str, table: list[list[str]], as_of: dt.date) -> bytes:
    """Return one sheet: headings, then rows; short whole numbers as numbers, the rest as text."""
    book = Workbook()
    sheet = book.active
    sheet.title = form[:31]
    for row in table:
        sheet.append([int(cell) if _WHOLE_NUMBER.fullmatch(cell) else cell for cell in row])
    made = dt.datetime.combine(as_of, dt.time())
    return workbook_bytes(book, creator="EDC", made=made)


def odm_bytes(form: str, names: list[str], lines: list[list[str]], as_of: dt.date) -> bytes:
    """Return a snapshot (ODM 1.3.2): one item group a row, under the subject of the row.

    A value that was not entered has no ItemData, as ODM has it. Rows of persons without a
    subject number hang under their screening number.
    """
    ElementTree.register_namespace("", _ODM)
    moment = f"{as_of.isoformat()}T00:00:00+08:00"
    root = _element(
        None, "ODM", FileType="Snapshot", FileOID=f"F.{form}.{as_of:%Y%m%d}", ODMVersion="1.3.2",
        CreationDateTime=moment, AsOfDateTime=moment,
    )  # fmt: skip
    _add_metadata(_element(root, "Study", OID=_STUDY), form, names)
    data = _element(root, "ClinicalData", StudyOID=_STUDY, MetaDataVersionOID=_METADATA)
    for number, line in enumerate(lines, start=1):
        answers = dict(zip(names, line, strict=True))
        subject_no = answers.get("subject_no", "")
        enrolled = subject_no not in ("", "NA")
        key = subject_no if enrolled else answers.get("screening_no", "")
        subject = _element(data, "SubjectData", SubjectKey=key)
        event = _element(subject, "StudyEventData", StudyEventOID="SE.1")
        sheet = _element(event, "FormData", FormOID=f"FO.{form}")
        group = _element(
            sheet, "ItemGroupData", ItemGroupOID=f"IG.{form}", ItemGroupRepeatKey=str(number)
        )
        for name, value in answers.items():
            if value:
                _element(group, "ItemData", ItemOID=f"IT.{form}.{name}", Value=value)
    body: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return body


def _add_metadata(study: ElementTree.Element, form: str, names: list[str]) -> None:
    variables = _element(study, "GlobalVariables")
    for tag in ("StudyName", "StudyDescription", "ProtocolName"):
        _element(variables, tag).text = "fictitious"
    version = _element(study, "MetaDataVersion", OID=_METADATA, Name="1")
    _element(version, "FormDef", OID=f"FO.{form}", Name=form, Repeating="No")
    group = _element(version, "ItemGroupDef", OID=f"IG.{form}", Name=form, Repeating="Yes")
    for name in names:
        _element(group, "ItemRef", ItemOID=f"IT.{form}.{name}", Mandatory="No")
    for name in names:
        _element(version, "ItemDef", OID=f"IT.{form}.{name}", Name=name, DataType="text")


def _element(
    parent: ElementTree.Element | None, tag: str, /, **attributes: str
) -> ElementTree.Element:
    name = f"{{{_ODM}}}{tag}"
    if parent is None:
        return ElementTree.Element(name, attributes)
    return ElementTree.SubElement(parent, name, attributes)
