"""References between objects of one delivery: mapped by the same key, whoever is let in."""

from __future__ import annotations

from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as SqItems

from tasks.deidentify.store_folder import deidentify_folder
from tests.builders import make_instance, write_files
from tests.unit.deidentify.helpers import RING, SITE

ABROAD = "1.2.3.4.5.6.7"


def reference(uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
    item.ReferencedSOPInstanceUID = uid
    return item


def test_a_reference_resolves_if_its_object_is_let_in_and_is_the_keyed_uid_in_any_case(
    tmp_path: Path,
) -> None:
    first, held = make_instance(instance=1), make_instance(instance=2, BurnedInAnnotation="YES")
    targets = [str(first.SOPInstanceUID), str(held.SOPInstanceUID), ABROAD]
    pointing = make_instance(
        instance=3,
        SourceImageSequence=SqItems([reference(uid) for uid in targets]),
        ReferencedImageSequence=SqItems([reference(uid) for uid in targets]),
    )
    src = tmp_path / "src"
    src.mkdir()
    write_files(src, [first, held, pointing])
    deidentify_folder(src, tmp_path / "out", SITE, RING, subject_from="patient_id")
    written = {p.stem: dcmread(p) for p in (tmp_path / "out").rglob("*.dcm")}
    after = written[RING.uid(str(pointing.SOPInstanceUID))]
    for sequence in (after.SourceImageSequence, after.ReferencedImageSequence):
        found = [str(item.ReferencedSOPInstanceUID) for item in sequence]
        assert found == [RING.uid(uid) for uid in targets]
        assert [uid in written for uid in found] == [True, False, False]
    data = b"".join(p.read_bytes() for p in (tmp_path / "out").rglob("*.dcm"))
    assert not [uid for uid in targets if uid.encode() in data]
