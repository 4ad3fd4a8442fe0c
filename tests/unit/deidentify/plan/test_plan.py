"""The plan: closed by default, contracts on values, private attributes by creator."""

from __future__ import annotations

from typing import Any

import pytest
from pydicom.dataset import Dataset

from schemas.dicom.elements import scan_file
from schemas.states import ReasonCode
from tasks.deidentify.plan.actions import Person
from tasks.deidentify.plan.plan import context_of, plan_actions
from tasks.deidentify.rules.profile import Action, load_profile
from tests.builders import make_instance, to_bytes
from tests.unit.deidentify.helpers import RING, SHIFT_DAYS, refusal, written

PERSON = Person("S91-AAAAAAAA", SHIFT_DAYS, RING.uid)


def with_private(group: int, creator: str, block: int, **elements: tuple[str, Any]) -> Dataset:
    data = make_instance(modality="MR")
    data.add_new((group << 16) | block, "LO", creator)
    for name, (vr, value) in elements.items():
        data.add_new((group << 16) | (block << 8) | int(name[1:], 16), vr, value)
    return data


def test_every_element_found_has_one_action_and_no_rule_means_removed() -> None:
    header = scan_file(to_bytes(make_instance(InstitutionName="x", PatientComments="y")))
    actions = {a.tag: a for a in plan_actions(header, context_of(header, load_profile(), PERSON))}
    assert set(actions) >= set(header.elements)
    assert actions[0x00080080].action is actions[0x00104000].action is Action.REMOVE


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("PatientSex", "LIWEI"),
        ("ScanningSequence", "88123456"),
        ("PatientPosition", "LIWEI"),
        ("StudyTime", "881234"),
        ("PatientWeight", "8812345"),
        ("EchoNumbers", "88123456"),
    ],
)
@pytest.mark.filterwarnings("ignore:Invalid value:UserWarning")  # bad values are the point
def test_a_value_that_breaks_its_contract_is_removed(keyword: str, value: Any) -> None:
    elements: dict[str, Any] = {keyword: value}
    after = written(make_instance(modality="MR", **elements))
    assert not after.get(keyword)
    # Type 2 of PS3.3: there, and empty; what is of type 3 is gone.
    assert (keyword in after) is (keyword in ("PatientSex", "PatientPosition", "StudyTime"))


@pytest.mark.parametrize(
    ("keyword", "value"), [("SliceThickness", "9999"), ("PixelSpacing", ["1", "1", "1"])]
)
@pytest.mark.filterwarnings("ignore:Invalid value:UserWarning")
def test_a_value_that_decides_geometry_and_breaks_its_contract_holds_the_object(
    keyword: str, value: Any
) -> None:
    elements: dict[str, Any] = {keyword: value}
    held = refusal(make_instance(modality="MR", **elements))
    assert held == (ReasonCode.DECIDING_ATTRIBUTE_LOST, keyword)


def test_words_outside_the_list_are_dropped_and_the_others_stay() -> None:
    data = make_instance(
        Manufacturer="SIEMENS Zhang",
        ImageType=["ORIGINAL", "PRIMARY", "LIWEI", "AXIAL"],
        SoftwareVersions=["syngo MR E11", "88123456"],
    )
    after = written(data)
    assert after.Manufacturer == "SIEMENS"
    assert list(after.ImageType) == ["ORIGINAL", "PRIMARY", "AXIAL"]
    assert after.SoftwareVersions == "syngo MR E11"


def test_a_sequence_name_of_the_vendor_stays_and_other_text_does_not() -> None:
    assert written(make_instance(modality="MR", SequenceName="*fl3d1_ns")).SequenceName == (
        "*fl3d1_ns"
    )
    assert not written(make_instance(modality="MR", SequenceName="zhangsan")).SequenceName


def test_a_diffusion_weighting_stays_in_its_own_private_block() -> None:
    data = with_private(
        0x0043, "GEMS_PARM_01", 0x11, x39=("IS", [1000000800, 8, 0, 0]), x61=("UI", "1.2.3.4")
    )
    after = written(data)
    assert [int(v) for v in after[0x0043, 0x1139].value] == [1000000800, 8, 0, 0]
    assert after[0x0043, 0x0011].value == "GEMS_PARM_01"
    assert (0x0043, 0x1161) not in after


def test_a_private_value_that_breaks_its_contract_takes_its_creator_with_it() -> None:
    data = with_private(0x0019, "SIEMENS MR HEADER", 0x10, x18=("IS", 88123456))
    after = written(data)
    assert [e.tag for e in after if e.tag.is_private] == []


@pytest.mark.parametrize("creator", ["SIEMENS MR HEADER", "ZHANG WEIMING"])
def test_a_b_value_that_cannot_be_kept_holds_the_object(creator: str) -> None:
    """Converters read private attributes by number, whatever their creator says."""
    data = with_private(0x0019, creator, 0x10, x0C=("IS", 88123456))
    data.Manufacturer = "SIEMENS"
    assert refusal(data) == (ReasonCode.DECIDING_ATTRIBUTE_LOST, "SiemensBValue")


def test_the_same_element_of_an_unknown_creator_is_removed() -> None:
    data = with_private(0x0019, "ZHANG WEIMING", 0x10, x18=("IS", 800))
    assert [e.tag for e in written(data) if e.tag.is_private] == []


def test_a_private_value_of_unknown_vr_is_read_by_its_contract() -> None:
    data = with_private(0x0019, "SIEMENS MR HEADER", 0x10, x0C=("UN", b"800 "))
    assert written(data)[0x0019, 0x100C].value == 800


def test_siemens_csa_headers_are_never_copied() -> None:
    data = with_private(0x0029, "SIEMENS CSA HEADER", 0x10, x10=("OB", b"SV10"), x20=("OB", b"P "))
    assert [e.tag for e in written(data) if e.tag.group == 0x0029] == []
