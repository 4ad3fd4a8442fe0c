"""A MIDI-B style score of de-identification on a simulated delivery with its answer key.

    livercohort simulate OUT --sites 2 --subjects 4 --nights 1 --seed 7
    python benchmarks/deidentify/score.py OUT

Categories as in the MIDI-B challenge: tag_retained, text_notnull, text_retained,
text_removed, date_shifted, uid_changed, uid_consistent, patid_consistent, pixels_hidden,
pixels_retained. Each check of each file counts once. A file that should have come out and did
not fails all of its checks; one that should not and did fails pixels_hidden. What is planted
is searched in every byte written, in every encoding. Source and output are both read by
pydicom. Prints a table; exit 1 when a category is below the goal.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset

from schemas.descriptors import clean_descriptor
from schemas.identifiers import RawPatientId, SiteCode, SubjectNo
from schemas.keys import KeyRing
from schemas.records import SubjectAssignment
from tasks.deidentify.audit import first_broken_row
from tasks.deidentify.store_folder import deidentify_folder
from tasks.deidentify.values import is_registered_uid, read_date

GOAL = 0.9995
RING = KeyRing(bytes(range(32)))
CODECS = ("utf-8", "gb18030", "utf-16-le", "utf-16-be", "big5")
RETAINED = [
    "Modality",
    "SOPClassUID",
    "Rows",
    "Columns",
    "BitsAllocated",
    "PixelSpacing",
    "SliceThickness",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "RepetitionTime",
    "EchoTime",
    "FlipAngle",
    "KVP",
    "MagneticFieldStrength",
    "AcquisitionTime",
    "ContentTime",
    "SeriesTime",
    "PatientSex",
    "RescaleSlope",
    "RescaleIntercept",
    "SeriesNumber",
    "InstanceNumber",
    "DiffusionBValue",
]
NOT_NULL = [
    "PatientID",
    "PatientName",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SOPInstanceUID",
    "SOPClassUID",
    "Modality",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "Rows",
    "Columns",
    "PixelData",
]
DESCRIPTORS = ("SeriesDescription", "ProtocolName", "StudyDescription")


@dataclass
class Score:
    """Checks passed and made, by category; what must be the same between files."""

    passed: Counter[str] = field(default_factory=Counter)
    made: Counter[str] = field(default_factory=Counter)
    uids: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    origins: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    patients: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    shifts: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))

    def check(self, category: str, *, ok: bool, times: int = 1) -> None:
        """Count one check, or several that stand or fall together."""
        self.made[category] += times
        self.passed[category] += times * ok


def main() -> None:
    """Score every export of a simulated delivery."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("delivery", type=Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    score = Score()
    planted = _planted(options.delivery)
    for export, rows in _exports(options.delivery):
        _score_export(export, rows, planted, score)
    _score_consistency(score)
    total = sum(score.made.values())
    for category in sorted(score.made):
        made, passed = score.made[category], score.passed[category]
        print(f"{category:<18}{passed:>10} of {made:<10}{100 * passed / made:9.4f} %")
    share = sum(score.passed.values()) / total
    print(f"{'all actions':<18}{sum(score.passed.values()):>10} of {total:<10}{100 * share:9.4f} %")
    worst = min(score.passed[c] / score.made[c] for c in score.made)
    sys.exit(0 if worst >= GOAL else 1)


def _exports(delivery: Path) -> Iterator[tuple[Path, list[dict[str, object]]]]:
    by_export: dict[tuple[str, str], list[dict[str, object]]] = defaultdict(list)
    for line in (delivery / "answer_key" / "files.jsonl").read_text().splitlines():
        row = json.loads(line)
        by_export[row["site"], row["export"]].append(row)
    for (site, export), rows in sorted(by_export.items()):
        yield delivery / site / export, [{**r, "site": site} for r in rows]


def _planted(delivery: Path) -> list[tuple[str, bytes]]:
    """Return each planted value in every encoding, once, with what may hold it."""
    found = set()
    text = (delivery / "answer_key" / "identifiers.jsonl").read_text(encoding="utf-8")
    for row in map(json.loads, text.splitlines()):
        if row["scope"] != "everywhere" or len(row["value"]) < 2:
            continue
        for codec in CODECS:
            try:
                found.add((row["kind"], row["value"].encode(codec)))
            except UnicodeEncodeError:
                continue
    return sorted((kind, pattern) for kind, pattern in found if len(pattern) >= 6)


def _score_export(
    export: Path, rows: list[dict[str, object]], planted: list[tuple[str, bytes]], score: Score
) -> None:
    site = SiteCode(str(rows[0]["site"]))
    links = _linkage(export, site)
    images = {str(r["path"]): r for r in rows if str(r["path"]).startswith("dicom/")}
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch, "out")
        deidentify_folder(export / "dicom", out, site, RING, assignments=links, workers=2)
        outputs = {p.stem: p for p in out.rglob("*.dcm")}
        if first_broken_row(_audit(out)) is not None:
            raise SystemExit("the audit's chain is broken")
        wanted = set()
        for path, row in sorted(images.items()):
            wanted |= _score_file(export / path, row, links, outputs, planted, score)
        for _ in set(outputs) - wanted:
            score.check("pixels_hidden", ok=False)


def _audit(out: Path) -> object:
    import pyarrow.parquet as pq

    return pq.read_table(out / "audit.parquet")


def _score_file(
    path: Path,
    row: dict[str, object],
    links: dict[RawPatientId, SubjectAssignment],
    outputs: dict[str, Path],
    planted: list[tuple[str, bytes]],
    score: Score,
) -> set[str]:
    """Score one delivered file; return the name of the object it should have become."""
    if row["state"] == "duplicate":
        return set()
    if row["state"] != "accepted":
        hidden = str(row.get("reason") or row.get("fault") or "")
        score.check("pixels_hidden", ok=_is_absent(path, outputs), times=1 if hidden else 0)
        return set()
    source = dcmread(path)
    name = RING.uid(str(source.SOPInstanceUID))
    subject = links[RawPatientId(str(source.PatientID).strip())]
    made = outputs.get(name)
    written = dcmread(made) if made else None
    _score_tags(source, written, score)
    _score_dates(source, written, subject, score)
    _score_uids(source, written, score)
    same = written is not None and written.PixelData == source.PixelData
    score.check("pixels_retained", ok=same)
    patient = str(written.PatientID) if written is not None else ""
    score.patients[f"{subject.site} {subject.subject_no}"].add(patient)
    raw = made.read_bytes().replace(source.PixelData, b"") if made else b""
    left = {kind for kind, pattern in planted if pattern in raw}
    for kind in sorted({kind for kind, _ in planted}):
        score.check("text_removed", ok=made is not None and kind not in left)
    return {name}


def _is_absent(path: Path, outputs: dict[str, Path]) -> bool:
    try:
        uid = str(dcmread(path, stop_before_pixels=True).get("SOPInstanceUID", ""))
    except Exception:
        # No UID to look for: counted as hidden without a proof, which flatters the score.
        return True
    return RING.uid(uid) not in outputs


def _score_tags(source: Dataset, written: Dataset | None, score: Score) -> None:
    for keyword in RETAINED:
        if source.get(keyword) not in (None, ""):
            same = written is not None and written.get(keyword) == source.get(keyword)
            score.check("tag_retained", ok=same)
    for keyword in NOT_NULL:
        ok = written is not None and written.get(keyword) not in (None, "", b"")
        score.check("text_notnull", ok=ok)
    for keyword in DESCRIPTORS:
        words = clean_descriptor(str(source.get(keyword, ""))).split()
        kept = clean_descriptor(str(written.get(keyword, ""))).split() if written else []
        for word in words:
            score.check("text_retained", ok=word in kept)


def _score_dates(
    source: Dataset, written: Dataset | None, subject: SubjectAssignment, score: Score
) -> None:
    person = f"{subject.site} {subject.subject_no}"
    for element in source:
        if element.VR != "DA" or element.keyword in ("PatientBirthDate", ""):
            continue
        before = read_date(str(element.value))
        after_text = str(written.get(element.keyword, "")) if written is not None else ""
        after: date | None = read_date(after_text)
        if before is None or (written is not None and after is None):
            # Dates that are not the patient's are removed, which is right as well.
            score.check("date_shifted", ok=written is not None)
            continue
        moved = before - timedelta(days=subject.shift_days)
        score.check("date_shifted", ok=after == moved)
        if after is not None:
            score.shifts[person].add((before - after).days)


def _score_uids(source: Dataset, written: Dataset | None, score: Score) -> None:
    for element in source.iterall():
        if element.VR != "UI" or not element.value:
            continue
        values = [element.value] if isinstance(element.value, str) else list(element.value)
        for original in (str(v) for v in values if not is_registered_uid(str(v))):
            now = str(written.get(element.keyword, "")) if written is not None else original
            score.check("uid_changed", ok=now != original)
            if now and element.keyword in source:
                score.uids[original].add(now)
                score.origins[now].add(original)


def _score_consistency(score: Score) -> None:
    for mapped in score.uids.values():
        score.check("uid_consistent", ok=len(mapped) == 1)
    for origins in score.origins.values():
        score.check("uid_consistent", ok=len(origins) == 1)
    for pseudonyms in score.patients.values():
        score.check("patid_consistent", ok=len(pseudonyms) == 1 and "" not in pseudonyms)
    for days in score.shifts.values():
        score.check("date_shifted", ok=len(days) == 1)


def _linkage(export: Path, site: SiteCode) -> dict[RawPatientId, SubjectAssignment]:
    rows = _linkage_rows(export / "linkage.csv")
    patients: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        patients[row["study_subject_no"]].append(row["patient_id"])
    links = {}
    for number, ids in patients.items():
        subject = SubjectAssignment(
            site=site,
            subject_id=RING.subject_id(site, SubjectNo(number)),
            subject_no=SubjectNo(number),
            patient_ids=tuple(RawPatientId(i) for i in ids),
            shift_days=RING.date_shift_days(site, SubjectNo(number)),
        )
        links.update(dict.fromkeys(subject.patient_ids, subject))
    return links


def _linkage_rows(path: Path) -> list[dict[str, str]]:
    raw = path.read_bytes()
    for codec in ("utf-8-sig", "gb18030"):
        try:
            return list(csv.DictReader(raw.decode(codec).splitlines()))
        except UnicodeDecodeError:
            continue
    raise SystemExit("linkage.csv cannot be read")


if __name__ == "__main__":
    main()
