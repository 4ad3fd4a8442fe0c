"""Plain elements scanned all at once are what they are one by one, whatever the bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from schemas.dicom.elements import Header, Scanner, scan_file
from schemas.dicom.scan_errors import ScanError
from schemas.dicom.scanner import MAX_DEPTH
from tests.builders import make_instance, to_bytes
from tests.unit.deidentify.test_memory import as_big_endian, as_implicit


def nested(depth: int, *, undefined: bool) -> bytes:
    """Return a file with items in items; the innermost hold plain elements only."""
    item = Dataset()
    item.CodeValue, item.CodeMeaning = "1", "inner"
    for _ in range(depth):
        outer = Dataset()
        outer.CodeMeaning = "outer"
        outer.ConceptCodeSequence = [item]
        outer["ConceptCodeSequence"].is_undefined_length = undefined
        item.is_undefined_length_sequence_item = undefined
        item = outer
    data = make_instance()
    data.ProcedureCodeSequence = [item]
    return to_bytes(data)


FILES = [
    to_bytes(make_instance(modality="MR")),
    as_implicit(),
    as_big_endian(),
    *(nested(depth, undefined=u) for depth in (2, 14, 15, 16, 17) for u in (False, True)),
]


def one_by_one(raw: bytes) -> Header | str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Scanner, "run", lambda self, position, *_: position)
        return scanned(raw)


def scanned(raw: bytes) -> Header | str:
    try:
        return scan_file(raw)
    except ScanError as error:
        return f"{type(error).__name__}: {error}"


@pytest.mark.parametrize("raw", FILES, ids=range(len(FILES)))
def test_whole_files_are_scanned_alike(raw: bytes) -> None:
    assert scanned(raw) == one_by_one(raw)


def test_items_too_deep_are_refused_by_both() -> None:
    assert {type(scanned(raw)) for raw in FILES} == {Header, str}
    assert MAX_DEPTH == 16


@given(
    number=st.integers(0, len(FILES) - 1),
    changes=st.lists(st.tuples(st.integers(132, 3000), st.integers(0, 255)), max_size=4),
    cut=st.one_of(st.none(), st.integers(0, 3000)),
)
def test_spoilt_bytes_are_scanned_or_refused_alike(
    number: int, changes: list[tuple[int, int]], cut: int | None
) -> None:
    raw = bytearray(FILES[number])
    for place, value in changes:
        raw[place % len(raw)] = value
    spoilt = bytes(raw[:cut])
    assert scanned(spoilt) == one_by_one(spoilt)
