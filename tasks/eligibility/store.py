"""Files of facts in, rows with verdicts out."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

from schemas.analysis_roles import RoleRow, parse_role_rows
from schemas.errors import BadInputError
from schemas.protocol import read_protocol
from schemas.rule_tables import CSV_EXPECTED, read_signed
from schemas.run.zones import Zones
from tasks.eligibility.evaluate import evaluate_facts

_COLUMNS = ("case_id", "criterion", "inputs_json")
CRITERION_COLUMNS = (*_COLUMNS, "effect", "reason_code", "missing_evidence")


def evaluate_facts_file(path: Path, reading: str | None = None) -> list[dict[str, str]]:
    """Decide every row of a facts file and return its rows with three columns more.

    Parameters
    ----------
    path : Path
        CSV (UTF-8) with at least the columns `case_id,criterion,inputs_json`, in any order;
        blank `inputs_json` means that nothing is recorded.
    reading : str, optional
        A reading of `eligibility.yaml`; the default reading when not given.

    Returns
    -------
    list of dict
        The columns of the file, then `effect`, `reason_code` and `missing_evidence`
        (joined by `;`).

    Raises
    ------
    BadInputError
        If the file is not such a CSV or one row cannot be decided; the message names the
        line. Nothing is decided for a file that is refused.
    """
    read_protocol()  # a broken protocol is not the fault of a row
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, strict=True)
            _require_columns(reader.fieldnames or ())
            return [_decide(row, f"line {reader.line_num}", reading) for row in reader]
    except (OSError, UnicodeDecodeError):
        raise BadInputError("the facts file cannot be read", expected="CSV in UTF-8") from None
    except csv.Error:
        raise BadInputError(
            "the facts file is no CSV table",
            expected=CSV_EXPECTED,
            where=f"the lines after {reader.line_num}",
        ) from None


def read_roles(zones: Zones) -> dict[str, str]:
    """Return the signed analysis roles of a home; {} while nobody has assigned any.

    Raises
    ------
    ContractError
        If the file is there and cannot be used.
    """
    return {subject: row.analysis_role for subject, row in read_role_rows(zones).items()}


def read_role_rows(zones: Zones) -> dict[str, RoleRow]:
    """Return the lines of the signed analysis roles by subject; {} while there are none."""
    path = roles_file(zones)
    return parse_role_rows(read_signed(path), path.name) if path.is_file() else {}


def roles_file(zones: Zones) -> Path:
    """Return where the signed analysis roles of a home lie."""
    return zones.restricted / "analysis_roles.csv"


def _require_columns(found: Sequence[str]) -> None:
    lacking = [name for name in _COLUMNS if name not in found]
    if lacking:
        raise BadInputError(
            f"the facts file lacks {', '.join(lacking)}", expected=",".join(_COLUMNS)
        )


def _decide(row: dict[str, str], where: str, reading: str | None) -> dict[str, str]:
    if None in row:  # where csv puts what has no heading
        raise BadInputError(
            "the row has more cells than there are headings",
            where=where,
            hint="Put cells that hold a comma in quotation marks.",
        )
    if None in row.values():
        raise BadInputError("the row is cut off", where=where)
    try:
        facts = json.loads(row["inputs_json"].strip() or "{}")
    except (ValueError, RecursionError):
        raise BadInputError("inputs_json is not JSON, or too deep", where=where) from None
    if not isinstance(facts, dict):
        raise BadInputError("inputs_json is not a JSON object", where=where)
    try:
        result = evaluate_facts((row["criterion"] or "").strip(), facts, reading)
    except BadInputError as error:
        raise BadInputError(error.found, expected=error.expected, where=where) from None
    return {
        **row,
        "effect": result.effect,
        "reason_code": result.reason_code,
        "missing_evidence": ";".join(result.missing_evidence),
    }
