"""Each named fault of the simulator against what must come of it: a table fault x rule.

    livercohort simulate HOME/inbox --sites 9 --subjects 6 --nights 3 --faults all
    livercohort ingest --all --home HOME ; livercohort release --home HOME
    python benchmarks/validate/faults.py HOME

The rules in force run over the tables of HOME's latest release; findings of files and forms come
from its batches. Who is meant is told by the key of the (simulated) home. Ends with 1 when
a fault is not found, a batch is held, or a home without faults has a blocker or major finding
about anybody but a person whom the answer key calls ineligible.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow.parquet as pq

from schemas.identifiers import SiteCode, SubjectNo
from schemas.records import Finding
from schemas.states import Severity
from schemas.tables.contracts import read_table_contracts
from schemas.tables.record_tables import records_from_table
from schemas.vault.keys import read_key_file
from tasks.queries.raising import row_keys
from tasks.validate.store import validate_tables
from tasks.validate.suites import Stage

EXPECTED = Path(__file__).with_name("faults.csv")
Row = dict[str, Any]


class Home:
    """What a simulated home has to say: findings by subject, files by site, criteria."""

    def __init__(self, home: Path) -> None:
        key = home / "restricted" / "key"
        self.ring = read_key_file(key) if key.is_file() else None  # a clean home needs none
        tables = home / "releases" / "latest" / "tables"
        contracts = read_table_contracts()
        self.tables = {
            name: pq.read_table(tables / name)
            .select(contract.arrow_schema().names)
            .cast(contract.arrow_schema())
            for name, contract in contracts.items()
            if (tables / name).exists() and name != "finding"
        }
        self.subject_of = {
            (name, key): row.get("subject_id")
            for name, table in self.tables.items()
            for key, row in zip(
                row_keys(table, contracts[name].primary_key), table.to_pylist(), strict=True
            )
        }
        self.subjects = set(self.tables["subject"]["subject_id"].to_pylist())
        released = {name: t for name, t in self.tables.items() if name != "release"}
        report = validate_tables(released, Stage.RELEASE)
        self.findings = report.findings
        batches = home / "warehouse" / "batches"
        self.of_batches = [
            finding
            for path in sorted(batches.glob("*/*/finding.parquet"))
            for finding in records_from_table(pq.read_table(path), Finding)
        ]
        records = (json.loads(path.read_text()) for path in sorted(batches.glob("*/*/batch.json")))
        self.held = [f"{r['site_code']}/{r['batch_id']}" for r in records if r["state"] == "held"]
        for path in sorted(batches.glob("*/*/volume.parquet")):
            columns = ["series_uid", "sub_stack_digest", "subject_id"]
            for row in pq.read_table(path, columns=columns).to_pylist():
                stack = f"{row['series_uid']}/{row['sub_stack_digest']}"
                self.subject_of.setdefault(("series", stack), row["subject_id"])
        self.files = Counter(
            (path.parents[1].name, value)
            for path in sorted(batches.glob("*/*/file.parquet"))
            for row in pq.read_table(path, columns=["state", "reason"]).to_pylist()
            for value in (row["state"], row["reason"])
        )

    def findings_of_stories(self, key: Path) -> tuple[list[str], list[str]]:
        """Return rules with a blocker or major finding: of persons the key calls ineligible, rest.

        A person with slices too thick or a diagnosis by imaging only is no fault of a delivery,
        and yet has to be found.
        """
        rows = pq.read_table(key / "eligibility.parquet").to_pylist()
        barred = {
            self.subject(row)
            for row in rows
            if row["criterion"] == "status" and row["effect"] == "ineligible"
        }
        every = (*self.findings, *self.of_batches)
        found = {f for f in every if f.severity in (Severity.BLOCKER, Severity.MAJOR)}
        theirs = {f for f in found if self._whose(f) in barred}
        return sorted({f.rule_id for f in theirs}), sorted({f.rule_id for f in found - theirs})

    def subject(self, fault: Row) -> str | None:
        """Return the pseudonym of the person of a fault."""
        number = fault["subject_no"]
        site = SiteCode(fault["site"])
        return self.ring.subject_id(site, SubjectNo(number)) if number and self.ring else None

    def rules_of(self, subject: str | None) -> set[str]:
        """Return the rules that found something about a subject."""
        return {
            f.rule_id
            for f in (*self.findings, *self.of_batches)
            if subject and self._whose(f) == subject
        }

    def _whose(self, finding: Finding) -> str | None:
        own = self.subject_of.get((finding.object_type, finding.object_id))
        return own or (finding.object_id if finding.object_type == "subject" else None)


def main() -> None:
    """Print the table; end with 1 when a line is not as expected."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path)
    home_dir = parser.parse_args().home
    home = Home(home_dir)
    faults = pq.read_table(home_dir / "inbox" / "answer_key" / "faults.parquet").to_pylist()
    with EXPECTED.open(encoding="utf-8", newline="") as stream:
        expected = {row["fault"]: row for row in csv.DictReader(stream)}
    wrong = 0
    for fault in faults:
        row = expected.get(fault["fault"], {"kind": "unknown", "expected": "", "note": ""})
        found = _found(home, fault, row)
        verdict = "-" if row["kind"] == "nothing" else "ok" if found else "NOT FOUND"
        if verdict == "NOT FOUND" and row["expected"] == "FIL_UNREADABLE" and _reads_everything():
            verdict = "all readable"
        if verdict == "NOT FOUND" and row["kind"] in ("finding", "criterion"):
            left_out = home.subject(fault) not in home.subjects
            verdict = "NOT FOUND: the subject is not released" if left_out else verdict
        wrong += verdict.startswith("NOT FOUND")
        print(
            f"{fault['fault']:<32}{fault['site']:<5}{row['kind']:<13}"
            f"{row['expected'] or row['note']:<36}{found or '':<36}{verdict}"
        )
    held = home.held
    wrong += len(held)
    print("held batches:", ", ".join(held) or "none")
    counts = Counter(f.severity for f in home.findings)
    print("findings of the release:", {s.value: counts[s] for s in Severity})
    if not faults:
        stories, clean = home.findings_of_stories(home_dir / "inbox" / "answer_key")
        wrong += len(clean)
        print(f"blockers and majors of persons whose story breaks the protocol: {stories}")
        print(f"blockers and majors of all others: {clean}")
    print(f"{len(faults)} faults, {wrong} not as expected")
    sys.exit(1 if wrong else 0)


def _reads_everything() -> bool:
    """Return whether this user reads files that nobody may read, as root does."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "closed"
        path.touch(mode=0)
        return os.access(path, os.R_OK)


def _found(home: Home, fault: Row, row: dict[str, str]) -> str:
    wanted = set(row["expected"].split("|"))
    site = fault["site"]
    if row["kind"] == "state":
        n = home.files[site, row["expected"]]
        return f"{n} files" if n else ""
    if row["kind"] == "finding":
        return ", ".join(sorted(home.rules_of(home.subject(fault)) & wanted))
    if row["kind"] == "site finding":
        rules = {f.rule_id for f in home.of_batches if f.site_code == site}
        return ", ".join(sorted(rules & wanted))
    if row["kind"] == "absent":
        return "" if home.subject(fault) in home.subjects else "absent"
    if row["kind"] == "criterion":
        subject = home.subject(fault)
        rows = home.tables["criterion_result"].to_pylist()
        codes = {
            r["reason_code"]
            for r in rows
            if r["subject_id"] == subject and r["criterion_id"] in wanted and r["effect"] != "pass"
        }
        return ", ".join(sorted(codes))
    return ""


if __name__ == "__main__":
    main()
