"""The ten actions of the MIDI-B benchmark, on a simulated delivery with its answer key.

    livercohort simulate OUT --sites 2 --subjects 1 --nights 1 --seed 7
    python benchmarks/conformance/midi_b.py OUT

Three steps that share files only. `midi_b_key.py` writes the answer key as the benchmark has it: a
SQLite table `answer_data` with a row for each instance and its actions as JSON (tag, value,
action), from the delivered objects, the simulator's planted values and table E.1-1. The stage
de-identifies, and two CSV files `id_old,id_new` say which UID and which PatientID stand for which.
Then this file scores by the benchmark's published definitions (arXiv 2507.23608; the scorer's
manual), written anew:

tag_retained      the attribute is there
text_notnull      it is there and not empty
text_retained     every word of the expected text stands in it
text_removed      no word of the planted text stands in it, nor the text in any byte of the header
date_shifted      the date is not there
uid_changed       the UID is not there
uid_consistent    the UID is the one that the mapping gives
patid_consistent  the PatientID is the one that the mapping gives
pixels_retained   the digest of PixelData is that of the source
pixels_hidden     what shows text is not among the outputs (the benchmark reads regions by OCR;
                  here such files are held, so that an output fails)

As there, a missing file fails every action that wants something kept. Every loss is printed with
its reason; exit 1 when removal is below 100 % or retention below 99 %, or a loss has no reason.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import re
import sqlite3
import sys
import tempfile
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from midi_b_key import KeyedExport, read_element, write_key
from pydicom import dcmread
from pydicom.dataset import Dataset

from tasks.deidentify.rules.dropped import load_dropped
from tasks.deidentify.rules.profile import load_profile
from tasks.deidentify.store_folder import deidentify_folder

REMOVAL = ("text_removed", "date_shifted", "uid_changed", "pixels_hidden")
GOALS = {"removal": 1.0, "retention": 0.99}
_WORD = re.compile(r"[^\W_]+(?:\.\d+)?")


@dataclass
class Score:
    """Actions passed and made; losses by action, attribute and reason."""

    passed: Counter[str] = field(default_factory=Counter)
    made: Counter[str] = field(default_factory=Counter)
    losses: Counter[tuple[str, str, str]] = field(default_factory=Counter)


def main() -> None:
    """Write the key, de-identify, score."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("delivery", type=Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    score = Score()
    with tempfile.TemporaryDirectory() as scratch:
        for number, export in enumerate(write_key(options.delivery, Path(scratch))):
            out = Path(scratch, f"out{number}")
            deidentify_folder(
                export.folder, out, export.site, export.ring, assignments=export.links, workers=2
            )
            score_export(export, out, score)
    sys.exit(report(score))


def score_export(export: KeyedExport, out: Path, score: Score) -> None:
    """Score the outputs of one export by its key and its mappings."""
    uids, patients = mapping(export.uid_map), mapping(export.patient_map)
    outputs = {path.stem: path for path in out.rglob("*.dcm")}
    with sqlite3.connect(export.key) as key:
        rows = key.execute("SELECT SOPInstanceUID, AnswerData FROM answer_data").fetchall()
    for old_uid, answers in rows:
        made = outputs.get(uids[old_uid])
        written = dcmread(made) if made else None
        header = header_bytes(written, made) if made and written is not None else b""
        for answer in json.loads(answers):
            judge(answer, written, header, uids, patients, score)


def judge(
    answer: dict[str, str],
    written: Dataset | None,
    header: bytes,
    uids: dict[str, str],
    patients: dict[str, str],
    score: Score,
) -> None:
    """Count one action; note a loss with its reason."""
    action, expected = answer["action"].strip("<>"), answer["value"]
    score.made[action] += 1
    if written is None:
        ok = action in REMOVAL
    elif action == "pixels_hidden":
        ok = False
    else:
        ok = passes(action, expected, read_element(written, answer["tag"]), header, uids, patients)
    score.passed[action] += ok
    if not ok:
        reason = "the file did not come out" if written is None else reason_of(action, answer)
        lost = answer["tag_name"] or answer["tag"]
        if action == "text_retained":
            lost += f" `{expected}`"
        score.losses[action, lost, reason] += 1


def passes(
    action: str,
    expected: str,
    now: str | None,
    header: bytes,
    uids: dict[str, str],
    patients: dict[str, str],
) -> bool:
    """Return whether one action holds for the value that an attribute has now."""
    text = now or ""
    if action == "tag_retained":
        return now is not None
    if action == "text_notnull":
        return bool(text)
    if action == "text_retained":
        kept = [word.casefold() for word in _WORD.findall(text)]
        return all(
            any(word.casefold() in other for other in kept) for word in _WORD.findall(expected)
        )
    if action == "text_removed":
        left = {w.casefold() for w in _WORD.findall(expected)} & {
            w.casefold() for w in _WORD.findall(text)
        }
        return not left and expected.encode() not in header
    if action == "pixels_retained":
        return text == expected
    if action == "uid_consistent":
        return text == uids[expected]
    if action == "patid_consistent":
        return text == patients[expected]
    return expected not in text  # date_shifted, uid_changed


def reason_of(action: str, answer: dict[str, str]) -> str:
    """Return why an attribute is not as the key wants it; empty when nobody wrote a reason."""
    tag = int(answer["tag"].rpartition("(")[2].rstrip(")>").replace(",", ""), 16)
    for one in load_dropped():
        if one.is_of(tag):
            return f"dropped.csv: {one.reason}"
    rules = [rule for rule in load_profile().all_rules() if rule.tag == tag]
    if action == "text_retained" and rules:
        return (
            "a word outside the closed vocabulary, or a number alone: nothing tells it from a day"
        )
    if rules:
        return f"the value breaks its contract `{rules[0].contract.text or rules[0].action}`"
    return ""


def mapping(path: Path) -> dict[str, str]:
    """Return a file of the columns `id_old,id_new`."""
    with path.open(encoding="utf-8", newline="") as stream:
        return {row["id_old"]: row["id_new"] for row in csv.DictReader(stream)}


def header_bytes(written: Dataset, path: Path) -> bytes:
    """Return the bytes of a file without its pixels."""
    raw, pixels = path.read_bytes(), bytes(written.get("PixelData", b""))
    return raw.replace(pixels, b"") if pixels else raw


def report(score: Score) -> int:
    """Print actions, groups and losses; return the exit code."""
    for action in sorted(score.made):
        show(action, score.passed[action], score.made[action])
    failed = 0
    for group, goal in GOALS.items():
        of_group = [a for a in score.made if (a in REMOVAL) == (group == "removal")]
        passed = sum(score.passed[a] for a in of_group)
        made = sum(score.made[a] for a in of_group)
        show(f"{group} (goal {100 * goal:.0f} %)", passed, made)
        failed |= passed < goal * made
    for (action, name, reason), times in sorted(score.losses.items()):
        print(f"lost: {action} | {name} | {times} | {reason or 'NO REASON'}")
        failed |= not reason
    return int(failed)


def show(what: str, passed: int, made: int) -> None:
    """Print one line of the table."""
    print(f"{what:<28}{passed:>10} of {made:<10}{100 * passed / made:9.4f} %")


def digest(pixels: bytes) -> str:
    """Return the digest that the benchmark records of PixelData."""
    return hashlib.md5(pixels, usedforsecurity=False).hexdigest()


if __name__ == "__main__":
    main()
