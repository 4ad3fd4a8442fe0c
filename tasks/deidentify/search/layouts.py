"""Where pixels and PatientID stand in files of a series, without scanning every header."""

from __future__ import annotations

from itertools import chain, islice
from typing import NamedTuple

from schemas.dicom.by_series import BySeries
from schemas.dicom.elements import PIXEL_DATA, Header
from schemas.dicom.series_runs import Runs, bytes_by_tag, can_have_runs, runs_of, tags_of
from tasks.deidentify.rules.profile import tag_of

_PATIENT_ID = tag_of("PatientID")
#: Layouts of other series that a file is held against before it is scanned.
_MOST_OTHERS, _MOST_SHAPES = 8, 1024


class Place(NamedTuple):
    """The PatientID as it stands in the file, and where the value of the pixels does."""

    patient_id: bytes
    pixels_begin: int
    pixels_end: int


class _Layout(NamedTuple):
    """The runs of a series, and the PatientID that stands in one of them."""

    runs: Runs
    patient_id: bytes


class Layouts:
    """Layouts learned from whole scans (restricted: bytes of headers)."""

    def __init__(self) -> None:
        self._known: BySeries[_Layout] = BySeries()
        self._differing: dict[tuple[int, ...], frozenset[int]] = {}

    def find(self, data: bytes) -> Place | None:
        """Return what a scan of the file would find, None when it has to be scanned."""
        for layout in chain(self._known.of(data), islice(self._known.all(), _MOST_OTHERS)):
            found = layout.runs.find(data)
            if found is not None:
                self._known.keep(data, layout, layout.runs.n_bytes)
                pixels = found.elements[PIXEL_DATA]
                return Place(layout.patient_id, found.end - len(pixels.value), found.end)
        return None

    def learn(self, data: bytes, header: Header) -> None:
        """Remember the layout of a scanned file, and what differs in files of these tags."""
        if not can_have_runs(data, header):
            return
        by_tag, tags = bytes_by_tag(data, header), tags_of(header)
        differing = self._differing.get(tags, frozenset())
        before = None
        for known in chain(self._known.of(data), islice(self._known.all(), _MOST_OTHERS)):
            runs = known.runs
            changed = runs.changed(by_tag) if runs.tags == tags else {_PATIENT_ID}
            if runs.encoding == header.encoding and _PATIENT_ID not in changed:
                differing |= changed | runs.differing
                before = known
                break
        if len(self._differing) >= _MOST_SHAPES:
            self._differing.clear()
        self._differing[tags] = differing
        layout = _Layout(runs_of(header, by_tag, differing), header.get(_PATIENT_ID))
        self._known.keep(data, layout, layout.runs.n_bytes, replaced=before)
