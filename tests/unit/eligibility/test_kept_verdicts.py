"""Verdicts kept for the next release: what makes one count, and that nothing else does."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from schemas import protocol
from schemas.clinical_rows import ClinicalRow
from schemas.decisions import Decision
from schemas.package_data import data_contracts_dir
from schemas.reference import Judge, SubjectReference
from schemas.run.made_by import made_by, package_files, read_made_by
from schemas.run.zones import Zones
from schemas.value_digest import value_digest
from schemas.vault import kept
from schemas.vault.keys import KEY_BYTES, KeyRing
from tasks.eligibility import store_kept
from tasks.eligibility.assemble import CohortRows, assemble_cohort
from tasks.eligibility.decided import decide_subject
from tasks.eligibility.store_kept import KeptVerdicts, forget_verdicts
from tasks.eligibility.subjects import SubjectRecord, collect_subjects
from tasks.reference.judge import judge_subject
from tests.unit.eligibility.cohort import SHIFT_DAYS, plain_images, plain_rows, row

RING = KeyRing(b"k" * KEY_BYTES)


@pytest.fixture
def zones(tmp_path: Path) -> Zones:
    return Zones(tmp_path)


def assembled(
    zones: Zones, rows: list[ClinicalRow] | None = None, *, ring: KeyRing = RING, batch: str = "b"
) -> tuple[CohortRows, int]:
    """Return a cohort, and how many of its verdicts were kept ones."""
    verdicts = KeptVerdicts(zones, ring)
    found = assemble_cohort(
        plain_rows() if rows is None else rows,
        plain_images(),
        judge_subject,
        decide=verdicts.decide,
        batch_of_subject={"S91-AAAAAAAA": batch},
    )
    verdicts.write()
    return found, verdicts.n_kept


def test_a_kept_verdict_is_what_would_be_computed(zones: Zones) -> None:
    computed, none = assembled(zones)
    kept, one = assembled(zones)
    assert (none, one) == (0, 1)
    assert repr(kept) == repr(computed)
    assert repr(kept.places) == repr(computed.places)
    assert repr(kept.cases) == repr(computed.cases)
    assert kept.tables == assemble_cohort(plain_rows(), plain_images(), judge_subject).tables


def test_a_changed_row_is_decided_anew_and_the_old_verdict_is_gone(zones: Zones) -> None:
    assembled(zones)
    others = [one for one in plain_rows() if one.form != "treatment"]
    changed = [*others, row("treatment", prior_treatment="yes", type="tace")]
    found, n_kept = assembled(zones, changed)
    assert n_kept == 0
    assert repr(found) == repr(assemble_cohort(changed, plain_images(), judge_subject))
    assert assembled(zones)[1] == 0  # the release before is not the one before last


def test_who_is_held_is_no_part_of_a_verdict(zones: Zones) -> None:
    verdicts = KeptVerdicts(zones, RING)
    for held in ((), ("S91-AAAAAAAA",), ()):
        found = assemble_cohort(
            plain_rows(), plain_images(), judge_subject, held=held, decide=verdicts.decide
        )
        leaves = {place.leaf for places in found.places.values() for place in places}
        assert ("identifier_held" in leaves) is bool(held)


def test_every_fact_of_a_subject_is_part_of_what_its_verdict_is_kept_by() -> None:
    (subject,) = collect_subjects(plain_rows(), plain_images(), {"S91-AAAAAAAA": SHIFT_DAYS})
    original = value_digest(subject)
    changed = list(with_one_change(subject))
    assert len(changed) > 200  # fields that `repr` leaves out among them
    assert {"shift_days", "subject_no", "values", "real_date"} <= {name for name, _ in changed}
    assert [name for name, one in changed if value_digest(one) == original] == []


def with_one_change(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield a value with one thing in it changed, for each thing in it, and its field."""
    if is_dataclass(value):
        yield from _records_with_one_change(value)
    elif isinstance(value, tuple):
        yield "", (*value, "one more")
        for place, own in enumerate(value):
            yield "", value[:place] + value[place + 1 :]
            for name, other in with_one_change(own):
                yield name, (*value[:place], other, *value[place + 1 :])
    elif isinstance(value, Mapping):
        for key, own in value.items():
            yield "", {name: one for name, one in value.items() if name != key}
            yield from ((name, {**value, key: other}) for name, other in with_one_change(own))
    else:
        yield "", "something else"


def _records_with_one_change(value: Any) -> Iterator[tuple[str, Any]]:
    every = {item.name: getattr(value, item.name) for item in fields(value)}
    for name, own in every.items():
        for inner, other in with_one_change(own):
            copied = object.__new__(type(value))
            for one, said in (every | {name: other}).items():
                object.__setattr__(copied, one, said)
            yield inner or name, copied


def test_another_batch_or_judge_is_another_verdict(zones: Zones) -> None:
    def judge_otherwise(*of: Any) -> SubjectReference:
        return judge_subject(*of)

    (subject,) = collect_subjects(plain_rows(), plain_images(), {})
    verdicts = KeptVerdicts(zones, RING)
    judges: tuple[tuple[Judge, str], ...] = (
        (judge_subject, "b1"),
        (judge_subject, "b2"),
        (judge_otherwise, "b1"),
    )
    for judge, batch in judges:
        verdicts.decide(subject, judge, batch)
    verdicts.write()
    assert verdicts.n_kept == 0
    again = KeptVerdicts(zones, RING)
    for judge, batch in judges:
        again.decide(subject, judge, batch)
    assert again.n_kept == len(judges)


@pytest.mark.parametrize("what", ["code", "decision", "key", "site", "bytes", "cut off"])
def test_what_something_else_made_does_not_count(
    zones: Zones, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    assembled(zones)
    path = zones.restricted / "verdicts" / "S91.kept"
    ring = RING
    if what == "code":
        other = "0" * 64
        monkeypatch.setattr(kept, "made_by", lambda: other)
        monkeypatch.setattr(kept, "read_made_by", lambda: other)
    elif what == "decision":
        register = protocol.read_decisions()
        monkeypatch.setattr(store_kept, "read_decisions", lambda: signed(register))
    elif what == "key":
        ring = KeyRing(b"x" * KEY_BYTES)
    elif what == "site":
        path.rename(path.with_name("S92.kept"))
    elif what == "bytes":
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    else:
        path.write_bytes(path.read_bytes()[:5])
    found, n_kept = assembled(zones, ring=ring)
    assert n_kept == 0
    assert found.tables == assemble_cohort(plain_rows(), plain_images(), judge_subject).tables
    assert assembled(zones, ring=ring)[1] == 1
    assert [one.name for one in path.parent.iterdir()] == ["S91.kept"]


def signed(register: tuple[Decision, ...]) -> tuple[Decision, ...]:
    """Return the register with its last decision signed, and nothing else changed."""
    return (*register[:-1], register[-1].model_copy(update={"decided_by": "A. Signer"}))


def test_nothing_is_kept_of_a_package_that_was_exchanged_meanwhile(
    zones: Zones, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "read_made_by", lambda: "another")
    assert assembled(zones)[1] == 0
    assert not (zones.restricted / "verdicts").exists()


_EXCHANGED_BEFORE_ANYTHING_IS_KEPT = """
import sys
from pathlib import Path
from schemas.run import made_by
from schemas.vault.keys import KEY_BYTES, KeyRing
from tasks.eligibility import store_kept  # the code that computes is loaded
path, newer = Path(sys.argv[1]), Path(sys.argv[2])
made_by.package_files = lambda: iter([("tasks/eligibility/decided.py", newer)])
store_kept.write_kept(path, KeyRing(b"k" * KEY_BYTES), "what", {"digest": "by the old code"})
print(path.exists())
"""


def test_a_package_exchanged_before_anything_is_kept_is_seen_too(tmp_path: Path) -> None:
    (tmp_path / "newer.py").write_text("pass", encoding="utf-8")
    # In a process of its own: this one has long told which code it runs.
    script = [sys.executable, "-c", _EXCHANGED_BEFORE_ANYTHING_IS_KEPT]
    asked = [*script, str(tmp_path / "S91.kept"), str(tmp_path / "newer.py")]
    assert subprocess.run(asked, check=True, capture_output=True, text=True).stdout == "False\n"


def test_files_are_sealed_and_an_erasure_removes_them(zones: Zones) -> None:
    assembled(zones)
    path = zones.restricted / "verdicts" / "S91.kept"
    assert path.stat().st_mode & 0o077 == 0
    assert b"S91-AAAAAAAA" not in path.read_bytes()
    before = path.read_bytes()
    assembled(zones)
    assert path.read_bytes() == before  # nothing changed, nothing written
    forget_verdicts(zones)
    assert not path.exists()
    assert assembled(zones)[1] == 0


def test_who_is_gone_is_gone_from_what_is_kept(zones: Zones) -> None:
    assembled(zones)
    verdicts = KeptVerdicts(zones, RING)
    verdicts.write()
    assert list((zones.restricted / "verdicts").iterdir()) == []


def test_a_subject_of_an_unknown_kind_is_decided_and_not_kept(zones: Zones) -> None:
    (subject,) = collect_subjects(plain_rows(), plain_images(), {})
    strange = [replace(one, values={**one.values, "odd": b"bytes"}) for one in plain_rows()]  # type: ignore[dict-item]
    (odd,) = collect_subjects(strange, plain_images(), {})
    verdicts = KeptVerdicts(zones, RING)
    assert verdicts.decide(odd, judge_subject, "b").tables == (
        verdicts.decide(subject, judge_subject, "b").tables
    )


def test_a_verdict_reads_no_file_but_those_of_the_package() -> None:
    (subject,) = collect_subjects(plain_rows(), plain_images(), {})
    opened: set[Path] = set()
    watching = [True]

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if watching and event == "open" and isinstance(arguments[0], (str, Path)):
            opened.add(Path(arguments[0]))

    for cached in (
        protocol.read_protocol,
        protocol.read_evidence,
        protocol.read_decisions,
        protocol.decision_ids_for,
        protocol.choices_of,
    ):
        cached.cache_clear()
    sys.addaudithook(watch)  # cannot be taken away again: it is told to stop
    decide_subject(subject, judge_subject, "b")
    watching.clear()
    ours = {path.resolve() for _, path in package_files()}
    assert {path.name for path in opened} >= {"eligibility.yaml", "decisions.csv"}
    assert [path for path in opened if path.resolve() not in ours] == []


def test_no_clock_and_no_environment_is_read_where_a_verdict_is_made() -> None:
    asked = {"today", "now", "utcnow", "time", "environ", "getenv", "hospital_today"}
    modules = modules_below("tasks.eligibility.decided") | modules_below("tasks.reference.judge")
    assert len(modules) > 20
    found = {
        f"{name}: {node.attr}"
        for name in modules
        for node in ast.walk(ast.parse(source_of(name)))
        if isinstance(node, ast.Attribute) and node.attr in asked
    }
    assert found == set()


def modules_below(start: str) -> set[str]:
    """Return a module and all of ours that it imports, also by way of others."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        for node in ast.walk(ast.parse(source_of(name))):
            if isinstance(node, ast.ImportFrom) and node.module:
                inner = [f"{node.module}.{one.name}" for one in node.names]
                named = [one for one in (node.module, *inner) if is_module(one)]
                waiting += [one for one in named if one.startswith(("schemas.", "tasks."))]
    return found


def is_module(name: str) -> bool:
    place = data_contracts_dir().parent / name.replace(".", "/")
    return place.with_suffix(".py").is_file()


def source_of(name: str) -> str:
    return Path(str(importlib.import_module(name).__file__)).read_text(encoding="utf-8")


def test_what_made_it_changes_with_every_file_of_the_package() -> None:
    names = [name for name, _ in package_files()]
    assert "tasks/eligibility/decided.py" in names
    assert "data_contracts/protocol/eligibility.yaml" in names
    assert "schemas/protocol.py" in names
    assert made_by() == read_made_by()


def test_a_record_is_what_a_subject_is_made_of() -> None:
    assert {item.name for item in fields(SubjectRecord)} == {
        *("subject_id", "site", "shift_days", "rows", "exams")
    }
