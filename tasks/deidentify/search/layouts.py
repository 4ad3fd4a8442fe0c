"""Where pixels and PatientID stand in files of a series, without scanning every header."""

from __future__ import annotations

from itertools import chain, islice
from typing import NamedTuple

from schemas.dicom.by_series import BySeries
from schemas.dicom.elements import PIXEL_DATA, Header
from schemas.dicom.known_header import KnownHeader, can_be_known
from tasks.deidentify.rules.profile import tag_of

_PATIENT_ID = tag_of("PatientID")
#: Headers of other series that a file is held against before it is scanned.
_MOST_OTHERS = 4
#: Bytes read of the first file, and how much longer another header may be than the last one.
_AT_FIRST, _MAY_BE_LONGER = 1 << 14, 1 << 12


class Found(NamedTuple):
    """The PatientID as it stands in the file, and where the value of the pixels does."""

    patient_id: bytes
    pixels_begin: int
    pixels_end: int


class _Layout(NamedTuple):
    """A scanned file of a series, and the PatientID that stands in it."""

    header: KnownHeader
    patient_id: bytes


class Layouts:
    """Layouts learned from whole scans (restricted: bytes of headers)."""

    def __init__(self) -> None:
        self._known: BySeries[_Layout] = BySeries()
        #: So many bytes of a file most likely hold all that stands before its pixels.
        self.reach = _AT_FIRST

    def find(self, data: bytes, n_bytes: int) -> Found | None:
        """Return what a scan of the file would find, None when it has to be scanned.

        Parameters
        ----------
        data : bytes
            The file, or as much of it as is at hand; what is found lies before the pixels.
        n_bytes : int
            Size of the file.
        """
        own = list(self._known.of(data))
        for layout in chain(own, islice(self._known.all(), _MOST_OTHERS)):
            followed = layout.header.follow(data)
            if followed is None or _PATIENT_ID in followed.changed:
                continue
            pixels = followed.places[PIXEL_DATA]
            is_whole = pixels.begin <= len(data) and pixels.end <= n_bytes
            if is_whole and not pixels.undefined_length:
                if layout not in own[:1]:  # else it stands before all others of its series
                    self._known.keep(data, layout, layout.header.n_bytes)
                return Found(layout.patient_id, pixels.begin, pixels.end)
        return None

    def learn(self, data: bytes, header: Header) -> None:
        """Remember the layout of a scanned file."""
        if can_be_known(data, header.places):
            known = KnownHeader(data, header.places, header.encoding)
            self.reach = known.n_bytes + _MAY_BE_LONGER
            self._known.keep(data, _Layout(known, header.get(_PATIENT_ID)), known.n_bytes)
