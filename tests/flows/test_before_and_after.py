"""What de-identification must not change, over a whole delivery: intervals, verdicts, references.

Every accepted object is put beside the source it was made from, read by pydicom alone.
"""

from __future__ import annotations

import hashlib
import io
import shutil
import warnings
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from itertools import combinations
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from schemas.dicom.charsets import decode_text
from schemas.dicom.features import read_features
from schemas.identifiers import BatchId, RawPatientId, SiteCode, SubjectNo
from schemas.run.zones import Zones
from schemas.vault.keys import KeyRing, read_key_file
from tasks.clinical import store as clinical_store
from tasks.clinical.merge import BatchForms, merge_batches
from tasks.deidentify.rules.values import read_date
from tasks.eligibility.assemble import assemble_cohort
from tasks.harmonise.exam import label_instances
from tasks.receive.store_linkage import linkage_of_folder
from tasks.reference.judge import judge_subject
from tests.flows.conftest import Demo, run
from tests.flows.exports import file_bytes

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("demo")]

_PIXELS = (0x7FE0, 0x0010)
_DICOM_ROOT = "1.2.840.10008."


@dataclass(frozen=True)
class Pair:
    """One accepted object before and after."""

    subject_id: str
    before: Dataset
    after: Dataset


@dataclass(frozen=True)
class Delivered:
    """All that was delivered and all that came of it."""

    ring: KeyRing
    pairs: list[Pair]
    #: UIDs of every object that could be read at all, accepted or held.
    sop_uids: set[str]
    study_uids: set[str]


def contents(folder: Path) -> Iterator[bytes]:
    """Yield every file of the inbox, and of the archives in it."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        yield from unpacked(path.read_bytes())


def unpacked(data: bytes) -> Iterator[bytes]:
    yield data
    if zipfile.is_zipfile(io.BytesIO(data)):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for name in archive.namelist():
                yield from unpacked(archive.read(name))


def header_of(data: bytes) -> Dataset | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return dcmread(io.BytesIO(data), stop_before_pixels=True, force=True)
        except Exception:
            # A file that is no DICOM: the delivery has forms, control files and damaged ones.
            return None


def accepted_sources(home: Path) -> dict[str, str]:
    """Return the new SOPInstanceUID of every accepted file, by the hash of its source."""
    return {
        row["source_sha256"]: row["sop_uid"]
        for path in (home / "warehouse" / "batches").glob("*/*/file.parquet")
        for row in pq.read_table(path).to_pylist()
        if row["state"] == "accepted"
    }


@pytest.fixture(scope="module")
def delivered(demo: Demo) -> Delivered:
    accepted = accepted_sources(demo.home)
    written = {p.stem: p for p in (demo.home / "warehouse" / "dicom").rglob("*.dcm")}
    seen = Delivered(read_key_file(demo.home / "restricted" / "key"), [], set(), set())
    for site in (demo.home / "inbox").glob("S*"):
        for data in contents(site):
            before = header_of(data)
            if before is None:
                continue
            seen.sop_uids.add(str(before.get("SOPInstanceUID", "")))
            seen.study_uids.add(str(before.get("StudyInstanceUID", "")))
            new = accepted.pop(seen.ring.keyed_digest(hashlib.sha256(data).hexdigest()), None)
            if new is not None:
                repair_texts(before)
                after = dcmread(written[new], stop_before_pixels=True)
                seen.pairs.append(Pair(str(after.PatientID), before, after))
    assert accepted == {}
    assert len(seen.pairs) == len(written) > 1000
    return seen


def repair_texts(header: Dataset) -> None:
    """Decode series and protocol names as a reader does who knows that charsets are mislabelled."""
    label = "\\".join(str(header.get("SpecificCharacterSet", "")).strip("[]'").split("', '"))
    for keyword in ("SeriesDescription", "ProtocolName"):
        raw = header.get_item(keyword)
        if raw is not None and isinstance(raw.value, bytes):
            setattr(header, keyword, decode_text(raw.value, label))


def elements(dataset: Dataset, path: tuple[object, ...] = ()) -> Iterator[tuple[Any, str, str]]:
    """Yield (place, VR, one value) of every element at every depth."""
    for element in dataset:
        at = (*path, element.tag)
        if element.VR == "SQ":
            for number, item in enumerate(element.value):
                yield from elements(item, (*at, number))
        elif element.VR in ("DA", "DT", "UI"):
            many = element.value if element.VM > 1 else [element.value]
            for number, value in enumerate(many):
                yield (*at, number), element.VR, str(value)


def days(dataset: Dataset) -> dict[Any, date]:
    found = {
        place: read_date(text[:8])
        for place, vr, text in elements(dataset)
        if vr in ("DA", "DT") and text
    }
    return {place: day for place, day in found.items() if day is not None}


def moved_days(delivered: Delivered) -> dict[str, set[tuple[date, date]]]:
    """Return every (day before, day after) in the objects of each subject."""
    moved: dict[str, set[tuple[date, date]]] = defaultdict(set)
    for pair in delivered.pairs:
        before = days(pair.before)
        for place, after in days(pair.after).items():
            moved[pair.subject_id].add((before[place], after))
    return moved


def test_every_interval_between_days_of_a_subject_is_the_same_before_and_after(
    demo: Demo, delivered: Delivered
) -> None:
    moved = moved_days(delivered)
    assert len(moved) == 9
    clinical = 0
    for subject_id, forms in moved_clinical_days(demo, delivered.ring).items():
        if subject_id not in moved:  # never enrolled: one day of screening, so no interval
            assert sum(len(after) for _, after in forms) == 1
            continue
        (shift,) = {before - after for before, after in moved[subject_id]}
        assert all({day + shift for day in after} <= stated for stated, after in forms)
        for _, after in forms:
            moved[subject_id] |= {(day + shift, day) for day in after}
            clinical += len(after)
    assert clinical > 50
    compared = 0
    for found in moved.values():
        for (first, first_after), (second, second_after) in combinations(found, 2):
            assert second - first == second_after - first_after
            compared += 1
    assert compared > 200


def moved_clinical_days(demo: Demo, ring: KeyRing) -> dict[str, list[tuple[set[date], set[date]]]]:
    """Return (days the site stated, days in the warehouse) for each date field of a subject."""
    stated: dict[tuple[str, str, str], set[date]] = defaultdict(set)
    for row in demo.key("answers"):
        if row["precision"] == "day":
            subject = ring.subject_id(SiteCode(row["site"]), SubjectNo(row["subject_no"]))
            stated[subject, row["form"], row["field"]].add(date.fromisoformat(row["value"]))
    after: dict[tuple[str, str, str], set[date]] = defaultdict(set)
    for path in (demo.home / "warehouse" / "batches").glob("*/*/clinical_*.parquet"):
        form = path.stem.removeprefix("clinical_")
        for row in pq.read_table(path).to_pylist():
            for name, day in row.items():
                field = name.removesuffix("_shifted")
                if name != field and day and row[f"{field}_precision"] == "day":
                    after[row["subject_id"], form, field].add(date.fromisoformat(str(day)))
    found: dict[str, list[tuple[set[date], set[date]]]] = defaultdict(list)
    for (subject_id, form, field), known in after.items():
        found[subject_id].append((stated[subject_id, form, field], known))
    return found


def test_verdicts_from_raw_headers_and_real_dates_are_those_that_were_released(
    demo: Demo, delivered: Delivered
) -> None:
    zones, ring = Zones(demo.home), delivered.ring
    batches = [
        BatchForms(site, batch, clinical_store.read_sealed(path, ring, site=site, batch_id=batch))
        for path in sorted((zones.restricted / "batches").glob("*/*"))
        for site, batch in [(SiteCode(path.parent.name), BatchId(path.name))]
    ]
    rows = [replace(row, shift_days=0) for row in merge_batches(batches, ring).rows]
    raw = [read_features(p.before, subject_id=p.subject_id) for p in delivered.pairs]
    cohort = assemble_cohort(rows, label_instances(raw), judge_subject, shift_days={})
    columns = ("subject_id", "criterion_id", "reading", "effect", "reason_code", "observed_value")
    expected = {tuple(row[name] for name in columns) for row in cohort.tables["criterion_result"]}
    folder = demo.home / "releases" / "latest" / "tables" / "criterion_result"
    released = {
        tuple(row[name] for name in columns)
        for path in folder.glob("*.parquet")
        for row in pq.read_table(path).to_pylist()
    }
    assert len(released) >= 9 * 9
    assert released == {row for row in expected if row[0] in {one[0] for one in released}}


def test_no_reference_dangles_and_every_uid_is_the_keyed_one(delivered: Delivered) -> None:
    written = {str(pair.after.SOPInstanceUID) for pair in delivered.pairs}
    known = {delivered.ring.uid(uid) for uid in delivered.sop_uids | delivered.study_uids}
    mapped = 0
    for pair in delivered.pairs:
        source = {place: value for place, vr, value in elements(pair.before) if vr == "UI"}
        for place, vr, value in elements(pair.after):
            if vr != "UI" or value.startswith(_DICOM_ROOT):
                continue
            assert value == delivered.ring.uid(source[place])
            mapped += 1
            if place[-2] in (0x00081155, 0x0020000D):
                assert value in known
    assert mapped > 3 * len(written)


def test_uids_of_a_delivery_come_from_this_key_alone(delivered: Delivered) -> None:
    other = KeyRing(bytes(range(32)))
    uids = {
        value
        for pair in delivered.pairs
        for _, vr, value in elements(pair.after)
        if vr == "UI" and not value.startswith(_DICOM_ROOT)
    }
    assert uids.isdisjoint(other.uid(uid) for uid in delivered.sop_uids | delivered.study_uids)


def test_one_person_at_two_sites_is_one_finding_and_two_subjects(
    demo: Demo, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    shutil.copytree(
        demo.home, home, symlinks=True, ignore=shutil.ignore_patterns("inbox", "prefect")
    )
    ring = read_key_file(home / "restricted" / "key")
    first = {row["site"]: row["subject_no"] for row in demo.key("labels")}
    pair = []
    for site in ("S91", "S92"):
        linkage = tmp_path / site / "linkage.csv"
        linkage.parent.mkdir()
        row = f"{first[site]},ONE-MORE-NUMBER,11010519491231002x"
        linkage.write_text(f"study_subject_no,patient_id,resident_id\n{row}\n", encoding="utf-8")
        known = linkage_of_folder(linkage.parent, Zones(home), ring, SiteCode(site))
        assert known is not None
        pair.append(known[RawPatientId("ONE-MORE-NUMBER")].subject_id)
    ended = run("release", "--home", home, "--json")
    assert ended.code == 0, ended.out + ended.err
    rows = [
        row
        for path in (home / "releases" / "latest" / "tables" / "finding").glob("*.parquet")
        for row in pq.read_table(path).to_pylist()
        if row["rule_id"] == "ELIG_ONE_PERSON_SEVERAL_SUBJECTS"
    ]
    assert [(row["object_id"], row["site_code"]) for row in rows] == [("/".join(pair), None)]
    eligibility, before = ("tables/eligibility/*.parquet", demo.home / "releases" / "latest")
    assert file_bytes(home / "releases" / "latest", eligibility) == file_bytes(before, eligibility)
