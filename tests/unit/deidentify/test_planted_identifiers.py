"""No identifier planted anywhere in an object comes out, whatever character set it is in."""

from __future__ import annotations

import pytest

from schemas.dicom.elements import PIXEL_DATA, scan_file
from tasks.deidentify.identifiers import SubjectIdentifiers
from tasks.deidentify.search.residual_scan import Dictionary, search_generic
from tests.unit.deidentify.helpers import SHIFT_DAYS, accepted, pseudonym
from tests.unit.deidentify.planted import FORMS, MRN, SITUATIONS, VALUES, Situation, plant

CODECS = ("utf-8", "gb18030", "big5", "utf-16-le", "utf-16-be")


def outside_pixels(data: bytes) -> bytes:
    return data.replace(scan_file(data).elements[PIXEL_DATA].value, b"")


def encodings(text: str) -> set[bytes]:
    found = set()
    for codec in CODECS:
        try:
            found.add(text.encode(codec))
        except UnicodeEncodeError:
            continue
    return found


@pytest.mark.parametrize("situation", SITUATIONS.values(), ids=SITUATIONS.keys())
def test_none_of_the_planted_identifiers_is_in_the_bytes_written(situation: Situation) -> None:
    source, planted = plant(situation)
    assert planted >= 59
    before, after = outside_pixels(source), outside_pixels(accepted(source).output)
    assert all(situation.encode(value) in before for value in VALUES)
    left = [form for form in FORMS if any(e in after for e in encodings(form))]
    assert left == []


@pytest.mark.parametrize("situation", SITUATIONS.values(), ids=SITUATIONS.keys())
def test_the_scan_finds_the_plants_in_the_source_and_none_in_the_output(
    situation: Situation,
) -> None:
    source, _ = plant(situation)
    done = accepted(source)
    owner = pseudonym(MRN)
    dictionary = Dictionary([SubjectIdentifiers(owner, SHIFT_DAYS, done.identifiers)])
    kinds = {m.kind for m in dictionary.search(outside_pixels(source), owner)}
    assert kinds >= {"name", "patient_id", "birth_date", "date", "uid", "hospital", "physician"}
    assert dictionary.search(outside_pixels(done.output), owner) == frozenset()
    assert search_generic(outside_pixels(done.output)) == frozenset()


def test_technique_words_beside_a_name_survive_the_name() -> None:
    source, _ = plant(SITUATIONS["gbk unlabelled"])
    features = accepted(source).features.record
    assert features.series_description == "t1 vibe"
    assert features.manufacturer == "Siemens"
    assert features.model == "Somatom"
