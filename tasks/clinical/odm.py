"""A form as CDISC ODM-XML 1.3.2, a snapshot or a list of transactions."""

from __future__ import annotations

import datetime as dt
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.etree.ElementTree import Element, ParseError
from zoneinfo import ZoneInfo

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

from schemas.states import ReasonCode
from tasks.clinical.form_contracts import (
    FieldContract,
    FormContract,
    read_conventions,
    read_form_contracts,
)
from tasks.clinical.raw_form import (
    FormRefusedError,
    Layout,
    Note,
    NotSent,
    UnusableCell,
)
from tasks.clinical.text import fold

_DECLARATION = re.compile(rb"\s*<\?xml[^>]*?encoding\s*=\s*[\"']([A-Za-z0-9._-]+)[\"'][^>]*\?>")
_DECLARED = re.compile(r"\s*<\?xml[^>]*\?>")
_CODECS = {"utf-8": "utf-8", "utf8": "utf-8", "us-ascii": "utf-8", "utf-16": "utf-16"} | (
    dict.fromkeys(("gb18030", "gbk", "gb2312"), "gb18030")
)
#: Parts of a file whose content is not needed once they are read.
_DONE_WITH = ("SubjectData", "MetaDataVersion", "AdminData", "ReferenceData", "Association")
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_NULL = "Yes"
#: ODM 1.3.2 needs ten levels; vendors' extensions some more.
_DEEPEST = 32

_GroupKey = tuple[str, ...]


@dataclass
class _Metadata:
    """What the file itself says of its items, forms and code lists."""

    names: dict[str, str] = field(default_factory=dict)
    code_list_of: dict[str, str] = field(default_factory=dict)
    code_lists: dict[str, dict[str, str]] = field(default_factory=dict)


@dataclass
class _Group:
    """One item group: a row of the form."""

    number: int
    subject_key: str
    items: dict[str, str] = field(default_factory=dict)


class _Reader:
    """Reads the events of one file."""

    def __init__(self, contract: FormContract) -> None:
        self._contract = contract
        self.metadata = _Metadata()
        self.groups: dict[_GroupKey, _Group] = {}
        self.notes: list[Note] = []
        self.transactional = False
        self.stated_date = ""
        self._n_groups = 0
        self._depth = 0

    def read(self, text: str) -> None:
        """Read a whole file, subject by subject."""
        stream = io.BytesIO(text.encode("utf-8"))
        for event, element in iterparse(stream, events=("start", "end"), forbid_dtd=True):
            name = _local(element.tag)
            if event == "start":
                self._depth += 1
                if self._depth > _DEEPEST:
                    raise _refused(f"elements lie more than {_DEEPEST} deep")
                if name == "ODM":
                    self._open(element)
                continue
            self._depth -= 1
            if name == "MetaDataVersion":
                self._take_metadata(element)
            elif name == "SubjectData":
                self._take_subject(element)
            if name in _DONE_WITH:
                element.clear()

    def _open(self, root: Element) -> None:
        version, kind = root.get("ODMVersion", ""), root.get("FileType", "")
        conventions = read_conventions().odm
        if not version.startswith(conventions.version):
            raise _refused(f"only ODM {conventions.version} is read")
        if kind not in ("Snapshot", "Transactional"):
            raise _refused("FileType is neither Snapshot nor Transactional")
        self.transactional = kind == "Transactional"
        moment = root.get("AsOfDateTime") or root.get("CreationDateTime") or ""
        self.stated_date = _local_day(moment, conventions.timezone)

    def _take_metadata(self, version: Element) -> None:
        for element in version.iter():
            oid = element.get("OID", "")
            tag = _local(element.tag)
            if tag in ("ItemDef", "FormDef", "ItemGroupDef"):
                self.metadata.names[oid] = element.get("Name", "")
            if tag == "ItemDef":
                for child in element:
                    if _local(child.tag) == "CodeListRef":
                        self.metadata.code_list_of[oid] = child.get("CodeListOID", "")
            if tag == "CodeList":
                self.metadata.code_lists[oid] = dict(_codes(element))

    def _take_subject(self, subject: Element) -> None:
        key = subject.get("SubjectKey", "")
        for keys, group in _groups(subject, (key,), _transaction(subject)):
            self._n_groups += 1
            form_oid, group_oid = keys[3], keys[5]
            if self._is_another_form(form_oid, group_oid):
                self.notes.append(Note("CLIN_OTHER_FORM", row=self._n_groups))
                continue
            self._take_group(keys, key, group)

    def _take_group(self, keys: _GroupKey, subject_key: str, group: _Found) -> None:
        if self.transactional and group.transaction == "Remove":
            self.groups.pop(keys, None)
            self.notes.append(Note("CLIN_ROW_REMOVED", row=self._n_groups))
            return
        if not self.transactional and keys in self.groups:
            keys = (*keys, str(self._n_groups))  # stands twice: the row key tells whether it may
        row = self.groups.setdefault(keys, _Group(self._n_groups, subject_key))
        row.items |= group.items

    def _is_another_form(self, *oids: str) -> bool:
        """Return whether the identifiers name a form of the contract, and not this one."""
        said = [_form_named(self.metadata.names.get(oid) or _last_part(oid)) for oid in oids]
        known = [form for form in said if form is not None]
        return bool(known) and self._contract.form not in known


@dataclass(frozen=True)
class _Found:
    """Items of one item group, and what the transaction does."""

    items: dict[str, str]
    transaction: str


def read_odm(contract: FormContract, data: bytes) -> Layout:
    """Return the item groups of a form as rows.

    An item is headed by the name that the file's own metadata gives it, else by the last part
    of its OID. In a snapshot an item that is not there was not entered; in transactions it
    was not touched. Nothing is ever deleted: a removal is noted.

    Parameters
    ----------
    contract : FormContract
        The form that the file name stands for; groups of another form are noted and left.
    data : bytes
        Content of the file.

    Raises
    ------
    FormRefusedError
        If this is no ODM 1.3, its encoding is not accepted, or its code lists contradict
        the contract.
    """
    text, encoding = _decode(data)
    reader = _Reader(contract)
    try:
        reader.read(text)
    except (ParseError, DefusedXmlException, ValueError):
        raise _refused("the XML is damaged, or brings definitions of its own") from None
    if not reader.stated_date and not reader.groups:
        raise _refused("there is no ODM document")
    columns = _columns(contract, reader)
    _require_same_codes(columns, reader.metadata)
    lines = [(0, tuple(columns))]
    for group in reader.groups.values():
        lines.append((group.number, tuple(_row(group, columns, reader.transactional))))
    return Layout(
        encoding=encoding,
        lines=tuple(lines),
        stated_dates=(reader.stated_date,) if reader.stated_date else (),
        stated_kinds=("incremental" if reader.transactional else "full",),
        notes=tuple(reader.notes),
    )


def _decode(data: bytes) -> tuple[str, str]:
    """Return the text without its declaration; mark or declaration decide, strictly."""
    declared = _DECLARATION.match(data.removeprefix(b"\xef\xbb\xbf"))
    name = declared.group(1).decode("ascii").lower() if declared else "utf-8"
    codec = "utf-16" if data.startswith(_UTF16_MARKS) else _CODECS.get(name)
    if codec is None:
        raise _refused("declares an encoding other than UTF-8, UTF-16 and GB18030")
    try:
        text = data.decode("utf-8-sig" if codec == "utf-8" else codec)
    except UnicodeDecodeError:
        raise _refused("the declared encoding and the text disagree") from None
    return _DECLARED.sub("", text, count=1), codec


def _groups(
    element: Element, keys: _GroupKey, transaction: str
) -> Iterator[tuple[_GroupKey, _Found]]:
    """Yield key and items of each item group below, with the nearest transaction above it."""
    levels = ("StudyEventData", "FormData", "ItemGroupData")
    wanted = levels[len(keys) // 2]
    stem = wanted.removesuffix("Data")
    children = [child for child in element if _local(child.tag) == wanted]
    for child in children:
        below = (*keys, child.get(f"{stem}OID", ""), child.get(f"{stem}RepeatKey", ""))
        now = _transaction(child) or transaction
        if wanted == levels[-1]:
            yield below, _Found(dict(_items(child)), now)
        else:
            yield from _groups(child, below, now)


def _items(group: Element) -> Iterator[tuple[str, str]]:
    for item in group:
        if _local(item.tag).startswith("ItemData"):
            gone = item.get("IsNull") == _NULL or _transaction(item) == "Remove"
            value = item.get("Value") if item.get("Value") is not None else item.text
            yield item.get("ItemOID", ""), "" if gone else (value or "")


def _transaction(element: Element) -> str:
    return element.get("TransactionType", "")


def _columns(contract: FormContract, reader: _Reader) -> dict[str, str]:
    """Return heading → OID of each item in the data, and of each field that nobody entered."""
    oids = dict.fromkeys(oid for group in reader.groups.values() for oid in group.items)
    found = {reader.metadata.names.get(oid) or _last_part(oid): oid for oid in oids}
    if len(found) < len(oids):
        raise _refused("two items have one name")
    known = {fold(heading) for heading in found}
    for column in contract.fields:
        if not known & {fold(spelling) for spelling in column.spellings}:
            found[column.name] = ""
    return found


def _row(group: _Group, columns: Mapping[str, str], transactional: bool) -> Iterator[str]:
    blank: str = NotSent() if transactional else ""
    subject_columns = _subject_spellings()
    screening = [group.items.get(oid, "") for name, oid in columns.items() if "screening" in name]
    for heading, oid in columns.items():
        value = group.items.get(oid, blank) if oid else blank
        if fold(heading) in subject_columns:
            yield _subject_no(value, group.subject_key, screening)
        else:
            yield value


def _subject_no(value: str, subject_key: str, screening: Iterable[str]) -> str:
    """Return the subject number of a row; item and SubjectKey must not contradict each other.

    A person without a number hangs under the screening number.
    """
    if fold(value) in _missing_spellings():
        return value if subject_key in screening else subject_key
    return value if value == subject_key else UnusableCell("CLIN_SUBJECT_KEY_DIFFERS")


def _subject_spellings() -> set[str]:
    return {
        fold(spelling)
        for contract in read_form_contracts().values()
        for column in contract.fields
        if column.type == "subject_no"
        for spelling in column.spellings
    }


def _missing_spellings() -> set[str]:
    codes = read_conventions().missing_codes
    return {fold(text) for code in codes for text in (code.code, code.zh, *code.aliases)}


def _require_same_codes(columns: Mapping[str, str], metadata: _Metadata) -> None:
    """Refuse a file whose own code list gives a code another meaning than the contract does."""
    by_heading = {
        fold(spelling): column
        for contract in read_form_contracts().values()
        for column in contract.fields
        for spelling in column.spellings
    }
    for heading, oid in columns.items():
        known = by_heading.get(fold(heading))
        codes = metadata.code_lists.get(metadata.code_list_of.get(oid, ""), {})
        if known is not None and any(_contradicts(known, *pair) for pair in codes.items()):
            raise _refused(f"the file's code list of {known.header.zh} contradicts the contract")


def _contradicts(column: FieldContract, code: str, words: str) -> bool:
    ours = column.codes_by_label.get(fold(code)), column.codes_by_label.get(fold(words))
    return None not in ours and ours[0] != ours[1]


def _codes(code_list: Element) -> Iterator[tuple[str, str]]:
    for item in code_list.iter():
        if _local(item.tag) == "CodeListItem":
            words = [e.text or "" for e in item.iter() if _local(e.tag) == "TranslatedText"]
            yield item.get("CodedValue", ""), words[0] if words else ""


def _form_named(name: str) -> str | None:
    for form, contract in read_form_contracts().items():
        if fold(name) in {fold(known) for known in (form, *contract.file_names)}:
            return form
    return None


def _local_day(moment: str, timezone: str) -> str:
    """Return the local day of a moment; of one without an offset the day as written."""
    try:
        read = dt.datetime.fromisoformat(moment)
    except ValueError:
        return moment
    return (read.astimezone(ZoneInfo(timezone)) if read.tzinfo else read).date().isoformat()


def _last_part(oid: str) -> str:
    return oid.rpartition(".")[2]


def _local(tag: Any) -> str:
    return str(tag).rpartition("}")[2]


def _refused(detail: str) -> FormRefusedError:
    return FormRefusedError(ReasonCode.UNREADABLE_FORM, detail)
