"""A header as it was written, for the readers of features: its bytes, no library's values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from struct import calcsize

from schemas.dicom.elements import Encoding, RawElement
from schemas.dicom.number_texts import BINARY_CODES


@dataclass(frozen=True, slots=True)
class WrittenHeader:
    """Answers `schemas.dicom.header_view.HeaderView`.

    `elements` are of the top level, `own` stand in the place of some of them. `private` has the
    tags of private groups by group, in file order.
    """

    syntax: str
    encoding: Encoding
    elements: Mapping[int, RawElement] = field(repr=False)
    private: Mapping[int, Sequence[int]] = field(repr=False)
    own: Mapping[int, RawElement] = field(repr=False, default_factory=dict)

    @property
    def places(self) -> Mapping[int, RawElement]:
        """What is there; what stands in the place of another has its tag."""
        return self.elements

    def element(self, tag: int) -> tuple[str, bytes]:
        """Return VR (empty where the file does not say) and value, numbers little endian."""
        found = self.own.get(tag) or self.elements[tag]
        vr, value = found.vr or "", found.value
        if not self.encoding.little and vr in BINARY_CODES and _is_one(vr, value):
            return vr, value[::-1]
        return vr, value

    def with_own(self, own: Mapping[int, RawElement]) -> WrittenHeader:
        """Return the header with other elements in the place of some."""
        return WrittenHeader(self.syntax, self.encoding, self.elements, self.private, own)


def _is_one(vr: str, value: bytes) -> bool:
    return len(value) == calcsize("=" + BINARY_CODES[vr])


def written_header(
    syntax: str, encoding: Encoding, elements: Mapping[int, RawElement]
) -> WrittenHeader:
    """Return the header that these elements make."""
    private: dict[int, list[int]] = {}
    for tag in (tag for tag in elements if tag >> 16 & 1):
        private.setdefault(tag >> 16, []).append(tag)
    return WrittenHeader(syntax, encoding, elements, private)
