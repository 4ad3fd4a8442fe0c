"""What each stage makes of simulated exports, held against the answer key: one table a stage.

    livercohort simulate HOME/inbox --sites 3 --faults all ... ; livercohort ingest ... ; release
    python benchmarks/simulate/against_answer_key.py HOME [--details]

Reads the inbox with a reader of its own, the warehouse and the latest release; writes nothing.
A person's withdrawal takes them out of the release, so their rows are left out of the last three
tables; so are papers, which are no images. A series that is absent from the release counts in the
table of labels and not again in that of volumes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

from schemas.identifiers import SiteCode, SubjectNo
from schemas.vault.keys import KeyRing, read_key_file

Row = dict[str, Any]
_UNSETTLED = {"UNCLASSIFIED", "MR_T1_POST", "CT_CE"}
_NO_CONSENT = ("withdrawn", "unknown")
_MM = 0.02


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("--key-file", type=Path)
    parser.add_argument("--details", action="store_true", help="one line per deviation")
    options = parser.parse_args()
    ring = read_key_file(options.key_file or options.home / "restricted" / "key")
    stages = {
        "receive, de-identify, intake of forms: state of each file": file_outcomes(
            options.home, ring
        ),
        "harmonise: label of each series": _labels(options.home, ring),
        "harmonise: label of each series that a fault made": _fault_labels(options.home, ring),
        "convert: geometry and b-values of each volume": _volumes(options.home, ring),
        "eligibility: effect of each criterion": _effects(options.home, ring),
    }
    for title, outcomes in stages.items():
        _print_table(title, outcomes, details=options.details)


@cache
def _key(home: Path, table: str) -> list[Row]:
    """Return the rows of the sites that were taken in."""
    taken_in = {path.name for path in (home / "warehouse" / "batches").iterdir()}
    rows: list[Row] = pq.read_table(home / "inbox" / "answer_key" / f"{table}.parquet").to_pylist()
    return [row for row in rows if row["site"] in taken_in]


def _query(home: Path, sql: str) -> list[tuple[Any, ...]]:
    path = home / "releases" / "latest" / "cohort.duckdb"
    with duckdb.connect(str(path), read_only=True) as database:
        return database.execute(sql).fetchall()


Outcome = tuple[str, str]  # (verdict with its kind, where)


def file_outcomes(home: Path, ring: KeyRing) -> list[Outcome]:
    """Match files by content: the warehouse holds no path."""
    outcomes: list[Outcome] = []
    exports: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in _key(home, "files"):
        exports[row["site"], row["export"]].append(row)
    for (site, export), rows in sorted(exports.items()):
        plain = _digests(home / "inbox" / site, export)
        digests = {path: ring.keyed_digest(digest) for path, digest in plain.items()}
        found = _best_batch(home / "warehouse" / "batches" / site, set(digests.values()))
        expected: dict[str, list[Row]] = defaultdict(list)
        for row in rows:
            expected[digests.get(row["path"], "absent")].append(row)
        for digest, wanted in expected.items():
            outcomes += _compared(wanted, found.get(digest, []), f"{site} {export}")
    return outcomes


def _compared(wanted: list[Row], found: list[str], where: str) -> list[Outcome]:
    """Compare the states of files with the same bytes, whichever of them is which."""
    left = Counter(found)
    missed = []
    for row in wanted:
        state = _state(row["state"], row["reason"])
        if left[state]:
            left[state] -= 1
        else:
            missed.append((row, state))
    others = list(left.elements())
    same = [("as stated", where)] * (len(wanted) - len(missed))
    return same + [
        (f"{row['fault'] or 'no fault'}: {state} became {others.pop() if others else 'nothing'}",
         f"{where} {row['path']}")
        for row, state in missed
    ]  # fmt: skip


def _state(state: str, reason: str | None) -> str:
    return f"{state} {reason}" if reason else state


def _digests(site: Path, export: str) -> dict[str, str]:
    archive = site / f"{export}.zip"
    if archive.is_file():
        return dict(_zip_digests(archive, ""))
    digests: dict[str, str] = {}
    root = site / export
    for folder, folders, names in os.walk(root):
        for path in (Path(folder, name) for name in (*names, *folders)):
            relative = path.relative_to(root).as_posix()
            if path.is_symlink():
                digests[relative] = hashlib.sha256().hexdigest()
            elif path.is_file():
                digests[relative] = hashlib.sha256(path.read_bytes()).hexdigest()
                if relative.endswith("upload.zip"):
                    digests |= dict(_zip_digests(path, relative.removesuffix(".zip") + "/"))
    return digests


def _zip_digests(archive: Path, prefix: str) -> Iterator[tuple[str, str]]:
    with zipfile.ZipFile(archive) as members:
        for info in members.infolist():
            yield prefix + info.filename, hashlib.sha256(members.read(info)).hexdigest()


def _best_batch(folder: Path, digests: set[str]) -> dict[str, list[str]]:
    """Return the states of the batch that shares most contents with the export, by digest."""
    best: dict[str, list[str]] = {}
    for path in sorted(folder.glob("*/file.parquet")) if folder.is_dir() else ():
        found: dict[str, list[str]] = defaultdict(list)
        for row in pq.read_table(path).to_pylist():
            found[row["source_sha256"]].append(_state(row["state"], row["reason"]))
        if len(digests & found.keys()) > len(digests & best.keys()):
            best = dict(found)
    return best


def _labels(home: Path, ring: KeyRing) -> list[Outcome]:
    truth: dict[str, list[str]] = defaultdict(list)
    where: dict[str, str] = {}
    accepted = _accepted_series(home)
    for row in _key(home, "labels"):
        if row["series_uid"] in accepted and not _withdrawn(home, row):
            truth[ring.uid(row["series_uid"])].append(row["label"])
            where[ring.uid(row["series_uid"])] = (
                f"{row['site']} {row['vendor']} {row['role']} {row['series_description']}"
            )
    found = _released_labels(home)
    return [(_label_outcome(truth[uid], found.get(uid, [])), where[uid]) for uid in sorted(truth)]


def _fault_labels(home: Path, ring: KeyRing) -> list[Outcome]:
    """Hold what a fault added or renamed against the labels that the key allows for it."""
    found, outcomes = _released_labels(home), []
    for row in _key(home, "faults"):
        detail = json.loads(row["detail"] or "{}")
        allowed = str(detail.get("labels") or "")
        if not allowed or _withdrawn(home, row):
            continue
        uid = ring.uid(detail.get("other_series_uid") or row["series_uid"])
        labels = sorted(set(found.get(uid, ["nothing"])))
        wrong = set(labels) - set(allowed.split("|"))
        stated = f"{row['fault']}: {allowed} became {' '.join(labels)}"
        outcomes.append((stated if wrong else "as stated", f"{row['site']} {row['path']}"))
    return outcomes


def _released_labels(home: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for series_uid, label in _query(home, "SELECT series_uid, label FROM series"):
        found[series_uid].append(label)
    return found


def _label_outcome(truth: list[str], found: list[str]) -> str:
    stated = " ".join(sorted(set(truth)))
    if not found:
        return "series absent from the release"
    wrong = sorted(set(found) - set(truth) - _UNSETTLED)
    if wrong:
        return f"{stated} became {' '.join(wrong)}"
    if set(found) & _UNSETTLED:
        return f"{stated} left open as {' '.join(sorted(set(found) & _UNSETTLED))}"
    return "as stated"


def _accepted_series(home: Path) -> set[str]:
    """Return the images that no fault touched: those of a fault are judged by their files."""
    touched = {row["series_uid"] for row in _key(home, "faults")}
    images = [row for row in _key(home, "labels") if row["label"] != "NONIMAGE"]
    return {row["series_uid"] for row in images} - touched


def _withdrawn(home: Path, row: Row) -> bool:
    return (row["site"], row["subject_no"]) in _withdrawals(home)


@cache
def _withdrawals(home: Path) -> set[tuple[str, str]]:
    return {
        (row["site"], row["subject_no"])
        for row in _key(home, "eligibility")
        if row["consent"] in _NO_CONSENT
    }


def _volumes(home: Path, ring: KeyRing) -> list[Outcome]:
    columns = (
        "series_uid, [dim_x, dim_y, dim_z], [voxel_x_mm, voxel_y_mm, voxel_z_mm], b_values, verdict"
    )
    volumes: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for series_uid, *facts in _query(home, f"SELECT {columns} FROM nifti_volume"):
        volumes[series_uid].append(tuple(facts))
    accepted, released, outcomes = _accepted_series(home), _released_labels(home), []
    for row in _key(home, "labels"):
        series_uid = ring.uid(row["series_uid"])
        if row["series_uid"] not in accepted or series_uid not in released:
            continue
        found = volumes.get(series_uid, [])
        outcomes.append((_volume_outcome(row, found), f"{row['vendor']} {row['label']}"))
    return outcomes


def _volume_outcome(row: Row, found: list[tuple[Any, ...]]) -> str:
    """Say whether one volume of the series fits the stated sub-stack."""
    kind = f"{row['vendor']}{' enhanced' if row['enhanced'] else ''} {row['label']}"
    if not found:
        return f"{kind}: no volume"
    # The converter turns a coronal volume, so that its slices lie along another axis.
    slices = [v for v in found if row["n_slices"] in v[0]]
    if not slices:
        return f"{kind}: {row['n_slices']} slices became {sorted({v[0][2] for v in found})}"
    gap = row["slice_gap_mm"] if row["n_slices"] > 1 else None
    if gap and not any(_is_apart(v, row["n_slices"], gap) for v in slices):
        return f"{kind}: spacing differs"
    wanted = sorted(row["b_values"] or [])
    if wanted and not any(sorted(set(v[2] or [])) == wanted for v in slices):
        return f"{kind}: b-values differ"
    return "as stated"


def _is_apart(volume: tuple[Any, ...], n_slices: int, gap_mm: float) -> bool:
    dims, voxels_mm = volume[0], volume[1]
    along = [mm for n, mm in zip(dims, voxels_mm, strict=True) if n == n_slices]
    return any(mm and abs(mm - gap_mm) < _MM for mm in along)


def _effects(home: Path, ring: KeyRing) -> list[Outcome]:
    truth = _key(home, "eligibility")
    last = max(row["night"] for row in truth)
    sql = "SELECT subject_id, reading, criterion_id, effect FROM criterion_result"
    found = {(s, r, c): effect for s, r, c, effect in _query(home, sql)}
    outcomes = []
    for row in truth:
        if row["night"] != last or row["criterion"] == "status" or _withdrawn(home, row):
            continue
        subject = ring.subject_id(SiteCode(row["site"]), SubjectNo(row["subject_no"]))
        effect = found.get((subject, row["reading"], row["criterion"]), "nothing")
        where = f"{row['site']} {row['reading']}: {row['story']}"
        stated = f"{row['criterion']}: {row['effect']} became {effect}"
        outcomes.append(("as stated" if effect == row["effect"] else stated, where))
    return outcomes


def _print_table(title: str, outcomes: list[Outcome], *, details: bool) -> None:
    counts = Counter(verdict for verdict, _ in outcomes)
    right = counts.pop("as stated", 0)
    print(f"\n### {title}\n\n{right} of {len(outcomes)} as stated.\n")
    if counts:
        print("| deviation | n |\n|---|---|")
        for verdict, count in sorted(counts.items()):
            print(f"| {verdict} | {count} |")
    if details:
        for verdict, where in sorted(outcomes):
            if verdict != "as stated":
                print(f"- {verdict} ({where})")


if __name__ == "__main__":
    main()
