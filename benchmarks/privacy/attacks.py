"""Attacks on a release, as whoever got hold of it would try them; each prints what it learns.

    python -m benchmarks.privacy.attacks RELEASE... [--known FOLDER...] [--package FOLDER] [--table]

`--known` is a folder of what was delivered, one for all releases or one for each: the strongest
attacker already has the very files and only wants to recognise them. `--table` prints one row
for each attack and one column for each release: how many things it learned. Exit 1 when anything
was learned.
"""

from __future__ import annotations

import argparse
import base64
import csv
import datetime as dt
import hashlib
import json
import re
import sys
import zipfile
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pydicom

_DIGEST = re.compile(r"\b[0-9a-f]{16,64}\b")
_DAY = re.compile(r"(?<![\d.-])20\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])(?![\d-])")
_FORMULA = re.compile(r"^(?:[=@\t\r]|[+-](?!(?:[+-]?[\d.]+(?:[eE][+-]?\d+)?[,;]?)+$))")
_TOKEN = re.compile(r"2\.25\.\d+|[0-9A-Za-z]{8,64}")
_WHO = (
    *("PatientID", "PatientName", "AccessionNumber", "StudyID"),
    *("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID"),
)
#: Shorter ones are years, counts and codes.
_SHORTEST = 5
_TEXT = (".md", ".json", ".csv", ".html", ".cff", ".txt", ".tsv", ".sql", ".py", ".R", ".ipynb")
#: Days of the protocol and of its decisions are public and nobody's.
_NO_DAYS = {"2000-01-01"}  # what a workbook gives as the day on which it was made
_PUBLIC = ("decisions.csv", "protocol/", "examples/")


def tables(release: Path) -> Iterator[tuple[str, pa.Table]]:
    """Yield every table of a release by name."""
    for path in sorted((release / "tables").glob("*/*.parquet")):
        yield path.parent.name, pq.read_table(path)


def texts(release: Path) -> Iterator[tuple[str, str]]:
    """Yield names of files, text files, workbooks, and the texts of every column of a table."""
    files = sorted(p for p in release.rglob("*") if p.is_file())
    yield "names of files", "\n".join(p.relative_to(release).as_posix() for p in files)
    for path in files:
        if path.suffix in _TEXT:
            yield path.relative_to(release).as_posix(), path.read_text(encoding="utf-8-sig")
        elif path.suffix == ".xlsx":
            yield path.relative_to(release).as_posix(), _sheets(path)
    for name, table in tables(release):
        for field in table.schema:
            cells = table[field.name]
            if pa.types.is_list(field.type):
                cells = pc.list_flatten(cells)
            if pa.types.is_string(cells.type):
                yield f"{name}.{field.name}", "\n".join(cells.drop_null().unique().to_pylist())
            for key, value in (field.metadata or {}).items():
                yield f"{name}.{field.name} metadata", f"{key!r} {value!r}"


def _sheets(path: Path) -> str:
    with zipfile.ZipFile(path) as book:
        return "\n".join(book.read(n).decode("utf-8", "replace") for n in book.namelist())


def recognise_sources(release: Path, known: Sequence[bytes]) -> list[str]:
    """Compare every digest in the release with plain hashes of known sources."""
    plain = {
        make(data).hexdigest()
        for data in known
        for make in (hashlib.sha256, hashlib.md5, hashlib.sha1, hashlib.blake2b)
    }
    heads = {digest[:n] for digest in plain for n in (16, 32, 40, 64)}
    return [
        f"{where} holds the plain hash of a delivered file"
        for where, text in texts(release)
        if any(digest in plain or digest in heads for digest in set(_DIGEST.findall(text)))
    ]


def recognise_identifiers(release: Path, known: Iterable[str]) -> list[str]:
    """Compare every token in the release with plain hashes of numbers, names and UIDs."""
    made = {form for value in known for form in _plain_forms(value)}
    return [
        f"{where} holds the plain hash of a known identifier"
        for where, text in texts(release)
        if made & {token.lower() for token in _TOKEN.findall(text)}
    ]


def _plain_forms(value: str) -> Iterator[str]:
    for make in (hashlib.sha256, hashlib.md5, hashlib.sha1, hashlib.blake2b):
        digest = make(value.encode()).digest()
        yield from (digest.hex()[:n] for n in (8, 12, 16, 32, 40, 64))
        yield base64.b32encode(digest).decode().lower()[:8]
        yield f"2.25.{int.from_bytes(digest[:16], 'big')}"


def rows_as_they_came(release: Path) -> list[str]:
    """Look for a table whose rows stand in another order than that of what they say."""
    found = []
    for path in sorted((release / "tables").glob("*/*.parquet")):
        table = pq.read_table(path)
        ids = [c for c in ("subject_id", "screening_no") if c in table.column_names]
        keys = table[ids[0]].to_pylist() if ids and table.column_names[0] in ids else []
        if keys != sorted(keys, key=str):
            found.append(f"{path.parent.name}: rows in the order in which they came")
    return found


def guess_one_row_forms(release: Path, known: Sequence[bytes]) -> list[str]:
    """Try subject numbers and days in the frame of a known form, as the first attack did."""
    digests = {d for _, text in texts(release) for d in _DIGEST.findall(text)}
    found = []
    for data in known:
        lines = data.splitlines()
        for kept in (lines[:2], lines[:3]):  # a heading and one row; also with a first remark
            whole = b"\n".join(kept) + b"\n"
            for guess in _guesses(whole):
                if hashlib.sha256(guess).hexdigest() in digests:
                    found.append("a form was found by trying days and numbers")
    return found


def _guesses(form: bytes) -> Iterator[bytes]:
    days = sorted(set(re.findall(rb"20\d\d-\d\d-\d\d", form)))[:1]
    yield form
    for day in days:
        start = dt.date.fromisoformat(day.decode())
        for step in range(-60, 61):
            yield form.replace(day, (start + dt.timedelta(days=step)).isoformat().encode())


def real_day_columns(release: Path) -> list[str]:
    """Look for a column of days that is not shifted."""
    return sorted(
        {
            f"{name}.{field.name} holds real days"
            for name, table in tables(release)
            for field in table.schema
            if (pa.types.is_date(field.type) or pa.types.is_timestamp(field.type))
            and not field.name.endswith("_shifted")
        }
    )


def real_days_in_text(release: Path) -> list[str]:
    """Look for days in documents and text cells, beside which shifted ones could be laid."""
    shifted = {
        day.isoformat()
        for _, table in tables(release)
        for field in table.schema
        if field.name.endswith("_shifted")
        for day in table[field.name].drop_null().to_pylist()
    }
    return [
        f"{where} names {len(left)} days that are not shifted"
        for where, text in texts(release)
        if not where.startswith(_PUBLIC) and (left := set(_DAY.findall(text)) - shifted - _NO_DAYS)
    ]


def sessions(release: Path) -> list[str]:
    """Look for a day that one person of the staff had with several subjects."""
    found = []
    for name, table in tables(release):
        days = [c for c in table.column_names if c.endswith("_shifted")]
        staff = [c for c in table.column_names if c in ("rater_id", "reader_id", "reviewer_id")]
        if days and staff and table.num_rows:
            found.append(f"{name}: {days[0]} beside {staff[0]} ties shifts of subjects together")
    return found


def file_times(release: Path) -> list[str]:
    """Look at when files and folders say they were made: a real day of the home."""
    times = {int(p.stat().st_mtime) for p in (release, *release.rglob("*"))}
    return [] if len(times) == 1 and max(times) < 1e9 else [f"{len(times)} real file times"]


def shifts_between_subjects(release: Path) -> list[str]:
    """Count columns of real order: ids that rise with the days of different subjects."""
    found = []
    for name, table in tables(release):
        days = [c for c in table.column_names if c.endswith("_shifted")]
        numbers = [
            f.name
            for f in table.schema
            if pa.types.is_integer(f.type) and f.name.endswith(("_order", "sequence"))
        ]
        found += [f"{name}: {n} orders {d}" for n in numbers for d in days]
    return found


def formulas(release: Path) -> list[str]:
    """Look for a cell that a spreadsheet would run."""
    found = [
        f"{path.relative_to(release).as_posix()} has a formula"
        for path in sorted(release.rglob("*.xlsx"))
        if "<f>" in _sheets(path)
    ]
    for path in sorted(release.rglob("*.csv")):
        rows = csv.reader(path.read_text(encoding="utf-8-sig").splitlines())
        if any(_FORMULA.match(cell) for row in rows for cell in row if len(cell) > 1):
            found.append(f"{path.relative_to(release).as_posix()} has a cell that runs")
    return found


def stand_alone(package: Path, k: int = 5) -> list[str]:
    """Look for a subject of a package whom site, sex, age and diagnosis single out."""
    data = package / "data"
    said: dict[str, list[str]] = {}
    for row in _rows(data / "subject.csv"):
        said[row["subject_id"]] = [row["site_group"], row["sex"], row["age_band"]]
        said[row["subject_id"]].append(row["patient_reference"])
    for name, column in (("lesion", "reference_class"), ("pathology", "diagnosis_code")):
        for row in _rows(data / f"{name}.csv"):
            said[row["subject_id"]].append(row[column])
    sizes = Counter(tuple(v[:3]) + tuple(sorted(set(v[3:]))) for v in said.values())
    return [
        f"{n} groups of fewer than {k} subjects" for n in [sum(s < k for s in sizes.values())] if n
    ]


def _rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))


def compare_releases(old: Path, new: Path) -> list[str]:
    """Look for a subject whose shifted days moved against each other between two releases."""
    found = []
    for name in ("pathology", "treatment", "follow_up", "imaging_study"):
        one, other = (_days_of(release, name) for release in (old, new))
        for key in one.keys() & other.keys():
            if one[key] != other[key]:
                found.append(f"{name}: a day of the same row differs between releases")
    return found


def _days_of(release: Path, name: str) -> dict[tuple[str, str], dt.date]:
    days = {}
    for table_name, table in tables(release):
        if table_name == name:
            key = table.column_names[0]
            for row in table.to_pylist():
                for column, value in row.items():
                    if column.endswith("_shifted") and value is not None:
                        days[row[key], column] = value
    return days


ATTACKS: dict[str, Callable[[Path], list[str]]] = {
    "columns of real days": real_day_columns,
    "real days in documents": real_days_in_text,
    "sessions of readers": sessions,
    "times of files": file_times,
    "orders across subjects": shifts_between_subjects,
    "cells that run": formulas,
    "orders of rows": rows_as_they_came,
}


def attack(
    release: Path, known: Sequence[bytes] = (), identifiers: Collection[str] = ()
) -> dict[str, list[str]]:
    """Return what each attack learns from a release.

    Parameters
    ----------
    release : Path
        Its folder.
    known : sequence of bytes
        Delivered forms.
    identifiers : collection of str
        Numbers, names and UIDs of the subjects, as they were delivered.
    """
    learned = {name: try_it(release) for name, try_it in ATTACKS.items()}
    learned["hashes of known sources"] = recognise_sources(release, known)
    learned["forms found by trying"] = guess_one_row_forms(release, known)
    learned["hashes of known identifiers"] = recognise_identifiers(release, identifiers)
    return learned


def delivered(folder: Path) -> list[bytes]:
    """Return the forms and linkage files below a folder."""
    return [p.read_bytes() for p in sorted(folder.rglob("*.csv")) if p.stat().st_size < 1 << 20]


def identifiers_in(folder: Path) -> set[str]:
    """Return the cells of the forms below a folder, and what its headers say who and what it is."""
    found = {
        cell.strip()
        for data in delivered(folder)
        for line in data.decode("utf-8", "replace").splitlines()
        for cell in line.split(",")
    }
    for path in sorted(folder.rglob("*.dcm")):
        try:
            header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(_WHO))
        except (pydicom.errors.InvalidDicomError, EOFError):
            continue
        found |= {str(header.get(keyword, "")) for keyword in _WHO}
    return {value for value in found if len(value) >= _SHORTEST}


def print_table(learned: Mapping[str, Mapping[str, list[str]]]) -> None:
    """Print how many things each attack learned of each release, as Markdown."""
    attacks = list(dict.fromkeys(name for found in learned.values() for name in found))
    sys.stdout.write(f"| attack | {' | '.join(learned)} |\n|---|{'---:|' * len(learned)}\n")
    for name in attacks:
        counts = [str(len(found[name])) if name in found else "" for found in learned.values()]
        sys.stdout.write(f"| {name} | {' | '.join(counts)} |\n")


def main() -> None:
    """Try every attack and print what it learns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("releases", nargs="*", type=Path)
    parser.add_argument("--known", type=Path, nargs="*", default=[])
    parser.add_argument("--package", type=Path)
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    folders = options.known
    if len(folders) not in (0, 1, len(options.releases)):
        parser.error("--known: one folder for all releases, or one for each")
    learned: dict[str, dict[str, list[str]]] = {}
    for number, path in enumerate(options.releases):
        folder = folders[number if len(folders) > 1 else 0] if folders else None
        known = (delivered(folder), identifiers_in(folder)) if folder else ([], set())
        name = path.name if path.name not in learned else f"{path.name} ({number + 1})"
        learned[name] = attack(path.resolve(), *known)
    if len(folders) <= 1:  # with one for each they are not of one home
        for old, new in combinations(options.releases, 2):
            learned[f"{old.name} and {new.name}"] = {"both": compare_releases(old, new)}
    if options.package:
        learned["package"] = {"who stands alone": stand_alone(options.package)}
    if options.table:
        print_table(learned)
    else:
        sys.stdout.write(json.dumps(learned, ensure_ascii=False, indent=2) + "\n")
    if any(found for attacks in learned.values() for found in attacks.values()):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
