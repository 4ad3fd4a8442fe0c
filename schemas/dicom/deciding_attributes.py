"""Which attributes decide values, geometry, order, phase, diffusion or whose an object is.

De-identification holds an object of which one of them was delivered and cannot be kept;
conversion, harmonisation and the tests' oracle read the same rows. Rows stand in
`data_contracts/conversion/deciding_attributes.csv`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, lru_cache
from pathlib import Path

from pydicom.datadict import keyword_for_tag

from schemas.dicom.elements import RawElement
from schemas.errors import ContractError
from schemas.package_data import data_contracts_dir
from schemas.rule_tables import Cells, TableShape, read_table
from schemas.states import ReasonCode

_FILE = "deciding_attributes.csv"
_SHAPE = TableShape(
    (
        *("tag", "creator", "keyword", "vr", "decides"),
        *("forms", "only_if", "held_reason", "reason", "source"),
    ),
    key=("creator", "tag"),
    stated=("tag", "keyword", "vr", "decides", "forms", "reason", "source"),
)
#: Whose a private creator is, by how it begins; vendors as `feature_values.vendor_of` has them.
_VENDORS = {"SIEMENS": "Siemens", "GEMS": "GE", "Philips": "Philips", "Image Private": "UIH"}
_TAG = re.compile(r"([0-9A-F]{4}),([0-9A-F]{4})")
_PRIVATE_TAG = re.compile(r"([0-9A-F]{4}),xx([0-9A-F]{2})")

#: How the value of an attribute may be written and still be read (`schemas.dicom.numbers`).
FORMS = frozenset(
    (
        *("decimal", "exponent", "plus_sign", "long_text", "decimal_comma", "padding"),
        *("other_vr", "whole_decimal", "code", "words", "text", "uid", "bytes", "items"),
        *("rebuilt", "none", "seven_decimals", "colons", "separators", "zone_offset"),
        *("dotted", "dashed"),
    )
)


class Decides(StrEnum):
    """What an attribute decides; `object` is what object it is, and whose."""

    VALUES = "values"
    GEOMETRY = "geometry"
    ORDER = "order"
    PHASE = "phase"
    DIFFUSION = "diffusion"
    OBJECT = "object"


@dataclass(frozen=True)
class DecidingAttribute:
    """One row: public by tag, or private by creator, group and place in the block.

    `tag` of a private attribute has the block number left out (its second byte is zero).
    `only_if` is a pattern: without it in the value, of a sequence in the keyword of an
    attribute of an item, the attribute decides nothing.
    `held_reason` is why an object is held of which the attribute was delivered and is not
    kept; None where it is dropped with a finding, since something else decides then, or
    conversion sets the series aside.
    """

    tag: int
    creator: str
    keyword: str
    vr: str
    decides: Decides
    forms: frozenset[str]
    only_if: re.Pattern[str] | None
    held_reason: ReasonCode | None
    reason: str
    source: str

    @property
    def is_private(self) -> bool:
        """Whether the attribute belongs to a vendor."""
        return self.tag >> 16 & 1 == 1

    def is_stated_by(self, element: RawElement) -> bool:
        """Return whether an element says something that decides."""
        texts = [element.value.strip(b"\0 ").decode("latin-1")]
        if element.items is not None:
            texts = [keyword_for_tag(e.tag) or "-" for item in element.items for e in item]
        pattern = self.only_if
        return any(text for text in texts if pattern is None or pattern.search(text))

    @property
    def vendor(self) -> str | None:
        """Whose private attribute it is; None of a public one."""
        return next((v for begin, v in _VENDORS.items() if self.creator.startswith(begin)), None)


@dataclass(frozen=True)
class DecidingAttributes:
    """The table, by tag and by creator."""

    public: Mapping[int, DecidingAttribute]
    private: Mapping[tuple[str, int], DecidingAttribute]

    @cached_property
    def holding(self) -> frozenset[str]:
        """Keywords of attributes of which the loss holds the object."""
        return frozenset(row.keyword for row in self if row.held_reason is not None)

    def of_public(self, tag: int) -> DecidingAttribute | None:
        """Return the row of a public attribute, wherever in the object it stands."""
        return self.public.get(tag)

    def of_private(self, creator: str, tag: int) -> DecidingAttribute | None:
        """Return the row of a private attribute, in whatever block its creator lies."""
        return self.private.get((creator, tag & 0xFFFF00FF))

    def without_creator(self, tag: int) -> tuple[DecidingAttribute, ...]:
        """Return the rows an element of a block without creator may be."""
        place = tag & 0xFFFF00FF
        return tuple(row for (_, at), row in self.private.items() if at == place)

    def __iter__(self) -> Iterator[DecidingAttribute]:
        """Yield the public rows, then the private ones, in the order of the table."""
        yield from self.public.values()
        yield from self.private.values()


@lru_cache(maxsize=1)
def load_deciding_attributes() -> DecidingAttributes:
    """Return the table in force."""
    return read_deciding_attributes(data_contracts_dir() / "conversion" / _FILE)


def read_deciding_attributes(path: Path) -> DecidingAttributes:
    """Read the table.

    Raises
    ------
    ContractError
        If a row cannot be used; it names file, line and reason.
    """
    rows = read_table(path, _SHAPE, _attribute)
    return DecidingAttributes(
        {one.tag: one for one in rows if not one.is_private},
        {(one.creator, one.tag): one for one in rows if one.is_private},
    )


def _attribute(row: Cells) -> DecidingAttribute:
    try:
        return _typed(row)
    except ValueError as error:
        raise ContractError(str(error)) from None


def _typed(row: Cells) -> DecidingAttribute:
    forms = frozenset(row["forms"].split("|"))
    if not forms <= FORMS:
        raise ValueError("a form is unknown")
    one = DecidingAttribute(
        tag=_tag(row["tag"], private=bool(row["creator"])),
        creator=row["creator"],
        keyword=row["keyword"],
        vr=row["vr"],
        decides=Decides(row["decides"]),
        forms=forms,
        only_if=_pattern(row["only_if"]),
        held_reason=ReasonCode(row["held_reason"]) if row["held_reason"] else None,
        reason=row["reason"],
        source=row["source"],
    )
    if not one.is_private and keyword_for_tag(one.tag) != one.keyword:
        raise ValueError("tag and keyword name different attributes")
    return one


def _pattern(text: str) -> re.Pattern[str] | None:
    try:
        return re.compile(text) if text else None
    except re.error:
        raise ValueError("only_if is no pattern") from None


def _tag(text: str, *, private: bool) -> int:
    match = (_PRIVATE_TAG if private else _TAG).fullmatch(text)
    if match is None:
        raise ValueError("tag is written gggg,eeee, of a private attribute gggg,xxee")
    group, element = (int(part, 16) for part in match.groups())
    if bool(group & 1) != private:
        raise ValueError("a private attribute has an odd group and a creator, a public one neither")
    return group << 16 | element
