"""Whether individual data may be shared, and of whom. Closed by default. Pure."""

from __future__ import annotations

import csv
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from io import StringIO

import pyarrow as pa
import pyarrow.compute as pc

from schemas.errors import ContractError, GateBlockedError
from schemas.rule_tables import refusing_bad_csv

GATES = ("completion", "clearance")
#: A waiver of consent lets a subject into the cohort, not out of it.
SHARED_CONSENT = "consented"
_COLUMNS = ("gate", "question", "answer", "decided_by", "date", "document", "reason", "source")


@dataclass(frozen=True)
class SharingGate:
    """One question that must be answered yes, and signed, before anything is shared."""

    gate: str
    question: str
    answer: str
    decided_by: str
    date: str
    document: str
    reason: str
    source: str

    @property
    def is_open(self) -> bool:
        """Whether it is answered yes by a named person, on a day, with a document."""
        signed = self.decided_by.strip() and self.date.strip() and self.document.strip()
        return self.answer.strip() == "yes" and bool(signed)


def parse_gates(text: str, where: str) -> tuple[SharingGate, ...]:
    """Return the gates of a register; a bad row is refused by file, line and reason."""
    gates = []
    with refusing_bad_csv(where, ContractError):
        rows = list(csv.DictReader(StringIO(text), strict=True))
    for line, row in enumerate(rows, start=2):
        place = f"{where} line {line}"
        if tuple(row) != _COLUMNS or None in row.values():
            raise ContractError("a row has other columns", where=place, expected=",".join(_COLUMNS))
        if row["gate"] not in GATES or row["answer"] not in ("yes", "no"):
            raise ContractError("a gate or an answer is unknown", where=place, expected="yes or no")
        if not row["reason"] or not row["source"]:
            raise ContractError("a row has no reason or no source", where=place)
        gates.append(SharingGate(**row))
    if sorted(gate.gate for gate in gates) != sorted(GATES):
        raise ContractError("a gate is missing or stands twice", where=where, expected=str(GATES))
    return tuple(gates)


def require_open(gates: Sequence[SharingGate]) -> None:
    """Raise GateBlockedError naming every gate that is not open."""
    closed = [gate for gate in gates if not gate.is_open]
    if closed:
        raise GateBlockedError(
            f"sharing is not decided: {'; '.join(gate.question for gate in closed)}",
            expected="answer yes with decided_by, date and document in the sharing register",
            hint="Individual data are shared after completion, and only once cleared.",
        )


def shared_subjects(subject: pa.Table, kept_out: Collection[str]) -> pa.Array:
    """Return the pseudonyms of those who consented themselves and did not withdraw since."""
    consented = pc.equal(subject["consent_status"], SHARED_CONSENT)
    barred = pc.is_in(subject["subject_id"], value_set=pa.array(sorted(kept_out), pa.string()))
    return subject.filter(pc.and_(consented, pc.invert(barred)))["subject_id"].combine_chunks()
