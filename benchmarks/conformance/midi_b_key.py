"""Write the answer key of a simulated delivery in the format of MIDI-B, and the two mappings.

The key knows the delivered object, the values that the simulator planted and table E.1-1; it knows
no rule of the profile. Attributes that the table names are not asked to be retained, nor what lies
below them, nor those that describe an overlay, whose data it names, nor private ones (the
benchmark asks for those that its archive holds safe). Words expected in a series description are
those that the simulator wrote (table `labels`), planted values and numbers apart.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
from pydicom import dcmread
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from schemas.identifiers import RawPatientId, SiteCode
from schemas.records import SubjectAssignment
from schemas.vault.keys import KeyRing
from tasks.deidentify.rules.values import is_registered_uid, read_date

sys.path.insert(0, str(Path(__file__).parents[1] / "deidentify"))
from planted_values import Planted, read_planted
from score import RING
from score import _linkage as linkage_of

ROOT = Path(__file__).parents[2]
_NAMED = frozenset(("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"))
_NOT_NULL = frozenset(
    ("PatientID", "PatientName", *_NAMED, "SOPClassUID", "Modality", "Rows", "Columns", "StudyID")
)
_STEP = re.compile(r"\(([0-9a-f]{4}),([0-9a-f]{4})\)(?:\[<(\d+)>\])?")
_WORD = re.compile(r"[^\W\d_]{2,}")
_COLUMNS = "Modality, PatientID, StudyInstanceUID, SeriesInstanceUID, SOPInstanceUID, AnswerData"


@dataclass(frozen=True)
class KeyedExport:
    """One export, its key and its mappings."""

    folder: Path
    site: SiteCode
    ring: KeyRing
    links: dict[RawPatientId, SubjectAssignment]
    key: Path
    uid_map: Path
    patient_map: Path


def write_key(delivery: Path, out: Path) -> Iterator[KeyedExport]:
    """Write the key and the mappings of each export of a delivery below `out`."""
    planted = [p for p in read_planted(delivery) if len(p.value) > 3]
    files = pq.read_table(delivery / "answer_key" / "files.parquet").to_pylist()
    labels = pq.read_table(delivery / "answer_key" / "labels.parquet").to_pylist()
    descriptions = {row["series_uid"]: row["series_description"] for row in labels}
    for site, export in sorted({(row["site"], row["export"]) for row in files}):
        folder = delivery / site / export
        links = linkage_of(folder, SiteCode(site))
        rows = [
            row
            for row in files
            if (row["site"], row["export"]) == (site, export) and row["path"].startswith("dicom/")
        ]
        answers = list(_answers(folder, rows, links, planted, descriptions))
        place = out / f"{site}-{export}"
        place.mkdir()
        yield KeyedExport(
            folder / "dicom",
            SiteCode(site),
            RING,
            links,
            _database(place / "answers.db", answers),
            _mapping(place / "uids.csv", _uids(answers)),
            _mapping(place / "patients.csv", {p: s.subject_id for p, s in links.items()}),
        )


def read_element(data: Dataset, path: str) -> str | None:
    """Return the text of an attribute at a path of the key, None when it is not there."""
    place: Dataset = data
    for group, element, number in _STEP.findall(path):
        found = place.get((int(group, 16), int(element, 16)))
        if found is None:
            return None
        if not number:
            return _text(found)
        if found.VR != "SQ" or int(number) >= len(found.value):
            return None
        place = found.value[int(number)]
    return ""


def _answers(
    folder: Path,
    rows: list[dict[str, str]],
    links: dict[RawPatientId, SubjectAssignment],
    planted: list[Planted],
    descriptions: dict[str, str],
) -> Iterator[tuple[Dataset, list[dict[str, str]]]]:
    for row in rows:
        try:
            data = dcmread(folder / row["path"])
            person = links.get(RawPatientId(str(data.PatientID).strip()))
            data.SOPInstanceUID, data.StudyInstanceUID, data.SeriesInstanceUID  # noqa: B018
        except Exception:
            continue
        if row["state"] == "accepted" and person is not None:
            own = [p for p in planted if (p.site, p.subject_no) == (person.site, person.subject_no)]
            yield (
                data,
                list(_actions(data, "", own, descriptions.get(str(data.SeriesInstanceUID), ""))),
            )
        elif row["state"] == "quarantined":
            yield data, [_answer("", "PixelData", "", "pixels_hidden")]


def _actions(
    data: Dataset, place: str, planted: list[Planted], described: str = ""
) -> Iterator[dict[str, str]]:
    for element in data:
        group, number = element.tag.group, element.tag.element
        if group % 2 or number == 0 or element.keyword == "SpecificCharacterSet":
            continue
        path, text = f"{place}({group:04x},{number:04x})", _text(element)
        name = element.keyword
        if name == "PixelData":
            yield _answer(path, name, text, "pixels_retained")
            continue
        yield from _of_planted(path, element, text, planted)
        yield from _of_kind(path, element, text)
        if not place and name in _NOT_NULL and text:
            yield _answer(path, name, text, "text_notnull")
        if not place and name == "SeriesDescription":
            words = " ".join(_WORD.findall(_without(described, planted)))
            yield _answer(path, name, words, "text_retained")
        if is_named(group, number) or 0x6000 <= group <= 0x60FF:
            continue
        if text or element.VR == "SQ":
            yield _answer(path, name, "", "tag_retained")
        for at, item in enumerate(element.value if element.VR == "SQ" else ()):
            yield from _actions(item, f"{path}[<{at}>]", planted)


def _of_planted(
    path: str, element: DataElement, text: str, planted: list[Planted]
) -> Iterator[dict[str, str]]:
    if element.VR in ("SQ", "UI", "DA"):
        return
    for one in planted:
        if one.value in text:
            yield _answer(path, element.keyword, one.value, "text_removed")


def _of_kind(path: str, element: DataElement, text: str) -> Iterator[dict[str, str]]:
    if element.keyword == "PatientID":
        yield _answer(path, element.keyword, text.strip(), "patid_consistent")
    if element.VR == "UI":
        yield from _of_uid(path, element.keyword, text)
    if element.VR == "DA" and read_date(text) is not None:
        yield _answer(path, element.keyword, text, "date_shifted")


def _of_uid(path: str, name: str, text: str) -> Iterator[dict[str, str]]:
    for uid in text.split("\\"):
        if uid and not is_registered_uid(uid):
            yield _answer(path, name, uid, "uid_changed")
            if name in _NAMED or name == "ReferencedSOPInstanceUID":
                yield _answer(path, name, uid, "uid_consistent")


def _without(text: str, planted: list[Planted]) -> str:
    for one in planted:
        text = text.replace(one.value, " ")
    return text


def _answer(path: str, name: str, value: str, action: str) -> dict[str, str]:
    return {"tag": f"<{path}>", "tag_name": name, "value": value, "action": f"<{action}>"}


def _text(element: DataElement) -> str:
    if element.keyword == "PixelData":
        return hashlib.md5(element.value, usedforsecurity=False).hexdigest()
    if element.VR == "SQ" or element.value is None:
        return ""
    value = element.value
    return "\\".join(map(str, value)) if element.VM > 1 else str(value)


def _named_tags() -> list[re.Pattern[str]]:
    with (ROOT / "tests/golden/ps3_15_required_strength.csv").open(encoding="utf-8") as stream:
        tags = [row["tag"].replace(",", "") for row in csv.DictReader(stream)]
    return [re.compile(tag.replace("x", "[0-9A-F]")) for tag in tags if not tag.startswith("gggg")]


_TABLE = _named_tags()


def is_named(group: int, number: int) -> bool:
    """Return whether table E.1-1 names an attribute."""
    return any(pattern.fullmatch(f"{group:04X}{number:04X}") for pattern in _TABLE)


def _uids(answers: list[tuple[Dataset, list[dict[str, str]]]]) -> dict[str, str]:
    found = {str(data.SOPInstanceUID) for data, _ in answers}
    found |= {
        one["value"] for _, asked in answers for one in asked if one["action"] == "<uid_consistent>"
    }
    return {uid: RING.uid(uid) for uid in sorted(found)}


def _database(path: Path, answers: list[tuple[Dataset, list[dict[str, str]]]]) -> Path:
    with sqlite3.connect(path) as key:
        key.execute(f"CREATE TABLE answer_data ({_COLUMNS})")
        key.executemany(
            "INSERT INTO answer_data VALUES (?, ?, ?, ?, ?, ?)",
            [
                (
                    *(str(data.get(k, "")) for k in _COLUMNS.split(", ")[:-1]),
                    json.dumps(asked, ensure_ascii=False),
                )
                for data, asked in answers
            ],
        )
    return path


def _mapping(path: Path, pairs: dict[str, str] | dict[RawPatientId, str]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("id_old", "id_new"))
        writer.writerows(sorted(pairs.items()))
    return path
