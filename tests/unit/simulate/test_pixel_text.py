"""Names drawn into pixels: readable ink where the style says, and nothing else changed."""

from __future__ import annotations

import datetime as dt
from io import BytesIO

import numpy as np
import pydicom
import pytest

from schemas.errors import BadInputError
from tasks.simulate.images.drawn_text import TextStyle, text_pixels
from tasks.simulate.images.han_strokes import HAN, strokes_of
from tasks.simulate.people.people import make_person
from tests.unit.simulate.planning import hit, planned

FAULT = "burned_in_styles"


def ink(
    text: str,
    height_px: float = 16.0,
    top: float = 0.1,
    left: float = 0.05,
    angle_deg: float = 0.0,
) -> int:
    style = TextStyle("test", height_px, top, left, angle_deg)
    return int(text_pixels(text, (96, 96), style).sum())


def test_every_character_of_every_invented_name_can_be_drawn() -> None:
    people = [make_person(1, n, dt.date(1970, 1, 1)) for n in range(256)]
    assert set("".join(p.name_han for p in people)) <= HAN


def test_no_two_characters_are_drawn_alike() -> None:
    assert len({tuple(strokes_of(character)) for character in HAN}) == len(HAN)


def test_a_character_nobody_has_drawn_is_refused() -> None:
    with pytest.raises(BadInputError):
        ink("龘")


def test_larger_letters_have_more_ink_and_turned_ones_about_as_much() -> None:
    assert ink("HE 42", height_px=8.0) < ink("HE 42", height_px=16.0)
    straight = ink("贺明", height_px=14.0, top=0.4, left=0.4)
    aslant = ink("贺明", height_px=14.0, top=0.4, left=0.4, angle_deg=30.0)
    assert aslant == pytest.approx(straight, rel=0.25)


def test_text_is_cut_at_the_edge() -> None:
    assert 0 < ink("OUYANG", left=0.8) < ink("OUYANG", left=0.0)


def test_names_are_drawn_in_nine_ways_some_declared_some_not_some_denied() -> None:
    [export] = planned(FAULT, subjects=1, nights=1)
    images = [pydicom.dcmread(BytesIO(file.content())) for file in hit(export, FAULT)]
    assert len(images) == 9
    assert {image.get("BurnedInAnnotation") for image in images} == {"YES", "NO", None}
    assert len({image.SOPInstanceUID for image in images}) == 9
    reasons = [f.reason for f in hit(export, FAULT)]
    # One says in its header what it shows; the others are found by looking.
    assert reasons.count("BURNED_IN_ANNOTATION") == 1
    assert reasons.count("TEXT_IN_PIXELS") == len(reasons) - 1


def test_only_the_ink_differs_from_the_clean_slice() -> None:
    [export] = planned(FAULT, subjects=1, nights=1)
    clean = {
        tuple(image.ImagePositionPatient): image.pixel_array
        for file in export.files
        if file.template and not file.fault and file.template.context.plan.name_key == "CT_ART"
        for image in [pydicom.dcmread(BytesIO(file.content()))]
    }
    for file in hit(export, FAULT):
        image = pydicom.dcmread(BytesIO(file.content()))
        changed = image.pixel_array != clean[tuple(image.ImagePositionPatient)]
        assert 15 < changed.sum() < 0.2 * changed.size
        assert len(np.unique(image.pixel_array[changed])) == 1


def test_what_is_drawn_stands_in_the_answer_key_with_its_style() -> None:
    [export] = planned(FAULT, subjects=1, nights=1)
    person = export.subjects[0].person
    drawn = [entry for entry in export.planted if entry.place.startswith("pixels: ")]
    drawn = [entry for entry in drawn if entry.place != "pixels: overlay"]
    words = {word for entry in drawn for word in entry.value.split()}
    assert {person.name_han, person.surname_pinyin} <= words
    assert len({entry.place for entry in drawn}) == 9
