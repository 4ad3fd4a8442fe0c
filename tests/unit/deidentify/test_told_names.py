"""Who is named in a comment is known, so that nobody types the name again unseen."""

from __future__ import annotations

import pytest

from schemas.dicom.elements import scan_file
from tasks.deidentify.identifiers import (
    Identifier,
    IdentifierKind,
    SubjectIdentifiers,
    harvest_identifiers,
)
from tasks.deidentify.search.free_text import identifying_kinds
from tasks.deidentify.search.residual_scan import Dictionary
from tasks.deidentify.told_names import told_names
from tests.builders import make_instance, to_bytes

POOR = Identifier(IdentifierKind.NAME, "POOR")


@pytest.mark.parametrize(
    ("comment", "names"),
    [
        ("联系人:张建国 电话:13800138000", ["张建国"]),
        ("联系人：欧阳建国电话 138 0013 8000", ["欧阳建国"]),
        ("家属姓名: 李娜,女儿=王芳", ["李娜", "王芳"]),
        ("Contact: Zhang Jianguo, 13800138000", ["Zhang Jianguo"]),
        ("Contact: Zhang Jian Guo", ["Zhang Jian", "Zhang Jian Guo"]),
        ("next of kin name: li^na", ["li^na"]),
        ("联系人：（张建国）电话", ["张建国"]),
        ('Contact: "Zhang Jianguo"', ["Zhang Jianguo"]),
        ("supine; name: Li Na", ["Li Na"]),
        ("Sequence name: liver dyn", []),
        ("filename=breath hold", []),
        ("增强扫描 患者配合差", []),
        ("contact department of radiology", []),
        ("电话: 021-5555", []),
        ("Patient: breath hold good", []),
        ("Patient: breath hold, then Zhang Wei", []),
        ("Patient: supine and cooperative", []),
        ("Patient: Zhang Wei breath hold", ["Zhang Wei", "Zhang Wei breath"]),
        ("Patient: Maria Bravo", ["Maria Bravo"]),
        ("Patient: Peter Good", ["Peter Good"]),
        ("Patient: Art Dixon", ["Art Dixon"]),
        ("患者：屏气良好", []),
        ("患者:配合差", []),
        ("患者：增强扫描", []),
        ("患者：张增强", ["张增强"]),
    ],
)
def test_a_name_is_taken_from_behind_its_label(comment: str, names: list[str]) -> None:
    assert list(told_names(comment)) == names


def test_a_patient_called_like_a_word_of_comments_is_searched_all_the_same() -> None:
    called = SubjectIdentifiers("S91-AAAA2222", 700, frozenset({POOR}))
    assert Dictionary([called]).search(b"POOR", "S91-AAAA2222")


def test_a_contact_named_in_a_comment_is_found_where_somebody_types_the_bare_name() -> None:
    data = make_instance(
        SpecificCharacterSet="ISO_IR 192", PatientComments="联系人:张建国 电话:1380"
    )
    known = harvest_identifiers(scan_file(to_bytes(data)))
    people = Dictionary([SubjectIdentifiers("S91-AAAA2222", 700, known)])
    assert identifying_kinds("张建国 said so", people) == (str(IdentifierKind.PHYSICIAN),)
    assert identifying_kinds("zhang jianguo said so", people)
    assert not identifying_kinds("the daughter said so", people)
