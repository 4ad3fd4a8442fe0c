"""Whom a word that hospitals fill into headers, and that names nobody, keeps out of a release.

    python -m benchmarks.privacy.fill_ins RELEASE

Each word is given to one subject, as the word of a physician, a hospital, an address, a name or a
number, and the release is searched for it. Exit 1 when one of them stops a release, or keeps out
anybody but that subject.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from tasks.deidentify.identifiers import Identifier, IdentifierKind, SubjectIdentifiers
from tasks.deidentify.search.hits import Judged, judge_hits
from tasks.deidentify.search.residual_scan import Dictionary
from tasks.deidentify.search.store_scan import scan_paths
from tasks.deidentify.search.store_scan_release import HOSPITALS_ALLOWED_IN, subjects_of

_FILLED_IN = """
System Admin Administrator CT MR MRI Tech Technician Technologist Unknown Anonymous Anonymized test
1 0 123 医生 未知 无 技师 管理员 操作员 放射科 影像科 匿名 测试 Operator User Default None N/A NA
NULL Liver Abdomen Portal Portal^Venous ARTERIAL Venous Delayed Radiology Radiologist Doctor Dr
Physician Nurse Service Standard Reader Reviewer ReaderCode Hospital Clinic Department Workstation
Console Scanner Philips SIEMENS GE Canon UIH Research Protocol Study Emergency Outpatient Inpatient
Night Day Release Cohort Phantom QA Demo Guest root public Report Training Staff Student Room1 CT1
MR01
"""
WORDS = tuple(_FILLED_IN.split())
STAFF = (IdentifierKind.PHYSICIAN, IdentifierKind.HOSPITAL, IdentifierKind.ADDRESS)
PATIENT = (IdentifierKind.NAME, IdentifierKind.PATIENT_ID, IdentifierKind.VISIT)


def judge_words(release: Path, kind: IdentifierKind, words: Iterable[str]) -> tuple[str, Judged]:
    """Return the subject that the words are given to, and what follows from them."""
    people = sorted(subjects_of(release))
    given = frozenset(Identifier(kind, word) for word in words)
    known = [
        SubjectIdentifiers(subject_id, None, given if subject_id == people[0] else frozenset())
        for subject_id in people
    ]
    hits = scan_paths([release], Dictionary(known), hospitals_allowed_in=HOSPITALS_ALLOWED_IN)
    return people[0], judge_hits(hits, people)


def main() -> None:
    """Print how many words of each kind keep their own subject out, others, or everything."""
    release, bad = Path(sys.argv[1]).resolve(), False
    for kind in (*STAFF, *PATIENT):
        own, others, stopped = [], [], []
        for word in WORDS:
            subject_id, judged = judge_words(release, kind, [word])
            own += [word] if subject_id in judged.hold else []
            others += [word] if judged.hold - {subject_id} else []
            stopped += [word] if judged.stop else []
        sys.stdout.write(
            f"{kind}: {len(WORDS)} words; {len(own)} hold their subject {own}, {len(others)} hold "
            f"others, {len(stopped)} stop the release\n"
        )
        bad = bad or bool(others or stopped)
    if bad:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
