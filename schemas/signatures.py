"""What people signed in a home: the register of decisions with their signatures on top.

The proposals ship with the package; who signed what is kept in the home, one line a signature,
so that a new version of the package forgets no decision. Nothing is changed or taken out: the
newest line of a decision is in force, the older ones are its history.
"""

from __future__ import annotations

import csv
import datetime as dt
import re
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from io import StringIO

from schemas.decisions import Decision
from schemas.errors import BadInputError, ContractError
from schemas.rule_tables import Cells, TableShape, parse_table

_AUTHOR = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")


@dataclass(frozen=True)
class Signature:
    """One signature under one decision; `date` is the day of the decision, YYYY-MM-DD."""

    decision_id: str
    option_chosen: str
    decided_by: str
    date: str
    document: str


COLUMNS = tuple(item.name for item in fields(Signature))
_SHAPE = TableShape(COLUMNS, key=(), stated=COLUMNS, may_be_empty=True)


def parse_signatures(data: bytes | str, name: str) -> tuple[Signature, ...]:
    """Return the signatures of a home, oldest first.

    Raises
    ------
    ContractError
        If a line cannot be used; the message names it.
    """
    return tuple(parse_table(data, name, _SHAPE, _signature))


def _signature(row: Cells) -> Signature:
    problem = _problem(row["decided_by"], row["date"], row["document"])
    if problem:
        raise ContractError(problem)
    return Signature(**row)


def make_signature(
    decision: Decision, texts: Sequence[str], wanted: str, *, by: str, date: str, document: str
) -> Signature:
    """Return the signature of one option, or refuse what cannot be signed.

    Parameters
    ----------
    decision : Decision
        The row of the register.
    texts : sequence of str
        Its options in words, as `option_texts` gives them.
    wanted : str
        The number of an option (from 1) or its words.
    by, date, document : str
        Short code of the person, day of the decision, document that holds it.

    Raises
    ------
    BadInputError
        If the option does not exist, or person, day or document are not named.
    """
    if wanted.isascii() and wanted.isdigit() and 1 <= int(wanted) <= len(texts):
        wanted = texts[int(wanted) - 1]
    if wanted not in texts:
        raise BadInputError(
            f"{decision.decision_id} has no such option",
            expected=" | ".join(f"{number}: {text}" for number, text in enumerate(texts, 1)),
        )
    problem = _problem(by, date, document)
    if problem:
        raise BadInputError(problem)
    return Signature(decision.decision_id, wanted, by, date, " ".join(document.split()))


def _problem(by: str, date: str, document: str) -> str:
    if not _AUTHOR.fullmatch(by):
        return "no short code of the person who decided (letters, digits, dot, dash)"
    try:
        day = dt.date.fromisoformat(date)
    except ValueError:
        return "no day of the decision as YYYY-MM-DD"
    if day.isoformat() != date:
        return "no day of the decision as YYYY-MM-DD"
    return "" if document.strip() else "no document that holds the decision"


def option_texts(decision: Decision) -> tuple[str, ...]:
    """Return what can be chosen, the proposal first."""
    others = (text.strip() for text in decision.alternatives.split("; "))
    return (decision.option_chosen, *(text for text in others if text))


def signed_register(
    register: Iterable[Decision], signatures: Sequence[Signature]
) -> tuple[Decision, ...]:
    """Return the register with the newest signature of each decision in force.

    Raises
    ------
    ContractError
        If a signature names a decision or an option that the register does not have (any more).
    """
    decisions = {decision.decision_id: decision for decision in register}
    for number, signature in enumerate(signatures, start=2):
        decision = decisions.get(signature.decision_id)
        if decision is None or signature.option_chosen not in option_texts(decision):
            raise ContractError(
                f"{signature.decision_id} was signed with an option that is not in the register",
                where=f"signatures.csv:{number}",
                hint="The register changed: sign the decision anew with `decisions sign`.",
            )
        others = [text for text in option_texts(decision) if text != signature.option_chosen]
        decisions[signature.decision_id] = decision.model_copy(
            update={
                "option_chosen": signature.option_chosen,
                "alternatives": "; ".join(others),
                "decided_by": signature.decided_by,
                "date": signature.date,
                "document": signature.document,
            }
        )
    return tuple(decisions.values())


def render_signatures(signatures: Iterable[Signature]) -> str:
    """Return the file of signatures, oldest first."""
    return _csv(COLUMNS, (astuple(signature) for signature in signatures))


def render_register(decisions: Iterable[Decision]) -> str:
    """Return the register as `decisions.csv` has it."""
    columns = tuple(Decision.model_fields)
    return _csv(columns, (tuple(getattr(one, name) for name in columns) for one in decisions))


def _csv(columns: Sequence[str], rows: Iterable[tuple[str, ...]]) -> str:
    stream = StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return stream.getvalue()
