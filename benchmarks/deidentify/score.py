"""A MIDI-B style score of de-identification on a simulated delivery with its answer key.

    livercohort simulate OUT --sites 2 --subjects 4 --nights 1 --seed 7
    python benchmarks/deidentify/score.py OUT

Categories as in the MIDI-B challenge; each check of each file counts once, and a file that
should have come out and did not fails all of its checks.

tag_retained      attributes of `RETAINED` that the source has: same value in the output
text_notnull      attributes of `NOT_NULL`: there and not empty
text_retained     words of the series description that the simulator wrote (answer key, table
                  `labels`), planted values taken out: in a word of the output's description,
                  where some are written out (`3-pl` becomes `3plane`).
                  Numbers alone (`5.0`) are dropped by rule, since nothing tells a thickness from
                  a day (`3.6`) or a number of a person. They name nobody, so a challenge would
                  want them back: the last two lines count them as failures
text_removed      values planted for the file's subject (answer key): in no byte outside the
                  pixels, in any encoding; a value of another subject found is a failure more
date_shifted      dates of the source: moved by the person's days, or removed; one shift a person
uid_changed       UIDs of the source that DICOM does not register: others in the output
uid_consistent    one new UID for each old one over all files, and the other way round
patid_consistent  one pseudonym for each subject
pixels_retained   pixel bytes of the output are those of the source
pixels_hidden     files that the key wants set aside: their object (by the UID in the key or in
                  the file) is not among the outputs. One whose UID nobody knows passes only when
                  every output is one that the key wants; so does one that cannot be read.

Source and output are read by pydicom. Prints a table, and the words that were lost; exit 1
when a category, numbers in descriptions apart, is below the goal.
"""

from __future__ import annotations

import argparse
import csv
import re
import sys
import tempfile
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from planted_values import Planted, hits, patterns_of, read_planted, without_pixels
from pydicom import dcmread
from pydicom.dataset import Dataset

from schemas.identifiers import RawPatientId, SiteCode, SubjectNo
from schemas.records import SubjectAssignment
from schemas.vault.keys import KeyRing, Purpose
from tasks.deidentify.audit import first_broken_row
from tasks.deidentify.rules.values import is_registered_uid, read_date
from tasks.deidentify.store_folder import deidentify_folder

GOAL = 0.9995
RING = KeyRing(bytes(range(32)))
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
_WORD = re.compile(r"(?<![^\W_])\d+\.\d+(?![^\W_])|[^\W_]+")
_NUMBER = re.compile(r"\d+(\.\d+)?")


@dataclass
class Score:
    """Checks passed and made, by category; what must be the same between files."""

    passed: Counter[str] = field(default_factory=Counter)
    made: Counter[str] = field(default_factory=Counter)
    uids: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    origins: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    patients: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    shifts: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    lost_words: Counter[str] = field(default_factory=Counter)
    numbers: Counter[bool] = field(default_factory=Counter)

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
    key = _read_key(options.delivery)
    for export, rows in _exports(options.delivery):
        _score_export(export, rows, key, score)
    _score_consistency(score)
    for category in sorted(score.made):
        _print(category, score.passed[category], score.made[category])
    passed, made = sum(score.passed.values()), sum(score.made.values())
    _print("all actions", passed, made)
    kept, numbers = score.numbers[True], sum(score.numbers.values())
    words = "text_retained"
    _print("with numbers: " + words, score.passed[words] + kept, score.made[words] + numbers)
    _print("with numbers: all actions", passed + kept, made + numbers)
    for word, times in score.lost_words.most_common(20):
        print(f"lost word: {word} ({times})")
    worst = min(score.passed[c] / score.made[c] for c in score.made)
    sys.exit(0 if worst >= GOAL else 1)


def _print(what: str, passed: int, made: int) -> None:
    print(f"{what:<28}{passed:>10} of {made:<10}{100 * passed / made:9.4f} %")


@dataclass(frozen=True)
class Key:
    """The answer key: what was planted, the series' names, and objects of faults by path."""

    planted: list[tuple[Planted, frozenset[bytes]]]
    descriptions: dict[str, str]
    fault_uids: dict[tuple[str, str], str]


def _read_key(delivery: Path) -> Key:
    labels = _rows(delivery, "labels")
    faults = _rows(delivery, "faults")
    return Key(
        [(p, patterns_of(p.value)) for p in read_planted(delivery)],
        {r["series_uid"]: r["series_description"] for r in labels},
        {(r["site"], r["path"]): r["sop_uid"] for r in faults if r["path"] and r["sop_uid"]},
    )


def _rows(delivery: Path, table: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(
        delivery / "answer_key" / f"{table}.parquet"
    ).to_pylist()
    return rows


def _exports(delivery: Path) -> Iterator[tuple[Path, list[dict[str, object]]]]:
    by_export: dict[tuple[str, str], list[dict[str, object]]] = defaultdict(list)
    for row in _rows(delivery, "files"):
        by_export[row["site"], row["export"]].append(row)
    for (site, export), rows in sorted(by_export.items()):
        yield delivery / site / export, [{**r, "site": site} for r in rows]


def _link(text: str) -> str:
    return RING.mac(Purpose.AUDIT, text).hex()


def _score_export(export: Path, rows: list[dict[str, object]], key: Key, score: Score) -> None:
    site = SiteCode(str(rows[0]["site"]))
    links = _linkage(export, site)
    images = {str(r["path"]): r for r in rows if str(r["path"]).startswith("dicom/")}
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch, "out")
        deidentify_folder(export / "dicom", out, site, RING, assignments=links, workers=2)
        outputs = {p.stem: p for p in out.rglob("*.dcm")}
        if first_broken_row(pq.read_table(out / "audit.parquet"), _link) is not None:
            raise SystemExit("the audit's chain is broken")
        wanted = {
            _score_file(export / path, links, outputs, key, score)
            for path, row in sorted(images.items())
            if row["state"] == "accepted"
        }
        for path, row in sorted(images.items()):
            if row["state"] == "quarantined":
                uid = key.fault_uids.get((site, path)) or _sop_uid(export / path)
                ok = RING.uid(uid) not in outputs if uid else set(outputs) <= wanted
                score.check("pixels_hidden", ok=ok)
        for _ in set(outputs) - wanted:
            score.check("pixels_hidden", ok=False)


def _score_file(
    path: Path,
    links: dict[RawPatientId, SubjectAssignment],
    outputs: dict[str, Path],
    key: Key,
    score: Score,
) -> str:
    """Score one delivered file; return the name of the object it should have become."""
    source = dcmread(path)
    name = RING.uid(str(source.SOPInstanceUID))
    subject = links[RawPatientId(str(source.PatientID).strip())]
    made = outputs.get(name)
    written = dcmread(made) if made else None
    _score_tags(source, written, score)
    _score_words(key, source, written, score)
    _score_dates(source, written, subject, score)
    _score_uids(source, written, score)
    same = written is not None and written.PixelData == source.PixelData
    score.check("pixels_retained", ok=same)
    patient = str(written.PatientID) if written is not None else ""
    score.patients[f"{subject.site} {subject.subject_no}"].add(patient)
    raw = without_pixels(made.read_bytes()) if made else b""
    left = {planted for planted, _ in hits(raw, key.planted)}
    whose = (subject.site, subject.subject_no)
    own = {p for p, _ in key.planted if (p.site, p.subject_no) == whose}
    for planted in own:
        score.check("text_removed", ok=made is not None and planted not in left)
    for _ in left - own:
        score.check("text_removed", ok=False)
    return name


def _sop_uid(path: Path) -> str:
    """Return the UID a file states, empty when it cannot be read."""
    try:
        return str(dcmread(path, stop_before_pixels=True).get("SOPInstanceUID", ""))
    except Exception:
        return ""


def _score_words(key: Key, source: Dataset, written: Dataset | None, score: Score) -> None:
    text = key.descriptions.get(str(source.SeriesInstanceUID), "")
    for planted, _ in key.planted:
        text = text.replace(planted.value, " ")
    output = str(written.get("SeriesDescription", "")).casefold() if written else ""
    kept = set(_WORD.findall(output))
    for word in _WORD.findall(text):
        if _NUMBER.fullmatch(word):
            score.numbers[word in kept] += 1
            continue
        ok = any(word.casefold() in written_word for written_word in kept)
        score.check("text_retained", ok=ok)
        if not ok:
            score.lost_words[word] += 1


def _score_tags(source: Dataset, written: Dataset | None, score: Score) -> None:
    for keyword in RETAINED:
        if source.get(keyword) not in (None, ""):
            same = written is not None and written.get(keyword) == source.get(keyword)
            score.check("tag_retained", ok=same)
    for keyword in NOT_NULL:
        ok = written is not None and written.get(keyword) not in (None, "", b"")
        score.check("text_notnull", ok=ok)


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
