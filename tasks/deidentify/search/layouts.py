"""Where pixels and PatientID stand in files of a series, without scanning every header."""

from __future__ import annotations

from typing import NamedTuple

from schemas.dicom.elements import PIXEL_DATA, Header
from schemas.dicom.series_runs import Runs, bytes_by_tag, can_have_runs, runs_of, tags_of
from tasks.deidentify.rules.profile import tag_of

_PATIENT_ID = tag_of("PatientID")
_MOST_LAYOUTS, _MOST_SHAPES = 8, 1024


class Place(NamedTuple):
    """The PatientID as it stands in the file, and where the value of the pixels does."""

    patient_id: bytes
    pixels_begin: int
    pixels_end: int


class Layouts:
    """Layouts learned from whole scans, the last used first (restricted: bytes of headers)."""

    def __init__(self) -> None:
        self._known: list[tuple[Runs, bytes]] = []
        self._differing: dict[tuple[int, ...], frozenset[int]] = {}

    def find(self, data: bytes) -> Place | None:
        """Return what a scan of the file would find, None when it has to be scanned."""
        for at, (runs, patient_id) in enumerate(self._known):
            found = runs.find(data)
            if found is not None:
                self._known.insert(0, self._known.pop(at))
                pixels = found.elements[PIXEL_DATA]
                return Place(patient_id, found.end - len(pixels.value), found.end)
        return None

    def learn(self, data: bytes, header: Header) -> None:
        """Remember the layout of a scanned file, and what differs in files of these tags."""
        if not can_have_runs(data, header):
            return
        by_tag, tags = bytes_by_tag(data, header), tags_of(header)
        differing = self._differing.get(tags, frozenset())
        for at, (runs, _) in enumerate(self._known):
            changed = runs.changed(by_tag) if runs.tags == tags else {_PATIENT_ID}
            if runs.encoding == header.encoding and _PATIENT_ID not in changed:
                differing |= changed | runs.differing
                del self._known[at]
                break
        if len(self._differing) >= _MOST_SHAPES:
            self._differing.clear()
        self._differing[tags] = differing
        runs = runs_of(header, by_tag, differing)
        self._known.insert(0, (runs, header.get(_PATIENT_ID)))
        del self._known[_MOST_LAYOUTS:]
