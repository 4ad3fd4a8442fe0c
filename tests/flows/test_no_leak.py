"""No planted identifier in any byte outside the closed zones. Searched without our own scanner."""

from __future__ import annotations

import gzip
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import ahocorasick
import duckdb
import pyarrow.parquet as pq
import pytest

from schemas.identifiers import SiteCode, SubjectNo
from schemas.vault.keys import read_key_file
from tests.flows.conftest import Demo

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("demo")]

OPEN_ZONES = ("warehouse", "releases", "reports", "prefect", "logs", "operations")
ENCODINGS = ("utf-8", "gb18030", "utf-16-le", "utf-16-be", "big5", "iso2022_jp_2")


def encoded(value: str) -> Iterator[bytes]:
    for encoding in ENCODINGS:
        try:
            yield value.encode(encoding)
        except UnicodeEncodeError:
            continue
    # As JSON and Python escape it.
    yield json.dumps(value)[1:-1].encode()


def contents(path: Path) -> Iterator[bytes]:
    """Yield a file's bytes, and what compressed or columnar formats hide."""
    data = path.read_bytes()
    yield str(path).encode()
    yield data
    if data[:2] == b"\x1f\x8b":
        yield gzip.decompress(data)
    elif path.suffix == ".parquet":
        yield json.dumps(pq.read_table(path).to_pylist(), default=str, ensure_ascii=False).encode()
    elif path.suffix == ".duckdb":
        with duckdb.connect(str(path), read_only=True) as database:
            for (name,) in database.execute("SELECT table_name FROM duckdb_tables()").fetchall():
                yield repr(database.execute(f'FROM "{name}"').fetchall()).encode()
    elif data[:15] == b"SQLite format 3":
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
            names = database.execute("SELECT name FROM sqlite_master WHERE type='table'").fetchall()
            for (name,) in names:
                yield repr(database.execute(f'SELECT * FROM "{name}"').fetchall()).encode()


def test_no_planted_identifier_stands_in_any_byte_outside_the_closed_zones(demo: Demo) -> None:
    automaton = ahocorasick.Automaton()
    for row in demo.key("identifiers"):
        if row["scope"] == "everywhere":
            for pattern in encoded(row["value"]):
                automaton.add_word(pattern.decode("latin-1"), (row["kind"], row["place"]))
    automaton.make_automaton()
    searched, found = 0, set()
    for zone in OPEN_ZONES:
        for path in sorted(p for p in (demo.home / zone).rglob("*") if p.is_file()):
            searched += 1
            for data in contents(path):
                found |= {(zone, *hit) for _, hit in automaton.iter(data.decode("latin-1"))}
    assert searched > 2000
    assert found == set()


def test_no_real_date_stands_in_the_objects_of_its_person(demo: Demo) -> None:
    ring = read_key_file(demo.home / "restricted" / "key")
    dates: dict[str, set[bytes]] = {}
    for row in demo.key("identifiers"):
        if row["scope"] == "own_objects":
            subject = ring.subject_id(SiteCode(row["site"]), SubjectNo(row["subject_no"]))
            dates.setdefault(subject, set()).update(encoded(row["value"]))
    checked = 0
    for path in (demo.home / "warehouse" / "dicom").rglob("*.dcm"):
        header = path.read_bytes().partition(b"\xe0\x7f\x10\x00")[0]
        for person, values in dates.items():
            if person.encode() in header:
                checked += 1
                assert not [value for value in values if value in header]
    assert checked > 1000


def test_the_answer_key_is_not_a_toy(demo: Demo) -> None:
    kinds = {row["kind"] for row in demo.key("identifiers")}
    assert len(kinds) >= 10
    assert len(demo.key("identifiers")) > 500
