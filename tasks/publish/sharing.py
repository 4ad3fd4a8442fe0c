"""Whether individual data may be shared, and of whom. Closed by default. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields

import pyarrow as pa
import pyarrow.compute as pc

from schemas.errors import ContractError, GateBlockedError
from schemas.rule_tables import Cells, TableShape, parse_table

GATES = ("completion", "clearance")
#: A waiver of consent lets a subject into the cohort, not out of it.
SHARED_CONSENT = "consented"


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


_SHAPE = TableShape(
    tuple(item.name for item in fields(SharingGate)),
    key=("gate",),
    stated=("gate", "question", "answer", "reason", "source"),
)


def parse_gates(data: bytes | str, where: str) -> tuple[SharingGate, ...]:
    """Return the gates of a register; a bad row is refused by file, line and reason."""
    gates = tuple(parse_table(data, where, _SHAPE, _gate))
    if sorted(gate.gate for gate in gates) != sorted(GATES):
        raise ContractError("a gate is missing", where=where, expected=" and ".join(GATES))
    return gates


def _gate(row: Cells) -> SharingGate:
    if row["gate"] not in GATES or row["answer"] not in ("yes", "no"):
        raise ContractError("a gate or an answer is unknown", expected="yes or no")
    return SharingGate(**row)


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
